//! What a host tells the processes around a worker, and what they tell it.
//!
//! Plain data that crosses an exec; knows nothing of how it is obeyed.

use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// First argument of a re-executed host that is to watch over a worker.
pub(crate) const WORKER_ARGUMENT: &str = "__worker";
/// First argument of one that is to confine itself and become the worker.
pub(crate) const INSIDE_ARGUMENT: &str = "__worker_inside";
/// Keeps the allocator of the processes around a worker from asking for a gigabyte, in huge pages,
/// for the little that they need. The worker itself never sees it.
pub(crate) const ALLOCATOR: (&str, &str) = ("MIMALLOC_ARENA_EAGER_COMMIT", "0");
/// The user that a worker believes to be where it has none of its own.
pub(crate) const NOBODY: u32 = 65_532;

/// Processes and threads of one worker.
pub const TASKS: u64 = 512;
/// Open files of one of its processes.
pub const FILES: u64 = 4096;
/// Longest file it may write, in bytes.
pub const LONGEST_FILE: u64 = 64 << 20;

/// How strongly a worker is confined.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// Not at all: it may do what the host's user may.
    Off,
    /// L2: it shares the host's view of the machine, with most of it forbidden.
    Restricted,
    /// L3: it has namespaces of its own and sees a machine with nothing else on it.
    Isolated,
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Level::Off => "off",
            Level::Restricted => "L2 (restricted)",
            Level::Isolated => "L3 (isolated)",
        })
    }
}

/// What a worker can reach over the network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reach {
    /// Whatever the host can.
    Open,
    /// HTTP and HTTPS through the host's proxy.
    Proxy,
    Nothing,
}

/// One worker's confinement, as the processes around it are told.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Profile {
    /// The process that starts this stage; without it there is nothing to start for.
    pub(crate) parent: i32,
    pub(crate) level: Level,
    pub(crate) network: Reach,
    /// The user to become; none stays who the host is.
    pub(crate) user: Option<u32>,
    /// Bytes of private memory of each process; none when a cgroup counts better.
    pub(crate) data: Option<u64>,
    /// Processes and threads.
    pub(crate) tasks: Option<u64>,
    /// Files that a process writes itself into to join the worker's cgroups.
    pub(crate) cgroups: Vec<PathBuf>,
    /// The worker's private folder.
    pub(crate) folder: PathBuf,
    /// Where the worker starts.
    pub(crate) directory: PathBuf,
    /// Files and folders it may read, besides the system's own.
    pub(crate) readable: Vec<PathBuf>,
    /// Folders with sockets that it may connect to.
    pub(crate) sockets: Vec<PathBuf>,
    /// The socket of the host's proxy, where that is the only way out.
    pub(crate) proxy: Option<PathBuf>,
}

/// What comes back, one JSON text a line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Report {
    /// A trial run got as far as the worker's own command.
    Ready {
        landlock: String,
    },
    Failed {
        step: String,
        why: String,
    },
    /// Most memory that one process of the worker has held, in bytes.
    Peak(u64),
    Code(i32),
    Signal(i32),
}

/// A step on the way to a confined worker that did not succeed.
#[derive(Debug, thiserror::Error)]
#[error("{step}: {why}")]
pub(crate) struct Failed {
    pub(crate) step: String,
    pub(crate) why: String,
}

/// Names the step that an error belongs to.
pub(crate) trait Step<T> {
    fn step(self, step: impl Into<String>) -> Result<T, Failed>;
}

impl<T, E: fmt::Display> Step<T> for Result<T, E> {
    fn step(self, step: impl Into<String>) -> Result<T, Failed> {
        self.map_err(|why| Failed { step: step.into(), why: why.to_string() })
    }
}
