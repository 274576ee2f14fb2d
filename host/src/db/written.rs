//! The answer while it is written: JSON text straight from the database's rows, up to a limit.
//!
//! Knows the kinds of columns, nothing of collections or statements.

use crate::db::datum::Kind;
use crate::db::error::{DbError, DbErrorKind};
use crate::db::limits::LARGEST_ANSWER;
use crate::db::wire::{EXACT, glance, masked};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rusqlite::types::ValueRef;
use serde::de::IgnoredAny;
use serde_json::Value;
use std::io::Write;

/// JSON text that grows.
#[derive(Debug, Default)]
pub(super) struct Written {
    text: Vec<u8>,
}

impl Written {
    pub(super) fn raw(&mut self, text: impl AsRef<[u8]>) {
        self.text.extend_from_slice(text.as_ref());
    }

    pub(super) fn string(&mut self, text: &str) {
        serde_json::to_writer(&mut self.text, text).expect("a string can be written into memory");
    }

    pub(super) fn integer(&mut self, number: i64) {
        let text = &mut self.text;
        let written = if number.unsigned_abs() > EXACT {
            write!(text, "{{\"$int\":\"{number}\"}}")
        } else {
            write!(text, "{number}")
        };
        written.expect("memory can be written to");
    }

    /// A value of a column; what does not fit the column's kind is shown as it is stored.
    pub(super) fn value(&mut self, kind: Kind, value: ValueRef<'_>) {
        match (kind, value) {
            (_, ValueRef::Null) => self.raw("null"),
            // As SQLite itself takes numbers for truth.
            (Kind::Bool, ValueRef::Integer(number)) => self.truth(number != 0),
            (Kind::Bool, ValueRef::Real(number)) => self.truth(number != 0.0),
            (Kind::Json, ValueRef::Text(text)) => self.json(text),
            (_, ValueRef::Integer(number)) => self.integer(number),
            (_, ValueRef::Real(number)) => self.real(number),
            (_, ValueRef::Text(text)) => self.string(&String::from_utf8_lossy(text)),
            (_, ValueRef::Blob(bytes)) => self.bytes(bytes),
        }
    }

    fn truth(&mut self, value: bool) {
        self.raw(if value { "true" } else { "false" });
    }

    fn real(&mut self, number: f64) {
        // JSON has no infinity.
        serde_json::to_writer(&mut self.text, &number).expect("memory can be written to");
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.raw("{\"$bytes\":\"");
        self.raw(STANDARD.encode(bytes));
        self.raw("\"}");
    }

    /// Stored JSON passes as it is, once it is known to be JSON: raw SQL can write anything.
    fn json(&mut self, text: &[u8]) {
        let seen = glance(text);
        let text = String::from_utf8_lossy(text);
        if !seen.shallow {
            return self.string(&text);
        }
        if !seen.suspicious && serde_json::from_str::<IgnoredAny>(&text).is_ok() {
            return self.raw(text.as_bytes());
        }
        match serde_json::from_str::<Value>(&text) {
            Ok(value) => serde_json::to_writer(&mut self.text, &masked(value))
                .expect("JSON can be written into memory"),
            Err(_) => self.string(&text),
        }
    }

    /// To be asked after each row, so that a runaway result never fills the memory.
    pub(super) fn within_limit(&self) -> Result<(), DbError> {
        if self.text.len() <= LARGEST_ANSWER {
            return Ok(());
        }
        let message = format!(
            "the result is over {} MiB; ask for fewer rows or columns",
            LARGEST_ANSWER >> 20
        );
        Err(DbError::new(DbErrorKind::Validation, "RESULT_TOO_LARGE", message))
    }

    pub(super) fn done(self) -> Vec<u8> {
        self.text
    }
}
