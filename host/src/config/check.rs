//! Holds a document against a table of keys: fills in defaults, collects every complaint.
//!
//! Knows nothing of files or of what the keys mean together; `consistency` looks at that.

use crate::config::document::{Entry, Node, Value};
use crate::config::interpolate::InterpolateError;
use crate::config::issue::{Issue, Origin};
use crate::config::scalar::{found, read, read_verbatim};
use crate::config::schema::{Key, Kind, Schema};
use crate::config::secret::Variables;
use crate::config::substitute::Substitute;
use crate::config::suggest::closest;
use crate::config::yaml;
use serde_yaml::{Mapping, Value as Yaml};
use std::collections::{BTreeMap, BTreeSet};

/// What a document says once every key has a value.
#[derive(Debug, Default)]
pub struct Checked {
    /// Every key of the table, defaults filled in.
    pub value: Yaml,
    pub issues: Vec<Issue>,
    pub warnings: Vec<String>,
    /// Key path → where its value came from.
    pub origins: BTreeMap<String, Origin>,
    /// Variables that `${…}` named.
    pub named: BTreeSet<String>,
}

pub fn check(schema: &Schema, document: &Node, variables: &Variables) -> Checked {
    let substitute = Substitute { variables, named: BTreeSet::new() };
    let mut walk = Walk { root: schema, substitute, out: Checked::default() };
    walk.out.value = walk.section(schema, Some(document), "");
    Checked { named: walk.substitute.named, ..walk.out }
}

struct Walk<'a> {
    root: &'a Schema,
    substitute: Substitute<'a>,
    out: Checked,
}

/// Not in the document at all, or there but not fit to be read; a complaint was made.
struct Refused;

impl Walk<'_> {
    fn any(&mut self, schema: &Schema, node: Option<&Node>, path: &str, parent: &Origin) -> Yaml {
        match (schema.key, node) {
            _ if schema.is_section() => self.section(schema, node, path),
            (Some(key), Some(node)) => {
                let value = self.leaf(schema, key, node, path).unwrap_or(Yaml::Null);
                self.out.origins.entry(path.to_owned()).or_insert_with(|| node.origin.clone());
                value
            }
            (Some(key), None) => self.default(schema, key, path, parent),
            (None, _) => Yaml::Null,
        }
    }

    fn section(&mut self, schema: &Schema, node: Option<&Node>, path: &str) -> Yaml {
        let given = node.filter(|node| !node.is_null());
        if let Some(node) = given.filter(|node| !matches!(node.value, Value::Map(_))) {
            self.wrong(node, path, "a map", false);
            return Yaml::Null;
        }
        let origin = node.map_or(Origin::Default, |node| node.origin.clone());
        let mut map = Mapping::new();
        for entry in node.map_or(&[][..], Node::entries) {
            let inner = join(path, &entry.key);
            match schema.child(&entry.key) {
                Some(child) => {
                    let value = self.any(child, Some(&entry.node), &inner, &entry.origin);
                    map.insert(entry.key.clone().into(), value);
                }
                None => self.unknown(schema, entry, path, &inner),
            }
        }
        for (name, child) in schema.named() {
            if !map.contains_key(name) {
                let value = self.any(child, None, &join(path, name), &origin);
                map.insert(name.into(), value);
            }
        }
        Yaml::Mapping(map)
    }

    fn default(&mut self, schema: &Schema, key: &Key, path: &str, parent: &Origin) -> Yaml {
        let Some(default) = key.default else {
            let complaint = format!("is missing; add it: {}", key.kind.expected());
            self.out.issues.push(Issue::new(parent, path, complaint));
            return Yaml::Null;
        };
        let node = yaml::parse(default, &|_, _| Origin::Default);
        let node = node.unwrap_or_else(|_| Node::empty_map(Origin::Default));
        // A default such as `${ALYX_JWT_SECRET:-}` comes from the variable when that is set.
        let set = self.substitute.first_set(default);
        let origin = set.map_or(Origin::Default, |name| Origin::Variable(name.into()));
        self.out.origins.insert(path.to_owned(), origin);
        if key.nullable() {
            return Yaml::Null;
        }
        self.leaf(schema, key, &node, path).unwrap_or(Yaml::Null)
    }

    fn leaf(
        &mut self,
        schema: &Schema,
        key: &Key,
        node: &Node,
        path: &str,
    ) -> Result<Yaml, Refused> {
        if key.nullable() && node.is_null() {
            return Ok(Yaml::Null);
        }
        match key.kind {
            Kind::TextMap => self.text_map(node, path),
            Kind::TextList => self.list(node, path, &key.kind, |walk, node, path| {
                walk.scalar(node, path, &Kind::Text, false)
            }),
            Kind::Any => self.tree(node, path),
            Kind::AnyList => {
                self.list(node, path, &key.kind, |walk, node, path| walk.tree(node, path))
            }
            Kind::List => self.list(node, path, &key.kind, |walk, node, path| {
                let element = schema.child("").ok_or(Refused)?;
                Ok(walk.section(element, Some(node), path))
            }),
            kind => self.scalar(node, path, &kind, key.nullable()),
        }
    }

    fn scalar(
        &mut self,
        node: &Node,
        path: &str,
        kind: &Kind,
        nullable: bool,
    ) -> Result<Yaml, Refused> {
        let settled = self.substitute.node(node);
        let node = settled.map_err(|complaint| self.complain(node, path, complaint))?;
        let Value::Scalar(scalar) = &node.value else {
            self.wrong(&node, path, &kind.expected(), matches!(kind, Kind::Secret));
            return Err(Refused);
        };
        read(scalar, kind, nullable).map_err(|complaint| self.complain(&node, path, complaint))
    }

    /// Whatever YAML can say.
    fn tree(&mut self, node: &Node, path: &str) -> Result<Yaml, Refused> {
        match &node.value {
            Value::Scalar(_) => self.scalar(node, path, &Kind::Any, false),
            Value::List(nodes) => {
                let values = nodes.iter().enumerate();
                let values = values.map(|(at, node)| self.tree(node, &format!("{path}[{at}]")));
                values.collect::<Result<_, _>>().map(Yaml::Sequence)
            }
            Value::Map(entries) => {
                let members = entries.iter().map(|entry| {
                    let value = self.tree(&entry.node, &join(path, &entry.key))?;
                    Ok((entry.key.clone().into(), value))
                });
                members.collect::<Result<_, _>>().map(Yaml::Mapping)
            }
        }
    }

    fn list(
        &mut self,
        node: &Node,
        path: &str,
        kind: &Kind,
        mut element: impl FnMut(&mut Self, &Node, &str) -> Result<Yaml, Refused>,
    ) -> Result<Yaml, Refused> {
        let settled = self.substitute.list(node);
        let node = settled.map_err(|complaint| self.complain(node, path, complaint))?;
        let Value::List(nodes) = &node.value else {
            self.wrong(&node, path, &kind.expected(), false);
            return Err(Refused);
        };
        let mut values = Vec::new();
        for (index, node) in nodes.iter().enumerate() {
            values.push(element(self, node, &format!("{path}[{index}]"))?);
        }
        Ok(Yaml::Sequence(values))
    }

    /// An unset variable leaves its key out: the function then sees that it is missing.
    fn text_map(&mut self, node: &Node, path: &str) -> Result<Yaml, Refused> {
        if node.is_null() {
            return Ok(Yaml::Mapping(Mapping::new()));
        }
        if !matches!(node.value, Value::Map(_)) {
            self.wrong(node, path, &Kind::TextMap.expected(), true);
            return Err(Refused);
        }
        let mut map = Mapping::new();
        for entry in node.entries() {
            let inner = join(path, &entry.key);
            if entry.key.is_empty() || entry.key.contains(['=', '\0']) {
                let complaint = "is no name for a variable; leave '=' out";
                self.out.issues.push(Issue::new(&entry.origin, inner, complaint));
            } else if let Some(value) = self.text(entry, &inner) {
                self.out.origins.insert(inner, entry.node.origin.clone());
                map.insert(entry.key.clone().into(), value);
            }
        }
        Ok(Yaml::Mapping(map))
    }

    fn text(&mut self, entry: &Entry, path: &str) -> Option<Yaml> {
        let Value::Scalar(scalar) = &entry.node.value else {
            self.wrong(&entry.node, path, "a text", true);
            return None;
        };
        match self.substitute.scalar(scalar) {
            Ok(scalar) => match read_verbatim(&scalar) {
                Ok(value) => Some(value),
                Err(complaint) => {
                    self.complain(&entry.node, path, complaint);
                    None
                }
            },
            Err(InterpolateError::Unset(name)) => {
                self.out.warnings.push(format!(
                    "{}: {path} is left out: it uses ${{{name}}}, which is not set; \
                     set it or write ${{{name}:-default}}",
                    entry.node.origin
                ));
                None
            }
            Err(error) => {
                self.complain(&entry.node, path, error.to_string());
                None
            }
        }
    }

    fn complain(&mut self, node: &Node, path: &str, complaint: String) -> Refused {
        self.out.issues.push(Issue::new(&node.origin, path, complaint));
        Refused
    }

    fn wrong(&mut self, node: &Node, path: &str, expected: &str, hide: bool) {
        let found = match &node.value {
            Value::Scalar(scalar) => found(scalar, hide),
            Value::List(_) => "a list".to_owned(),
            Value::Map(_) => "a map".to_owned(),
        };
        let path = if path.is_empty() { "the document" } else { path };
        self.complain(node, path, format!("is {found}; expected {expected}"));
    }

    fn unknown(&mut self, schema: &Schema, entry: &Entry, section: &str, path: &str) {
        let known: Vec<_> = schema.named().map(|(name, _)| name).collect();
        let elsewhere = || self.root.paths_to(&entry.key);
        let hint = match closest(&entry.key, known.iter().copied()) {
            Some(name) => format!("did you mean '{name}'?"),
            None => match elsewhere().as_slice() {
                [path] => format!("did you mean '{path}'?"),
                _ if section.is_empty() => format!("the top level has {}", known.join(", ")),
                _ => format!("{section} has {}", known.join(", ")),
            },
        };
        let complaint = format!("is not a known key; {hint}");
        self.out.issues.push(Issue::new(&entry.origin, path, complaint));
    }
}

fn join(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}
