//! Replaces the variables in a document's scalars.
//!
//! Knows nothing of keys: the caller says whether a list or a map may come out.

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

/// What the text of a variable may turn into.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Parse {
    /// It stays a text.
    Nothing,
    /// A YAML list, or `a, b` as variables usually write one.
    List,
    /// Any YAML.
    Document,
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
    pub fn node<'n>(&mut self, node: &'n Node, parse: Parse) -> Result<Cow<'n, Node>, String> {
        let Value::Scalar(scalar) = &node.value else { return Ok(Cow::Borrowed(node)) };
        let scalar = self.scalar(scalar).map_err(|error| error.to_string())?.into_owned();
        let text = scalar.text.trim();
        let value = match parse {
            _ if scalar.style != Style::Untyped => Value::Scalar(scalar),
            Parse::Nothing => Value::Scalar(scalar),
            Parse::List if !text.starts_with(['[', '-']) => comma_list(text, node),
            Parse::List | Parse::Document => {
                let origin = node.origin.clone();
                let parsed = yaml::parse(text, &|_, _| origin.clone());
                parsed.map_err(|issue| issue.complaint.replacen("the file ", "", 1))?.value
            }
        };
        Ok(Cow::Owned(Node { origin: node.origin.clone(), value }))
    }

    /// The first variable in `text` that is set.
    pub fn first_set(&self, text: &str) -> Option<String> {
        let names = expand(text, self.variables).ok()?.names;
        names.into_iter().find(|name| self.variables.get(name).is_some())
    }
}

fn comma_list(text: &str, node: &Node) -> Value {
    let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
    Value::List(parts.map(|part| Node::untyped(node.origin.clone(), part)).collect())
}
