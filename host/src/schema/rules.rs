//! A compiled schema: the rules of each field, in the order of the source.
//!
//! Data only; `read` builds it, `check` applies it, `json_schema` writes it down.

use serde_json::Value;

use crate::schema::format::Format;
use crate::schema::number::Number;
use crate::schema::pattern::Pattern;

/// The members of an object that something is said of; all others pass.
#[derive(Debug, Clone, PartialEq)]
pub struct Fields(Vec<Field>);

/// One member.
#[derive(Debug, Clone, PartialEq)]
pub struct Field {
    pub name: String,
    pub rules: Rules,
}

/// What is said of one value.
#[derive(Debug, Clone, PartialEq)]
pub struct Rules {
    pub shape: Shape,
    pub presence: Presence,
    /// The only values allowed.
    pub choices: Option<Vec<Value>>,
    /// JSON text, put in where the value is missing.
    pub default: Option<String>,
}

/// Whether a value may be missing. Null counts as missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presence {
    Required,
    Optional,
    /// Neither was said: optional for a field, required for an element of an array.
    Unsaid,
}

/// The type of a value and the rules that only this type has.
#[derive(Debug, Clone, PartialEq)]
pub enum Shape {
    Any,
    Boolean,
    Text { length: Length, pattern: Option<Pattern>, format: Option<Format> },
    Number { whole: bool, range: Range },
    Array { length: Length, items: Option<Box<Rules>> },
    Object(Option<Fields>),
}

/// Code points of a string, or elements of an array.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Length {
    pub min: Option<usize>,
    pub max: Option<usize>,
}

/// Both ends belong to it.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Range {
    pub min: Option<Number>,
    pub max: Option<Number>,
}

impl Fields {
    #[must_use]
    pub fn new(fields: Vec<Field>) -> Fields {
        Fields(fields)
    }

    #[must_use]
    pub fn as_slice(&self) -> &[Field] {
        &self.0
    }

    /// Which field a key names. Lists are short: a walk beats a hash until about 30 fields.
    #[must_use]
    pub fn position(&self, key: &[u8]) -> Option<usize> {
        self.0.iter().position(|field| field.name.as_bytes() == key)
    }
}

impl Rules {
    /// As a field of an object, this must be there.
    #[must_use]
    pub fn is_required(&self) -> bool {
        self.presence == Presence::Required
    }

    /// As an element of an array, this may be null.
    #[must_use]
    pub fn element_may_be_null(&self) -> bool {
        self.presence == Presence::Optional
            || self.presence == Presence::Unsaid && self.shape == Shape::Any
    }
}

impl Shape {
    /// The word for it in a schema.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Shape::Any => "any",
            Shape::Boolean => "boolean",
            Shape::Text { .. } => "string",
            Shape::Number { whole: false, .. } => "number",
            Shape::Number { whole: true, .. } => "integer",
            Shape::Array { .. } => "array",
            Shape::Object(_) => "object",
        }
    }

    /// With its article, for messages.
    #[must_use]
    pub fn with_article(&self) -> &'static str {
        match self {
            Shape::Any => "any value",
            Shape::Boolean => "a boolean",
            Shape::Text { .. } => "a string",
            Shape::Number { whole: false, .. } => "a number",
            Shape::Number { whole: true, .. } => "an integer",
            Shape::Array { .. } => "an array",
            Shape::Object(_) => "an object",
        }
    }
}

impl Length {
    #[must_use]
    pub fn is_unbounded(self) -> bool {
        self.min.is_none() && self.max.is_none()
    }
}
