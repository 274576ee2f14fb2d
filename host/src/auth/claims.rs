//! What a token says, and whether that makes it an access token of ours at this moment.
//!
//! Trusts the signature, which somebody else has verified; takes the time as an argument.

use alyx_protocol::worker::Auth;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::auth::token_error::TokenError;

/// Clocks of two machines may differ by this much, in seconds, before a new token is not valid
/// yet. An old one gets no such time: it is only refreshed a moment earlier.
const LEEWAY: f64 = 5.0;
/// Nesting of `metadata`. It travels inside other values to the shims.
pub const DEEPEST: usize = 32;
/// The role of those of whom nothing else is said.
pub const DEFAULT_ROLE: &str = "user";

/// The claims that are looked at, as they stand in a token.
#[derive(Debug, Default, Deserialize)]
pub struct Claims {
    pub sub: Option<String>,
    pub email: Option<String>,
    pub role: Option<String>,
    pub metadata: Option<Map<String, Value>>,
    pub verified: Option<bool>,
    pub iss: Option<String>,
    pub aud: Option<Audience>,
    pub exp: Option<f64>,
    pub nbf: Option<f64>,
    pub token_use: Option<String>,
    /// Of refresh tokens: the family, and which token of it.
    pub family: Option<String>,
    pub jti: Option<String>,
}

/// One name or several.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Audience {
    One(String),
    Many(Vec<String>),
}

impl Audience {
    fn names(&self, wanted: &str) -> bool {
        match self {
            Audience::One(name) => name == wanted,
            Audience::Many(names) => names.iter().any(|name| name == wanted),
        }
    }
}

/// Whose tokens are accepted, and meant for whom.
#[derive(Debug, Clone)]
pub struct Expected {
    pub issuer: String,
    pub audience: Option<String>,
}

impl Claims {
    /// Checks everything but the signature and the use. `now` counts seconds since 1970.
    ///
    /// # Errors
    /// The first claim that is missing or wrong.
    pub fn check(&self, expected: &Expected, now: f64) -> Result<(), TokenError> {
        let exp = self.exp.ok_or(TokenError::Claim("exp"))?;
        if now >= exp {
            return Err(TokenError::Expired);
        }
        if self.nbf.is_some_and(|nbf| nbf > now + LEEWAY) {
            return Err(TokenError::NotYetValid);
        }
        if self.iss.as_ref().is_some_and(|issuer| *issuer != expected.issuer) {
            return Err(TokenError::Issuer);
        }
        match (&expected.audience, &self.aud) {
            (None, _) => Ok(()),
            (Some(wanted), Some(given)) if given.names(wanted) => Ok(()),
            (Some(_), _) => Err(TokenError::Audience),
        }
    }

    /// The user of an access token.
    ///
    /// # Errors
    /// [`TokenError::WrongUse`], or a claim that is missing or too deep.
    pub fn into_auth(self) -> Result<Auth, TokenError> {
        if self.token_use.is_some_and(|token_use| token_use != "access") {
            return Err(TokenError::WrongUse);
        }
        let id = self.sub.filter(|sub| !sub.is_empty()).ok_or(TokenError::Claim("sub"))?;
        let metadata = Value::Object(self.metadata.unwrap_or_default());
        if is_deeper(&metadata, DEEPEST) {
            return Err(TokenError::Claim("metadata"));
        }
        let role = self.role.unwrap_or_else(|| DEFAULT_ROLE.to_owned());
        let verified = self.verified.unwrap_or_default();
        Ok(Auth { id, email: self.email, role, verified, metadata })
    }
}

/// Whether there are more than `limit` arrays and objects inside each other.
#[must_use]
pub fn is_deeper(value: &Value, limit: usize) -> bool {
    let below = |inner: &Value| limit == 0 || is_deeper(inner, limit - 1);
    match value {
        Value::Array(values) => limit == 0 || values.iter().any(below),
        Value::Object(members) => limit == 0 || members.values().any(below),
        _ => false,
    }
}

/// Seconds since 1970.
#[must_use]
pub fn now() -> f64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0.0, |time| time.as_secs_f64())
}
