//! JSON values as the wire carries them: `$int`, `$bytes` and `$lit` stand for what JSON lacks.
//!
//! Knows nothing of fields: reads one value, and turns a whole value into plain JSON and back.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Number, Value};

/// Deepest nesting of data.
const DEPTH: usize = 64;
/// Integers beyond it are not exact in every language.
pub(super) const EXACT: u64 = (1 << 53) - 1;

/// One value with its disguise off.
#[derive(Debug, PartialEq)]
pub(super) enum Wire<'a> {
    Null,
    Bool(bool),
    Int(i64),
    /// A number that is no 64-bit integer.
    Real(f64),
    Text(&'a str),
    Bytes(Vec<u8>),
    /// A list or an object.
    Tree,
}

/// What a value stands for; the complaint when it stands for nothing.
pub(super) fn unmasked(value: &Value) -> Result<Wire<'_>, String> {
    Ok(match value {
        Value::Null => Wire::Null,
        Value::Bool(value) => Wire::Bool(*value),
        Value::Number(number) => match number.as_i64() {
            Some(number) => Wire::Int(number),
            None => Wire::Real(number.as_f64().unwrap_or(f64::NAN)),
        },
        Value::String(text) => Wire::Text(clean(text)?),
        Value::Array(_) => Wire::Tree,
        Value::Object(object) => match mask(object) {
            Some(("$int", inner)) => Wire::Int(integer(inner)?),
            Some(("$bytes", inner)) => Wire::Bytes(bytes(inner)?),
            _ => Wire::Tree,
        },
    })
}

/// Whether the object stands for something else.
pub(super) fn is_masked(object: &Map<String, Value>) -> bool {
    mask(object).is_some()
}

/// The only member of an object, if it is one of the three.
fn mask(object: &Map<String, Value>) -> Option<(&str, &Value)> {
    let (name, inner) = object.iter().next().filter(|_| object.len() == 1)?;
    ["$int", "$bytes", "$lit"].contains(&name.as_str()).then_some((name, inner))
}

fn integer(inner: &Value) -> Result<i64, String> {
    let text = inner.as_str().unwrap_or_default();
    let digits = text.strip_prefix('-').unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err("holds an $int that is no integer in decimal".to_owned());
    }
    text.parse().map_err(|_| format!("is {text}, beyond 64 bits"))
}

fn bytes(inner: &Value) -> Result<Vec<u8>, String> {
    let text = inner.as_str().ok_or("$bytes must be a string in base64")?;
    STANDARD.decode(text).map_err(|_| "$bytes is no base64 with padding".to_owned())
}

/// Text without U+0000, which databases disagree about.
pub(super) fn clean(text: &str) -> Result<&str, String> {
    if text.contains('\0') {
        return Err("contains the character U+0000; remove it".to_owned());
    }
    Ok(text)
}

/// A whole value as plain JSON, for storing.
pub(super) fn plain(value: &Value) -> Result<Value, String> {
    plain_at(value, 0)
}

fn plain_at(value: &Value, depth: usize) -> Result<Value, String> {
    if depth > DEPTH {
        return Err(format!("is nested deeper than {DEPTH} levels"));
    }
    let object = match value {
        Value::String(text) => return clean(text).map(|text| Value::String(text.to_owned())),
        Value::Array(items) => {
            let items = items.iter().map(|item| plain_at(item, depth + 1));
            return items.collect::<Result<_, _>>().map(Value::Array);
        }
        Value::Object(object) => object,
        _ => return Ok(value.clone()),
    };
    match mask(object) {
        Some(("$int", inner)) => big_number(inner),
        Some(("$bytes", _)) => Err("holds bytes, which JSON cannot; use a blob field".to_owned()),
        Some((_, Value::Object(inside))) => members(inside, depth),
        Some(_) => Err("$lit must hold an object".to_owned()),
        None => members(object, depth),
    }
}

/// Inside of JSON an integer may be of any sign up to 64 bits.
fn big_number(inner: &Value) -> Result<Value, String> {
    let unsigned = inner.as_str().and_then(|text| text.parse::<u64>().ok());
    unsigned.map(Value::from).map_or_else(|| integer(inner).map(Value::from), Ok)
}

fn members(object: &Map<String, Value>, depth: usize) -> Result<Value, String> {
    let members = object
        .iter()
        .map(|(name, value)| Ok((clean(name)?.to_owned(), plain_at(value, depth + 1)?)));
    members.collect::<Result<_, String>>().map(Value::Object)
}

/// Plain JSON as the wire carries it.
pub(super) fn masked(value: Value) -> Value {
    match value {
        Value::Number(number) if beyond(&number) => single("$int", number.to_string().into()),
        Value::Array(items) => items.into_iter().map(masked).collect(),
        Value::Object(object) => {
            let ambiguous = object.len() == 1 && object.keys().any(|name| name.starts_with('$'));
            let object = object.into_iter().map(|(name, value)| (name, masked(value))).collect();
            if ambiguous { single("$lit", Value::Object(object)) } else { Value::Object(object) }
        }
        value => value,
    }
}

fn beyond(number: &Number) -> bool {
    let size = number.as_u64().or_else(|| number.as_i64().map(i64::unsigned_abs));
    size.is_some_and(|size| size > EXACT)
}

fn single(name: &str, value: Value) -> Value {
    Value::Object(Map::from_iter([(name.to_owned(), value)]))
}

/// What a look at stored JSON text tells without parsing it.
#[derive(Debug, PartialEq)]
pub(super) struct Glance {
    /// It may need [`masked`]: it has a name that may begin with `$`, or a long number.
    pub(super) suspicious: bool,
    /// It is nested no deeper than data may be.
    pub(super) shallow: bool,
}

pub(super) fn glance(text: &[u8]) -> Glance {
    let (mut depth, mut deepest, mut run) = (0_usize, 0, 0);
    let (mut inside, mut escaped, mut begun, mut suspicious) = (false, false, false, false);
    for &byte in text {
        // An escape at the beginning can hide a `$`.
        suspicious |= begun && matches!(byte, b'$' | b'\\');
        run = if byte.is_ascii_digit() { run + 1 } else { 0 };
        suspicious |= run > 15;
        begun = !inside && byte == b'"';
        if escaped {
            escaped = false;
        } else if inside {
            escaped = byte == b'\\';
            inside = byte != b'"';
        } else {
            inside = begun;
            depth = match byte {
                b'[' | b'{' => depth + 1,
                b']' | b'}' => depth.saturating_sub(1),
                _ => depth,
            };
            deepest = deepest.max(depth);
        }
    }
    Glance { suspicious, shallow: deepest <= DEPTH }
}

#[cfg(test)]
mod tests {
    use super::{Wire, glance, masked, plain, unmasked};
    use serde_json::{Value, json};

    #[test]
    fn masks_come_off() {
        assert_eq!(unmasked(&json!({"$int": "9223372036854775807"})), Ok(Wire::Int(i64::MAX)));
        assert_eq!(unmasked(&json!({"$bytes": "AAEC"})), Ok(Wire::Bytes(vec![0, 1, 2])));
        assert_eq!(unmasked(&json!({"$lit": {"$int": "1"}})), Ok(Wire::Tree));
        assert_eq!(unmasked(&json!({"$int": "1", "b": 2})), Ok(Wire::Tree));
        assert_eq!(unmasked(&json!(1e300)), Ok(Wire::Real(1e300)));
        for bad in [json!({"$int": 5}), json!({"$int": "5.0"}), json!({"$bytes": "?"}), json!("\0")]
        {
            assert!(unmasked(&bad).is_err(), "{bad}");
        }
    }

    fn check(wire: Value, stored: Value) {
        assert_eq!(plain(&wire), Ok(stored.clone()));
        assert_eq!(masked(stored.clone()), wire);
        assert!(wire == stored || glance(stored.to_string().as_bytes()).suspicious, "{stored}");
    }

    #[test]
    fn trees_survive_both_ways() {
        check(
            json!({"a": [1, null, {"$lit": {"$int": "x"}}]}),
            json!({"a": [1, null, {"$int": "x"}]}),
        );
        check(json!({"$lit": {"$lit": {"$lit": {"$x": 1}}}}), json!({"$lit": {"$x": 1}}));
        check(json!([{"$int": "9007199254740992"}]), json!([9_007_199_254_740_992_u64]));
        check(json!({"$a": 1, "b": 2}), json!({"$a": 1, "b": 2}));
        check(json!({"$int": "18446744073709551615"}), json!(u64::MAX));
    }

    #[test]
    fn a_glance_sees_names_numbers_and_depth() {
        let seen =
            |text: &str| (glance(text.as_bytes()).suspicious, glance(text.as_bytes()).shallow);
        assert_eq!(seen(r#"{"a":["$","1234"],"b":"x$y"}"#), (true, true));
        assert_eq!(seen(r#"{"a":"b\"$","c":123456789012345}"#), (false, true));
        assert_eq!(seen(r#"{"\u0024int":"1"}"#), (true, true));
        assert_eq!(seen("1234567890123456"), (true, true));
        assert_eq!(seen(&"[".repeat(65)), (false, false));
        assert_eq!(seen(&format!("\"{}\"", "[".repeat(65))), (false, true));
    }

    #[test]
    fn bad_trees_are_refused() {
        let deep = (0..70).fold(json!(1), |inner, _| json!([inner]));
        for bad in [deep, json!({"a": {"$bytes": "AA=="}}), json!(["\0"]), json!({"$lit": 1})] {
            assert!(plain(&bad).is_err(), "{bad}");
        }
    }
}
