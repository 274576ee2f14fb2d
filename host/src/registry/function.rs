//! One function as it lies on disk, and what can be wrong with it.
//!
//! Knows nothing of workers or calls; it is plain data.

use crate::config::issue::Issue;
use crate::config::secret::Secret;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// Everything a call needs to know of a function. One with a problem is listed, never run.
#[derive(Debug, Clone, PartialEq)]
pub struct Function {
    pub name: String,
    pub runtime: String,
    /// The entry file, absolute.
    pub entry: PathBuf,
    /// The functions folder, absolute.
    pub root: PathBuf,
    /// The folder of a function that has one of its own, absolute.
    pub folder: Option<PathBuf>,
    pub manifest: Option<PathBuf>,
    pub timeout: Duration,
    /// Bytes.
    pub memory: u64,
    pub cpu: f64,
    /// Calls in one worker at a time; none leaves it to the runtime.
    pub concurrency: Option<u32>,
    pub isolation: Isolation,
    /// Everything `ctx.env` holds.
    pub env: BTreeMap<String, Secret>,
    pub description: Option<String>,
    /// Changes with code, manifest, environment and dependencies; empty when there is a problem.
    pub revision: Arc<str>,
    pub problem: Option<Problem>,
    /// Why the code on disk is not what serves: under `alyx dev` the last good revision goes on
    /// serving while a newer one does not load.
    pub stale: Option<Arc<str>>,
}

/// Whether a worker of this function may serve others as well when workers are short.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Isolation {
    #[default]
    Shared,
    Strict,
}

/// Why a function cannot be served. Files are named from the functions folder's own name on,
/// as in `functions/hello.js`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    #[error("{}", .0.iter().map(Issue::to_string).collect::<Vec<_>>().join("\n"))]
    Manifest(Vec<Issue>),
    #[error("cannot read '{file}': {why}")]
    Unreadable { file: String, why: String },
    #[error(
        "two sources for the function '{name}': '{first}' and '{second}'; rename or remove one{}",
        hint(.name, .pickable)
    )]
    TwoSources { name: String, first: String, second: String, pickable: bool },
    #[error("two manifests for one function: '{first}' and '{second}'; remove one")]
    TwoManifests { first: String, second: String },
    #[error(
        "'{file}' gives no name that a URL can hold; rename it to a letter, then letters, \
         digits, '-' or '_', 128 at most{}",
        .better.as_ref().map(|name| format!(", such as '{name}'")).unwrap_or_default()
    )]
    BadName { file: String, better: Option<String> },
    #[error("'{file}' is a symbolic link that leaves the functions folder; copy the file instead")]
    OutsideLink { file: String },
    #[error("'{file}' is a symbolic link that points nowhere; mend or remove it")]
    BrokenLink { file: String },
}

fn hint(name: &str, pickable: &bool) -> String {
    if *pickable { format!(", or name a runtime in {name}.yaml") } else { String::new() }
}

/// A name that fits into a URL and into every file system.
pub fn is_name(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    name.len() <= LONGEST_NAME
        && name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.chars().all(plain)
}

/// A name close to `name` that is allowed.
pub fn better_name(name: &str) -> Option<String> {
    let plain = |c: char| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' };
    let replaced: String = name.chars().map(plain).take(LONGEST_NAME).collect();
    let better = replaced.trim_start_matches(|c: char| !c.is_ascii_alphabetic());
    let better = better.trim_end_matches('_');
    is_name(better).then(|| better.to_owned())
}

pub const LONGEST_NAME: usize = 128;
