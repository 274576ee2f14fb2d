//! Turns a bearer token into the user it speaks for, from its claims alone.
//!
//! The algorithm picks the kind of key and never the other way round: a public key cannot pass
//! for a shared secret. Knows no requests and no database.

use std::sync::Arc;

use alyx_protocol::worker::Auth;
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, DecodingKey, Header, Validation, decode, decode_header};

use crate::auth::bearer::LONGEST_TOKEN;
use crate::auth::claims::{Claims, Expected, now};
use crate::auth::key_source::KeySource;
use crate::auth::token_cache::{TokenCache, Verified, hash};
use crate::auth::token_error::TokenError;
use crate::auth::{backend, secret};
use crate::config::model::JwtConfig;

/// Verifies tokens of one host. Shared by all calls.
#[derive(Debug)]
pub struct Verifier {
    /// Absent when the secret cannot be trusted: then no token signed with it is.
    secret: Option<DecodingKey>,
    issuer_keys: Option<Arc<KeySource>>,
    expected: Expected,
    cache: TokenCache,
    rules: [Validation; 4],
}

/// The algorithms that are accepted, and nothing else.
const ALGORITHMS: [Algorithm; 4] =
    [Algorithm::HS256, Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA];

impl Verifier {
    /// A secret that [`secret::check`] refuses verifies nothing.
    #[must_use]
    pub fn new(config: &JwtConfig, issuer_keys: Option<Arc<KeySource>>) -> Verifier {
        backend::install();
        let trusted = secret::check(&config.secret).is_ok();
        let secret = trusted.then(|| DecodingKey::from_secret(config.secret.expose().as_bytes()));
        let expected =
            Expected { issuer: config.issuer.clone(), audience: config.audience.clone() };
        let rules = ALGORITHMS.map(signature_only);
        Verifier { secret, issuer_keys, expected, cache: TokenCache::default(), rules }
    }

    /// The user of an access token.
    ///
    /// Waits only for a token that names a key of the issuer that is not known yet: it may be new.
    ///
    /// # Errors
    /// Why the token does not count.
    pub async fn verify(&self, token: &str) -> Result<Arc<Auth>, TokenError> {
        match self.verify_now(token) {
            Err(TokenError::UnknownKey | TokenError::KeysUnavailable) => {}
            verdict => return verdict,
        }
        let source = self.issuer_keys.as_ref().ok_or(TokenError::UnknownKey)?;
        source.look_again().await;
        self.verify_now(token)
    }

    /// As [`Verifier::verify`], with the keys that are at hand.
    ///
    /// # Errors
    /// Why the token does not count.
    pub fn verify_now(&self, token: &str) -> Result<Arc<Auth>, TokenError> {
        self.verify_at(token, now())
    }

    /// As [`Verifier::verify_now`], at another time: seconds since 1970.
    ///
    /// # Errors
    /// Why the token does not count then.
    pub fn verify_at(&self, token: &str, now: f64) -> Result<Arc<Auth>, TokenError> {
        // Read first: keys that change meanwhile make the entry too old, never too new.
        let generation = self.issuer_keys.as_ref().map_or(0, |source| source.generation());
        let hash = hash(token);
        if let Some(auth) = self.cache.get(&hash, generation, now) {
            return Ok(auth);
        }
        let claims = self.claims(token, now)?;
        let expires = claims.exp.ok_or(TokenError::Claim("exp"))?;
        let auth = Arc::new(claims.into_auth()?);
        self.cache.put(hash, Verified { auth: auth.clone(), expires, generation });
        Ok(auth)
    }

    /// The claims of a refresh token, which is always one of our own.
    ///
    /// # Errors
    /// Why it does not count, [`TokenError::NotRefresh`] for one of another use.
    pub fn refresh_claims(&self, token: &str) -> Result<Claims, TokenError> {
        let claims = self.claims(token, now())?;
        let is_ours = self.header(token)?.alg == Algorithm::HS256;
        if !is_ours || claims.token_use.as_deref() != Some("refresh") {
            return Err(TokenError::NotRefresh);
        }
        Ok(claims)
    }

    /// Whether tokens of our own can be verified.
    #[must_use]
    pub fn has_secret(&self) -> bool {
        self.secret.is_some()
    }

    fn claims(&self, token: &str, now: f64) -> Result<Claims, TokenError> {
        let header = self.header(token)?;
        let at = ALGORITHMS.iter().position(|known| *known == header.alg);
        let rules = &self.rules[at.ok_or(TokenError::Algorithm)?];
        let claims: Claims = if header.alg == Algorithm::HS256 {
            let secret = self.secret.as_ref().ok_or(TokenError::UnknownKey)?;
            decode(token, secret, rules).map_err(|error| fault(&error))?.claims
        } else {
            let source = self.issuer_keys.as_ref().ok_or(TokenError::UnknownKey)?;
            let keys = source.keys().ok_or(TokenError::KeysUnavailable)?;
            let key = keys.find(header.kid.as_deref(), header.alg)?;
            decode(token, key, rules).map_err(|error| fault(&error))?.claims
        };
        claims.check(&self.expected, now)?;
        Ok(claims)
    }

    fn header(&self, token: &str) -> Result<Header, TokenError> {
        if token.len() > LONGEST_TOKEN {
            return Err(TokenError::Malformed);
        }
        let header = decode_header(token).map_err(|_| TokenError::Malformed)?;
        // An extension that must be understood, and is not (RFC 7515, section 4.1.11).
        if header.crit.is_some() { Err(TokenError::Malformed) } else { Ok(header) }
    }
}

/// The claims are checked by [`Claims::check`], with a clock that tests can set.
fn signature_only(algorithm: Algorithm) -> Validation {
    let mut rules = Validation::new(algorithm);
    rules.required_spec_claims.clear();
    rules.validate_exp = false;
    rules.validate_nbf = false;
    rules.validate_aud = false;
    rules
}

fn fault(error: &jsonwebtoken::errors::Error) -> TokenError {
    match error.kind() {
        ErrorKind::InvalidSignature => TokenError::Signature,
        ErrorKind::InvalidAlgorithm | ErrorKind::InvalidKeyFormat => TokenError::Algorithm,
        _ => TokenError::Malformed,
    }
}
