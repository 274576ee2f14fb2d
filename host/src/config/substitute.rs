//! Replaces the variables in a document's scalars.
//!
//! Knows nothing of keys: the caller says whether a list may come out.

use crate::config::document::{Node, Scalar, Style, Value};
use crate::config::interpolate::{InterpolateError, expand};
use crate::config::secret::Variables;
use crate::config::yaml;
use std::borrow::Cow;
use std::collections::BTreeSet;

#[derive(Debug)]
pub struct Substitute<'a> {
    pub variables: &'a Variables,
    /// Every variable that was named so far.
    pub named: BTreeSet<String>,
}

impl Substitute<'_> {
    /// A scalar that named a variable becomes untyped: `port: ${PORT}` is a number then.
    pub fn scalar<'s>(&mut self, scalar: &'s Scalar) -> Result<Cow<'s, Scalar>, InterpolateError> {
        // What a variable holds is taken as it is.
        if scalar.style == Style::Untyped || !scalar.text.contains('$') {
            return Ok(Cow::Borrowed(scalar));
        }
        let expansion = expand(&scalar.text, self.variables)?;
        let style = if expansion.names.is_empty() { scalar.style } else { Style::Untyped };
        self.named.extend(expansion.names);
        Ok(Cow::Owned(Scalar { text: expansion.text.into_owned(), style }))
    }

    /// The error reads on from the node's key.
    pub fn node<'n>(&mut self, node: &'n Node) -> Result<Cow<'n, Node>, String> {
        let Value::Scalar(scalar) = &node.value else { return Ok(Cow::Borrowed(node)) };
        let scalar = self.scalar(scalar).map_err(|error| error.to_string())?.into_owned();
        Ok(Cow::Owned(Node { origin: node.origin.clone(), value: Value::Scalar(scalar) }))
    }

    /// As `node`; a variable may hold a list in YAML, or `a, b` as variables usually do.
    pub fn list<'n>(&mut self, node: &'n Node) -> Result<Cow<'n, Node>, String> {
        let node = self.node(node)?;
        match &node.value {
            Value::Scalar(scalar) if scalar.style == Style::Untyped => {
                let text = scalar.text.trim();
                let yaml = text.starts_with(['[', '-']);
                Ok(Cow::Owned(if yaml { document(&node)? } else { comma_list(text, &node) }))
            }
            _ => Ok(node),
        }
    }

    /// The first variable in `text` that is set.
    pub fn first_set(&self, text: &str) -> Option<String> {
        let names = expand(text, self.variables).ok()?.names;
        names.into_iter().find(|name| self.variables.get(name).is_some())
    }
}

/// Reads the text of a variable as YAML. What it holds is not expanded again.
pub fn document(node: &Node) -> Result<Node, String> {
    let Value::Scalar(scalar) = &node.value else { return Ok(node.clone()) };
    let place = |_, _| node.origin.clone();
    yaml::parse(&scalar.text.replace('$', "$$"), &place)
        .map_err(|issue| issue.complaint.replacen("the file ", "", 1))
}

fn comma_list(text: &str, node: &Node) -> Node {
    let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
    let nodes = parts.map(|part| Node::untyped(node.origin.clone(), part)).collect();
    Node { origin: node.origin.clone(), value: Value::List(nodes) }
}
