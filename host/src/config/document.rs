//! A document as a tree that remembers where each piece stood.
//!
//! Knows nothing of YAML's grammar, keys, variables or what a value means: scalars stay text.

use crate::config::issue::Origin;
use std::fmt;
use std::fs;
use std::io::{self, Read};
use std::path::Path;

/// Largest file that is read at all.
pub const MAX_BYTES: u64 = 1 << 20;

/// A value and its place.
#[derive(Debug, Clone)]
pub struct Node {
    pub origin: Origin,
    pub value: Value,
}

#[derive(Debug, Clone)]
pub enum Value {
    Scalar(Scalar),
    List(Vec<Node>),
    Map(Vec<Entry>),
}

/// One key of a map; `origin` is the key's place, the node has the value's.
#[derive(Debug, Clone)]
pub struct Entry {
    pub key: String,
    pub origin: Origin,
    pub node: Node,
}

/// The text of a scalar as written. Debug does not show it: it may be a secret.
#[derive(Clone)]
pub struct Scalar {
    pub text: String,
    pub style: Style,
}

/// How much a scalar's spelling says about its type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// Bare: `5` is a number, `true` a switch, `hello` a text.
    Plain,
    /// Always a text.
    Quoted,
    /// Came from a variable: it is whatever its key expects.
    Untyped,
}

impl fmt::Debug for Scalar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Scalar({:?}, [redacted])", self.style)
    }
}

impl Node {
    pub fn empty_map(origin: Origin) -> Node {
        Node { origin, value: Value::Map(Vec::new()) }
    }

    /// A value given by a variable.
    pub fn untyped(origin: Origin, text: &str) -> Node {
        let scalar = Scalar { text: text.to_owned(), style: Style::Untyped };
        Node { origin, value: Value::Scalar(scalar) }
    }

    pub fn entries(&self) -> &[Entry] {
        match &self.value {
            Value::Map(entries) => entries,
            _ => &[],
        }
    }

    pub fn get(&self, key: &str) -> Option<&Node> {
        self.entries().iter().find(|entry| entry.key == key).map(|entry| &entry.node)
    }

    /// `key:` with nothing behind it, `~` or `null`.
    pub fn is_null(&self) -> bool {
        matches!(&self.value, Value::Scalar(scalar) if scalar.style == Style::Plain
            && matches!(scalar.text.as_str(), "" | "~" | "null" | "Null" | "NULL"))
    }

    /// How many values there are, this one included.
    pub fn size(&self) -> usize {
        1 + self.children().map(Node::size).sum::<usize>()
    }

    /// How many levels there are below this one.
    pub fn depth(&self) -> usize {
        self.children().map(|child| 1 + child.depth()).max().unwrap_or(0)
    }

    fn children(&self) -> impl Iterator<Item = &Node> {
        let list: &[Node] = match &self.value {
            Value::List(nodes) => nodes,
            _ => &[],
        };
        list.iter().chain(self.entries().iter().map(|entry| &entry.node))
    }

    /// Puts `node` at `path`, making the maps on the way. A value that is in the way stays,
    /// so that the check of its type can complain about it.
    pub fn set(&mut self, path: &[&str], node: Node) {
        let Some((key, rest)) = path.split_first() else {
            *self = node;
            return;
        };
        if self.is_null() {
            self.value = Value::Map(Vec::new());
        }
        let Value::Map(entries) = &mut self.value else { return };
        if let Some(entry) = entries.iter_mut().find(|entry| entry.key == *key) {
            entry.node.set(rest, node);
            return;
        }
        let mut inner = Node::empty_map(node.origin.clone());
        let origin = node.origin.clone();
        inner.set(rest, node);
        entries.push(Entry { key: (*key).to_owned(), origin, node: inner });
    }
}

/// Reads a text file with a limit. Pipes and devices are refused: reading them may never end.
pub fn read_text(path: &Path) -> io::Result<String> {
    let refuse = |why: String| io::Error::new(io::ErrorKind::InvalidData, why);
    if !fs::metadata(path)?.is_file() {
        return Err(refuse("it is no regular file".to_owned()));
    }
    let mut bytes = Vec::new();
    fs::File::open(path)?.take(MAX_BYTES + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(refuse(format!("it is larger than {MAX_BYTES} bytes")));
    }
    let text = String::from_utf8(bytes).map_err(|error| {
        let valid = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = valid.iter().filter(|byte| **byte == b'\n').count() + 1;
        refuse(format!("line {line} is not UTF-8"))
    })?;
    Ok(text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text))
}
