//! What can keep a call from being answered, in the pool's words.
//!
//! "Refused" means that nothing of the call has reached a worker; a [`CallError`] means that it
//! had. Knows nothing of HTTP.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use alyx_protocol::RpcError;

use crate::deps::Trouble;
use crate::registry::frame;
use crate::registry::function::Function;
use crate::runtime::BuildFault;
use crate::sandbox::Exit;

/// Kind of a [`Fault`] that is not the function's: the worker was killed from outside.
pub(crate) const KILLED: &str = "killed";

/// When to come again for a function that is still being built or loaded.
pub const BUILT_SOON: Duration = Duration::from_secs(5);

/// Why a function could not be loaded. `file` is relative to the functions folder.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fault {
    pub kind: String,
    pub message: String,
    pub file: Option<String>,
    pub line: Option<u64>,
    pub column: Option<u64>,
    /// The shim's stack or the toolchain's output: for the log, never for the public.
    pub detail: String,
    /// The lines around the place, as they were then: for those who may see the code.
    pub frame: Option<String>,
}

impl Fault {
    /// Why a function is not loaded whose packages are not there.
    pub(crate) fn of_packages(trouble: &Trouble) -> Self {
        Fault { kind: "packages".into(), message: trouble.to_string(), ..Fault::default() }
    }

    pub(crate) fn from_build(fault: BuildFault, function: &Function) -> Self {
        Fault {
            kind: fault.kind,
            message: without_root(&fault.message, function),
            file: fault.file.map(|file| without_root(&file, function)),
            line: fault.line,
            column: fault.column,
            detail: fault.output,
            frame: None,
        }
    }

    /// The same with the lines around its place, if it has one.
    #[must_use]
    pub(crate) fn framed(mut self, function: &Function) -> Self {
        if let (Some(file), Some(line)) = (&self.file, self.line) {
            self.frame = frame::of_file(&function.root, file, line, self.column);
        }
        self
    }

    /// Why a function does not load whose worker ended over it.
    pub(crate) fn of_death(death: &Death) -> Self {
        let message = format!("the worker ended while it loaded the function: {death}");
        // Code that loads does not send itself SIGKILL, nor keep anybody from knowing how it ended:
        // somebody else ended the worker.
        let killed = matches!(death.exit, Exit::Signal(9) | Exit::Unknown);
        let kind = if killed { KILLED } else { "crash" };
        Fault { kind: kind.into(), message, ..Fault::default() }
    }

    /// `hello.js:3:5`, as far as it is known.
    #[must_use]
    pub fn place(&self) -> Option<String> {
        let mut place = self.file.clone()?;
        for number in [self.line, self.column].into_iter().map_while(|n| n) {
            place.push_str(&format!(":{number}"));
        }
        Some(place)
    }
}

/// Why a call got no worker.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error(
        "no free '{runtime}' worker after {waited:?}; raise functions.pool.max_instances ({max}) or functions.pool.queue_timeout"
    )]
    Exhausted { runtime: String, waited: Duration, max: usize },
    #[error("the function is still being built or loaded after {waited:.1?}; try again in {again:?}", again = BUILT_SOON)]
    StillLoading { waited: Duration },
    #[error("too many calls of this function are waiting; raise functions.pool.max_instances")]
    QueueFull,
    /// It would have waited in vain.
    #[error(
        "so many calls of this function are waiting that this one would wait for {wait:.1?}, longer than it may ({patience:.1?}); raise functions.pool.max_instances"
    )]
    Overloaded { wait: Duration, patience: Duration },
    #[error(
        "the function has crashed five times within a minute; it is tried again in {retry_after:?}"
    )]
    CrashLoop { retry_after: Duration },
    #[error("the function does not load: {}", .0.message)]
    Load(Arc<Fault>),
    /// Packages that it uses are not installed.
    #[error(transparent)]
    Packages(#[from] Trouble),
    #[error("workers do not start: {0}")]
    Start(Arc<str>),
    #[error("runtime '{runtime}' is not available: {why}")]
    Unavailable { runtime: String, why: String },
    #[error("runtime '{runtime}' is disabled; set functions.runtimes.{runtime}.enabled to true")]
    Disabled { runtime: String },
    #[error("the function has changed meanwhile; call it again")]
    Replaced,
    #[error("the deadline passed while the call waited for a worker")]
    Deadline,
    #[error("the deadline passed while the function was still being built or loaded; try again in {again:?}", again = BUILT_SOON)]
    DeadlineLoading,
    #[error("the host is stopping")]
    Stopping,
}

/// Why a call that a worker had taken brought no result.
#[derive(Debug, Clone, thiserror::Error)]
pub enum CallError {
    /// The handler threw, or its result could not be sent.
    #[error(transparent)]
    Thrown(Box<RpcError>),
    #[error("no answer within the function's timeout")]
    Deadline,
    /// Nothing of the call has reached the worker: it may be tried on another.
    #[error("the worker ended before the call reached it")]
    NotDelivered,
    #[error("the worker ended: {0}")]
    Died(Death),
    #[error("the input of {size} bytes is over the worker's limit of {limit} bytes")]
    TooLarge { size: usize, limit: usize },
    #[error("the worker broke the protocol: {0}")]
    Protocol(String),
}

/// Why the host ended a worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KillReason {
    /// A cancelled call was not answered within the grace.
    Unresponsive,
    /// It did not answer a ping while idle.
    Silent,
    /// It was asked to leave and did not.
    Retired,
}

/// How a worker ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Death {
    pub exit: Exit,
    /// Set when it was the host's doing.
    pub killed: Option<KillReason>,
    /// Set when the connection broke the protocol.
    pub protocol: Option<String>,
}

impl fmt::Display for Death {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.killed, &self.protocol) {
            (Some(KillReason::Unresponsive), _) => {
                f.write_str("killed because another call in it did not stop at its deadline")
            }
            (Some(KillReason::Silent), _) => f.write_str("killed because it did not answer a ping"),
            (Some(KillReason::Retired), _) => f.write_str("stopped by the host"),
            (None, Some(what)) => f.write_str(what),
            (None, None) => write!(f, "{}", self.exit),
        }
    }
}

/// Paths of the functions folder become relative to it.
pub(crate) fn without_root(text: &str, function: &Function) -> String {
    let root = format!("{}/", function.root.display());
    text.replace("file://", "").replace(&root, "")
}
