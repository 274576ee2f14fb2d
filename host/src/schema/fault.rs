//! What is wrong with a schema itself, and exactly where.
//!
//! Knows nothing of values: those break a schema with `violation`.

use std::fmt;

/// More are not listed; the first few show what is wrong.
const LISTED: usize = 20;

/// One fault: `input.tags.items.type: unknown type 'strnig'; did you mean 'string'?`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// From the top of the schema, joined by dots.
    pub place: String,
    pub complaint: String,
}

/// Why a function with this schema does not load.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SchemaError {
    faults: Vec<Fault>,
}

impl SchemaError {
    /// None when there are no faults.
    #[must_use]
    pub fn of(faults: Vec<Fault>) -> Option<SchemaError> {
        (!faults.is_empty()).then_some(SchemaError { faults })
    }

    /// At least one, in the order of the source.
    #[must_use]
    pub fn faults(&self) -> &[Fault] {
        &self.faults
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.complaint)
    }
}

/// One line for each fault.
impl fmt::Display for SchemaError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("schema: ")?;
        for (at, fault) in self.faults.iter().take(LISTED).enumerate() {
            let separator = if at == 0 { "" } else { "\n  " };
            write!(f, "{separator}{fault}")?;
        }
        match self.faults.len().saturating_sub(LISTED) {
            0 => Ok(()),
            more => write!(f, "\n  and {more} more"),
        }
    }
}

impl std::error::Error for SchemaError {}
