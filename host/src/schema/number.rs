//! JSON numbers, compared exactly where both are whole.
//!
//! Knows no rules; it exists because `f64` cannot tell 2^53 from 2^53 + 1, and ids can.

use std::cmp::Ordering;
use std::fmt;

use serde::{Serialize, Serializer};

/// A number as JSON text has it.
#[derive(Debug, Clone, Copy)]
pub enum Number {
    Whole(i128),
    Real(f64),
}

impl Number {
    /// Reads the text of a JSON number; none when it is none.
    #[must_use]
    pub fn read(text: &str) -> Option<Number> {
        // Rust would also read "inf" and "+1"; JSON numbers start otherwise.
        if !text.starts_with(|c: char| c == '-' || c.is_ascii_digit()) {
            return None;
        }
        match text.parse() {
            Ok(whole) => Some(Number::Whole(whole)),
            Err(_) => text.parse().ok().map(Number::Real),
        }
    }

    /// `1.0` and `1e2` are whole: JSON has one kind of number, and JavaScript writes 1 for both.
    #[must_use]
    pub fn is_whole(self) -> bool {
        match self {
            Number::Whole(_) => true,
            Number::Real(real) => real.is_finite() && real.fract() == 0.0,
        }
    }

    #[must_use]
    pub fn is_less_than(self, other: Number) -> bool {
        self.partial_cmp(&other) == Some(Ordering::Less)
    }
}

impl PartialEq for Number {
    fn eq(&self, other: &Number) -> bool {
        self.partial_cmp(other) == Some(Ordering::Equal)
    }
}

impl PartialOrd for Number {
    fn partial_cmp(&self, other: &Number) -> Option<Ordering> {
        match (*self, *other) {
            (Number::Whole(a), Number::Whole(b)) => Some(a.cmp(&b)),
            (Number::Whole(a), Number::Real(b)) => (a as f64).partial_cmp(&b),
            (Number::Real(a), Number::Whole(b)) => a.partial_cmp(&(b as f64)),
            (Number::Real(a), Number::Real(b)) => a.partial_cmp(&b),
        }
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Number::Whole(whole) => whole.fmt(f),
            Number::Real(real) => real.fmt(f),
        }
    }
}

impl Serialize for Number {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Number::Whole(whole) => match i64::try_from(*whole) {
                Ok(small) => serializer.serialize_i64(small),
                Err(_) => serializer.serialize_f64(*whole as f64),
            },
            Number::Real(real) => serializer.serialize_f64(*real),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Number;

    fn number(text: &str) -> Number {
        Number::read(text).unwrap()
    }

    #[test]
    fn neighbours_beyond_two_to_the_53rd_differ() {
        assert!(number("9007199254740992").is_less_than(number("9007199254740993")));
        assert!(!number("9007199254740993").is_less_than(number("9007199254740993")));
    }

    #[test]
    fn what_is_whole_does_not_hang_on_how_it_is_written() {
        for text in ["1", "-0", "1.0", "1e2", "12345678901234567890123"] {
            assert!(number(text).is_whole(), "{text}");
        }
        for text in ["1.5", "1e-1", "1e400"] {
            assert!(!number(text).is_whole(), "{text}");
        }
        assert_eq!(number("1.0"), number("1"));
    }

    #[test]
    fn other_json_is_no_number() {
        for text in ["true", "null", "\"1\"", "[1]", "inf", "NaN", "+1"] {
            assert!(Number::read(text).is_none(), "{text}");
        }
    }
}
