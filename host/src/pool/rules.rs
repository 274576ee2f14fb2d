//! What is asked of a pool: by the configuration, by a function's manifest, by one call.
//!
//! Plain data.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// A function's revision, which differs from that of every other function.
pub(crate) type Key = Arc<str>;

/// How long a function without a worker waits before a busy one has to make room for it, and how
/// long a worker serves at least before it has to.
pub(crate) const TURN: Duration = Duration::from_millis(200);

/// What the configuration asks of one runtime's pool.
#[derive(Debug, Clone)]
pub struct Rules {
    pub min_warm: usize,
    pub max_instances: usize,
    pub idle_timeout: Duration,
    /// Calls one worker takes until its shim has said otherwise.
    pub credit: u32,
    /// The class of blank workers.
    pub class: Class,
    /// A worker of this runtime can hold several functions.
    pub shares: bool,
    /// Calls after which a worker is replaced, and the age at which it is.
    pub max_calls: u64,
    pub max_age: Duration,
}

impl Default for Rules {
    fn default() -> Self {
        Rules {
            min_warm: 0,
            max_instances: 1,
            idle_timeout: Duration::from_secs(60),
            credit: 1,
            class: Class::default(),
            shares: true,
            max_calls: 10_000,
            max_age: Duration::from_secs(3600),
        }
    }
}

/// What a worker may use. One of another class cannot stand in for it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Class {
    /// Bytes.
    pub memory: u64,
    pub millicpus: u32,
}

impl Class {
    /// Of so many bytes and processors.
    #[must_use]
    pub fn new(memory: u64, cpu: f64) -> Self {
        Class { memory, millicpus: (cpu * 1000.0).round() as u32 }
    }

    #[must_use]
    pub fn cpu(self) -> f64 {
        f64::from(self.millicpus) / 1000.0
    }
}

/// What a function asks of its workers.
#[derive(Debug, Clone)]
pub(crate) struct Terms {
    /// Two revisions of one name never share a worker.
    pub(crate) name: Arc<str>,
    /// Bound on the credit of its workers.
    pub(crate) concurrency: Option<u32>,
    pub(crate) class: Class,
    /// Its workers hold no other function, ever.
    pub(crate) strict: bool,
    /// Folders of packages: with others, a worker would import what it was not asked for.
    pub(crate) packages: Vec<PathBuf>,
}

/// One call that asks for a worker.
#[derive(Debug)]
pub(crate) struct Asking<'a, F, T> {
    pub(crate) key: &'a Key,
    pub(crate) function: &'a F,
    pub(crate) terms: Terms,
    pub(crate) call: T,
    /// How long it may wait.
    pub(crate) patience: Duration,
}
