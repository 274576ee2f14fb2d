//! Compares a received value with the pattern a case gives, and says where they differ.
//!
//! A pattern is JSON in which words that start with `$` are ours; `$$x` is the text `$x`.
//! Knows nothing of frames or steps.

use regex::Regex;
use serde_json::{Map, Value};

/// One place where the value is not what the pattern says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// Where, as `$.error.data.code`.
    pub path: String,
    pub expected: String,
    pub got: String,
}

/// Members whose values belong to the user: below them every member counts.
const USER_DATA: &[&str] = &["output", "fields", "details"];

/// Compares `got` with `pattern`. Empty when they agree.
///
/// Objects are open (unknown members are ignored, as the protocol demands) except below
/// `output`, `fields` and `details`; `$open: true` and `$closed: true` switch an object and
/// everything beneath it.
#[must_use]
pub fn compare(pattern: &Value, got: &Value) -> Vec<Difference> {
    let mut walk = Walk { path: "$".into(), differences: Vec::new() };
    walk.value(pattern, Some(got), false);
    walk.differences
}

/// Like [`compare`], but every member counts from the top: for values that are the user's.
#[must_use]
pub fn compare_exactly(pattern: &Value, got: &Value) -> Vec<Difference> {
    let mut walk = Walk { path: "$".into(), differences: Vec::new() };
    walk.value(pattern, Some(got), true);
    walk.differences
}

struct Walk {
    path: String,
    differences: Vec<Difference>,
}

impl Walk {
    fn differ(&mut self, expected: impl Into<String>, got: Option<&Value>) {
        let got = got.map_or_else(|| "nothing".to_owned(), shown);
        self.differences.push(Difference {
            path: self.path.clone(),
            expected: expected.into(),
            got,
        });
    }

    fn value(&mut self, pattern: &Value, got: Option<&Value>, closed: bool) {
        match (pattern, got) {
            (Value::String(text), _) if text.starts_with('$') => self.word(text, got),
            (Value::Object(members), _) if is_operator(members) => {
                self.operators(members, got, closed);
            }
            (_, None) => self.differ(shown(pattern), None),
            (Value::Object(members), Some(Value::Object(found))) => {
                self.object(members, found, closed);
            }
            (Value::Array(items), Some(Value::Array(found))) => self.array(items, found, closed),
            (Value::Number(_), Some(Value::Number(_))) if same_number(pattern, got) => {}
            (_, Some(found)) if pattern == found => {}
            _ => self.differ(shown(pattern), got),
        }
    }

    fn word(&mut self, word: &str, got: Option<&Value>) {
        let fits = match (word, got) {
            ("$absent", got) => got.is_none(),
            (_, None) => false,
            ("$any", _) => true,
            ("$int", Some(v)) => v.is_i64() || v.is_u64(),
            ("$num", Some(v)) => v.is_number(),
            ("$bool", Some(v)) => v.is_boolean(),
            ("$str", Some(v)) => v.is_string(),
            ("$obj", Some(v)) => v.is_object(),
            ("$arr", Some(v)) => v.is_array(),
            (literal, Some(Value::String(text))) => literal.strip_prefix('$') == Some(text),
            _ => false,
        };
        if !fits {
            let expected = if word.starts_with("$$") { &word[1..] } else { word };
            self.differ(expected, got);
        }
    }

    fn operators(&mut self, members: &Map<String, Value>, got: Option<&Value>, closed: bool) {
        let Some(found) = got else {
            let may_be_absent =
                |value: &Value| value.as_array().is_some_and(|all| all.contains(&"$absent".into()));
            if !members.get("$oneOf").is_some_and(may_be_absent) {
                self.differ(shown(&Value::Object(members.clone())), None);
            }
            return;
        };
        for (name, argument) in members {
            let fits = match name.as_str() {
                "$gte" => found.as_f64() >= argument.as_f64() && found.is_number(),
                "$lte" => found.as_f64() <= argument.as_f64() && found.is_number(),
                "$re" => matches_regex(argument, found),
                "$oneOf" => one_of(argument, found, closed),
                "$not" => !agrees(argument, found, closed),
                "$len" => length(found).is_some_and(|n| agrees(argument, &n.into(), closed)),
                "$unordered" => unordered(argument, found, closed),
                _ => false,
            };
            if !fits {
                self.differ(format!("{name} {}", shown(argument)), got);
            }
        }
    }

    fn object(&mut self, members: &Map<String, Value>, found: &Map<String, Value>, closed: bool) {
        let says = |word: &str| members.get(word) == Some(&Value::Bool(true));
        let closed = says("$closed") || (closed && !says("$open"));
        for (name, pattern) in members {
            if name == "$open" || name == "$closed" {
                continue;
            }
            let name = plain_name(name);
            let exact = closed || USER_DATA.contains(&name);
            self.at(&format!(".{name}"), |walk| walk.value(pattern, found.get(name), exact));
        }
        if closed {
            let known = |name: &str| members.keys().any(|key| plain_name(key) == name);
            for (name, value) in found.iter().filter(|(name, _)| !known(name)) {
                self.at(&format!(".{name}"), |walk| walk.differ("no such member", Some(value)));
            }
        }
    }

    fn array(&mut self, items: &[Value], found: &[Value], closed: bool) {
        for (index, item) in items.iter().enumerate() {
            self.at(&format!("[{index}]"), |walk| walk.value(item, found.get(index), closed));
        }
        if let Some(extra) = found.get(items.len()) {
            self.at(&format!("[{}]", items.len()), |walk| walk.differ("the end", Some(extra)));
        }
    }

    fn at(&mut self, step: &str, inner: impl FnOnce(&mut Self)) {
        let length = self.path.len();
        self.path.push_str(step);
        inner(self);
        self.path.truncate(length);
    }
}

fn agrees(pattern: &Value, got: &Value, closed: bool) -> bool {
    if closed { compare_exactly(pattern, got) } else { compare(pattern, got) }.is_empty()
}

fn one_of(argument: &Value, found: &Value, closed: bool) -> bool {
    argument.as_array().is_some_and(|all| all.iter().any(|p| agrees(p, found, closed)))
}

/// Each pattern takes one value of its own; patterns are tried in their order.
fn unordered(argument: &Value, found: &Value, closed: bool) -> bool {
    let (Some(patterns), Some(found)) = (argument.as_array(), found.as_array()) else {
        return false;
    };
    let mut left: Vec<&Value> = found.iter().collect();
    let all_found = patterns.iter().all(|pattern| {
        let place = left.iter().position(|value| agrees(pattern, value, closed));
        place.map(|at| left.remove(at)).is_some()
    });
    all_found && left.is_empty()
}

fn matches_regex(argument: &Value, found: &Value) -> bool {
    let (Some(pattern), Some(text)) = (argument.as_str(), found.as_str()) else { return false };
    Regex::new(pattern).is_ok_and(|regex| regex.is_match(text))
}

fn length(value: &Value) -> Option<usize> {
    match value {
        Value::String(text) => Some(text.chars().count()),
        Value::Array(items) => Some(items.len()),
        Value::Object(members) => Some(members.len()),
        _ => None,
    }
}

/// JSON has one kind of number: `1` and `1.0` are the same here.
fn same_number(pattern: &Value, got: Option<&Value>) -> bool {
    let exact = |v: &Value| v.as_i64().map(i128::from).or(v.as_u64().map(i128::from));
    let Some(got) = got else { return false };
    match (exact(pattern), exact(got)) {
        (Some(a), Some(b)) => a == b,
        _ => pattern.as_f64() == got.as_f64(),
    }
}

fn plain_name(name: &str) -> &str {
    if name.starts_with("$$") { &name[1..] } else { name }
}

fn is_operator(members: &Map<String, Value>) -> bool {
    members.keys().any(|key| {
        key.starts_with('$') && !key.starts_with("$$") && key != "$open" && key != "$closed"
    })
}

/// A value as one short line.
#[must_use]
pub fn shown(value: &Value) -> String {
    crate::transcript::cut(&value.to_string(), 300)
}

const WORDS: &[&str] = &["$any", "$int", "$num", "$bool", "$str", "$obj", "$arr", "$absent"];
const OPERATORS: &[&str] = &["$gte", "$lte", "$re", "$oneOf", "$not", "$len", "$unordered"];

/// Refuses a pattern with a word we do not have, so that a typing error never passes a case.
///
/// # Errors
/// Names the word.
pub fn check_pattern(pattern: &Value) -> Result<(), String> {
    match pattern {
        Value::String(text) if text.starts_with('$') && !text.starts_with("$$") => {
            if WORDS.contains(&text.as_str()) {
                return Ok(());
            }
            Err(format!("no matcher '{text}'; write '${text}' for the text itself"))
        }
        Value::Array(items) => items.iter().try_for_each(check_pattern),
        Value::Object(members) if is_operator(members) => check_operators(members),
        Value::Object(members) => members.values().try_for_each(check_pattern),
        _ => Ok(()),
    }
}

fn check_operators(members: &Map<String, Value>) -> Result<(), String> {
    for (name, argument) in members {
        if !OPERATORS.contains(&name.as_str()) {
            return Err(format!("no matcher '{name}' beside other matchers"));
        }
        match (name.as_str(), argument) {
            ("$re", Value::String(text)) => {
                Regex::new(text).map_err(|e| format!("$re: {e}"))?;
            }
            ("$gte" | "$lte", Value::Number(_)) => {}
            ("$oneOf" | "$unordered", Value::Array(_)) | ("$not" | "$len", _) => {
                check_pattern(argument)?;
            }
            _ => return Err(format!("{name} cannot take {argument}")),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
