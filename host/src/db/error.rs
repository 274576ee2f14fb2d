//! What can go wrong with a call or at the start, in the words that users of functions meet.
//!
//! Knows nothing of SQLite; `refusal` turns its errors into these.

use serde_json::{Map, Value};
use std::fmt;
use std::path::PathBuf;

/// The class of a [`DbError`]: which number of the protocol's registry it becomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DbErrorKind {
    /// No such document or collection.
    NotFound,
    /// A unique or foreign key would be violated.
    Conflict,
    /// A value, filter or argument is wrong.
    Validation,
    /// The function may not do this.
    Forbidden,
    /// The statement is wrong.
    Sql,
    /// The database is busy; the same call may succeed a little later.
    Busy,
    /// The call was cut off at its deadline.
    Deadline,
    /// The write may or may not have happened.
    OutcomeUnknown,
    /// Not the caller's fault.
    Internal,
}

/// A call that failed. Nothing of it is in the database, unless the kind says otherwise.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{code}: {message}")]
pub struct DbError {
    /// The class.
    pub kind: DbErrorKind,
    /// The word that users see, such as `UNIQUE_VIOLATION`.
    pub code: &'static str,
    /// For people: names the culprit and the next step.
    pub message: String,
    /// The field at fault, where one is.
    pub field: Option<String>,
    /// More members for the error, without `field`.
    pub details: Box<Map<String, Value>>,
}

impl DbError {
    /// An error of that class and code.
    pub fn new(kind: DbErrorKind, code: &'static str, message: impl fmt::Display) -> DbError {
        let message = message.to_string();
        DbError { kind, code, message, field: None, details: Box::default() }
    }

    pub(super) fn invalid(message: impl fmt::Display) -> DbError {
        DbError::new(DbErrorKind::Validation, "VALIDATION_ERROR", message)
    }

    pub(super) fn filter(message: impl fmt::Display) -> DbError {
        DbError::new(DbErrorKind::Validation, "INVALID_FILTER", message)
    }

    pub(super) fn query(message: impl fmt::Display) -> DbError {
        DbError::new(DbErrorKind::Validation, "INVALID_QUERY", message)
    }

    pub(super) fn deadline() -> DbError {
        let message = "the call was interrupted at the deadline of its invocation";
        DbError::new(DbErrorKind::Deadline, "DEADLINE_EXCEEDED", message)
    }

    pub(super) fn outcome_unknown() -> DbError {
        let message = "the write was begun in time, but whether it is done is not known yet; look before you write again";
        DbError::new(DbErrorKind::OutcomeUnknown, "DB_OUTCOME_UNKNOWN", message)
    }

    pub(super) fn busy() -> DbError {
        DbError::new(DbErrorKind::Busy, "DB_BUSY", "the database is busy; try again a little later")
    }

    pub(super) fn forbidden(message: impl fmt::Display) -> DbError {
        DbError::new(DbErrorKind::Forbidden, "DB_FORBIDDEN", message)
    }

    pub(super) fn read_only() -> DbError {
        let message = "query may only read; use exec to write";
        DbError::new(DbErrorKind::Forbidden, "READ_ONLY", message)
    }

    pub(super) fn sql(message: impl fmt::Display) -> DbError {
        DbError::new(DbErrorKind::Sql, "DB_SQL", message)
    }

    pub(super) fn internal(message: impl fmt::Display) -> DbError {
        DbError::new(DbErrorKind::Internal, "INTERNAL_ERROR", message)
    }

    pub(super) fn closed() -> DbError {
        DbError::new(DbErrorKind::Internal, "UNAVAILABLE", "the database is closed")
    }

    pub(super) fn no_document(collection: &str, id: &str) -> DbError {
        let message = format!("no document '{id}' in '{collection}'");
        DbError::new(DbErrorKind::NotFound, "NOT_FOUND", message)
            .with("collection", collection)
            .with("id", id)
    }

    /// Names the field at fault.
    #[must_use]
    pub fn of_field(mut self, field: &str) -> DbError {
        self.field = Some(field.to_owned());
        self
    }

    /// Adds a member to the details.
    #[must_use]
    pub fn with(mut self, key: &str, value: impl Into<Value>) -> DbError {
        self.details.insert(key.to_owned(), value.into());
        self
    }
}

/// Why the database cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The file or its folder.
    #[error("cannot open the database '{}': {reason}; check database.path and its permissions", path.display())]
    Open {
        /// `database.path`.
        path: PathBuf,
        /// In SQLite's words.
        reason: String,
    },
    /// Declarations that make no sense. Who asks [`mistakes`](crate::db::mistakes) before can tell
    /// where they stand.
    #[error("{}", .0.iter().map(|(key, complaint)| format!("{key} {complaint}")).collect::<Vec<_>>().join("\n"))]
    Declaration(Vec<(String, String)>),
    /// The file holds what the declarations would destroy.
    #[error("the database '{}' differs from alyx.yaml in ways that need your hand:\n  {}\nchange alyx.yaml back, or change the tables yourself and start again; nothing was changed", path.display(), differences.join("\n  "))]
    Destructive {
        /// `database.path`.
        path: PathBuf,
        /// One line each.
        differences: Vec<String>,
    },
    /// The changes at the start failed.
    #[error("cannot bring the database '{}' up to date: {reason}; nothing was changed", path.display())]
    Change {
        /// `database.path`.
        path: PathBuf,
        /// In SQLite's words, with the statement.
        reason: String,
    },
}
