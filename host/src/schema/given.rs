//! Reads the rules of one value, one by one, each by the kind of thing it must be.
//!
//! What is left at the end says nothing of that type of value. Knows no other values: `read` goes
//! from one to the next.

use indexmap::IndexMap;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::config::suggest::closest;
use crate::schema::fault::Fault;
use crate::schema::format::{FORMATS, Format};
use crate::schema::number::Number;
use crate::schema::pattern::Pattern;
use crate::schema::rules::{Length, Presence, Range, Shape};

const TYPES: [&str; 7] = ["string", "number", "integer", "boolean", "array", "object", "any"];

/// Members in the order of the source.
pub type Members<'v> = IndexMap<String, &'v RawValue>;

/// The rules of one value that have not been read yet.
#[derive(Debug)]
pub struct Given<'v, 'p, 'f> {
    pub members: Members<'v>,
    pub place: &'p str,
    pub faults: &'f mut Vec<Fault>,
}

impl<'v> Given<'v, '_, '_> {
    pub fn take(&mut self, rule: &str) -> Option<&'v RawValue> {
        self.members.shift_remove(rule).filter(|value| value.get() != "null")
    }

    /// The type with its own rules; what arrays and objects hold is not read here.
    pub fn shape(&mut self) -> Option<Shape> {
        let name = match self.take("type") {
            None => "any".to_owned(),
            Some(value) => serde_json::from_str(value.get()).unwrap_or_else(|_| value.to_string()),
        };
        Some(match name.as_str() {
            "any" => Shape::Any,
            "boolean" => Shape::Boolean,
            "string" => Shape::Text {
                length: self.length(),
                pattern: self.pattern(),
                format: self.format(),
            },
            "number" | "integer" => Shape::Number { whole: name == "integer", range: self.range() },
            "array" => Shape::Array { length: self.length(), items: None },
            "object" => Shape::Object(None),
            _ => {
                self.fault("type", unknown("type", &name, &TYPES));
                return None;
            }
        })
    }

    /// What says more of the values that `shape` holds.
    pub fn inside(&mut self, shape: &Shape) -> Option<&'v RawValue> {
        match shape {
            Shape::Array { .. } => self.take("items"),
            Shape::Object(_) => self.take("properties"),
            _ => None,
        }
    }

    pub fn presence(&mut self) -> Presence {
        let required = self.switch("required");
        let optional = self.switch("optional");
        match (required, optional) {
            (Some(required), Some(optional)) if required == optional => {
                self.fault("required", "contradicts 'optional'; keep one of them");
                Presence::Unsaid
            }
            (Some(true), _) | (_, Some(false)) => Presence::Required,
            (Some(false), _) | (_, Some(true)) => Presence::Optional,
            (None, None) => Presence::Unsaid,
        }
    }

    pub fn choices(&mut self) -> Option<Vec<Value>> {
        let choices = self.read::<Vec<Value>>("enum", "a list of values")?;
        if choices.is_empty() {
            self.fault("enum", "is empty: no value could ever pass");
        }
        Some(choices)
    }

    fn length(&mut self) -> Length {
        let wanted = "a whole number from 0 on";
        let min = self.read::<usize>("minLength", wanted);
        let max = self.read::<usize>("maxLength", wanted);
        self.ordered("minLength", min.zip(max).is_some_and(|(min, max)| min > max));
        Length { min, max }
    }

    fn pattern(&mut self) -> Option<Pattern> {
        let source = self.read::<String>("pattern", "a text")?;
        Pattern::new(&source).map_err(|why| self.fault("pattern", why)).ok()
    }

    fn format(&mut self) -> Option<Format> {
        let name = self.read::<String>("format", "a text")?;
        let found = Format::named(&name);
        if found.is_none() {
            let known: Vec<&str> = FORMATS.iter().map(|(known, _)| *known).collect();
            self.fault("format", unknown("format", &name, &known));
        }
        found
    }

    fn range(&mut self) -> Range {
        let range = Range { min: self.number("min"), max: self.number("max") };
        if let Range { min: Some(min), max: Some(max) } = range {
            self.ordered("min", max.is_less_than(min));
        }
        range
    }

    fn number(&mut self, rule: &str) -> Option<Number> {
        let value = self.take(rule)?;
        let number = Number::read(value.get());
        if number.is_none() {
            self.fault(rule, "must be a number");
        }
        number
    }

    fn switch(&mut self, rule: &str) -> Option<bool> {
        self.read(rule, "true or false")
    }

    fn read<T: serde::de::DeserializeOwned>(&mut self, rule: &str, wanted: &str) -> Option<T> {
        let value = self.take(rule)?;
        let read = serde_json::from_str(value.get()).ok();
        if read.is_none() {
            self.fault(rule, format!("must be {wanted}"));
        }
        read
    }

    fn ordered(&mut self, rule: &str, crossed: bool) {
        if crossed {
            self.fault(rule, "is above the upper bound: no value could ever pass");
        }
    }

    /// Rules that exist but say nothing of this type.
    pub fn leftovers(&mut self, shape: &Shape) {
        let left = std::mem::take(&mut self.members);
        for (rule, _) in left.iter().filter(|(_, value)| value.get() != "null") {
            let wanted = match rule.as_str() {
                "min" | "max" => "number or integer",
                "minLength" | "maxLength" => "string or array",
                "items" => "array",
                "properties" => "object",
                _ => "string",
            };
            let complaint = format!("needs type {wanted}, and this is of type {}", shape.name());
            self.fault(rule, complaint);
        }
    }

    fn fault(&mut self, rule: &str, complaint: impl Into<String>) {
        let place = format!("{}.{rule}", self.place);
        self.faults.push(Fault { place, complaint: complaint.into() });
    }
}

/// A word that is not in the list, and what was probably meant.
#[must_use]
pub fn unknown(what: &str, word: &str, known: &[&str]) -> String {
    match closest(word, known.iter().copied()) {
        Some(meant) => format!("unknown {what} '{word}'; did you mean '{meant}'?"),
        None => format!("unknown {what} '{word}'; known are {}", known.join(", ")),
    }
}
