//! Reads YAML text into a document tree.
//!
//! Knows nothing of keys or variables, nor of files: the caller says what to call a place.

use crate::config::braces;
use crate::config::document::{Entry, Node, Scalar, Style, Value};
use crate::config::issue::{Issue, Origin};
use saphyr_parser::{Event, Marker, Parser, ScalarStyle, StrInput, Tag};
use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

/// Deepest nesting of maps and lists.
const MAX_DEPTH: usize = 32;
/// Most values in one document, counting what aliases repeat.
const MAX_VALUES: usize = 100_000;

/// Reads a document; an empty one is an empty map. `place` tells where a line and column are.
pub fn parse(text: &str, place: &dyn Fn(usize, usize) -> Origin) -> Result<Node, Issue> {
    let text = braces::hide(text);
    let events = Parser::new_from_str(&text);
    Reader { events, place, anchors: HashMap::new(), values: 0 }.document()
}

/// Places of a file, shown under `label`.
pub fn in_file(label: &str) -> impl Fn(usize, usize) -> Origin {
    let file: Arc<str> = label.into();
    move |line, column| Origin::File { file: file.clone(), line, column }
}

struct Reader<'a> {
    events: Parser<'a, StrInput<'a>>,
    place: &'a dyn Fn(usize, usize) -> Origin,
    anchors: HashMap<usize, Node>,
    values: usize,
}

impl<'a> Reader<'a> {
    fn document(&mut self) -> Result<Node, Issue> {
        let mut root = None;
        loop {
            let (event, mark) = self.next()?;
            match event {
                Event::StreamEnd => break,
                Event::StreamStart | Event::DocumentStart(_) | Event::DocumentEnd => {}
                _ if root.is_some() => {
                    return Err(self.issue(mark, "starts a second document; keep one per file"));
                }
                event => root = Some(self.node(event, mark, 0)?),
            }
        }
        let root = root.unwrap_or_else(|| Node::empty_map((self.place)(1, 1)));
        Ok(if root.is_null() { Node::empty_map(root.origin) } else { root })
    }

    fn node(&mut self, event: Event<'a>, mark: Marker, depth: usize) -> Result<Node, Issue> {
        self.count(mark, 1)?;
        if depth > MAX_DEPTH {
            return Err(self.issue(mark, &format!("nests deeper than {MAX_DEPTH} levels")));
        }
        let (anchor, value) = match event {
            Event::Alias(anchor) => return self.alias(anchor, mark, depth),
            Event::Scalar(text, style, anchor, tag) => {
                let style = self.style(style, tag.as_deref(), mark)?;
                let text = braces::restore(&text).into_owned();
                (anchor, Value::Scalar(Scalar { text, style }))
            }
            Event::SequenceStart(anchor, tag) => {
                self.check_tag(tag, "seq", mark)?;
                (anchor, Value::List(self.list(depth)?))
            }
            Event::MappingStart(anchor, tag) => {
                self.check_tag(tag, "map", mark)?;
                (anchor, Value::Map(self.map(depth)?))
            }
            _ => return Err(self.issue(mark, "ends too early; a value is missing")),
        };
        let node = Node { origin: self.at(mark), value };
        if anchor > 0 {
            self.anchors.insert(anchor, node.clone());
        }
        Ok(node)
    }

    fn list(&mut self, depth: usize) -> Result<Vec<Node>, Issue> {
        let mut nodes = Vec::new();
        loop {
            let (event, mark) = self.next()?;
            if event == Event::SequenceEnd {
                return Ok(nodes);
            }
            nodes.push(self.node(event, mark, depth + 1)?);
        }
    }

    fn map(&mut self, depth: usize) -> Result<Vec<Entry>, Issue> {
        let mut entries: Vec<Entry> = Vec::new();
        let mut lines: HashMap<String, usize> = HashMap::new();
        loop {
            let (event, mark) = self.next()?;
            let key = match event {
                Event::MappingEnd => return Ok(entries),
                Event::Scalar(text, ..) => braces::restore(&text).into_owned(),
                _ => return Err(self.issue(mark, "has a key that is no plain text; name the key")),
            };
            if let Some(line) = lines.insert(key.clone(), mark.line()) {
                let twice = format!("has the key '{key}' a second time, first in line {line}; ");
                return Err(self.issue(mark, &(twice + "remove one")));
            }
            let (event, value_mark) = self.next()?;
            let node = self.node(event, value_mark, depth + 1)?;
            entries.push(Entry { key, origin: self.at(mark), node });
        }
    }

    /// Repeats what an anchor marked. The copies count, so that a few lines cannot fill memory.
    fn alias(&mut self, anchor: usize, mark: Marker, depth: usize) -> Result<Node, Issue> {
        let Some(node) = self.anchors.get(&anchor).cloned() else {
            return Err(self.issue(mark, "has an alias to a value that contains it; write it out"));
        };
        self.count(mark, node.size())?;
        if depth + node.depth() > MAX_DEPTH {
            return Err(self.issue(mark, &format!("nests deeper than {MAX_DEPTH} levels")));
        }
        Ok(node)
    }

    fn count(&mut self, mark: Marker, values: usize) -> Result<(), Issue> {
        self.values += values;
        if self.values > MAX_VALUES {
            return Err(self.issue(mark, &format!("has more than {MAX_VALUES} values")));
        }
        Ok(())
    }

    fn style(&self, style: ScalarStyle, tag: Option<&Tag>, mark: Marker) -> Result<Style, Issue> {
        match tag {
            None if style == ScalarStyle::Plain => Ok(Style::Plain),
            None => Ok(Style::Quoted),
            Some(tag) if tag.is_yaml_core_schema() && tag.suffix == "str" => Ok(Style::Quoted),
            Some(tag) if tag.is_yaml_core_schema() && style == ScalarStyle::Plain => {
                Ok(Style::Plain)
            }
            Some(tag) => Err(self.issue(mark, &format!("uses the tag '{tag}'; leave it away"))),
        }
    }

    fn check_tag(&self, tag: Option<Cow<'_, Tag>>, own: &str, mark: Marker) -> Result<(), Issue> {
        match tag {
            Some(tag) if !(tag.is_yaml_core_schema() && tag.suffix == own) => {
                Err(self.issue(mark, &format!("uses the tag '{tag}'; leave it away")))
            }
            _ => Ok(()),
        }
    }

    fn next(&mut self) -> Result<(Event<'a>, Marker), Issue> {
        match self.events.next_event() {
            Some(Ok((event, span))) => Ok((event, span.start)),
            Some(Err(error)) => {
                let complaint = format!("is not valid YAML: {}", error.info());
                Err(self.issue(*error.marker(), &complaint))
            }
            None => Ok((Event::StreamEnd, Marker::new(0, 1, 0))),
        }
    }

    fn at(&self, mark: Marker) -> Origin {
        (self.place)(mark.line().max(1), mark.col() + 1)
    }

    fn issue(&self, mark: Marker, complaint: &str) -> Issue {
        Issue::new(&self.at(mark), "", format!("the file {complaint}"))
    }
}

#[cfg(test)]
mod tests;
