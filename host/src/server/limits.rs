//! Every limit that holds, for all functions or for one: its value, and who set it.
//!
//! Enforces none of them: each stands where it is enforced and is read from there. Knows nothing of
//! how they are shown.

use std::path::Path;
use std::time::Duration;

use alyx_protocol::limits::{CALLS_PER_INVOCATION, DEPTH, FRAME_DEFAULT, LOG_BYTES, LOG_ENTRY};

use crate::config::Config;
use crate::config::keys::KEYS;
use crate::config::quantity::{show_duration, show_size};
use crate::db::limits::{LARGEST_ANSWER, MOST_DOCUMENTS};
use crate::pool::lease::GRACE;
use crate::pool::queue::QUEUE;
use crate::pool::rules::Rules;
use crate::registry::function::{Function, Isolation, Problem};
use crate::registry::manifest::{self, Manifest};
use crate::sandbox::profile::{FILES, LONGEST_FILE, TASKS};
use crate::server::DRAIN;

/// One limit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limit {
    /// The key that sets it, or what it bounds when nothing does.
    pub name: &'static str,
    pub value: String,
    /// A file with its line, a variable, `default`, or `built in`.
    pub from: String,
    pub meaning: &'static str,
}

/// What holds for functions whose manifests say nothing else.
#[must_use]
pub fn of_all(config: &Config) -> Vec<Limit> {
    let pool = &config.functions.pool;
    let mut limits = vec![
        set(config, "functions.timeout", show_duration(config.functions.timeout)),
        set(config, "functions.pool.memory_limit", show_size(pool.memory_limit)),
        set(config, "functions.pool.cpu_limit", pool.cpu_limit.to_string()),
        set(config, "functions.pool.concurrency", at_a_time(pool.concurrency, None)),
    ];
    limits.extend(of_host(config));
    limits.extend(built_in());
    limits
}

/// What holds for one function.
///
/// # Errors
/// The [`Problem`] of a manifest that cannot be read.
pub fn of_function(config: &Config, function: &Function) -> Result<Vec<Limit>, Problem> {
    let file = function.manifest.as_deref().map(|file| (file, label(file, &function.root)));
    let said = match &file {
        Some((file, label)) => manifest::read(file, label, &config.variables)?.manifest,
        None => Manifest::default(),
    };
    let file = file.map_or_else(String::new, |(_, label)| label);
    let own = |is_said: bool, name: &'static str, key: &'static str, value: String| match is_said {
        true => Limit { name, value, from: file.clone(), meaning: meaning(name) },
        false => Limit { name, ..set(config, key, value) },
    };
    let concurrency = at_a_time(function.concurrency, Some(&function.runtime));
    let alone = if function.isolation == Isolation::Strict { "strict" } else { "shared" };
    let mut limits = vec![
        own(
            said.timeout.is_some(),
            "timeout",
            "functions.timeout",
            show_duration(function.timeout),
        ),
        own(
            said.memory.is_some(),
            "memory",
            "functions.pool.memory_limit",
            show_size(function.memory),
        ),
        own(said.cpu.is_some(), "cpu", "functions.pool.cpu_limit", function.cpu.to_string()),
        own(said.concurrency.is_some(), "concurrency", "functions.pool.concurrency", concurrency),
        own(said.isolation == Isolation::Strict, "isolation", "isolation", alone.into()),
    ];
    limits.extend(of_host(config));
    limits.extend(built_in());
    Ok(limits)
}

/// What all functions have to share, and what no manifest can change.
fn of_host(config: &Config) -> Vec<Limit> {
    let pool = &config.functions.pool;
    vec![
        set(config, "functions.pool.max_instances", pool.max_instances.to_string()),
        set(config, "functions.pool.idle_timeout", show_duration(pool.idle_timeout)),
        set(config, "functions.pool.queue_timeout", show_duration(pool.queue_timeout)),
        set(config, "server.max_body_size", show_size(config.server.max_body_size)),
    ]
}

fn built_in() -> Vec<Limit> {
    let fixed =
        |name, value: String, meaning| Limit { name, value, from: "built in".into(), meaning };
    let time = |name, value: Duration, meaning| fixed(name, show_duration(value), meaning);
    let size = |name, value: u64, meaning| fixed(name, show_size(value), meaning);
    let count = |name, value: u64, meaning| fixed(name, value.to_string(), meaning);
    let worker = Rules::default();
    vec![
        size("result", FRAME_DEFAULT as u64, "of a call, as JSON, with a little around it"),
        count("nesting", DEPTH as u64, "levels of objects and lists in an input or a result"),
        count("queued calls", QUEUE as u64, "calls of one function that wait for a worker"),
        time("grace", GRACE, "how long code may run on once its call is over time or cancelled"),
        time("drain", DRAIN, "how long calls may go on once the host is told to stop"),
        count("calls of a worker", worker.max_calls, "after which it is replaced"),
        time("age of a worker", worker.max_age, "after which it is replaced"),
        count("processes", TASKS, "processes and threads of a worker"),
        count("open files", FILES, "of each process of a worker"),
        size("file size", LONGEST_FILE, "longest file that a worker may write"),
        size("log line", LOG_ENTRY as u64, "longer ones are cut, with a mark"),
        size("logs of a call", LOG_BYTES as u64, "what comes after is counted and dropped"),
        count("database calls", CALLS_PER_INVOCATION as u64, "of one call that run at a time"),
        count("documents of a page", MOST_DOCUMENTS.unsigned_abs(), "that a list may ask for"),
        size("database answer", LARGEST_ANSWER as u64, "rows of one list or query"),
    ]
}

fn set(config: &Config, key: &'static str, value: String) -> Limit {
    let from = config.origin(key).to_string();
    Limit { name: key, value, from, meaning: meaning(key) }
}

fn meaning(path: &str) -> &'static str {
    let known = KEYS.iter().chain(manifest::KEYS).find(|key| key.path == path);
    known.map_or("", |key| key.meaning)
}

/// What the shims announce when nobody says how many.
fn at_a_time(set: Option<u32>, runtime: Option<&str>) -> String {
    match (set, runtime) {
        (Some(count), _) => count.to_string(),
        (None, Some("node")) => "64".into(),
        (None, Some("python")) => "64, or 8 threads for a plain def".into(),
        (None, Some("go")) => "256".into(),
        (None, _) => "the runtime's own".into(),
    }
}

fn label(file: &Path, root: &Path) -> String {
    let from = root.parent().unwrap_or(root);
    file.strip_prefix(from).unwrap_or(file).display().to_string()
}
