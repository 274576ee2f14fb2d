//! One live worker: its connection, its sandbox and, in the end, its death.
//!
//! Knows how to talk to a shim. Knows nothing of when a worker is wanted; that is the pool's
//! state machine.

use std::collections::VecDeque;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use alyx_protocol::worker::{LoadParams, LoadResult, ShutdownParams, method};
use alyx_protocol::{RpcError, message};
use parking_lot::Mutex;
use serde::Serialize;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;

use crate::invocation::Invocation;
use crate::pool::error::{Death, Fault, KillReason, without_root};
use crate::pool::packages::Loadable;
use crate::pool::rules::Class;
use crate::registry::function::Function;
use crate::rpc::peer::{Peer, PeerClosed};
use crate::rpc::pending::Answer;
use crate::sandbox::output::{Line, Stream};
use crate::sandbox::{Exit, SandboxHandle};

/// Last lines of stderr that are kept for the log of a crash.
const TAIL: usize = 20;
/// How long a worker whose connection has ended may take to exit, and the other way round.
const EXIT_PATIENCE: Duration = Duration::from_millis(1000);

/// What travels with each call: the invocation it is for, if it is for one.
pub type Context = Option<Arc<Invocation>>;

/// A worker that has said hello.
#[derive(Debug)]
pub struct Worker {
    /// Opaque outside of logs: `node-3`.
    pub name: Arc<str>,
    pub(crate) number: u64,
    pub(crate) peer: Peer<Context>,
    /// What it may use.
    pub(crate) class: Class,
    sandbox: SandboxHandle,
    killed: OnceLock<KillReason>,
    asked_to_leave: OnceLock<()>,
    death: watch::Sender<Option<Death>>,
    /// When its start and its load began and ended: what a waiting call waited for.
    pub(crate) started: (Instant, Instant),
    pub(crate) loaded: Mutex<Option<(Instant, Instant)>>,
}

impl Worker {
    pub(crate) fn new(
        name: Arc<str>,
        number: u64,
        peer: Peer<Context>,
        (sandbox, class): (SandboxHandle, Class),
        began: Instant,
    ) -> Self {
        Worker {
            name,
            number,
            peer,
            class,
            sandbox,
            killed: OnceLock::new(),
            asked_to_leave: OnceLock::new(),
            death: watch::Sender::new(None),
            started: (began, Instant::now()),
            loaded: Mutex::default(),
        }
    }

    /// Ends the worker at once; the reason is on record before the deed.
    pub(crate) fn kill(&self, reason: KillReason) {
        let _first_reason_counts = self.killed.set(reason);
        self.sandbox.kill();
    }

    /// Bytes that its processes use, where somebody counts them.
    pub(crate) fn memory(&self) -> Option<u64> {
        self.sandbox.memory()
    }

    /// How the worker ended; waits for a moment, since a connection ends before its process.
    pub(crate) async fn death(&self) -> Death {
        let mut death = self.death.subscribe();
        let known = tokio::time::timeout(EXIT_PATIENCE * 4, death.wait_for(Option::is_some)).await;
        let known = known.ok().and_then(Result::ok).and_then(|death| death.clone());
        known.unwrap_or(Death { exit: Exit::Unknown, killed: None, protocol: None })
    }

    /// Sends one request that is for no invocation.
    ///
    /// None when the worker ended or `patience` ran out.
    async fn ask(
        &self,
        method: &str,
        params: impl Serialize,
        patience: Duration,
    ) -> Option<Answer> {
        let call = self.peer.call(None, |id| message::request(id, method, params)).ok()?;
        tokio::time::timeout(patience, call.answer).await.ok()?.ok()
    }

    /// True when the worker answers a ping in time.
    pub(crate) async fn ping(&self, patience: Duration) -> bool {
        matches!(self.ask(method::PING, serde_json::json!({}), patience).await, Some(Ok(_)))
    }

    /// Has the worker take in one function.
    ///
    /// # Errors
    /// [`Fault`] in the function's own terms.
    pub(crate) async fn load(
        &self,
        function: &Function,
        loadable: &Loadable,
        patience: Duration,
    ) -> Result<LoadResult, Fault> {
        let began = Instant::now();
        let params = LoadParams {
            function: function.name.to_string(),
            revision: function.revision.to_string(),
            path: loadable.path.to_string_lossy().into_owned(),
            root: Some(function.root.to_string_lossy().into_owned()),
            entry: None,
            env: function.env.iter().map(|(k, v)| (k.clone(), v.expose().to_owned())).collect(),
            timeout_ms: Some(patience.as_millis() as u64),
            paths: loadable.packages.iter().map(|p| p.to_string_lossy().into_owned()).collect(),
        };
        // The shim bounds its own loading; the host waits a little longer before it gives up.
        let answer = self.ask(method::LOAD, &params, patience + EXIT_PATIENCE).await;
        let result = match answer {
            Some(Ok(reply)) => {
                reply.read().map_err(|e| fault("protocol", format!("bad answer to 'load': {e}")))
            }
            Some(Err(error)) => Err(load_fault(&error, function)),
            None => Err(self.lost_while_loading(patience).await),
        };
        *self.loaded.lock() = Some((began, Instant::now()));
        result
    }

    async fn lost_while_loading(&self, patience: Duration) -> Fault {
        // The connection ends a moment before the process is known to have.
        let death = self.death().await;
        if self.sandbox.exit().is_some() {
            return Fault::of_death(&death);
        }
        let message = format!("loading did not end within {patience:?}");
        Fault { kind: "timeout".into(), message, ..Fault::default() }
    }

    /// Asks an idle worker to leave; kills it when it does not within `grace`.
    pub(crate) async fn retire(&self, reason: &str, grace: Duration) {
        let _asked_before = self.asked_to_leave.set(());
        let params =
            ShutdownParams { grace_ms: grace.as_millis() as u64, reason: reason.to_owned() };
        self.ask(method::SHUTDOWN, &params, grace).await;
        if tokio::time::timeout(grace, self.sandbox.exited()).await.is_err() {
            self.kill(KillReason::Retired);
        }
        self.sandbox.exited().await;
    }

    /// Watches over the worker until it has ended, and says how.
    pub(crate) async fn watch(
        &self,
        mut closed: oneshot::Receiver<PeerClosed>,
        output: tokio::task::JoinHandle<()>,
    ) -> Death {
        let why = tokio::select! {
            closed = &mut closed => closed.ok(),
            // What was sent before the end is still read.
            _ = self.sandbox.exited() => {
                tokio::time::timeout(EXIT_PATIENCE, &mut closed).await.ok().and_then(Result::ok)
            }
        };
        let protocol = match why {
            Some(PeerClosed::Protocol(what)) => Some(what),
            _ => None,
        };
        if protocol.is_some()
            || tokio::time::timeout(EXIT_PATIENCE, self.sandbox.exited()).await.is_err()
        {
            self.sandbox.kill();
        }
        let exit = self.sandbox.exited().await;
        // The last words on stderr belong to the story of a crash.
        let _still_open = tokio::time::timeout(EXIT_PATIENCE, output).await;
        let asked = self.asked_to_leave.get().map(|()| KillReason::Retired);
        let death = Death { exit, killed: self.killed.get().copied().or(asked), protocol };
        self.death.send_replace(Some(death.clone()));
        self.peer.close();
        death
    }
}

fn fault(kind: &str, message: String) -> Fault {
    Fault { kind: kind.into(), message, ..Fault::default() }
}

/// Translates a shim's LOAD_FAILED; paths become relative to the functions folder.
fn load_fault(error: &RpcError, function: &Function) -> Fault {
    let data = error.data.clone().unwrap_or_default();
    let text = |name: &str| data.details.get(name).and_then(|v| v.as_str()).map(str::to_owned);
    let number = |name: &str| data.details.get(name).and_then(serde_json::Value::as_u64);
    Fault {
        kind: text("kind").unwrap_or_else(|| "throw".into()),
        message: without_root(&error.message, function),
        file: text("file").map(|file| without_root(&file, function)),
        line: number("line"),
        column: number("column"),
        detail: data.stack.unwrap_or_default(),
        frame: None,
    }
}

/// The last lines that a worker wrote to stderr.
#[derive(Debug, Default)]
pub(crate) struct Tail(Mutex<VecDeque<String>>);

impl Tail {
    pub(crate) fn text(&self) -> String {
        self.0.lock().iter().map(String::as_str).collect::<Vec<_>>().join("\n")
    }

    fn push(&self, line: &str) {
        let mut lines = self.0.lock();
        if lines.len() == TAIL {
            lines.pop_front();
        }
        lines.push_back(line.to_owned());
    }
}

/// Logs what a worker prints outside of any invocation, and keeps the end of stderr.
pub(crate) async fn log_output(worker: Arc<str>, mut lines: mpsc::Receiver<Line>, tail: Arc<Tail>) {
    while let Some(line) = lines.recv().await {
        match line.stream {
            Stream::Stdout => tracing::info!(target: "worker", worker = %worker, "{}", line.text),
            Stream::Stderr => {
                tail.push(&line.text);
                tracing::warn!(target: "worker", worker = %worker, "{}", line.text);
            }
        }
    }
}
