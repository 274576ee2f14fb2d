//! The rules that need the content of a value: lengths, ranges, patterns and formats.
//!
//! Each answers with the rule that is broken and what to say of it after the field's name. Knows
//! no paths and no objects.

use std::borrow::Cow;

use alyx_protocol::json;

use crate::schema::format::Format;
use crate::schema::number::Number;
use crate::schema::pattern::Pattern;
use crate::schema::rules::{Length, Range};

/// The rule's name and the words that follow the field's.
pub type Broken = (&'static str, String);

/// Decodes a JSON string; most have no escapes and are taken as they are.
///
/// Half of a surrogate pair counts as one character, as it does in JavaScript.
#[must_use]
pub fn string(text: &str) -> Cow<'_, str> {
    let inside = text.get(1..text.len().saturating_sub(1)).unwrap_or_default();
    if inside.contains('\\') {
        Cow::Owned(json::read(text).unwrap_or_default())
    } else {
        Cow::Borrowed(inside)
    }
}

/// A string may break several rules at once.
#[must_use]
pub fn text(
    text: &str,
    length: Length,
    pattern: Option<&Pattern>,
    format: Option<Format>,
) -> Vec<Broken> {
    let mut broken = Vec::new();
    if let Some((rule, bound)) = outside(length, text.len(), || text.chars().count()) {
        broken.push((rule, format!("must have {}", amount(rule, bound, "character"))));
    }
    if let Some(pattern) = pattern.filter(|pattern| !pattern.matches(text)) {
        broken.push(("pattern", format!("must match the pattern {}", pattern.source())));
    }
    if let Some(format) = format.filter(|format| !format.matches(text)) {
        broken.push(("format", format!("must be a valid {format}")));
    }
    broken
}

#[must_use]
pub fn count(count: usize, length: Length) -> Option<Broken> {
    let (rule, bound) = outside(length, count, || count)?;
    Some((rule, format!("must have {}", amount(rule, bound, "item"))))
}

#[must_use]
pub fn number(number: Number, range: Range) -> Option<Broken> {
    if let Some(min) = range.min.filter(|min| number.is_less_than(*min)) {
        return Some(("min", format!("must be at least {min}")));
    }
    let max = range.max.filter(|max| max.is_less_than(number))?;
    Some(("max", format!("must be at most {max}")))
}

/// Which bound is broken. `most` is a cheap upper bound of the exact length.
fn outside(
    length: Length,
    most: usize,
    exact: impl FnOnce() -> usize,
) -> Option<(&'static str, usize)> {
    // Between a quarter and all of its bytes are the characters of a string.
    if length.min.is_none() && length.max.is_none_or(|max| most <= max) {
        return None;
    }
    let exact = exact();
    if let Some(min) = length.min.filter(|min| exact < *min) {
        return Some(("minLength", min));
    }
    let max = length.max.filter(|max| exact > *max)?;
    Some(("maxLength", max))
}

fn amount(rule: &str, bound: usize, unit: &str) -> String {
    let side = if rule == "minLength" { "at least" } else { "at most" };
    let plural = if bound == 1 { "" } else { "s" };
    format!("{side} {bound} {unit}{plural}")
}
