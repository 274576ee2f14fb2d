//! A container that has been started: watched until it ends, ended when it is told to, removed.
//!
//! Tells how it ended. That the host ended it is on record before the deed: engines take any
//! SIGKILL after a child's want of memory for want of memory. An engine that is away keeps nobody
//! waiting who has given up the worker.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use bollard::query_parameters::{KillContainerOptionsBuilder, StatsOptionsBuilder};
use futures_util::StreamExt;
use tokio::sync::{Notify, mpsc, watch};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::{AbortOnDropHandle, TaskTracker};

use crate::engine::error::EngineError;
use crate::engine::{Engine, Kind};
use crate::sandbox::belongings::{Folder, Number};
use crate::sandbox::container::lifeline::Lifeline;
use crate::sandbox::container::removal::remove_in_time;
use crate::sandbox::container::waiting::{KILLED, Notice, exit_code};
use crate::sandbox::container::{kernel, output};
use crate::sandbox::memory::Counter;
use crate::sandbox::proxy::Proxy;
use crate::sandbox::{Exit, Sandbox, SandboxHandle};

/// Lines of output that may wait to be logged.
const LINES: usize = 1024;
/// Longest wait for the end of a container that was told to end, and for its last words.
const END: Duration = Duration::from_secs(3);
const LAST_WORDS: Duration = Duration::from_secs(3);
/// Longest wait for a small answer.
const ANSWER: Duration = Duration::from_secs(5);
/// How often its memory is asked for.
const COUNT: Duration = Duration::from_secs(3);

/// A started container and all that goes with it when it ends.
#[derive(Debug)]
pub(crate) struct Running {
    pub(crate) engine: Engine,
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) memory: u64,
    pub(crate) removals: TaskTracker,
    pub(crate) closed: CancellationToken,
    pub(crate) belongings: (Option<(Proxy, Folder)>, Number, Option<Lifeline>),
}

impl Running {
    /// Takes it away without asking how it ended.
    pub(crate) fn abandon(self) {
        let removals = self.removals.clone();
        removals.spawn(self.removed());
    }

    /// Its name is free again only when it is gone.
    async fn removed(self) {
        remove_in_time(&self.engine, &self.id, &self.closed).await;
        drop(self.belongings);
    }
}

/// `counts` says whether what the engine tells of its memory is to be believed.
pub(crate) fn watch_over(running: Running, counts: bool) -> Sandbox {
    let (to, from) = mpsc::channel(LINES);
    let words = Arc::new(AtomicBool::new(false));
    let engine = running.engine.clone();
    let over = CancellationToken::new();
    let printed = output::follow(engine, running.id.clone(), to, words.clone(), over.clone());
    let printed = AbortOnDropHandle::new(tokio::spawn(printed));
    let used = Arc::new(AtomicU64::new(0));
    let counting = counts.then(|| count(running.engine.clone(), running.id.clone(), used.clone()));
    let counting = counting.map(|counting| AbortOnDropHandle::new(tokio::spawn(counting)));
    let kill = Arc::new(Notify::new());
    let (ended, exit) = watch::channel(None);
    let handle = SandboxHandle::new(kill.clone(), exit, counts.then_some(Counter::Told(used)));
    tokio::spawn(async move {
        let (code, ours) = running.end(&kill).await;
        drop(counting);
        over.cancel();
        // Its last words may say that it was for want of memory.
        let _engine_away = timeout(LAST_WORDS, printed).await;
        let exit = running.exit(code, ours, words.load(Ordering::Relaxed)).await;
        ended.send_replace(Some(exit));
        running.abandon();
    });
    Sandbox { lines: from, handle }
}

impl Running {
    /// Waits for the end of the container, or brings it about: its exit code, if the engine says,
    /// and whether it was our doing.
    async fn end(&self, kill: &Notify) -> (Option<i64>, bool) {
        tokio::select! {
            code = exit_code(&self.engine, &self.id, Notice::Whenever) => return (Some(code), false),
            () = kill.notified() => {}
        }
        let options = KillContainerOptionsBuilder::new().signal("SIGKILL").build();
        let killed = self.engine.client().kill_container(&self.id, Some(options));
        let killed = self.engine.ask("end a container", END, killed).await;
        // It is removed when the engine is back; nobody has to wait for that.
        if let Err(why) = &killed
            && why.is_away()
        {
            tracing::warn!(container = %self.name, "given up: {why}");
            return (None, true);
        }
        // What cannot be killed had ended by itself; its connection says so earlier than the
        // engine does.
        let code = timeout(END, exit_code(&self.engine, &self.id, Notice::Soon)).await;
        (code.ok(), killed.is_ok())
    }

    async fn exit(&self, code: Option<i64>, ours: bool, words: bool) -> Exit {
        let starved = words || (!ours && self.has_starved(code).await);
        match code {
            Some(0) => Exit::Code(0),
            _ if starved => Exit::OutOfMemory { limit: self.memory },
            Some(code) => exit_of(code),
            None => Exit::Unknown,
        }
    }

    /// Whether a process of it was ended for want of memory. An old Podman does not say; then the
    /// kernel does, and where it may not be asked, what we did not kill was.
    async fn has_starved(&self, code: Option<i64>) -> bool {
        let looked = self.engine.client().inspect_container(&self.id, None);
        let looked = self.engine.ask("look at a container", ANSWER, looked).await;
        // Nobody knows any more of one that somebody has removed, but that.
        if looked.as_ref().is_err_and(EngineError::is_missing) {
            return false;
        }
        let state = looked.ok().and_then(|found| found.state);
        let told = state.is_some_and(|state| state.oom_killed == Some(true));
        if told || code.is_some_and(|code| code != KILLED) || self.engine.kind() != Kind::Podman {
            return told;
        }
        let id = self.id.clone();
        let known = tokio::task::spawn_blocking(move || kernel::starved(&id)).await;
        known.ok().flatten().unwrap_or(code.is_some())
    }
}

/// An engine tells a signal as 128 and more. Of those, the ones that no program ends with by
/// itself.
fn exit_of(code: i64) -> Exit {
    match i32::try_from(code).unwrap_or(-1) {
        code @ (132 | 134..=137 | 139) => Exit::Signal(code - 128),
        code => Exit::Code(code),
    }
}

/// Asks for the memory that the container uses, again and again.
async fn count(engine: Engine, id: String, used: Arc<AtomicU64>) {
    loop {
        let options = StatsOptionsBuilder::new().stream(false).one_shot(true).build();
        let mut told = std::pin::pin!(engine.client().stats(&id, Some(options)));
        if let Ok(Some(Ok(told))) = timeout(ANSWER, told.next()).await
            && let Some(memory) = told.memory_stats
        {
            let of = |name: &str| memory.stats.as_ref().and_then(|stats| stats.get(name)).copied();
            // What was read from files can be given back at any time.
            let files = of("total_inactive_file").or_else(|| of("inactive_file")).unwrap_or(0);
            used.store(memory.usage.unwrap_or(0).saturating_sub(files), Ordering::Relaxed);
        }
        sleep(COUNT).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signal_is_told_from_an_exit_code() {
        assert_eq!(exit_of(139), Exit::Signal(11));
        assert_eq!(exit_of(3), Exit::Code(3));
        assert_eq!(exit_of(130), Exit::Code(130));
    }
}
