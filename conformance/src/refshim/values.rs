//! Values of the database, section 13.1: between how a case writes them and the wire.
//!
//! A case writes `@int`, `@bytes` in hex, `@time`, `@text`; `README.md` lists them.

use alyx_protocol::{ErrorCode, RpcError};
use serde_json::{Map, Value, json};

use super::start::Mutant;

const SAFE: i64 = (1 << 53) - 1;
const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// What user code can catch.
pub(super) type Thrown = Box<RpcError>;

/// What a shim does to values, and the one thing it may do wrong.
#[derive(Debug, Clone, Copy)]
pub(super) struct Values {
    pub(super) mutant: Option<Mutant>,
}

impl Values {
    /// A value as it goes over the wire; `path` is told where it cannot.
    pub(super) fn written(self, value: &Value, path: &str) -> Result<Value, Thrown> {
        match value {
            Value::Array(items) => {
                let item = |(i, item)| self.written(item, &format!("{path}[{i}]"));
                items.iter().enumerate().map(item).collect()
            }
            Value::Object(members) => match only(members) {
                Some(("@int", digits)) => Ok(integer(digits.as_str().unwrap_or_default())),
                Some(("@bytes", hex)) => {
                    let text = base64(&unhex(hex.as_str().unwrap_or_default()));
                    let bare = self.is(Mutant::BytesWithoutPadding);
                    Ok(json!({"$bytes": if bare { text.trim_end_matches('=') } else { &text }}))
                }
                Some(("@time", ms)) => Ok(time(ms.as_i64().unwrap_or_default()).into()),
                Some(("@text", length)) => Ok("x"
                    .repeat(usize::try_from(length.as_u64().unwrap_or(0)).unwrap_or(0))
                    .into()),
                Some(("@nan", _)) if self.is(Mutant::NanAsNull) => Ok(Value::Null),
                Some(("@nan" | "@foreign", _)) => {
                    let what = format!("{path} is no value that a database can hold");
                    Err(coded(ErrorCode::DbValidation, "VALIDATION_ERROR", what))
                }
                Some((name, _)) if name.starts_with('$') && !self.is(Mutant::WritesNoLiterals) => {
                    Ok(json!({"$lit": self.members_written(members, path)?}))
                }
                _ => self.members_written(members, path),
            },
            other => Ok(other.clone()),
        }
    }

    fn is(self, mutant: Mutant) -> bool {
        self.mutant == Some(mutant)
    }

    fn members_written(self, members: &Map<String, Value>, path: &str) -> Result<Value, Thrown> {
        let member = |(name, value): (&String, &Value)| {
            Ok((name.clone(), self.written(value, &format!("{path}.{name}"))?))
        };
        members.iter().map(member).collect::<Result<Map<_, _>, Thrown>>().map(Value::Object)
    }

    /// A filter as it goes over the wire: operators stay, operands are values.
    pub(super) fn filter_written(self, filter: &Value, path: &str) -> Result<Value, Thrown> {
        let Value::Object(members) = filter else { return self.written(filter, path) };
        let member = |(name, value): (&String, &Value)| {
            let path = format!("{path}.{name}");
            let written = match (name.as_str(), value) {
                ("$and" | "$or", Value::Array(all)) => {
                    all.iter().map(|one| self.filter_written(one, &path)).collect()
                }
                ("$not", inner) => self.filter_written(inner, &path),
                (_, Value::Object(operators)) if operators.keys().any(|k| k.starts_with('$')) => {
                    self.members_written(operators, &path)
                }
                (_, operand) => self.written(operand, &path),
            };
            Ok((name.clone(), written?))
        };
        members.iter().map(member).collect::<Result<Map<_, _>, Thrown>>().map(Value::Object)
    }

    /// A value of the wire, as a case writes it.
    pub(super) fn read(self, value: &Value) -> Value {
        match value {
            Value::Array(items) => items.iter().map(|item| self.read(item)).collect(),
            Value::Object(members) => match only(members) {
                Some(("$int", Value::String(digits))) if self.is(Mutant::ReadsIntegersAsFloats) => {
                    json!(digits.parse::<f64>().unwrap_or_default())
                }
                Some(("$int", Value::String(digits))) => match digits.parse::<i64>() {
                    Ok(number) if (-SAFE..=SAFE).contains(&number) => number.into(),
                    _ => json!({"@int": digits}),
                },
                Some(("$bytes", Value::String(text))) if self.is(Mutant::BytesAsText) => {
                    text.as_str().into()
                }
                Some(("$bytes", Value::String(text))) => json!({"@bytes": hex_of_base64(text)}),
                Some(("$lit", Value::Object(inner))) => self.members_read(inner),
                _ => self.members_read(members),
            },
            other => other.clone(),
        }
    }

    fn members_read(self, members: &Map<String, Value>) -> Value {
        let member = |(name, value): (&String, &Value)| (name.clone(), self.read(value));
        members.iter().map(member).collect::<Map<_, _>>().into()
    }
}

/// An error of the database with its exact word.
pub(super) fn coded(class: ErrorCode, word: &str, message: impl std::fmt::Display) -> Thrown {
    let mut error = thrown(class, message);
    error.data.get_or_insert_default().code = Some(word.to_owned());
    error
}

pub(super) fn thrown(class: ErrorCode, message: impl std::fmt::Display) -> Thrown {
    Box::new(RpcError::new(class, message))
}

fn only(members: &Map<String, Value>) -> Option<(&str, &Value)> {
    let mut all = members.iter();
    let (name, value) = all.next()?;
    all.next().is_none().then_some((name.as_str(), value))
}

fn integer(digits: &str) -> Value {
    match digits.parse::<i64>() {
        Ok(number) if (-SAFE..=SAFE).contains(&number) => number.into(),
        _ => json!({"$int": digits}),
    }
}

fn unhex(text: &str) -> Vec<u8> {
    let byte = |at: usize| u8::from_str_radix(text.get(at..at + 2)?, 16).ok();
    (0..text.len()).step_by(2).filter_map(byte).collect()
}

fn base64(bytes: &[u8]) -> String {
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let all = chunk.iter().fold(0_u32, |all, byte| all << 8 | u32::from(*byte));
        let all = all << (8 * (3 - chunk.len()));
        for place in 0..4 {
            let digit = (all >> (18 - 6 * place) & 63) as usize;
            text.push(if place <= chunk.len() { char::from(DIGITS[digit]) } else { '=' });
        }
    }
    text
}

fn hex_of_base64(text: &str) -> String {
    let mut hex = String::new();
    let (mut bits, mut count) = (0_u32, 0);
    for digit in text.bytes().filter_map(|c| DIGITS.iter().position(|d| *d == c)) {
        bits = bits << 6 | u32::try_from(digit).unwrap_or_default();
        count += 6;
        if count >= 8 {
            count -= 8;
            hex += &format!("{:02x}", bits >> count & 0xff);
        }
    }
    hex
}

/// Milliseconds since 1970 as RFC 3339 in UTC.
fn time(ms: i64) -> String {
    let (days, of_day) = (ms.div_euclid(86_400_000), ms.rem_euclid(86_400_000));
    // Counted from the first of March of year 0, so that a leap day is the last of its year.
    let days = days + 719_468;
    let (era, of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    let (hour, minute) = (of_day / 3_600_000, of_day / 60_000 % 60);
    let (second, millisecond) = (of_day / 1000 % 60, of_day % 1000);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millisecond:03}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(case: Value, wire: Value) {
        let values = Values { mutant: None };
        assert_eq!(values.written(&case, "data"), Ok(wire.clone()));
        assert_eq!(values.read(&wire), case);
    }

    #[test]
    fn values_go_both_ways() {
        check(json!({"@int": "9007199254740992"}), json!({"$int": "9007199254740992"}));
        check(json!([9_007_199_254_740_991_i64, null]), json!([9_007_199_254_740_991_i64, null]));
        for (hex, text) in [("", ""), ("00", "AA=="), ("fbff", "+/8="), ("89504e", "iVBO")] {
            check(json!({ "@bytes": hex }), json!({ "$bytes": text }));
        }
        check(json!({"$lit": {"$int": "1"}}), json!({"$lit": {"$lit": {"$lit": {"$int": "1"}}}}));
        check(json!({"$int": "1", "a": 2}), json!({"$int": "1", "a": 2}));
    }

    #[test]
    fn a_time_is_written_as_utc() {
        assert_eq!(time(1_769_250_600_123), "2026-01-24T10:30:00.123Z");
        assert_eq!(time(951_782_400_000), "2000-02-29T00:00:00.000Z");
        assert_eq!(time(-1), "1969-12-31T23:59:59.999Z");
    }
}
