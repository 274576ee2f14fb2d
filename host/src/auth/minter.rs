//! Makes tokens: access tokens that functions see as `ctx.auth`, and refresh tokens for accounts.
//!
//! Knows no passwords and keeps nothing.

use std::fmt;
use std::time::Duration;

use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

use alyx_protocol::worker::Auth;

use crate::auth::backend;
use crate::auth::claims::now;
use crate::auth::secret::{self, SecretProblem};
use crate::config::model::JwtConfig;

/// Signs with the host's secret.
pub struct Minter {
    key: EncodingKey,
    issuer: String,
    audience: Option<String>,
    access_ttl: Duration,
    refresh_ttl: Duration,
}

/// Names one refresh token of one family.
#[derive(Debug, Clone, Copy)]
pub struct RefreshId<'a> {
    pub family: &'a str,
    pub token: &'a str,
}

#[derive(Serialize)]
struct Claims<'a> {
    sub: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    email: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    metadata: Option<&'a Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    verified: Option<bool>,
    iss: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    aud: Option<&'a str>,
    iat: u64,
    exp: u64,
    token_use: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    family: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    jti: Option<&'a str>,
}

impl Minter {
    /// # Errors
    /// When the secret is none that may sign.
    pub fn new(config: &JwtConfig) -> Result<Minter, SecretProblem> {
        backend::install();
        secret::check(&config.secret)?;
        Ok(Minter {
            key: EncodingKey::from_secret(config.secret.expose().as_bytes()),
            issuer: config.issuer.clone(),
            audience: config.audience.clone(),
            access_ttl: config.access_ttl,
            refresh_ttl: config.refresh_ttl,
        })
    }

    /// An access token that is valid for `access_ttl`.
    #[must_use]
    pub fn access(&self, auth: &Auth) -> String {
        self.access_for(auth, self.access_ttl)
    }

    /// An access token that is valid for `ttl`, rounded up to seconds.
    #[must_use]
    pub fn access_for(&self, auth: &Auth, ttl: Duration) -> String {
        // Two of the same second are two all the same.
        let id = Uuid::new_v4().to_string();
        self.sign(&Claims {
            jti: Some(&id),
            email: auth.email.as_deref(),
            role: Some(&auth.role),
            metadata: Some(&auth.metadata),
            verified: Some(auth.verified),
            ..self.claims(&auth.id, "access", ttl)
        })
    }

    /// A refresh token that is valid for `refresh_ttl`. It says nothing but whose it is.
    #[must_use]
    pub fn refresh(&self, user: &str, id: RefreshId<'_>) -> String {
        self.sign(&Claims {
            family: Some(id.family),
            jti: Some(id.token),
            ..self.claims(user, "refresh", self.refresh_ttl)
        })
    }

    #[must_use]
    pub fn access_ttl(&self) -> Duration {
        self.access_ttl
    }

    #[must_use]
    pub fn refresh_ttl(&self) -> Duration {
        self.refresh_ttl
    }

    fn claims<'a>(&'a self, user: &'a str, token_use: &'static str, ttl: Duration) -> Claims<'a> {
        let issued = now();
        Claims {
            sub: user,
            email: None,
            role: None,
            metadata: None,
            verified: None,
            iss: &self.issuer,
            aud: self.audience.as_deref(),
            iat: issued as u64,
            exp: (issued + ttl.as_secs_f64()).ceil() as u64,
            token_use,
            family: None,
            jti: None,
        }
    }

    fn sign(&self, claims: &Claims<'_>) -> String {
        encode(&Header::new(Algorithm::HS256), claims, &self.key)
            .expect("the key fits the algorithm, and the claims are JSON")
    }
}

impl fmt::Debug for Minter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Minter").field("issuer", &self.issuer).finish_non_exhaustive()
    }
}
