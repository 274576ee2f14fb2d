//! Why a token does not count.
//!
//! Knows no keys and quotes nothing of a token: messages go to whoever sent it.

/// What is wrong with a token, or with what it would be checked with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    #[error("the Authorization header is not 'Bearer <token>'")]
    Header,
    #[error("the token is not a JWT that this host can read")]
    Malformed,
    #[error(
        "the token's algorithm is not accepted; HS256, RS256, ES256 and EdDSA are, each with its own kind of key"
    )]
    Algorithm,
    #[error("the token is signed with a key that this host does not know")]
    UnknownKey,
    #[error("the token's signature is not valid")]
    Signature,
    #[error("the token lacks a usable claim '{0}'")]
    Claim(&'static str),
    #[error("the token has expired")]
    Expired,
    #[error("the token is not valid yet")]
    NotYetValid,
    #[error("the token is from another issuer")]
    Issuer,
    #[error("the token is for another audience")]
    Audience,
    #[error("the token is not an access token")]
    WrongUse,
    #[error("the token is not a refresh token")]
    NotRefresh,
    /// Nothing is wrong with the token as far as one can tell.
    #[error("the issuer's keys are not available; try again")]
    KeysUnavailable,
}

impl TokenError {
    /// The same token may be fine in a moment: an answer with 503, not 401.
    #[must_use]
    pub fn is_temporary(self) -> bool {
        self == TokenError::KeysUnavailable
    }
}
