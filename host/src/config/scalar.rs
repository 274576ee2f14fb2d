//! Turns one scalar into the value that its key expects, or says what is wrong with it.
//!
//! Knows nothing of documents or places; variables are replaced before a scalar comes here.

use crate::config::document::{Scalar, Style};
use crate::config::quantity::{parse_duration, parse_size};
use crate::config::schema::Kind;
use crate::config::suggest::closest;
use serde_yaml::Value as Yaml;

/// How much of a wrong value a message quotes.
const QUOTED_CHARS: usize = 60;

/// Reads a scalar as `kind`; durations come out in milliseconds, sizes in bytes.
/// The error reads on from the key.
pub fn read(scalar: &Scalar, kind: &Kind, nullable: bool) -> Result<Yaml, String> {
    let text = scalar.text.trim();
    let typed = scalar.style != Style::Untyped;
    let empty = text.is_empty() && !(typed && scalar.style == Style::Plain);
    if nullable && (empty || resolve(scalar) == Yaml::Null) {
        // `${TOKEN:-}` with no TOKEN must not become an empty token that opens a door.
        return Ok(Yaml::Null);
    }
    let value = match kind {
        Kind::Switch => switch(scalar).map(Yaml::from),
        Kind::Count { min, max } => {
            number(scalar).and_then(|n| n.as_u64()).filter(|n| n >= min && n <= max).map(Yaml::from)
        }
        Kind::Number { min, max } => {
            number(scalar).and_then(|n| n.as_f64()).filter(|n| n >= min && n <= max).map(Yaml::from)
        }
        Kind::Duration { min, max } => parse_duration(text)
            .and_then(|duration| u64::try_from(duration.as_millis()).ok())
            .filter(|millis| millis >= min && millis <= max)
            .map(Yaml::from),
        Kind::Size { min, max } => {
            parse_size(text).filter(|bytes| bytes >= min && bytes <= max).map(Yaml::from)
        }
        Kind::Choice(words) => words.contains(&text).then(|| Yaml::from(text)),
        Kind::Text | Kind::Path => plain_text(scalar).filter(|_| !text.is_empty()),
        Kind::Secret => plain_text(scalar),
        Kind::Any => Some(resolve(scalar)),
        Kind::TextList | Kind::TextMap | Kind::AnyList | Kind::Map | Kind::List => None,
    };
    value.ok_or_else(|| complaint(scalar, kind))
}

/// A value of an environment map: always a text, spelled exactly as written.
pub fn read_verbatim(scalar: &Scalar) -> Result<Yaml, String> {
    if scalar.style == Style::Plain && resolve(scalar) == Yaml::Null {
        return Err("has no value; write \"\" for an empty text".to_owned());
    }
    Ok(Yaml::String(scalar.text.clone()))
}

/// What a message says was found. `hide` keeps the value itself out of it.
pub fn found(scalar: &Scalar, hide: bool) -> String {
    let value = resolve(scalar);
    let class = match &value {
        Yaml::Null => return "empty".to_owned(),
        Yaml::Bool(flag) if !hide => return flag.to_string(),
        Yaml::Bool(_) => "a switch",
        Yaml::Number(_) => "a number",
        _ => "a text",
    };
    if hide {
        return class.to_owned();
    }
    let mut shown: String = scalar.text.chars().take(QUOTED_CHARS).collect();
    if shown.len() < scalar.text.len() {
        shown.push('…');
    }
    match value {
        Yaml::Number(_) => format!("the number {shown}"),
        _ => format!("the text '{}'", shown.escape_debug().to_string().replace("\\'", "'")),
    }
}

fn complaint(scalar: &Scalar, kind: &Kind) -> String {
    let hide = matches!(kind, Kind::Secret);
    let mut text = format!("is {}; expected {}", found(scalar, hide), kind.expected());
    match kind {
        Kind::Choice(words) => {
            if let Some(word) = closest(&scalar.text, words.iter().copied()) {
                text.push_str(&format!("; did you mean '{word}'?"));
            }
        }
        Kind::Text | Kind::Secret | Kind::Path if plain_text(scalar).is_none() => {
            text.push_str(", so put it in quotes");
        }
        Kind::Switch | Kind::Count { .. } | Kind::Number { .. }
            if scalar.style == Style::Quoted =>
        {
            let bare = Scalar { text: scalar.text.clone(), style: Style::Plain };
            if read(&bare, kind, false).is_ok() {
                text.push_str(", without quotes");
            }
        }
        _ => {}
    }
    text
}

fn switch(scalar: &Scalar) -> Option<bool> {
    if scalar.style == Style::Untyped {
        // The environment's habit.
        return match scalar.text.trim().to_ascii_lowercase().as_str() {
            "true" | "1" => Some(true),
            "false" | "0" => Some(false),
            _ => None,
        };
    }
    resolve(scalar).as_bool()
}

fn number(scalar: &Scalar) -> Option<serde_yaml::Number> {
    match resolve(scalar) {
        Yaml::Number(number) => Some(number),
        _ => None,
    }
}

/// `None` for a bare number or switch: quotes make clear that the text is meant.
fn plain_text(scalar: &Scalar) -> Option<Yaml> {
    let is_text = scalar.style != Style::Plain || resolve(scalar).is_string();
    is_text.then(|| Yaml::String(scalar.text.clone()))
}

/// The value that YAML itself sees in the scalar.
pub fn resolve(scalar: &Scalar) -> Yaml {
    let text = || Yaml::String(scalar.text.clone());
    // Longer than any number or word that is more than a text.
    if scalar.style == Style::Quoted || scalar.text.len() > 64 {
        return text();
    }
    match serde_yaml::from_str(&scalar.text) {
        // An empty variable is an empty text, `key:` alone is null.
        Ok(Yaml::Null) if scalar.style == Style::Plain => Yaml::Null,
        Ok(value @ (Yaml::Bool(_) | Yaml::Number(_))) => value,
        _ => text(),
    }
}
