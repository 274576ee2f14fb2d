//! SQLite's errors in the words of the contract.
//!
//! SQLite tells the columns of a broken rule in its message alone, so this is the one place that
//! reads it; everything else goes by code.

use crate::db::error::{DbError, DbErrorKind};
use crate::db::guard::Guard;
use crate::db::limits::LARGEST_VALUE;
use rusqlite::{Error, ErrorCode, ffi};

/// What our triggers raise: `_alyx_held required posts.title is required`.
pub(super) const HELD: &str = "_alyx_held ";
const BROKEN: &str = "a reference to another document would be broken";

/// `prefix` is how many bytes the host put before a function's statement.
pub(super) fn translated(error: Error, guard: &Guard, prefix: usize) -> DbError {
    match error {
        Error::SqlInputError { error, msg, offset, .. } => {
            let offset = usize::try_from(offset).ok().and_then(|at| at.checked_sub(prefix));
            let translated = failure(error, &msg, guard);
            match offset {
                Some(offset) if translated.kind == DbErrorKind::Sql => {
                    translated.with("offset", offset)
                }
                _ => translated,
            }
        }
        Error::SqliteFailure(error, message) => {
            let message = message.unwrap_or_else(|| error.to_string());
            failure(error, &message, guard)
        }
        Error::MultipleStatement => {
            DbError::sql("several statements in one call; send them one by one, or use batch")
        }
        other => DbError::sql(other),
    }
}

fn failure(error: ffi::Error, message: &str, guard: &Guard) -> DbError {
    match error.code {
        ErrorCode::AuthorizationForStatementDenied => guard.refusal(),
        ErrorCode::ConstraintViolation => constraint(error.extended_code, message),
        ErrorCode::OperationInterrupted => DbError::deadline(),
        ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => DbError::busy(),
        ErrorCode::ReadOnly => DbError::read_only(),
        ErrorCode::TooBig => DbError::invalid(format!(
            "a value or a row is over {} MiB, the most that the database takes",
            LARGEST_VALUE >> 20
        )),
        ErrorCode::DiskFull => DbError::internal("the disk is full; the write was not done"),
        ErrorCode::SystemIoFailure | ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase => {
            DbError::internal(format!("the database cannot be read or written: {message}"))
        }
        ErrorCode::OutOfMemory => DbError::internal("the database is out of memory"),
        // A denial inside of a nested statement comes as an ordinary error of that name.
        _ if message.contains("not authorized") || message.contains("prohibited") => {
            guard.refusal()
        }
        _ => DbError::sql(message),
    }
}

fn constraint(extended: i32, message: &str) -> DbError {
    let (_, places) = message.rsplit_once("failed: ").unwrap_or(("", ""));
    match extended {
        ffi::SQLITE_CONSTRAINT_UNIQUE
        | ffi::SQLITE_CONSTRAINT_PRIMARYKEY
        | ffi::SQLITE_CONSTRAINT_ROWID => {
            let shown = if places.is_empty() { "the document" } else { places };
            let error = DbError::new(
                DbErrorKind::Conflict,
                "UNIQUE_VIOLATION",
                format!("{shown} exists already"),
            );
            placed(error, places)
        }
        ffi::SQLITE_CONSTRAINT_FOREIGNKEY => foreign_key(BROKEN),
        ffi::SQLITE_CONSTRAINT_NOTNULL => {
            let field = places.rsplit('.').next().unwrap_or(places);
            placed(DbError::invalid(format!("{field} is required")), places)
        }
        // What RESTRICT does is a trigger to SQLite.
        ffi::SQLITE_CONSTRAINT_TRIGGER if message.starts_with("FOREIGN KEY") => foreign_key(BROKEN),
        ffi::SQLITE_CONSTRAINT_TRIGGER => {
            held(message).unwrap_or_else(|| DbError::invalid(message))
        }
        _ => DbError::invalid(message),
    }
}

/// What one of our triggers raised; none when it was another's.
fn held(message: &str) -> Option<DbError> {
    let mut words = message.strip_prefix(HELD)?.splitn(3, ' ');
    let (rule, place, complaint) = (words.next()?, words.next()?, words.next()?);
    let (_, field) = place.rsplit_once('.')?;
    Some(placed(DbError::invalid(format!("{field} {complaint}")).with("rule", rule), place))
}

pub(super) fn foreign_key(message: &str) -> DbError {
    DbError::new(DbErrorKind::Conflict, "FOREIGN_KEY_VIOLATION", message)
}

/// Takes `posts.slug` or `posts.a, posts.b` apart; the field is the first.
fn placed(error: DbError, places: &str) -> DbError {
    let first = places.split(", ").next().unwrap_or_default();
    match first.rsplit_once('.') {
        Some((collection, field)) => error.of_field(field).with("collection", collection),
        None => error,
    }
}
