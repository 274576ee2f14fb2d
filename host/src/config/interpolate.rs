//! Replaces `${VAR}`, `${VAR:-default}` and `$$` in one text.
//!
//! Knows nothing of files or keys; what an unset variable means is the caller's decision.

use crate::config::secret::Variables;
use std::borrow::Cow;
use std::collections::BTreeSet;

/// A default may hold variables again, but nobody needs more than this.
const MAX_DEPTH: usize = 8;

/// Why a text cannot be expanded. Never quotes a variable's value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InterpolateError {
    #[error("uses ${{{0}}}, which is not set; set it or write ${{{0}:-default}}")]
    Unset(String),
    #[error("has '${{' without '}}'; close it, or write '$$' for a plain '$'")]
    Unclosed,
    #[error("uses '${{{0}}}', which names no variable; write ${{NAME}} or ${{NAME:-default}}")]
    BadName(String),
    #[error("nests '${{…}}' deeper than {MAX_DEPTH} levels; simplify it")]
    TooDeep,
}

/// The text after replacement and the variables it named, set or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expansion<'a> {
    pub text: Cow<'a, str>,
    pub names: BTreeSet<String>,
}

/// Expands one text. As in a shell, `:-` also stands in for an empty variable.
pub fn expand<'a>(text: &'a str, variables: &Variables) -> Result<Expansion<'a>, InterpolateError> {
    let mut names = BTreeSet::new();
    if !text.contains('$') {
        return Ok(Expansion { text: Cow::Borrowed(text), names });
    }
    let mut reader = Reader { rest: text, variables, names: &mut names };
    let expanded = reader.text(0)?;
    Ok(Expansion { text: Cow::Owned(expanded), names })
}

struct Reader<'a, 'n> {
    rest: &'a str,
    variables: &'a Variables,
    names: &'n mut BTreeSet<String>,
}

impl Reader<'_, '_> {
    /// Reads to the end of the text, or inside braces to the one that closes them.
    fn text(&mut self, depth: usize) -> Result<String, InterpolateError> {
        if depth > MAX_DEPTH {
            return Err(InterpolateError::TooDeep);
        }
        let mut out = String::new();
        loop {
            let stop = self.rest.find(['$', '}']).unwrap_or(self.rest.len());
            out.push_str(&self.rest[..stop]);
            self.rest = &self.rest[stop..];
            if self.rest.is_empty() {
                return if depth == 0 { Ok(out) } else { Err(InterpolateError::Unclosed) };
            } else if self.take("$$") {
                out.push('$');
            } else if self.take("${") {
                out.push_str(&self.variable(depth)?);
            } else if depth > 0 && self.take("}") {
                return Ok(out);
            } else {
                out.push_str(&self.rest[..1]);
                self.rest = &self.rest[1..];
            }
        }
    }

    /// Reads what follows `${`.
    fn variable(&mut self, depth: usize) -> Result<String, InterpolateError> {
        let end = self.rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
        let end = end.ok_or(InterpolateError::Unclosed)?;
        let name = &self.rest[..end];
        let bad = name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit());
        let after = &self.rest[end..];
        if bad || !(after.starts_with('}') || after.starts_with(":-")) {
            let shown = self.rest.split('}').next().unwrap_or(name);
            return Err(InterpolateError::BadName(shown.chars().take(64).collect()));
        }
        let name = name.to_owned();
        self.rest = after;
        let value = self.variables.get(&name);
        self.names.insert(name.clone());
        if self.take("}") {
            return value.map(str::to_owned).ok_or(InterpolateError::Unset(name));
        }
        self.rest = &self.rest[2..];
        self.fallback(value.filter(|value| !value.is_empty()), depth)
    }

    /// Reads the default; one that is not needed may name variables that are not set.
    fn fallback(&mut self, value: Option<&str>, depth: usize) -> Result<String, InterpolateError> {
        let Some(value) = value else { return self.text(depth + 1) };
        let mut unused = Skip { rest: self.rest, open: 1 };
        self.rest = unused.closing().ok_or(InterpolateError::Unclosed)?;
        Ok(value.to_owned())
    }

    fn take(&mut self, token: &str) -> bool {
        match self.rest.strip_prefix(token) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }
}

/// Passes over a default that is not needed.
struct Skip<'a> {
    rest: &'a str,
    open: usize,
}

impl<'a> Skip<'a> {
    /// What follows the brace that closes the default.
    fn closing(&mut self) -> Option<&'a str> {
        loop {
            let at = self.rest.find(['$', '}'])?;
            let here = &self.rest[at..];
            let step = if here.starts_with("$$") {
                2
            } else if here.starts_with("${") {
                self.open += 1;
                2
            } else {
                self.open -= usize::from(here.starts_with('}'));
                1
            };
            self.rest = &here[step..];
            if self.open == 0 {
                return Some(self.rest);
            }
        }
    }
}

#[cfg(test)]
mod tests;
