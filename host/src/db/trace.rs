//! Finds the field behind a broken rule of the database, which SQLite tells in part only.
//!
//! Runs after the failure, inside the same transaction; knows only references of one column.

use crate::db::catalog::{Collection, Reference};
use crate::db::datum::{Datum, quoted};
use crate::db::error::DbError;
use crate::db::fields::Given;
use crate::db::refusal::foreign_key;
use crate::db::session::Session;

/// The error of a failed write of `given`, as exact as can be.
pub(super) fn traced(
    session: &Session,
    collection: &Collection,
    given: &Given<'_>,
    error: rusqlite::Error,
) -> DbError {
    let mut error = session.translated(error);
    match error.code {
        "UNIQUE_VIOLATION" => {
            if let Some(field) = &error.field
                && let Some(Datum::Text(value)) = value_of(given, field)
                && value.len() <= 200
            {
                error.message = format!("{}.{field} '{value}' exists already", collection.name);
            }
            error
        }
        "FOREIGN_KEY_VIOLATION" => {
            let found = missing_parent(session, collection, given);
            found.or_else(|| child(session, collection, given)).unwrap_or(error)
        }
        _ => error,
    }
}

fn value_of<'a>(given: &'a Given<'_>, name: &str) -> Option<&'a Datum> {
    let at = given.columns.iter().position(|column| column.name == name)?;
    given.values.get(at)
}

fn missing_parent(
    session: &Session,
    collection: &Collection,
    given: &Given<'_>,
) -> Option<DbError> {
    collection.references.iter().find_map(|Reference { column, target, target_column }| {
        let value = value_of(given, column).filter(|value| **value != Datum::Null)?;
        let there = exists(session, target, target_column, value)?;
        let message = format!("{column} refers to a document of '{target}' that does not exist");
        let error =
            foreign_key(&message).of_field(column).with("collection", collection.name.as_str());
        (!there).then_some(error)
    })
}

/// Another document that refers to this one and forbids its end.
fn child(session: &Session, collection: &Collection, given: &Given<'_>) -> Option<DbError> {
    let id = value_of(given, "id").or_else(|| given.values.last())?;
    session.catalog.all().find_map(|other| {
        let reference = other.references.iter().find(|reference| {
            let same = reference.target.eq_ignore_ascii_case(&collection.name);
            same && reference.target_column == "id"
                && exists(session, &other.name, &reference.column, id) == Some(true)
        })?;
        let place = format!("{}.{}", other.name, reference.column);
        let error = foreign_key(&format!("{place} refers to this document"));
        Some(error.of_field(&reference.column).with("collection", collection.name.as_str()))
    })
}

/// None when it cannot be told.
fn exists(session: &Session, table: &str, column: &str, value: &Datum) -> Option<bool> {
    let sql = format!("SELECT 1 FROM {} WHERE {} = ? LIMIT 1", quoted(table), quoted(column));
    let _strict = session.guard.strictly();
    session.prepared(&sql).ok()?.exists([value]).ok()
}
