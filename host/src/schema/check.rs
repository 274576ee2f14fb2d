//! Holds a JSON value to compiled rules, and gathers what breaks them and which defaults it lacks.
//!
//! Reads the text as it came and builds no tree. Trusts it to be JSON of bounded depth; knows
//! nothing of where it came from.

use std::fmt;

use alyx_protocol::json;
use bytes::Bytes;
use serde::de::{Deserializer, IgnoredAny, SeqAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::schema::bounds;
use crate::schema::fill::Fills;
use crate::schema::members::{Members, members};
use crate::schema::number::Number;
use crate::schema::path::Path;
use crate::schema::rules::{Fields, Presence, Rules, Shape};
use crate::schema::violation::{Violation, Violations};

/// A caller mends the first few and asks again; a list of a million faults helps nobody.
const MOST_VIOLATIONS: usize = 100;

/// What happens to fields that are missing and have a default.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Defaults {
    Fill,
    Leave,
}

/// Checks one object; `called` names the whole of it in messages.
///
/// # Errors
/// [`Violations`] in the order of the schema, at most a hundred.
pub fn check(
    fields: &Fields,
    value: &Bytes,
    called: &str,
    defaults: Defaults,
) -> Result<Bytes, Violations> {
    let path = Path::root(called);
    let parsed = std::str::from_utf8(value).ok().and_then(|text| serde_json::from_str(text).ok());
    let Some(whole) = parsed else {
        let message = format!("{called} must be an object");
        let broken = Violation { field: String::new(), rule: "type", message };
        return Err(Violations::of(vec![broken]).expect("there is one in the list"));
    };
    let start = address(value);
    let mut check = Check { start, defaults, violations: Vec::new(), fills: Fills::default() };
    check.object(fields, whole, path);
    match Violations::of(check.violations) {
        Some(violations) => Err(violations),
        None => Ok(check.fills.apply(value)),
    }
}

struct Check {
    /// Where the whole text begins: values are known by their distance from it.
    start: usize,
    defaults: Defaults,
    violations: Vec<Violation>,
    fills: Fills,
}

impl Check {
    fn value(&mut self, rules: &Rules, value: &RawValue, path: Path<'_>) {
        let text = value.get();
        match &rules.shape {
            Shape::Any => {}
            Shape::Boolean if matches!(text, "true" | "false") => {}
            Shape::Text { length, pattern, format } if text.starts_with('"') => {
                let plain = length.is_unbounded() && pattern.is_none() && format.is_none();
                // Without rules on its content a string need not be decoded.
                if !plain {
                    let string = bounds::string(text);
                    let broken = bounds::text(&string, *length, pattern.as_ref(), *format);
                    broken.into_iter().for_each(|(rule, what)| self.broken(path, rule, &what));
                }
            }
            Shape::Number { whole, range } => match Number::read(text) {
                Some(number) if !whole || number.is_whole() => {
                    if let Some((rule, what)) = bounds::number(number, *range) {
                        self.broken(path, rule, &what);
                    }
                }
                _ => return self.wrong_type(rules, path),
            },
            Shape::Array { length, items } if text.starts_with('[') => {
                let count = self.array(items.as_deref(), value, path);
                if let Some((rule, what)) = bounds::count(count, *length) {
                    self.broken(path, rule, &what);
                }
            }
            Shape::Object(fields) if text.starts_with('{') => {
                if let Some(fields) = fields {
                    self.object(fields, value, path);
                }
            }
            _ => return self.wrong_type(rules, path),
        }
        if let Some(choices) = &rules.choices
            && !choices.iter().any(|choice| is_same(choice, text))
        {
            self.broken(path, "enum", &format!("must be one of {}", listed(choices)));
        }
    }

    fn object(&mut self, fields: &Fields, object: &RawValue, path: Path<'_>) {
        let Ok(Members { values, is_empty }) = members(object.get(), fields) else {
            return self.broken(path, "type", "must be an object");
        };
        let mut missing = String::new();
        for (field, value) in fields.as_slice().iter().zip(values) {
            let rules = &field.rules;
            let member = path.member(&field.name);
            let default = rules.default.as_deref().filter(|_| self.defaults == Defaults::Fill);
            match (value, default) {
                (Some(value), _) if value.get() != "null" => self.value(rules, value, member),
                (Some(null), Some(default)) => {
                    let at = address(null.get().as_bytes()) - self.start;
                    self.fills.put(at, null.get().len(), default.to_owned());
                }
                (None, Some(default)) => {
                    let comma = if is_empty && missing.is_empty() { "" } else { "," };
                    let name = Value::from(field.name.as_str());
                    missing.push_str(&format!("{comma}{name}:{default}"));
                }
                (_, None) if rules.presence == Presence::Required => {
                    self.broken(member, "required", "is required");
                }
                (_, None) => {}
            }
        }
        if !missing.is_empty() {
            let text = object.get();
            let brace = address(text.as_bytes()) - self.start + text.len() - 1;
            self.fills.put(brace, 0, missing);
        }
    }

    /// Returns how many elements there are.
    fn array(&mut self, items: Option<&Rules>, array: &RawValue, path: Path<'_>) -> usize {
        let elements = Elements { check: self, items, path };
        let mut deserializer = serde_json::Deserializer::from_str(array.get());
        deserializer.deserialize_seq(elements).unwrap_or_default()
    }

    fn element(&mut self, rules: &Rules, value: &RawValue, path: Path<'_>) {
        match value.get() {
            "null" if rules.element_may_be_null() => {}
            "null" if rules.presence == Presence::Required => {
                self.broken(path, "required", "is required");
            }
            _ => self.value(rules, value, path),
        }
    }

    fn wrong_type(&mut self, rules: &Rules, path: Path<'_>) {
        self.broken(path, "type", &format!("must be {}", rules.shape.with_article()));
    }

    /// `what` is read after the field.
    fn broken(&mut self, path: Path<'_>, rule: &'static str, what: &str) {
        if self.is_full() {
            return;
        }
        let message = format!("{path} {what}");
        self.violations.push(Violation { field: path.field(), rule, message });
    }

    fn is_full(&self) -> bool {
        self.violations.len() >= MOST_VIOLATIONS
    }
}

struct Elements<'c, 'r, 'p> {
    check: &'c mut Check,
    items: Option<&'r Rules>,
    path: Path<'p>,
}

impl<'v> Visitor<'v> for Elements<'_, '_, '_> {
    type Value = usize;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array")
    }

    fn visit_seq<A: SeqAccess<'v>>(self, mut sequence: A) -> Result<usize, A::Error> {
        let mut count = 0;
        loop {
            match self.items.filter(|_| !self.check.is_full()) {
                Some(rules) => {
                    let Some(value) = sequence.next_element::<&RawValue>()? else { break };
                    self.check.element(rules, value, self.path.element(count));
                }
                None if sequence.next_element::<IgnoredAny>()?.is_none() => break,
                None => {}
            }
            count += 1;
        }
        Ok(count)
    }
}

fn address(text: &[u8]) -> usize {
    text.as_ptr() as usize
}

/// Equal as values: `1.0` is 1, and `"\u0061"` is "a".
fn is_same(choice: &Value, text: &str) -> bool {
    match choice {
        Value::String(choice) => text.starts_with('"') && bounds::string(text) == choice.as_str(),
        Value::Number(choice) => Number::read(text)
            .is_some_and(|number| Number::read(&choice.to_string()) == Some(number)),
        _ => json::read::<Value>(text).is_ok_and(|value| value == *choice),
    }
}

fn listed(choices: &[Value]) -> String {
    let shown: Vec<String> = choices
        .iter()
        .map(|choice| choice.as_str().map_or_else(|| choice.to_string(), str::to_owned))
        .collect();
    shown.join(", ")
}
