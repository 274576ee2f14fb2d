//! Where in a value the check is, without cost until somebody asks.
//!
//! Knows no values; a path is a chain of steps on the stack.

use std::fmt;

/// A step and the way to it. Shown as `author.tags[0]`.
#[derive(Debug, Clone, Copy)]
pub struct Path<'a> {
    before: Option<&'a Path<'a>>,
    step: Step<'a>,
}

#[derive(Debug, Clone, Copy)]
enum Step<'a> {
    /// The value itself: what to call it when nothing else names it.
    Root(&'a str),
    Member(&'a str),
    Element(usize),
}

impl<'a> Path<'a> {
    #[must_use]
    pub fn root(called: &'a str) -> Path<'a> {
        Path { before: None, step: Step::Root(called) }
    }

    #[must_use]
    pub fn member(&'a self, name: &'a str) -> Path<'a> {
        Path { before: Some(self), step: Step::Member(name) }
    }

    #[must_use]
    pub fn element(&'a self, index: usize) -> Path<'a> {
        Path { before: Some(self), step: Step::Element(index) }
    }

    /// The same as it is shown, but nothing for the value as a whole.
    #[must_use]
    pub fn field(&self) -> String {
        if self.before.is_none() { String::new() } else { self.to_string() }
    }
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inner = self.before.filter(|before| before.before.is_some());
        if let Some(before) = inner {
            before.fmt(f)?;
        }
        match self.step {
            Step::Root(called) => f.write_str(called),
            Step::Member(name) if inner.is_some() => write!(f, ".{name}"),
            Step::Member(name) => f.write_str(name),
            Step::Element(index) => write!(f, "[{index}]"),
        }
    }
}
