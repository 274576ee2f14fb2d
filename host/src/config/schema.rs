//! What a table of keys says about a document: which keys there are and what each holds.
//!
//! Knows nothing of documents or of any particular key; alyx.yaml and manifests both bring a
//! table of their own.

use crate::config::quantity::{show_duration, show_size};
use std::time::Duration;

/// One row of a table.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Key {
    /// Names joined by dots; `*` stands for any name.
    pub path: &'static str,
    pub kind: Kind,
    /// YAML text; `None` when the key must be given.
    pub default: Option<&'static str>,
    pub meaning: &'static str,
}

impl Key {
    /// Null is allowed exactly where it is the default.
    pub fn nullable(&self) -> bool {
        self.default == Some("null")
    }
}

/// What a key holds, and in which range. Durations count milliseconds, sizes bytes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Kind {
    Switch,
    Count {
        min: u64,
        max: u64,
    },
    Number {
        min: f64,
        max: f64,
    },
    Duration {
        min: u64,
        max: u64,
    },
    Size {
        min: u64,
        max: u64,
    },
    Text,
    /// A text that no message may quote.
    Secret,
    Path,
    Choice(&'static [&'static str]),
    TextList,
    /// Texts by name; no message may quote them.
    TextMap,
    Any,
    AnyList,
    /// Sections by name; the table has rows below `*`.
    Map,
    /// A list of sections; the table has rows below `*`.
    List,
}

impl Kind {
    /// Reads on from "expected".
    pub fn expected(&self) -> String {
        match self {
            Kind::Switch => "true or false".to_owned(),
            Kind::Count { min, max } => format!("a whole number from {min} to {max}"),
            Kind::Number { min, max } if *max < f64::MAX => format!("a number from {min} to {max}"),
            Kind::Number { .. } => "a number".to_owned(),
            Kind::Duration { min, max } => {
                let show = |millis: &u64| show_duration(Duration::from_millis(*millis));
                format!("a duration from {} to {}, such as 500ms, 30s or 5m", show(min), show(max))
            }
            Kind::Size { min, max } => {
                let (min, max) = (show_size(*min), show_size(*max));
                format!("a size from {min} to {max}, such as 64kb or 256mb")
            }
            Kind::Text | Kind::Secret => "a text".to_owned(),
            Kind::Path => "a path".to_owned(),
            Kind::Choice(words) => format!("one of {}", words.join(", ")),
            Kind::TextList => "a list of texts".to_owned(),
            Kind::TextMap => "a map of names and texts".to_owned(),
            Kind::Any => "a value".to_owned(),
            Kind::AnyList => "a list of values".to_owned(),
            Kind::Map => "a map".to_owned(),
            Kind::List => "a list of maps".to_owned(),
        }
    }
}

/// The table as a tree. A node without a key is a section.
#[derive(Debug, Default)]
pub struct Schema {
    pub key: Option<&'static Key>,
    pub children: Vec<(&'static str, Schema)>,
}

impl Schema {
    pub fn new(keys: &'static [Key]) -> Schema {
        let mut root = Schema::default();
        for key in keys {
            let mut node = &mut root;
            for name in key.path.split('.') {
                node = node.child_or_insert(name);
            }
            node.key = Some(key);
        }
        root
    }

    /// What is known of `name` here: its own row, or that of `*`.
    pub fn child(&self, name: &str) -> Option<&Schema> {
        let named = |wanted: &str| self.children.iter().find(|(name, _)| *name == wanted);
        named(name).or_else(|| named("*")).filter(|_| name != "*").map(|(_, child)| child)
    }

    /// The children that have names of their own.
    pub fn named(&self) -> impl Iterator<Item = (&'static str, &Schema)> {
        self.children.iter().filter(|(name, _)| *name != "*").map(|(name, child)| (*name, child))
    }

    /// Full paths of the rows whose last name is `name` and that no `*` leads to.
    pub fn paths_to(&self, name: &str) -> Vec<&'static str> {
        let own = self.key.map(|key| key.path).filter(|path| path.rsplit('.').next() == Some(name));
        let below = self.named().flat_map(|(_, child)| child.paths_to(name));
        own.into_iter().chain(below).collect()
    }

    /// Whether it holds further rows, as opposed to a value.
    pub fn is_section(&self) -> bool {
        matches!(self.key.map(|key| key.kind), None | Some(Kind::Map))
    }

    fn child_or_insert(&mut self, name: &'static str) -> &mut Schema {
        let found = self.children.iter().position(|(known, _)| *known == name);
        let at = found.unwrap_or_else(|| {
            self.children.push((name, Schema::default()));
            self.children.len() - 1
        });
        &mut self.children[at].1
    }
}
