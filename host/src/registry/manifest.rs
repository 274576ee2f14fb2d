//! A function's manifest: `functions/NAME.yaml`.
//!
//! Knows nothing of the code it stands beside; whether the runtime fits is the registry's matter.

use crate::config::check::check;
use crate::config::document::read_text;
use crate::config::issue::{Issue, Origin};
use crate::config::schema::{Key, Kind, Schema};
use crate::config::secret::{Secret, Variables};
use crate::config::yaml;
use crate::registry::function::{Isolation, Problem, is_name};
use serde::{Deserialize, Deserializer};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::LazyLock;
use std::time::Duration;

/// Every key is optional: null means that the functions section of alyx.yaml decides.
#[rustfmt::skip]
pub const KEYS: &[Key] = &[
    key("name", Kind::Text, "null", "the function's name in the URL"),
    key("runtime", Kind::Text, "null", "picks one of two sources with the same name"),
    key("timeout", Kind::Duration { min: 1, max: 86_400_000 }, "null", "longest run of one call"),
    key("memory", Kind::Size { min: 16 << 20, max: 1 << 40 }, "null", "memory of a worker"),
    key("cpu", Kind::Number { min: 0.01, max: 1024.0 }, "null", "processor cores of a worker"),
    key("concurrency", Kind::Count { min: 1, max: 1024 }, "null", "calls in one worker at a time"),
    key("isolation", Kind::Choice(&["shared", "strict"]), "shared", "whether workers may be shared"),
    key("env", Kind::TextMap, "{}", "laid over functions.env"),
    key("description", Kind::Text, "null", "one line for people"),
];

static SCHEMA: LazyLock<Schema> = LazyLock::new(|| Schema::new(KEYS));

const fn key(path: &'static str, kind: Kind, default: &'static str, meaning: &'static str) -> Key {
    Key { path, kind, default: Some(default), meaning }
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    pub name: Option<String>,
    pub runtime: Option<String>,
    #[serde(deserialize_with = "millis")]
    pub timeout: Option<Duration>,
    /// Bytes.
    pub memory: Option<u64>,
    pub cpu: Option<f64>,
    pub concurrency: Option<u32>,
    pub isolation: Isolation,
    pub env: BTreeMap<String, Secret>,
    pub description: Option<String>,
}

/// A manifest and what its reader has to say besides.
#[derive(Debug, Clone)]
pub struct Read {
    pub manifest: Manifest,
    pub warnings: Vec<String>,
    /// Where `runtime` stands, for complaints about it.
    pub runtime_origin: Origin,
    /// The bytes that were read, for the revision.
    pub text: String,
}

/// Reads a manifest; messages call it `label`.
pub fn read(file: &Path, label: &str, variables: &Variables) -> Result<Read, Problem> {
    let text = read_text(file)
        .map_err(|error| Problem::Unreadable { file: label.to_owned(), why: error.to_string() })?;
    let document = yaml::parse(&text, &yaml::in_file(label))
        .map_err(|issue| Problem::Manifest(vec![issue]))?;
    let mut checked = check(&SCHEMA, &document, variables);
    if !checked.issues.is_empty() {
        return Err(Problem::Manifest(checked.issues));
    }
    let manifest: Manifest = serde_yaml::from_value(checked.value)
        .expect("KEYS and Manifest agree, which a test checks for every key");
    if let Some(name) = manifest.name.as_ref().filter(|name| !is_name(name)) {
        let complaint = format!(
            "is '{name}'; expected a letter, then letters, digits, '-' or '_', 128 at most"
        );
        return Err(Problem::Manifest(vec![Issue::new(
            &checked.origins["name"],
            "name",
            complaint,
        )]));
    }
    let runtime_origin = checked.origins.remove("runtime").unwrap_or(Origin::Default);
    Ok(Read { manifest, warnings: checked.warnings, runtime_origin, text })
}

fn millis<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    Ok(Option::<u64>::deserialize(deserializer)?.map(Duration::from_millis))
}
