//! Lays `ALYX_*` variables over a document: `ALYX_SERVER_PORT` sets `server.port`.
//!
//! Knows nothing of what a value means; it only finds the key that a name stands for.

use crate::config::document::Node;
use crate::config::issue::Origin;
use crate::config::schema::{Kind, Schema};
use crate::config::secret::Variables;
use crate::config::substitute;
use crate::config::suggest::closest;
use std::collections::{BTreeMap, BTreeSet};

const PREFIX: &str = "ALYX_";
/// The rest of such a name is a function's variable, verbatim.
const FUNCTION_PREFIX: &str = "ALYX_FUNCTIONS_ENV_";
/// Names the file, as `--config` does.
pub const FILE_VARIABLE: &str = "ALYX_CONFIG";

/// The variable that sets the key at `path`.
pub fn variable_of(path: &str) -> String {
    format!("{PREFIX}{}", path.to_uppercase().replace(['.', '-'], "_"))
}

/// Puts every variable that stands for a key into the document and returns the other
/// `ALYX_*` names. An empty variable counts as not set, except a function's.
pub fn overlay(document: &mut Node, schema: &Schema, variables: &Variables) -> Vec<String> {
    // Names are matched whole: `_` both joins and stands inside key names.
    let known = settable(schema, document);
    let mut strangers = Vec::new();
    for (name, value) in variables.iter().filter(|(name, _)| name.starts_with(PREFIX)) {
        let node = Node::untyped(Origin::Variable(name.into()), value);
        if let Some(key) = name.strip_prefix(FUNCTION_PREFIX).filter(|key| !key.is_empty()) {
            document.set(&["functions", "env", key], node);
        } else if let Some((path, kind)) = known.get(name) {
            // Maps are read at once, so that longer names can set single keys in them. What
            // is no YAML stays a text, and the check of types complains.
            let map = matches!(kind, Kind::Map | Kind::TextMap);
            let node = if map { substitute::document(&node).unwrap_or(node) } else { node };
            if !value.is_empty() {
                document.set(&path.iter().map(String::as_str).collect::<Vec<_>>(), node);
            }
        } else {
            strangers.push(name.to_owned());
        }
    }
    strangers
}

/// One warning for each stranger that looks like a slip of a known name. `named` are the
/// variables that the document itself asks for: those are no slips.
pub fn slips(
    strangers: &[String],
    named: &BTreeSet<String>,
    document: &Node,
    schema: &Schema,
) -> Vec<String> {
    let known = settable(schema, document);
    let ours = |name: &str| {
        name == FILE_VARIABLE
            || name == "ALYX_ADDR"
            || name == "ALYX_TOKEN"
            || name.starts_with("ALYX_TEST_")
    };
    let strangers = strangers.iter().filter(|name| !ours(name) && !named.contains(*name));
    strangers
        .filter_map(|name| {
            let meant = function_variable(name)
                .or_else(|| closest(name, known.keys().map(String::as_str)).map(str::to_owned))?;
            Some(format!("environment variable {name} sets no key; did you mean {meant}?"))
        })
        .collect()
}

/// `ALYX_FUNCTION_ENV_KEY` was meant to be `ALYX_FUNCTIONS_ENV_KEY`.
fn function_variable(name: &str) -> Option<String> {
    let (head, key) = name.split_once("_ENV_")?;
    let meant = closest(head, ["ALYX_FUNCTIONS"])?;
    (!key.is_empty()).then(|| format!("{meant}_ENV_{key}"))
}

/// Variable name → path and kind, for every key that is there or could be there.
fn settable(schema: &Schema, document: &Node) -> BTreeMap<String, (Vec<String>, Kind)> {
    let mut found = BTreeMap::new();
    collect(schema, Some(document), &mut Vec::new(), &mut found);
    found
}

fn collect(
    schema: &Schema,
    node: Option<&Node>,
    path: &mut Vec<String>,
    found: &mut BTreeMap<String, (Vec<String>, Kind)>,
) {
    if let Some(key) = schema.key {
        found.insert(variable_of(&path.join(".")), (path.clone(), key.kind));
    }
    if !schema.is_section() {
        return;
    }
    let mut names: BTreeSet<&str> = schema.named().map(|(name, _)| name).collect();
    // Below `*` only names that the document has can be set.
    names.extend(node.iter().flat_map(|node| node.entries()).map(|entry| entry.key.as_str()));
    for name in names {
        if let Some(child) = schema.child(name) {
            path.push(name.to_owned());
            collect(child, node.and_then(|node| node.get(name)), path, found);
            path.pop();
        }
    }
}
