//! The bodies of requests about accounts, read and checked like inputs of functions.
//!
//! Knows nothing of what they are for.

use alyx_protocol::json;
use alyx_protocol::limits::DEPTH;
use bytes::Bytes;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::auth::account_error::AccountError;
use crate::auth::claims::is_deeper;
use crate::config::secret::Secret;
use crate::schema::FunctionSchema;
use crate::schema::violation::{Violation, Violations};

/// It travels in every access token, and tokens in headers.
const LARGEST_METADATA: usize = 2 * 1024;
const DEEPEST_METADATA: usize = 16;
/// Hashing takes no longer for a longer one, but reading it does.
const LONGEST_PASSWORD: usize = 1_024;

#[derive(Debug, Deserialize)]
pub struct Registration {
    pub email: String,
    pub password: Secret,
    pub name: Option<String>,
    pub metadata: Option<Map<String, Value>>,
}

#[derive(Debug, Deserialize)]
pub struct Login {
    pub email: String,
    pub password: Secret,
}

#[derive(Debug, Deserialize)]
pub struct Refresh {
    pub refresh_token: Secret,
}

/// What each body must be.
#[derive(Debug)]
pub struct Bodies {
    registration: FunctionSchema,
    login: FunctionSchema,
    refresh: FunctionSchema,
}

impl Bodies {
    /// `shortest` counts the characters of a new password.
    #[must_use]
    pub fn new(shortest: usize) -> Bodies {
        let longest = LONGEST_PASSWORD.max(shortest);
        let compiled = |input: Value| {
            let text = serde_json::json!({ "input": input }).to_string();
            FunctionSchema::read(&text).expect("our own schemas have no faults")
        };
        let text = |length: usize| serde_json::json!({"type": "string", "required": true, "maxLength": length});
        let mut password = text(longest);
        password["minLength"] = shortest.into();
        let mut email = text(254);
        email["format"] = "email".into();
        Bodies {
            registration: compiled(serde_json::json!({
                "email": email,
                "password": password,
                "name": {"type": "string", "maxLength": 200},
                "metadata": {"type": "object"},
            })),
            login: compiled(serde_json::json!({"email": text(254), "password": text(longest)})),
            refresh: compiled(serde_json::json!({"refresh_token": text(8 * 1024)})),
        }
    }

    /// # Errors
    /// [`AccountError::Json`] and [`AccountError::Invalid`].
    pub fn registration(&self, body: &Bytes) -> Result<Registration, AccountError> {
        let mut read: Registration = read(&self.registration, body)?;
        read.email = read.email.to_lowercase();
        let metadata = Value::Object(read.metadata.take().unwrap_or_default());
        let complaint = if metadata.to_string().len() > LARGEST_METADATA {
            Some(("maxLength", format!("metadata must have at most {LARGEST_METADATA} bytes")))
        } else if is_deeper(&metadata, DEEPEST_METADATA) {
            Some(("type", format!("metadata must be at most {DEEPEST_METADATA} levels deep")))
        } else {
            None
        };
        if let Some((rule, message)) = complaint {
            return Err(invalid("metadata", rule, message));
        }
        read.metadata = match metadata {
            Value::Object(members) => Some(members),
            _ => None,
        };
        Ok(read)
    }

    /// # Errors
    /// [`AccountError::Json`] and [`AccountError::Invalid`].
    pub fn login(&self, body: &Bytes) -> Result<Login, AccountError> {
        let mut read: Login = read(&self.login, body)?;
        read.email = read.email.to_lowercase();
        Ok(read)
    }

    /// # Errors
    /// [`AccountError::Json`] and [`AccountError::Invalid`].
    pub fn refresh(&self, body: &Bytes) -> Result<Refresh, AccountError> {
        read(&self.refresh, body)
    }
}

/// An empty body lacks every field.
fn read<T: DeserializeOwned>(schema: &FunctionSchema, body: &Bytes) -> Result<T, AccountError> {
    let empty = Bytes::from_static(b"{}");
    let body = if body.trim_ascii().is_empty() { &empty } else { body };
    json::check(body, DEPTH).map_err(AccountError::Json)?;
    let body = schema.check_input(body).map_err(AccountError::Invalid)?;
    let text =
        std::str::from_utf8(&body).map_err(|error| invalid("", "type", error.to_string()))?;
    json::read(text).map_err(|error| invalid("", "type", error.to_string()))
}

fn invalid(field: &str, rule: &'static str, message: String) -> AccountError {
    let violation = Violation { field: field.to_owned(), rule, message };
    AccountError::Invalid(Violations::of(vec![violation]).expect("there is one in the list"))
}
