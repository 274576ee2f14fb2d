//! What is wrong with a value, in the shape that callers get.
//!
//! Knows nothing of schemas or HTTP; `check` makes these.

use std::fmt;

use serde::Serialize;

/// One broken rule of one field: an entry of the `errors` list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Violation {
    /// `title`, `tags[0]`, `author.name`.
    pub field: String,
    /// `required`, `type`, `maxLength`, …: always in this spelling.
    pub rule: &'static str,
    /// `title is required`
    pub message: String,
}

/// Why a value was refused: at least one broken rule, in the order of the schema.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violations(Vec<Violation>);

impl Violations {
    /// None when nothing is broken.
    #[must_use]
    pub fn of(list: Vec<Violation>) -> Option<Violations> {
        (!list.is_empty()).then_some(Violations(list))
    }

    /// The one whose field and message stand for all.
    #[must_use]
    pub fn first(&self) -> &Violation {
        &self.0[0]
    }

    /// For the `errors` member.
    #[must_use]
    pub fn list(&self) -> &[Violation] {
        &self.0
    }
}

impl fmt::Display for Violations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let messages: Vec<&str> = self.0.iter().map(|one| one.message.as_str()).collect();
        f.write_str(&messages.join("; "))
    }
}

impl std::error::Error for Violations {}
