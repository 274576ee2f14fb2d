//! A sandbox that has been started: watched until it ends, and ended when it is told to.
//!
//! Tells how it ended: by itself, by a signal, or for want of memory. Knows nothing of why it was
//! wanted.

use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustix::process::Pid;
use tokio::io::AsyncReadExt;
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::process::Child;
use tokio::sync::{Notify, mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::sandbox::belongings::{Folder, Number};
use crate::sandbox::cgroup::Cgroup;
use crate::sandbox::memory::{Counter, Gauge, Meter};
use crate::sandbox::output::{Stream, lines};
use crate::sandbox::profile::Report;
use crate::sandbox::proxy::Proxy;
use crate::sandbox::{Exit, Sandbox, SandboxHandle};

/// Lines of output that may wait to be logged.
const LINES: usize = 1024;
/// How long a sandbox may take to end once it is told to, and its output to be read after it.
const END: Duration = Duration::from_secs(1);
/// A worker that ended after it had held so much more than its limit ended for want of memory.
/// What it shares with others, such as its program, counts with it here.
const ENDS_ABOVE: u64 = 16 << 20;
/// Most that a sandbox has to tell of itself.
const REPORTS: u64 = 64 * 1024;

/// A sandbox and all that goes with it when it ends.
#[derive(Debug)]
pub(crate) struct Running {
    pub(crate) worker: String,
    pub(crate) child: Child,
    pub(crate) line: UnixStream,
    pub(crate) memory: u64,
    pub(crate) tasks: u64,
    /// Where no cgroup counts memory.
    pub(crate) meter: Option<Arc<Meter>>,
    pub(crate) cgroup: Cgroup,
    pub(crate) _proxy: Option<(Proxy, Folder)>,
    pub(crate) _folder: Folder,
    pub(crate) _number: Number,
}

pub(crate) fn watch_over(mut running: Running) -> Sandbox {
    let (to, from) = mpsc::channel(LINES);
    let memory_words = Arc::new(AtomicBool::new(false));
    let mut outputs = Vec::new();
    if let Some(stdout) = running.child.stdout.take() {
        outputs.push(tokio::spawn(lines(Stream::Stdout, stdout, to.clone(), Arc::default())));
    }
    if let Some(stderr) = running.child.stderr.take() {
        outputs.push(tokio::spawn(lines(Stream::Stderr, stderr, to, memory_words.clone())));
    }
    let kill = Arc::new(Notify::new());
    let (ended, exit) = watch::channel(None);
    let watched = Watched::begin(&running);
    let counter = match &watched {
        Some(watched) => Some(Counter::Tree(watched.gauge.clone())),
        None => running.cgroup.count().map(Counter::Cgroup),
    };
    let handle = SandboxHandle::new(kill.clone(), exit, counter);
    tokio::spawn(async move {
        let exit = end(running, watched, &kill, outputs, &memory_words).await;
        ended.send_replace(Some(exit));
    });
    Sandbox { lines: from, handle }
}

/// A sandbox whose memory is counted by a walk over its processes.
#[derive(Debug)]
struct Watched {
    meter: Arc<Meter>,
    root: Pid,
    gauge: Arc<Gauge>,
}

impl Watched {
    fn begin(running: &Running) -> Option<Self> {
        let meter = running.meter.clone()?;
        let root = running.child.id().and_then(|id| Pid::from_raw(id.cast_signed()))?;
        let gauge = meter.watch(root, running.memory, running.tasks);
        Some(Watched { meter, root, gauge })
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.meter.forget(self.root);
    }
}

/// Waits for the end of the sandbox, or brings it about, and tells what it was.
async fn end(
    running: Running,
    watched: Option<Watched>,
    kill: &Notify,
    outputs: Vec<JoinHandle<()>>,
    memory_words: &AtomicBool,
) -> Exit {
    let Running {
        worker, mut child, line, memory, tasks, cgroup, _proxy, _folder, _number, ..
    } = running;
    let (reader, writer) = line.into_split();
    let reports = tokio::spawn(reports(reader));
    let status = tokio::select! {
        status = child.wait() => status,
        () = kill.notified() => stop(&mut child, writer).await,
        () = over(watched.as_ref()) => stop(&mut child, writer).await,
    };
    let (told, peak) = timeout(END, reports).await.ok().and_then(Result::ok).unwrap_or_default();
    let ended = told.unwrap_or_else(|| status.map_or(Exit::Unknown, exit_of));
    // Its last words may say that it was for want of memory.
    for output in outputs {
        let _somebody_holds_it = timeout(END, output).await;
    }
    // A runtime that the kernel refuses memory may end without a word of it, even by a fault.
    let outgrown = watched.is_some() && peak > memory + ENDS_ABOVE;
    let over = outgrown || watched.as_ref().is_some_and(|watched| watched.gauge.over_memory());
    if watched.is_some_and(|watched| watched.gauge.over_tasks()) {
        tracing::warn!(%worker, "ended because it had more than {tasks} processes and threads");
    }
    let starved = over || cgroup.out_of_memory() || memory_words.load(Ordering::Relaxed);
    if starved && ended != Exit::Code(0) { Exit::OutOfMemory { limit: memory } } else { ended }
}

async fn over(watched: Option<&Watched>) {
    match watched {
        Some(watched) => watched.gauge.over.notified().await,
        None => std::future::pending().await,
    }
}

/// The end of the line is the order to stop; what cannot hear it is ended by the kernel.
async fn stop(child: &mut Child, line: OwnedWriteHalf) -> io::Result<ExitStatus> {
    drop(line);
    if let Ok(status) = timeout(END, child.wait()).await {
        return status;
    }
    let _already_dead = child.start_kill();
    child.wait().await
}

/// How the worker ended and how much memory it had held, as the processes around it saw it.
async fn reports(line: OwnedReadHalf) -> (Option<Exit>, u64) {
    let mut text = String::new();
    let _broken_off = line.take(REPORTS).read_to_string(&mut text).await;
    let (mut exit, mut peak) = (None, 0);
    for report in text.lines().filter_map(|line| serde_json::from_str(line).ok()) {
        match report {
            Report::Code(code) => exit = Some(Exit::Code(code)),
            Report::Signal(signal) => exit = Some(Exit::Signal(signal)),
            Report::Peak(bytes) => peak = bytes,
            Report::Ready { .. } | Report::Failed { .. } => {}
        }
    }
    (exit, peak)
}

fn exit_of(status: ExitStatus) -> Exit {
    match (status.code(), status.signal()) {
        (Some(code), _) => Exit::Code(code),
        (None, Some(signal)) => Exit::Signal(signal),
        (None, None) => Exit::Unknown,
    }
}
