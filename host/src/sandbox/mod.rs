//! What a worker runs in, and who makes it.
//!
//! Knows nothing of the protocol: a launcher is told a command, an environment and limits, and
//! gives back a running sandbox that can be watched and killed.

pub mod container;
pub mod levels;
pub mod output;
pub mod process;
pub mod profile;
pub mod proxy;
pub mod run_dir;
mod access;
mod belongings;
mod calls;
mod cgroup;
mod denied;
mod forward;
mod inside;
mod loopback;
mod memory;
mod mountinfo;
mod mounts;
mod rights;
mod running;
mod supervise;
mod tree;

use std::ffi::OsString;
use std::fmt;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;

use tokio::sync::{Notify, mpsc, watch};

use crate::engine::error::EngineError;
use crate::sandbox::memory::Counter;
use crate::sandbox::output::Line;

/// What to launch.
#[derive(Debug, Clone)]
pub struct LaunchSpec {
    /// The worker's opaque name, unique on this host.
    pub worker: String,
    /// Program and arguments of the shim.
    pub command: Vec<OsString>,
    /// The whole environment of the worker.
    pub env: Vec<(String, String)>,
    /// The folder it starts in: the functions folder.
    pub directory: PathBuf,
    /// Files and folders that it has to read, besides the system's own: functions, shim,
    /// interpreter, dependencies. What is not there is left out.
    pub readable: Vec<PathBuf>,
    /// The folder of the socket it dials.
    pub socket: Option<PathBuf>,
    /// Bytes that it and all its processes may use.
    pub memory: u64,
    /// Bytes that its program maps at its start and hardly uses, which some ways to count memory
    /// count all the same.
    pub reserved: u64,
    /// Processors it may use.
    pub cpu: f64,
}

/// Why no sandbox came to be.
#[derive(Debug, thiserror::Error)]
pub enum LaunchError {
    #[error("cannot start '{program}': {source}")]
    Spawn { program: String, source: std::io::Error },
    #[error("cannot make the worker's folder '{path}': {source}")]
    Folder { path: PathBuf, source: std::io::Error },
    #[error("the launcher has stopped")]
    Stopped,
    /// What sandboxes are made by, or from, is not there.
    #[error("{why}")]
    Missing {
        why: String,
        /// The same for those who may not know of this machine.
        public: String,
    },
}

impl From<EngineError> for LaunchError {
    fn from(error: EngineError) -> Self {
        let public = error.public().to_owned();
        LaunchError::Missing { why: error.to_string(), public }
    }
}

/// How a sandbox ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    Code(i32),
    Signal(i32),
    /// It, or a process of it, needed more memory than it may use.
    OutOfMemory {
        limit: u64,
    },
    /// It ended, but nobody can say how.
    Unknown,
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Exit::Code(code) => write!(f, "exit code {code}"),
            Exit::Signal(signal) => write!(f, "signal {signal} ({})", signal_name(*signal)),
            Exit::OutOfMemory { limit } => {
                write!(f, "out of memory: it may use {} MiB", limit >> 20)
            }
            Exit::Unknown => f.write_str("an unknown exit status"),
        }
    }
}

fn signal_name(signal: i32) -> &'static str {
    match signal {
        2 => "SIGINT",
        4 => "SIGILL",
        6 => "SIGABRT",
        7 => "SIGBUS",
        8 => "SIGFPE",
        9 => "SIGKILL",
        11 => "SIGSEGV",
        13 => "SIGPIPE",
        15 => "SIGTERM",
        _ => "see signal(7)",
    }
}

/// One running sandbox.
#[derive(Debug)]
pub struct Sandbox {
    /// Lines that came out of its stdout and stderr.
    pub lines: mpsc::Receiver<Line>,
    pub handle: SandboxHandle,
}

/// Watches and kills a sandbox; clones share it.
#[derive(Debug, Clone)]
pub struct SandboxHandle {
    kill: Arc<Notify>,
    exit: watch::Receiver<Option<Exit>>,
    memory: Option<Counter>,
}

impl SandboxHandle {
    pub(crate) fn new(
        kill: Arc<Notify>,
        exit: watch::Receiver<Option<Exit>>,
        memory: Option<Counter>,
    ) -> Self {
        SandboxHandle { kill, exit, memory }
    }

    /// Bytes that the sandbox uses now, or did a moment ago; none when nobody counts them.
    #[must_use]
    pub fn memory(&self) -> Option<u64> {
        self.memory.as_ref()?.used()
    }

    /// Ends all processes in the sandbox at once. Returns before they are gone.
    pub fn kill(&self) {
        self.kill.notify_one();
    }

    /// Waits for the end of the sandbox.
    pub async fn exited(&self) -> Exit {
        let mut exit = self.exit.clone();
        let ended = exit.wait_for(Option::is_some).await;
        ended.ok().and_then(|exit| *exit).unwrap_or(Exit::Unknown)
    }

    /// How it ended, if it has.
    #[must_use]
    pub fn exit(&self) -> Option<Exit> {
        *self.exit.borrow()
    }
}

/// What [`Launch::launch`] returns.
pub type Launching = Pin<Box<dyn Future<Output = Result<Sandbox, LaunchError>> + Send>>;

/// Makes sandboxes.
pub trait Launch: fmt::Debug + Send + Sync {
    fn launch(&self, spec: LaunchSpec) -> Launching;

    /// Where a worker finds the folder of its socket.
    fn seen_as(&self, socket: &Path) -> PathBuf {
        socket.to_owned()
    }
}
