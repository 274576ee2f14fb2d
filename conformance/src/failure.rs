//! Why a case failed, as data for reports and as lines for people.
//!
//! Knows nothing of how the case was played.

use std::fmt;

use serde::Serialize;
use serde_json::Value;

use crate::matcher::{Difference, shown};

/// One reason, with what was expected and what came instead.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Failure {
    /// Number (from 1) and text of the step; none for what happens around the steps.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub step: Option<(usize, String)>,
    pub what: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expected: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub got: Option<String>,
    /// Where they differ, one line each.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub differences: Vec<String>,
}

impl Failure {
    pub fn new(what: impl Into<String>) -> Self {
        Failure { what: what.into(), ..Failure::default() }
    }

    /// A received value that does not fit its pattern.
    #[must_use]
    pub fn mismatch(pattern: &Value, got: &Value, differences: &[Difference]) -> Self {
        let line = |d: &Difference| format!("{}: expected {}, got {}", d.path, d.expected, d.got);
        Failure {
            what: "what came differs from what was expected".into(),
            expected: Some(shown(pattern)),
            got: Some(shown(got)),
            differences: differences.iter().map(line).collect(),
            ..Failure::default()
        }
    }

    /// Nothing came that a step waits for.
    #[must_use]
    pub fn missing(pattern: &Value, why: &str) -> Self {
        Failure {
            what: why.into(),
            expected: Some(shown(pattern)),
            got: Some("nothing".into()),
            ..Failure::default()
        }
    }

    #[must_use]
    pub fn at(mut self, number: usize, step: String) -> Self {
        self.step = Some((number, step));
        self
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some((number, step)) = &self.step {
            writeln!(f, "step {number}: {step}")?;
        }
        write!(f, "{}", self.what)?;
        for (name, text) in [("expected", &self.expected), ("got", &self.got)] {
            if let Some(text) = text {
                write!(f, "\n  {name:<8} {text}")?;
            }
        }
        for difference in self.differences.iter().take(12) {
            write!(f, "\n  {difference}")?;
        }
        Ok(())
    }
}
