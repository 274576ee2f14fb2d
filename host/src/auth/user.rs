//! A row of `users` as accounts see it: what goes into a token, and the whole of it for answers.
//!
//! Knows no passwords: those are not in that row.

use std::fmt;

use alyx_protocol::worker::Auth;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::auth::claims::DEFAULT_ROLE;

/// One user.
#[derive(Clone)]
pub struct User {
    auth: Auth,
    document: Box<RawValue>,
}

#[derive(Deserialize)]
struct Row {
    id: String,
    email: Option<String>,
    role: Option<String>,
    verified: Option<bool>,
    /// Functions may write anything there.
    metadata: Option<Value>,
}

impl User {
    /// Reads the document that the database gives for the row, fields of the app included.
    ///
    /// # Errors
    /// serde's, when it is no row of `users`.
    pub fn read(document: &str) -> Result<User, serde_json::Error> {
        let row: Row = serde_json::from_str(document)?;
        let metadata = row.metadata.filter(Value::is_object);
        let auth = Auth {
            id: row.id,
            email: row.email,
            role: row.role.unwrap_or_else(|| DEFAULT_ROLE.to_owned()),
            verified: row.verified.unwrap_or_default(),
            metadata: metadata.unwrap_or_else(|| Value::Object(Map::new())),
        };
        Ok(User { auth, document: RawValue::from_string(document.to_owned())? })
    }

    /// A user of whom only the token speaks.
    #[must_use]
    pub fn of_token(auth: &Auth) -> User {
        let document = serde_json::value::to_raw_value(auth).expect("claims are JSON");
        User { auth: auth.clone(), document }
    }

    /// What tokens say of them.
    #[must_use]
    pub fn auth(&self) -> &Auth {
        &self.auth
    }

    #[must_use]
    pub fn id(&self) -> &str {
        &self.auth.id
    }

    /// The whole row, as JSON.
    #[must_use]
    pub fn document(&self) -> &RawValue {
        &self.document
    }
}

impl fmt::Debug for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("User").field("id", &self.auth.id).finish_non_exhaustive()
    }
}
