//! The data of a write, checked field by field and turned into columns and values.
//!
//! Knows the rules of fields and which of them the host keeps; runs nothing.

use crate::db::catalog::{Collection, Column};
use crate::db::datum::{Datum, Kind};
use crate::db::declared::{Declaration, Field};
use crate::db::error::DbError;
use crate::db::rules::{Broken, stored};
use serde_json::{Map, Value};
use uuid::Uuid;

/// Columns and what is written to them, in the same order; values may have more at the end.
#[derive(Debug)]
pub(super) struct Given<'a> {
    pub(super) columns: Vec<&'a Column>,
    pub(super) values: Vec<Datum>,
}

impl<'a> Given<'a> {
    pub(super) fn of_id(collection: &'a Collection, id: &str) -> Given<'a> {
        let columns = collection.column("id").into_iter().collect();
        Given { columns, values: vec![Datum::Text(id.to_owned())] }
    }

    fn push(&mut self, column: &'a Column, value: Datum) {
        self.columns.push(column);
        self.values.push(value);
    }
}

/// A whole new document: what is not given is filled in, but for the times that the host keeps.
pub(super) fn completed<'a>(
    collection: &'a Collection,
    declaration: Option<&Declaration>,
    data: &Map<String, Value>,
    now: &str,
) -> Result<Given<'a>, DbError> {
    known(collection, data)?;
    let mut given = Given { columns: Vec::new(), values: Vec::new() };
    for column in &collection.columns {
        let name = column.name.as_str();
        let value = data.get(name);
        if collection.keeps(name) {
            // The statement fills it in.
        } else if name == "id" {
            if let Some(id) = new_id(collection, column, value)? {
                given.push(column, id);
            }
        } else if let Some(field) = declaration.and_then(|d| d.fields.get(name)) {
            let datum = match (value, &field.rules.fill) {
                (None, Some(fill)) => fill.value(field.kind, now),
                (None, None) => Datum::Null,
                (Some(value), _) => checked(collection, column, Some(field), value)?,
            };
            demand(collection, name, &datum, field.rules.required)?;
            given.push(column, datum);
        } else if let Some(value) = value {
            let datum = checked(collection, column, None, value)?;
            given.push(column, datum);
        } else if column.demanded {
            demand(collection, name, &Datum::Null, true)?;
        }
    }
    Ok(given)
}

/// Some fields of a document that is there. The host's own may be given back unchanged: people
/// send whole documents.
pub(super) fn assigned<'a>(
    collection: &'a Collection,
    declaration: Option<&Declaration>,
    data: &Map<String, Value>,
    id: &str,
) -> Result<Given<'a>, DbError> {
    known(collection, data)?;
    let mut given = Given { columns: Vec::new(), values: Vec::new() };
    for column in &collection.columns {
        let name = column.name.as_str();
        let Some(value) = data.get(name) else { continue };
        if name == "id" {
            let number = value.as_i64().map(|number| number.to_string());
            if value.as_str().or(number.as_deref()) != Some(id) {
                let message = "id cannot be changed; create another document instead";
                return Err(placed(collection, name, DbError::invalid(message)));
            }
        } else if !collection.keeps(name) {
            let field = declaration.and_then(|d| d.fields.get(name));
            let datum = checked(collection, column, field, value)?;
            let required = field.is_some_and(|field| field.rules.required);
            demand(collection, name, &datum, required)?;
            given.push(column, datum);
        }
    }
    Ok(given)
}

fn known(collection: &Collection, data: &Map<String, Value>) -> Result<(), DbError> {
    for name in data.keys() {
        match collection.column(name) {
            None => return Err(collection.no_field(name, "", DbError::invalid)),
            Some(column) if column.generated => {
                let error =
                    DbError::invalid(format!("{name} is computed by the database; leave it out"));
                return Err(placed(collection, name, error));
            }
            Some(_) => {}
        }
    }
    Ok(())
}

/// Ids are made by the host; one that is given must be as good. None: SQLite counts by itself.
fn new_id(
    collection: &Collection,
    column: &Column,
    value: Option<&Value>,
) -> Result<Option<Datum>, DbError> {
    match value.filter(|value| !value.is_null()) {
        Some(value) if collection.declared => {
            let broken = |broken| placed(collection, "id", complaint("id", broken));
            stored(Kind::Uuid, value).map(Some).map_err(broken)
        }
        Some(value) => checked(collection, column, None, value).map(Some),
        None if column.counted => Ok(None),
        None => Ok(Some(Datum::Text(Uuid::now_v7().to_string()))),
    }
}

fn checked(
    collection: &Collection,
    column: &Column,
    field: Option<&Field>,
    value: &Value,
) -> Result<Datum, DbError> {
    let datum = stored(column.kind, value).and_then(|datum| {
        let Some(field) = field else { return Ok(datum) };
        field.rules.check(&datum)?;
        Ok(match datum {
            // As the accounts do it.
            Datum::Text(text) if field.nocase => Datum::Text(text.to_lowercase()),
            datum => datum,
        })
    });
    datum.map_err(|broken| placed(collection, &column.name, complaint(&column.name, broken)))
}

fn complaint(name: &str, broken: Broken) -> DbError {
    DbError::invalid(format!("{name} {}", broken.complaint)).with("rule", broken.rule)
}

fn demand(
    collection: &Collection,
    name: &str,
    datum: &Datum,
    required: bool,
) -> Result<(), DbError> {
    if required && *datum == Datum::Null {
        let error = DbError::invalid(format!("{name} is required")).with("rule", "required");
        return Err(placed(collection, name, error));
    }
    Ok(())
}

fn placed(collection: &Collection, name: &str, error: DbError) -> DbError {
    error.of_field(name).with("collection", collection.name.as_str())
}
