//! Patterns as JavaScript writes them, matched in linear time.
//!
//! Knows nothing of fields. Look-around and back-references are refused: no engine that has them
//! can promise an end, and patterns meet what strangers send.

use std::fmt;

use regex::{Regex, RegexBuilder};

/// A longer one is no longer a check of one field.
const LONGEST: usize = 1_000;
/// Bytes that a compiled pattern may take.
const LARGEST: usize = 1 << 20;

/// A compiled pattern. It may match anywhere in a text, as in JSON Schema.
#[derive(Clone)]
pub struct Pattern {
    source: String,
    regex: Regex,
}

impl Pattern {
    /// # Errors
    /// What is wrong, to be read after "pattern".
    pub fn new(source: &str) -> Result<Pattern, String> {
        if source.len() > LONGEST {
            return Err(format!("is longer than {LONGEST} bytes; check that in the handler"));
        }
        if ["(?=", "(?!", "(?<=", "(?<!"].iter().any(|look| source.contains(look)) {
            return Err(
                "uses look-around, which is not supported; check that in the handler".into()
            );
        }
        let regex = RegexBuilder::new(&from_ecma(source))
            .size_limit(LARGEST)
            .build()
            .map_err(|error| format!("is not valid: {}", last_line(&error.to_string())))?;
        Ok(Pattern { source: source.to_owned(), regex })
    }

    #[must_use]
    pub fn matches(&self, text: &str) -> bool {
        self.regex.is_match(text)
    }

    /// As the author wrote it.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.source
    }
}

/// The text below which the engine shows the pattern with a caret; the sentence comes last.
fn last_line(message: &str) -> &str {
    let line = message.lines().last().unwrap_or(message);
    line.strip_prefix("error: ").unwrap_or(line)
}

/// Rewrites what the two dialects read differently: classes are ASCII in JavaScript, and brackets
/// and set operators inside a class are plain characters there.
fn from_ecma(source: &str) -> String {
    let mut out = String::with_capacity(source.len() + 16);
    let mut in_class = false;
    let mut chars = source.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some('d') => out.push_str("[0-9]"),
                Some('D') => out.push_str("[^0-9]"),
                Some('w') => out.push_str("[0-9A-Za-z_]"),
                Some('W') => out.push_str("[^0-9A-Za-z_]"),
                Some('b') if in_class => out.push_str("\\x08"),
                Some('b') => out.push_str("(?-u:\\b)"),
                Some(escaped) => out.extend(['\\', escaped]),
                None => out.push('\\'),
            },
            '[' if in_class => out.push_str("\\["),
            '&' | '~' if in_class => out.extend(['\\', c]),
            '[' => {
                in_class = true;
                out.push(c);
            }
            ']' => {
                in_class = false;
                out.push(c);
            }
            _ => out.push(c),
        }
    }
    out
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Pattern) -> bool {
        self.source == other.source
    }
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "/{}/", self.source)
    }
}

#[cfg(test)]
mod tests {
    use super::Pattern;

    fn check(pattern: &str, good: &[&str], bad: &[&str]) {
        let pattern = Pattern::new(pattern).unwrap();
        for text in good {
            assert!(pattern.matches(text), "{pattern:?} matches {text:?}");
        }
        for text in bad {
            assert!(!pattern.matches(text), "{pattern:?} does not match {text:?}");
        }
    }

    #[test]
    fn patterns_mean_what_they_mean_in_javascript() {
        check(r"^\d{3}$", &["123"], &["12a", "١٢٣", "123\n"]);
        check("b", &["abc"], &["acd"]);
        check(r"^[\w-]+$", &["a_b-1"], &["a b", "é"]);
        check(r"^[^\w]$", &["é", " "], &["a"]);
        check("^[[&&~]+$", &["[&~"], &["a"]);
        check(r"^a\/b\-c$", &["a/b-c"], &["ab-c"]);
        check(r"\bcat\b", &["a cat."], &["concat"]);
        check(r"^\u0041(?<x>\.)$", &["A."], &["B."]);
        check(r"^\p{Lu}.$", &["Éx", "A\u{1f389}"], &["é."]);
    }

    #[test]
    fn what_cannot_end_is_refused_with_a_reason() {
        let refused = |pattern: &str| Pattern::new(pattern).unwrap_err();
        assert!(refused("(?=a)").contains("look-around"));
        assert!(refused(r"(a)\1").contains("backreferences are not supported"));
        assert_eq!(refused("(a"), "is not valid: unclosed group");
        assert!(refused(&"a".repeat(1_001)).contains("longer than 1000"));
        assert!(refused("((a{100}){100}){100}").contains("size limit"));
    }
}
