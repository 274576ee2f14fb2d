//! Why a request about an account fails, in words for the caller.
//!
//! Knows no status codes; `code` is what the HTTP edge maps, like every other code.

use std::time::Duration;

use alyx_protocol::json::JsonError;

use crate::auth::password::PasswordError;
use crate::auth::store::StoreFault;
use crate::auth::token_error::TokenError;
use crate::schema::violation::Violations;

#[derive(Debug, thiserror::Error)]
pub enum AccountError {
    #[error("{0}")]
    Json(JsonError),
    /// Answered with the list, as the inputs of functions are.
    #[error("{}", .0.first().message)]
    Invalid(Violations),
    /// A rule of the collection `users`.
    #[error("{message}")]
    Rejected { field: Option<String>, message: String },
    #[error("registration is closed on this host")]
    Closed,
    #[error("this email address is already registered")]
    EmailTaken,
    /// The same for an unknown address and a wrong password.
    #[error("the email address or the password is wrong")]
    WrongCredentials,
    #[error("{0}")]
    Token(TokenError),
    #[error("the refresh token has been used, has expired or was revoked; log in again")]
    RefreshSpent,
    #[error("too many attempts; try again in {} s", seconds(.0))]
    TooMany(Duration),
    #[error("the host is busy; try again")]
    Busy,
    /// For the log; the caller hears only that it failed.
    #[error("{0}")]
    Failed(Box<dyn std::error::Error + Send + Sync>),
}

impl AccountError {
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            AccountError::Json(_) => "INVALID_JSON",
            AccountError::Invalid(_) | AccountError::Rejected { .. } => "VALIDATION_ERROR",
            AccountError::Closed => "FORBIDDEN",
            AccountError::EmailTaken => "ALREADY_EXISTS",
            AccountError::WrongCredentials => "UNAUTHENTICATED",
            AccountError::Token(_) | AccountError::RefreshSpent => "INVALID_TOKEN",
            AccountError::TooMany(_) => "RATE_LIMITED",
            AccountError::Busy => "UNAVAILABLE",
            AccountError::Failed(_) => "INTERNAL_ERROR",
        }
    }

    /// The member `field` of the answer.
    #[must_use]
    pub fn field(&self) -> Option<&str> {
        match self {
            AccountError::Invalid(violations) => Some(&violations.first().field),
            AccountError::Rejected { field, .. } => field.as_deref(),
            AccountError::EmailTaken => Some("email"),
            _ => None,
        }
    }

    /// The header Retry-After, in seconds.
    #[must_use]
    pub fn retry_after(&self) -> Option<u64> {
        match self {
            AccountError::TooMany(wait) => Some(seconds(wait)),
            AccountError::Busy => Some(1),
            _ => None,
        }
    }
}

/// Rounded up: who comes back that late is let in.
fn seconds(wait: &Duration) -> u64 {
    wait.as_millis().div_ceil(1_000).max(1) as u64
}

impl From<StoreFault> for AccountError {
    fn from(fault: StoreFault) -> AccountError {
        match fault {
            StoreFault::Rejected { field, message } => AccountError::Rejected { field, message },
            StoreFault::Busy => AccountError::Busy,
            StoreFault::Failed(error) => AccountError::Failed(error),
        }
    }
}

impl From<PasswordError> for AccountError {
    fn from(error: PasswordError) -> AccountError {
        match error {
            PasswordError::Busy => AccountError::Busy,
            PasswordError::Failed(_) => AccountError::Failed(error.into()),
        }
    }
}
