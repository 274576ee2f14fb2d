//! The requirements of the spec: their ids and words, and which of them have no case.
//!
//! Reads the normative text itself, so that it cannot drift from it.

use std::collections::{BTreeMap, BTreeSet};

use crate::suite::Written;
use crate::wire_check::ON_EVERY_FRAME;

/// The normative text of version 1.
pub const SPEC: &str = include_str!("../../protocol/v1/spec.md");

/// One normative sentence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Requirement<'a> {
    pub text: &'a str,
}

impl Requirement<'_> {
    /// Whether a shim is bound by it, and not only the host.
    #[must_use]
    pub fn binds_shims(&self) -> bool {
        self.text.starts_with("A shim") || self.text.starts_with("A peer")
    }

    #[must_use]
    pub fn is_must(&self) -> bool {
        self.text.contains("MUST")
    }
}

/// Every requirement of the spec by its id: the lines `- [REQ-AREA-1] A shim MUST …`.
#[must_use]
pub fn of_spec(spec: &str) -> BTreeMap<&str, Requirement<'_>> {
    let of_line = |line| {
        let (id, text) = str::strip_prefix(line, "- [")?.split_once("] ")?;
        id.starts_with("REQ-").then_some((id, Requirement { text }))
    };
    spec.lines().filter_map(of_line).collect()
}

/// What binds every shim and no case names, in the order of the ids.
#[must_use]
pub fn uncovered<'a>(
    all: &BTreeMap<&'a str, Requirement<'a>>,
    cases: &[Written],
) -> Vec<(&'a str, Requirement<'a>)> {
    let mut covered: BTreeSet<&str> = ON_EVERY_FRAME.iter().copied().collect();
    covered.extend(cases.iter().flat_map(|w| w.case.req.iter().map(String::as_str)));
    all.iter()
        .filter(|(id, r)| r.binds_shims() && r.is_must() && !covered.contains(**id))
        .map(|(id, requirement)| (*id, *requirement))
        .collect()
}
