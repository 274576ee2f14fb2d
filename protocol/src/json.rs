//! One check of foreign JSON before its bytes are spliced into a frame (spec "Splicing").
//!
//! Knows nothing of HTTP or frames: bytes in, a verdict with line and column out. No tree is
//! built; the value stays the caller's bytes.

use std::borrow::Cow;

use serde::de::{DeserializeOwned, Error};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::limits::DATA_DEPTH;

/// Why bytes are not one acceptable JSON value. Line and column count from 1.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JsonError {
    #[error("{message} at line {line} column {column}")]
    /// Not one JSON value in UTF-8.
    Syntax {
        /// What is wrong.
        message: String,
        /// The line of the fault.
        line: usize,
        /// The column of the fault, in bytes.
        column: usize,
    },
    #[error("nested deeper than {limit} levels at line {line} column {column}")]
    /// JSON, but too many arrays and objects inside each other.
    TooDeep {
        /// The deepest nesting allowed.
        limit: usize,
        /// The line of the bracket that is one too deep.
        line: usize,
        /// Its column, in bytes.
        column: usize,
    },
}

/// What kind of value the bytes hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// `{…}`
    Object,
    /// `[…]`
    Array,
    /// `"…"`
    String,
    /// A number of any form.
    Number,
    /// `true` or `false`
    Bool,
    /// `null`
    Null,
}

/// Checks that `bytes` are exactly one JSON value, at most `max_depth` levels deep.
///
/// # Errors
/// [`JsonError`] with the place of the first fault.
pub fn check(bytes: &[u8], max_depth: usize) -> Result<(Shape, &RawValue), JsonError> {
    let text = std::str::from_utf8(bytes).map_err(|e| {
        let (line, column) = position(bytes, e.valid_up_to());
        JsonError::Syntax { message: "invalid utf-8".into(), line, column }
    })?;
    let value: &RawValue = serde_json::from_str(text).map_err(|e| JsonError::Syntax {
        message: without_position(&e.to_string()),
        line: e.line(),
        column: e.column(),
    })?;
    check_depth(bytes, max_depth)?;
    Ok((shape(value), value))
}

/// Reads a typed value from JSON of a peer, whose strings may hold lone surrogates.
///
/// JavaScript strings can, and `JSON.stringify` writes them as `\ud800`; no Rust string can. They
/// become U+FFFD here, so that one odd character costs neither a log line nor an answer.
///
/// # Errors
/// serde's, naming what does not fit.
pub fn read<T: DeserializeOwned>(text: &str) -> Result<T, serde_json::Error> {
    serde_json::from_str(text).or_else(|fault| match replace_lone_surrogates(text) {
        Cow::Borrowed(_) => Err(fault),
        Cow::Owned(mended) => serde_json::from_str(&mended),
    })
}

/// Reads an object of free content that came beside something worth keeping.
///
/// One that is nested deeper than [`DATA_DEPTH`] is replaced by a marker, for no parser that
/// builds trees reads any depth; null reads as an empty object.
pub(crate) fn shallow<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Map<String, Value>, D::Error> {
    Ok(shallow_if_any(deserializer)?.unwrap_or_default())
}

/// As [`shallow`], but null stays none.
pub(crate) fn shallow_if_any<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Map<String, Value>>, D::Error> {
    let raw = Box::<RawValue>::deserialize(deserializer)?;
    if check_depth(raw.get().as_bytes(), DATA_DEPTH).is_err() {
        let marker = format!("nested deeper than {DATA_DEPTH} levels");
        return Ok(Some(Map::from_iter([("dropped".into(), marker.into())])));
    }
    serde_json::from_str(raw.get()).map_err(D::Error::custom)
}

/// Rewrites escapes of surrogates that have no partner to `\ufffd`; the rest stays as it is.
fn replace_lone_surrogates(text: &str) -> Cow<'_, str> {
    let bytes = text.as_bytes();
    let mut mended = String::new();
    let (mut kept, mut at) = (0, 0);
    while let Some(found) = memchr::memchr(b'\\', &bytes[at..]) {
        at += found;
        match (escaped_unit(bytes, at), escaped_unit(bytes, at + 6)) {
            (Some(0xd800..=0xdbff), Some(0xdc00..=0xdfff)) => at += 12,
            (Some(0xd800..=0xdfff), _) => {
                mended.push_str(&text[kept..at]);
                mended.push_str("\\ufffd");
                at += 6;
                kept = at;
            }
            // An escape of two bytes; its second may itself be a backslash.
            _ => at = (at + 2).min(bytes.len()),
        }
    }
    if kept == 0 {
        return Cow::Borrowed(text);
    }
    mended.push_str(&text[kept..]);
    Cow::Owned(mended)
}

/// The UTF-16 unit of a `\uXXXX` that starts at `at`.
fn escaped_unit(bytes: &[u8], at: usize) -> Option<u16> {
    let digits = bytes.get(at..at + 6)?.strip_prefix(b"\\u")?;
    digits.iter().try_fold(0, |unit, &digit| Some(unit << 4 | (digit as char).to_digit(16)? as u16))
}

fn shape(value: &RawValue) -> Shape {
    match value.get().as_bytes().first() {
        Some(b'{') => Shape::Object,
        Some(b'[') => Shape::Array,
        Some(b'"') => Shape::String,
        Some(b't' | b'f') => Shape::Bool,
        Some(b'n') => Shape::Null,
        _ => Shape::Number,
    }
}

/// Walks valid JSON and follows its brackets; strings are skipped.
fn check_depth(bytes: &[u8], limit: usize) -> Result<(), JsonError> {
    // No value with fewer opening brackets can be too deep: almost all are settled by this count.
    if memchr::memchr2_iter(b'[', b'{', bytes).nth(limit).is_none() {
        return Ok(());
    }
    let (mut depth, mut at) = (0usize, 0usize);
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'"' => at = end_of_string(bytes, at + 1),
            b'[' | b'{' => {
                depth += 1;
                if depth > limit {
                    let (line, column) = position(bytes, at);
                    return Err(JsonError::TooDeep { limit, line, column });
                }
            }
            b']' | b'}' => depth -= 1,
            _ => {}
        }
        at += 1;
    }
    Ok(())
}

/// Index of the quote that ends the string whose first byte is at `from`.
fn end_of_string(bytes: &[u8], from: usize) -> usize {
    let mut at = from;
    while let Some(found) = memchr::memchr2(b'"', b'\\', &bytes[at.min(bytes.len())..]) {
        at += found;
        if bytes[at] == b'"' {
            return at;
        }
        at += 2;
    }
    bytes.len()
}

fn position(bytes: &[u8], at: usize) -> (usize, usize) {
    let before = &bytes[..at];
    let line_start = memchr::memrchr(b'\n', before).map_or(0, |n| n + 1);
    (memchr::memchr_iter(b'\n', before).count() + 1, at - line_start + 1)
}

/// serde_json appends the position to its message; ours stands in fields of its own.
fn without_position(message: &str) -> String {
    message.rsplit_once(" at line ").map_or(message, |(text, _)| text).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nested(depth: usize) -> Vec<u8> {
        let mut text = "[".repeat(depth);
        text.push_str(&"]".repeat(depth));
        text.into_bytes()
    }

    #[test]
    fn depth_is_counted_exactly() {
        assert_eq!(check(&nested(128), 128).unwrap().0, Shape::Array);
        let error = check(&nested(129), 128).unwrap_err();
        assert_eq!(error, JsonError::TooDeep { limit: 128, line: 1, column: 129 });
    }

    #[test]
    fn brackets_inside_strings_do_not_count() {
        let text = format!(r#"{{"a":"{}\"[["}}"#, "[{".repeat(200));
        assert_eq!(check(text.as_bytes(), 128).unwrap().0, Shape::Object);
    }

    #[test]
    fn lone_surrogates_are_replaced_and_pairs_kept() {
        let read = |text: &str| read::<String>(text).unwrap();
        assert_eq!(read(r#""a\ud800b""#), "a\u{fffd}b");
        assert_eq!(read(r#""\ud800\ud83c\udf89\udc00""#), "\u{fffd}\u{1f389}\u{fffd}");
        assert_eq!(read(r#""\ud800\\udc00""#), "\u{fffd}\\udc00");
        assert_eq!(read(r#""\\ud800 \udfff""#), "\\ud800 \u{fffd}");
    }

    #[test]
    fn a_splice_attack_is_not_one_value() {
        let body = br#"1},"method":"shutdown","x":{"a":1"#;
        assert!(matches!(check(body, 128), Err(JsonError::Syntax { line: 1, .. })));
    }

    #[test]
    fn the_place_of_a_fault_is_named() {
        let error = check(b"{\n  \"a\": ,\n}", 128).unwrap_err();
        assert_eq!(error.to_string(), "expected value at line 2 column 8");
        let error = check(b"{\"a\":\n\"\xff\"}", 128).unwrap_err();
        assert_eq!(error.to_string(), "invalid utf-8 at line 2 column 2");
    }
}
