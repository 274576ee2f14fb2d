//! What a field may be compared with, by its kind.
//!
//! Knows one value at a time, nothing of the condition around it.

use crate::db::datum::{Datum, Kind};
use crate::db::error::DbError;
use crate::db::moment;
use crate::db::wire::{Wire, unmasked};
use serde_json::Value;

/// Where in a filter a value stands.
pub(super) struct Place<'a> {
    pub(super) name: &'a str,
    pub(super) kind: Kind,
    pub(super) operator: &'a str,
}

impl Place<'_> {
    pub(super) fn wrong(&self, complaint: &str) -> DbError {
        let message = format!("field '{}': {} {complaint}", self.name, self.operator);
        DbError::filter(message).of_field(self.name).with("operator", self.operator)
    }

    /// The value as it is compared, and in JSON columns the JSON types it is compared with.
    pub(super) fn operand(&self, value: &Value) -> Result<(Datum, Option<&'static str>), DbError> {
        let wire = unmasked(value).map_err(|complaint| self.wrong(&complaint))?;
        let datum = match (self.kind, wire) {
            (_, Wire::Tree) => return Err(self.wrong("takes no list and no object here")),
            (_, Wire::Null) => return Err(self.wrong("takes no null; use $eq or $ne")),
            (Kind::Json, wire) => return self.json_operand(wire),
            (Kind::Bool, Wire::Bool(value)) => Datum::Int(i64::from(value)),
            (Kind::Int | Kind::Float | Kind::Any, Wire::Int(number)) => Datum::Int(number),
            (Kind::Int | Kind::Float | Kind::Any, Wire::Real(number)) => Datum::Real(number),
            (Kind::Timestamp, Wire::Text(text)) => self.moment(moment::normalised(text))?,
            (Kind::Date, Wire::Text(text)) => self.moment(moment::normalised_date(text))?,
            (Kind::Uuid, Wire::Text(text)) => Datum::Text(text.to_ascii_lowercase()),
            (Kind::Text | Kind::Any, Wire::Text(text)) => Datum::Text(text.to_owned()),
            (Kind::Blob | Kind::Any, Wire::Bytes(bytes)) => Datum::Bytes(bytes),
            (Kind::Any, Wire::Bool(value)) => Datum::Int(i64::from(value)),
            _ => return Err(self.mistyped()),
        };
        Ok((datum, None))
    }

    fn moment(&self, text: Option<String>) -> Result<Datum, DbError> {
        text.map(Datum::Text).ok_or_else(|| self.mistyped())
    }

    fn mistyped(&self) -> DbError {
        self.wrong(&format!("takes {}", self.kind.expectation()))
    }

    fn json_operand(&self, wire: Wire<'_>) -> Result<(Datum, Option<&'static str>), DbError> {
        Ok(match wire {
            Wire::Bool(value) => (Datum::Int(i64::from(value)), Some("'true', 'false'")),
            Wire::Int(number) => (Datum::Int(number), Some("'integer', 'real'")),
            Wire::Real(number) => (Datum::Real(number), Some("'integer', 'real'")),
            Wire::Text(text) => (Datum::Text(text.to_owned()), Some("'text'")),
            _ => return Err(self.wrong("takes no bytes on JSON")),
        })
    }
}
