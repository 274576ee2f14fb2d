//! What a field's declaration asks of a value: its type, its bounds, its default.
//!
//! Knows nothing of SQL and of other fields.

use crate::config::collection::{FieldConfig, FieldFormat};
use crate::db::datum::{Datum, Kind};
use crate::db::moment;
use crate::db::wire::{Wire, masked, plain, unmasked};
use crate::schema::format::{Format, is_uuid};
use crate::schema::pattern::Pattern;
use serde_json::Value;
use uuid::Uuid;

/// What is left to check once a value has the right type.
#[derive(Debug, Default)]
pub(super) struct Rules {
    pub(super) required: bool,
    pub(super) fill: Option<Fill>,
    length: (Option<u64>, Option<u64>),
    range: (Option<f64>, Option<f64>),
    pattern: Option<Pattern>,
    choices: Option<Vec<Datum>>,
    format: Option<Format>,
}

/// What stands in for a value that is not given.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Fill {
    /// A new uuid.
    Id,
    /// The present.
    Now,
    /// Always the same.
    Fixed(Datum),
}

/// What is wrong with a declaration: the option, and the complaint that reads on from it.
#[derive(Debug, PartialEq)]
pub(super) struct Mistake {
    pub(super) key: &'static str,
    pub(super) complaint: String,
}

/// A rule that a value breaks: its name, and the complaint without the field's name.
#[derive(Debug, PartialEq)]
pub(super) struct Broken {
    pub(super) rule: &'static str,
    pub(super) complaint: String,
}

fn broken<T>(rule: &'static str, complaint: impl Into<String>) -> Result<T, Broken> {
    Err(Broken { rule, complaint: complaint.into() })
}

/// A JSON value as its field stores it.
pub(super) fn stored(kind: Kind, value: &Value) -> Result<Datum, Broken> {
    let refuse = |complaint| Broken { rule: "type", complaint };
    if kind == Kind::Json {
        let tree = plain(value).map_err(refuse)?;
        return Ok(if tree.is_null() { Datum::Null } else { Datum::Text(tree.to_string()) });
    }
    let datum = match (kind, unmasked(value).map_err(refuse)?) {
        (_, Wire::Null) => Datum::Null,
        (Kind::Text, Wire::Text(text)) => Datum::Text(text.to_owned()),
        (Kind::Int | Kind::Any, Wire::Int(number)) => Datum::Int(number),
        (Kind::Int, Wire::Real(number)) => return whole(number),
        (Kind::Float | Kind::Any, Wire::Real(number)) => Datum::Real(number),
        #[expect(clippy::cast_precision_loss, reason = "a float field holds floats")]
        (Kind::Float, Wire::Int(number)) => Datum::Real(number as f64),
        (Kind::Bool | Kind::Any, Wire::Bool(value)) => Datum::Int(i64::from(value)),
        (Kind::Timestamp, Wire::Text(text)) => return text_of(kind, moment::normalised(text)),
        (Kind::Date, Wire::Text(text)) => return text_of(kind, moment::normalised_date(text)),
        (Kind::Uuid, Wire::Text(text)) => {
            return text_of(kind, is_uuid(text).then(|| text.to_ascii_lowercase()));
        }
        (Kind::Blob | Kind::Any, Wire::Bytes(bytes)) => Datum::Bytes(bytes),
        (Kind::Any, Wire::Text(text)) => Datum::Text(text.to_owned()),
        _ => return broken("type", format!("must be {}", kind.expectation())),
    };
    Ok(datum)
}

/// `1.0` is a whole number; languages with one number type send it.
fn whole(number: f64) -> Result<Datum, Broken> {
    if number.fract() == 0.0 && number.abs() < 9_007_199_254_740_992.0 {
        #[expect(clippy::cast_possible_truncation, reason = "it is whole and small enough")]
        return Ok(Datum::Int(number as i64));
    }
    broken("type", "must be an integer of 64 bits")
}

fn text_of(kind: Kind, text: Option<String>) -> Result<Datum, Broken> {
    match text {
        Some(text) => Ok(Datum::Text(text)),
        None => broken("type", format!("must be {}", kind.expectation())),
    }
}

impl Rules {
    /// The rules of a declaration, or all that is wrong with it.
    pub(super) fn of(field: &FieldConfig) -> Result<Rules, Vec<Mistake>> {
        let kind = Kind::of_field(field.r#type);
        let mut mistakes = Vec::new();
        let mut rules = Rules {
            required: field.required,
            length: (field.min_length, field.max_length),
            range: (field.min, field.max),
            format: field.format.map(format),
            ..Rules::default()
        };
        let mut note = |key, complaint| mistakes.push(Mistake { key, complaint });
        match field.pattern.as_deref().map(Pattern::new).transpose() {
            Ok(pattern) => rules.pattern = pattern,
            Err(complaint) => note("pattern", complaint),
        }
        match field.r#enum.as_ref().map(|values| choices(kind, values)).transpose() {
            Ok(choices) => rules.choices = choices,
            Err(complaint) => note("enum", complaint),
        }
        match field.default.as_ref().map(|value| fill(kind, value)).transpose() {
            Ok(fill) => rules.fill = fill,
            Err(complaint) => note("default", complaint),
        }
        if let (Some(Fill::Fixed(datum)), Some(value)) = (&rules.fill, &field.default)
            && let Err(broken) = rules.check(datum)
        {
            note("default", format!("is {value}; it {}", broken.complaint));
        }
        if mistakes.is_empty() { Ok(rules) } else { Err(mistakes) }
    }

    /// Whether a value of the right type may stand in the field. Absence is not judged here.
    pub(super) fn check(&self, datum: &Datum) -> Result<(), Broken> {
        match datum {
            Datum::Null => return Ok(()),
            Datum::Text(text) => self.check_text(text)?,
            Datum::Bytes(bytes) => self.check_length(bytes.len(), "bytes")?,
            #[expect(clippy::cast_precision_loss, reason = "the bounds are floats")]
            Datum::Int(number) => self.check_range(*number as f64)?,
            Datum::Real(number) => self.check_range(*number)?,
        }
        match &self.choices {
            Some(choices) if !choices.contains(datum) => {
                broken("enum", format!("must be one of {}", shown(choices)))
            }
            _ => Ok(()),
        }
    }

    fn check_text(&self, text: &str) -> Result<(), Broken> {
        if self.length != (None, None) {
            self.check_length(text.chars().count(), "characters")?;
        }
        if let Some(pattern) = self.pattern.as_ref().filter(|pattern| !pattern.matches(text)) {
            return broken("pattern", format!("must match the pattern {}", pattern.source()));
        }
        match self.format {
            Some(format) if !format.matches(text) => {
                broken("format", format!("must be a valid {format}"))
            }
            _ => Ok(()),
        }
    }

    fn check_length(&self, length: usize, unit: &str) -> Result<(), Broken> {
        let length = length as u64;
        match self.length {
            (Some(min), _) if length < min => {
                broken("min_length", format!("must have at least {min} {unit}"))
            }
            (_, Some(max)) if length > max => {
                broken("max_length", format!("must have at most {max} {unit}"))
            }
            _ => Ok(()),
        }
    }

    fn check_range(&self, number: f64) -> Result<(), Broken> {
        match self.range {
            (Some(min), _) if number < min => broken("min", format!("must be at least {min}")),
            (_, Some(max)) if number > max => broken("max", format!("must be at most {max}")),
            _ => Ok(()),
        }
    }
}

fn format(format: FieldFormat) -> Format {
    match format {
        FieldFormat::Email => Format::Email,
        FieldFormat::Url => Format::Url,
        FieldFormat::Uuid => Format::Uuid,
    }
}

fn choices(kind: Kind, values: &[Value]) -> Result<Vec<Datum>, String> {
    let choice = |value: &Value| {
        stored(kind, &masked(value.clone()))
            .map_err(|broken| format!("has {value}; it {}", broken.complaint))
    };
    values.iter().map(choice).collect()
}

fn fill(kind: Kind, value: &Value) -> Result<Fill, String> {
    match (kind, value.as_str()) {
        (Kind::Text | Kind::Uuid, Some("auto")) => Ok(Fill::Id),
        (Kind::Timestamp | Kind::Date, Some("now" | "auto")) => Ok(Fill::Now),
        // YAML knows no disguises: what looks like one is what it looks like.
        _ => match stored(kind, &masked(value.clone())) {
            Ok(datum) => Ok(Fill::Fixed(datum)),
            Err(broken) => Err(format!("is {value}; it {}", broken.complaint)),
        },
    }
}

impl Fill {
    pub(super) fn value(&self, kind: Kind, now: &str) -> Datum {
        match self {
            Fill::Id => Datum::Text(Uuid::now_v7().to_string()),
            Fill::Now if kind == Kind::Date => Datum::Text(now[..10].to_owned()),
            Fill::Now => Datum::Text(now.to_owned()),
            Fill::Fixed(datum) => datum.clone(),
        }
    }
}

fn shown(choices: &[Datum]) -> String {
    let shown = choices.iter().map(|choice| match choice {
        Datum::Int(number) => number.to_string(),
        Datum::Real(number) => number.to_string(),
        Datum::Text(text) => text.clone(),
        Datum::Null | Datum::Bytes(_) => "…".to_owned(),
    });
    shown.collect::<Vec<_>>().join(", ")
}
