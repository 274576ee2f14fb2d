//! What a field's declaration asks of a value: its type, its bounds, its default.
//!
//! Knows nothing of SQL and of other fields.

use crate::config::collection::{FieldConfig, FieldFormat};
use crate::db::datum::{Datum, Kind};
use crate::db::moment;
use crate::db::wire::{Wire, clean, plain, unmasked};
use regex::{Regex, RegexBuilder};
use serde_json::Value;
use uuid::Uuid;

/// Compiled patterns take no more memory than this.
const PATTERN_SIZE: usize = 1 << 20;

/// What is left to check once a value has the right type.
#[derive(Debug, Default)]
pub(super) struct Rules {
    pub(super) required: bool,
    pub(super) fill: Option<Fill>,
    length: (Option<u64>, Option<u64>),
    range: (Option<f64>, Option<f64>),
    pattern: Option<Regex>,
    choices: Option<Vec<Datum>>,
    format: Option<FieldFormat>,
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
            return text_of(kind, Uuid::try_parse(text).ok().map(|id| id.to_string()));
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
    /// The rules of a declaration, or what is wrong with it.
    pub(super) fn of(field: &FieldConfig) -> Result<Rules, String> {
        let kind = Kind::of_field(field.r#type);
        let fits = |value: &Value| {
            stored(kind, value).map_err(|b| format!("the value {value} {}", b.complaint))
        };
        let pattern = field.pattern.as_ref().map(|pattern| {
            let regex = RegexBuilder::new(pattern).size_limit(PATTERN_SIZE).build();
            regex.map_err(|_| format!("the pattern '{pattern}' is no regular expression"))
        });
        let choices = field.r#enum.as_ref().map(|values| values.iter().map(fits).collect());
        let rules = Rules {
            required: field.required,
            fill: field.default.as_ref().map(|value| fill(kind, value)).transpose()?,
            length: (field.min_length, field.max_length),
            range: (field.min, field.max),
            pattern: pattern.transpose()?,
            choices: choices.transpose()?,
            format: field.format,
        };
        if let Some(Fill::Fixed(datum)) = &rules.fill {
            rules.check(datum).map_err(|b| format!("the default {}", b.complaint))?;
        }
        Ok(rules)
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
        if let Some(pattern) = self.pattern.as_ref().filter(|pattern| !pattern.is_match(text)) {
            return broken("pattern", format!("must match {pattern}"));
        }
        match self.format {
            Some(FieldFormat::Email) if !is_email(text) => {
                broken("format", "must be an email address")
            }
            Some(FieldFormat::Url) if !is_url(text) => broken("format", "must be a URL"),
            Some(FieldFormat::Uuid) if Uuid::try_parse(text).is_err() => {
                broken("format", "must be a uuid")
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

fn fill(kind: Kind, value: &Value) -> Result<Fill, String> {
    match (kind, value.as_str()) {
        (Kind::Text | Kind::Uuid, Some("auto")) => Ok(Fill::Id),
        (Kind::Timestamp | Kind::Date, Some("now" | "auto")) => Ok(Fill::Now),
        _ => match stored(kind, value) {
            Ok(datum) => Ok(Fill::Fixed(datum)),
            Err(broken) => Err(format!("the default {value} {}", broken.complaint)),
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

/// What mail servers accept is wider; what people have looks like this.
pub(super) fn is_email(text: &str) -> bool {
    let Some((local, domain)) = text.rsplit_once('@') else { return false };
    let plain = |c: char| !c.is_whitespace() && !c.is_control() && c != '@';
    let labels = domain.split('.').all(|label| {
        let edges = !label.starts_with('-') && !label.ends_with('-');
        edges && !label.is_empty() && label.chars().all(|c| c.is_alphanumeric() || c == '-')
    });
    let sized = !local.is_empty() && local.len() <= 64 && text.len() <= 254;
    sized && local.chars().all(plain) && domain.contains('.') && labels
}

fn is_url(text: &str) -> bool {
    let Some((scheme, rest)) = text.split_once("://") else { return false };
    let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let letters = scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c));
    let begins = scheme.starts_with(|c: char| c.is_ascii_alphabetic());
    begins
        && letters
        && !host.is_empty()
        && clean(text).is_ok()
        && !text.contains(|c: char| c.is_whitespace() || c.is_control())
}

#[cfg(test)]
mod tests {
    use super::{is_email, is_url};

    #[test]
    fn addresses_are_told_from_other_text() {
        for good in ["a@b.de", "a.b+c@mail.example.com", "ü@bücher.de"] {
            assert!(is_email(good), "{good}");
        }
        for bad in ["", "a", "a@b", "@b.de", "a@.de", "a@b..de", "a b@c.de", "a@b@c.de", "a@-b.de"]
        {
            assert!(!is_email(bad), "{bad}");
        }
        for good in ["https://example.com", "http://localhost:80/x?y#z", "git+ssh://h/"] {
            assert!(is_url(good), "{good}");
        }
        for bad in ["", "example.com", "https://", "://x", "https:// x", "1a://x"] {
            assert!(!is_url(bad), "{bad}");
        }
    }
}
