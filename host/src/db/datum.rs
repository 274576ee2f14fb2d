//! One value as the database holds it, and the types that fields can have.
//!
//! Knows nothing of JSON and of what is a legal value for a field.

use crate::config::collection::FieldType;
use rusqlite::ToSql;
use rusqlite::types::{ToSqlOutput, ValueRef};

/// A value in one of SQLite's five classes.
#[derive(Debug, Clone, PartialEq)]
pub enum Datum {
    /// No value.
    Null,
    /// An integer.
    Int(i64),
    /// A number with a fraction.
    Real(f64),
    /// Text.
    Text(String),
    /// Bytes.
    Bytes(Vec<u8>),
}

impl Datum {
    pub(super) fn copied(value: ValueRef<'_>) -> Datum {
        match value {
            ValueRef::Null => Datum::Null,
            ValueRef::Integer(number) => Datum::Int(number),
            ValueRef::Real(number) => Datum::Real(number),
            ValueRef::Text(text) => Datum::Text(String::from_utf8_lossy(text).into_owned()),
            ValueRef::Blob(bytes) => Datum::Bytes(bytes.to_owned()),
        }
    }
}

impl ToSql for Datum {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Datum::Null => ValueRef::Null,
            Datum::Int(number) => ValueRef::Integer(*number),
            Datum::Real(number) => ValueRef::Real(*number),
            Datum::Text(text) => ValueRef::Text(text.as_bytes()),
            Datum::Bytes(bytes) => ValueRef::Blob(bytes),
        }))
    }
}

/// The type of a field: which JSON values it takes and how they are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Int,
    Float,
    Bool,
    Timestamp,
    Date,
    Json,
    Uuid,
    Blob,
    /// A column of a table that somebody else made: whatever it holds.
    Any,
}

impl Kind {
    pub(super) fn of_field(field: FieldType) -> Kind {
        match field {
            FieldType::String | FieldType::Text => Kind::Text,
            FieldType::Int => Kind::Int,
            FieldType::Float => Kind::Float,
            FieldType::Bool => Kind::Bool,
            FieldType::Timestamp => Kind::Timestamp,
            FieldType::Date => Kind::Date,
            FieldType::Json => Kind::Json,
            FieldType::Uuid => Kind::Uuid,
            FieldType::Blob => Kind::Blob,
        }
    }

    /// The column type in our tables. `_TEXT` makes SQLite keep the value as the text it is,
    /// and rows of raw SQL tell by it that a column holds JSON or booleans.
    pub(super) fn column_type(self) -> &'static str {
        match self {
            Kind::Text => "TEXT",
            Kind::Int => "INTEGER",
            Kind::Float => "REAL",
            Kind::Bool => "BOOLEAN",
            Kind::Timestamp => "TIMESTAMP_TEXT",
            Kind::Date => "DATE_TEXT",
            Kind::Json => "JSON_TEXT",
            Kind::Uuid => "UUID_TEXT",
            Kind::Blob => "BLOB",
            Kind::Any => "",
        }
    }

    /// The kind of a column by its declared type, also in tables that somebody else made.
    pub(super) fn of_column_type(declared: &str) -> Kind {
        let ours = [Kind::Text, Kind::Timestamp, Kind::Date, Kind::Uuid, Kind::Json, Kind::Bool];
        let same = |kind: &&Kind| kind.column_type().eq_ignore_ascii_case(declared);
        if let Some(kind) = ours.iter().find(same) {
            return *kind;
        }
        match declared.to_ascii_uppercase().as_str() {
            "BOOL" => Kind::Bool,
            "JSON" => Kind::Json,
            _ => Kind::Any,
        }
    }

    /// For messages: `expected …`.
    pub(super) fn expectation(self) -> &'static str {
        match self {
            Kind::Text => "a string",
            Kind::Int => "an integer",
            Kind::Float => "a number",
            Kind::Bool => "true or false",
            Kind::Timestamp => "a timestamp such as 2026-01-24T10:30:00Z",
            Kind::Date => "a date such as 2026-01-24",
            Kind::Json => "a JSON value",
            Kind::Uuid => "a uuid",
            Kind::Blob => "bytes",
            Kind::Any => "a string, a number, true, false, null or bytes",
        }
    }
}

/// A name as SQL takes it, whatever is in it.
pub(super) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
