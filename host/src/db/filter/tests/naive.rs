//! What a filter means, written down a second time in the plainest way: no SQL, no columns.

use super::random::BYTES;
use serde_json::{Map, Value};
use std::cmp::Ordering;

pub(super) fn matches(filter: &Value, document: &Map<String, Value>) -> bool {
    filter.as_object().unwrap().iter().all(|(name, value)| match name.as_str() {
        "$and" => value.as_array().unwrap().iter().all(|filter| matches(filter, document)),
        "$or" => value.as_array().unwrap().iter().any(|filter| matches(filter, document)),
        "$not" => !matches(value, document),
        field => holds(name, &document[field], value),
    })
}

fn holds(name: &str, stored: &Value, value: &Value) -> bool {
    match value {
        Value::Object(operators) if !operators.contains_key("$bytes") => {
            operators.iter().all(|(operator, operand)| applies(name, stored, operator, operand))
        }
        operand => equal(name, stored, operand),
    }
}

fn applies(name: &str, stored: &Value, operator: &str, operand: &Value) -> bool {
    let order = || ordered(name, stored, operand);
    let among = || operand.as_array().unwrap().iter().any(|one| equal(name, stored, one));
    match operator {
        "$eq" => equal(name, stored, operand),
        "$ne" => !equal(name, stored, operand),
        "$gt" => order() == Some(Ordering::Greater),
        "$gte" => order().is_some_and(Ordering::is_ge),
        "$lt" => order() == Some(Ordering::Less),
        "$lte" => order().is_some_and(Ordering::is_le),
        "$in" => among(),
        "$nin" => !among(),
        "$like" => stored.as_str().is_some_and(|text| like(text, operand.as_str().unwrap())),
        other => panic!("{other}"),
    }
}

fn equal(name: &str, stored: &Value, operand: &Value) -> bool {
    (stored.is_null() && operand.is_null())
        || ordered(name, stored, operand) == Some(Ordering::Equal)
}

/// None when the two are of different types, or null.
fn ordered(name: &str, stored: &Value, operand: &Value) -> Option<Ordering> {
    match (stored, operand) {
        (Value::Bool(stored), Value::Bool(operand)) => Some(stored.cmp(operand)),
        (Value::String(stored), Value::String(operand)) if name == "seen_at" => {
            Some(full(stored).cmp(&full(operand)))
        }
        (Value::String(stored), Value::String(operand)) => {
            Some(stored.as_bytes().cmp(operand.as_bytes()))
        }
        (Value::Number(stored), Value::Number(operand)) => {
            match (stored.as_i64(), operand.as_i64()) {
                (Some(stored), Some(operand)) => Some(stored.cmp(&operand)),
                // The generator keeps these small enough to be exact.
                _ => stored.as_f64()?.partial_cmp(&operand.as_f64()?),
            }
        }
        (Value::Object(_), Value::Object(_)) => {
            let rank = |value: &Value| BYTES.iter().position(|bytes| value["$bytes"] == **bytes);
            Some(rank(stored)?.cmp(&rank(operand)?))
        }
        _ => None,
    }
}

/// The generator writes timestamps as whole days or in UTC to the second.
fn full(text: &str) -> String {
    if text.len() == 10 { format!("{text}T00:00:00Z") } else { text.to_owned() }
}

/// `%` is any text, `_` any character, letters of ASCII without case.
fn like(text: &str, pattern: &str) -> bool {
    fn step(text: &[char], pattern: &[char]) -> bool {
        match pattern.split_first() {
            None => text.is_empty(),
            Some(('%', rest)) => (0..=text.len()).any(|skip| step(&text[skip..], rest)),
            Some(('_', rest)) => !text.is_empty() && step(&text[1..], rest),
            Some((c, rest)) => {
                text.first().is_some_and(|first| first.eq_ignore_ascii_case(c))
                    && step(&text[1..], rest)
            }
        }
    }
    let characters = |text: &str| text.chars().collect::<Vec<_>>();
    step(&characters(text), &characters(pattern))
}
