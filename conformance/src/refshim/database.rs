//! `ctx.db` of the reference shim: requests to the host, their answers, and how many at once.
//!
//! Every call blocks its thread; the reader hands answers over. Knows nothing of the probe.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use alyx_protocol::{ErrorCode, Limits};
use serde_json::{Value, json};

use super::line::Line;
use super::start::Mutant;
use super::values::{Thrown, coded, thrown};

/// The host answers everything; a harness that does not is not waited for.
const PATIENCE: Duration = Duration::from_secs(60);

type Answer = Result<Value, Thrown>;

/// All requests of this shim.
pub(super) struct Database {
    line: Arc<Line>,
    state: Mutex<State>,
    /// Room for a request, or the end of an invocation.
    changed: Condvar,
}

#[derive(Default)]
struct State {
    offered: BTreeSet<String>,
    limits: Limits,
    last_id: u64,
    /// Unanswered requests: on whose behalf, and who waits.
    open: BTreeMap<u64, (u64, SyncSender<Answer>)>,
    /// Invocations that may ask.
    running: BTreeSet<u64>,
    unanswered: BTreeSet<u64>,
    draining: bool,
    cancelled: BTreeSet<u64>,
}

impl Database {
    pub(super) fn new(line: Arc<Line>) -> Self {
        // The first id was that of `hello`.
        let state = State { last_id: 1, ..State::default() };
        Database { line, state: Mutex::new(state), changed: Condvar::new() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The host has answered `hello`.
    pub(super) fn greeted(&self, offered: BTreeSet<String>, limits: Limits) {
        let mut state = self.state();
        state.offered = offered;
        state.limits = limits;
    }

    pub(super) fn began(&self, inv: u64) {
        let mut state = self.state();
        state.running.insert(inv);
        state.unanswered.insert(inv);
    }

    /// The invocation was answered.
    pub(super) fn left(&self, inv: u64) {
        self.state().unanswered.remove(&inv);
        self.changed.notify_all();
    }

    /// The invocation is about to be answered: it may ask nothing from now on.
    pub(super) fn ended(&self, inv: u64) {
        let mut state = self.state();
        state.running.remove(&inv);
        state.cancelled.remove(&inv);
        self.changed.notify_all();
    }

    pub(super) fn cancel(&self, inv: u64) {
        let mut state = self.state();
        if state.running.contains(&inv) {
            state.cancelled.insert(inv);
        }
        self.changed.notify_all();
    }

    pub(super) fn is_cancelled(&self, inv: u64) -> bool {
        self.state().cancelled.contains(&inv)
    }

    /// Waits that long, or until the invocation is cancelled, which is told.
    pub(super) fn sleep(&self, inv: u64, time: Duration) -> bool {
        let deadline = Instant::now() + time;
        let mut state = self.state();
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if state.cancelled.contains(&inv) || left.is_zero() {
                return state.cancelled.contains(&inv);
            }
            let woken = self.changed.wait_timeout(state, left);
            state = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Asks the host and waits for its answer.
    pub(super) fn call(&self, inv: u64, method: &str, mut params: Value) -> Answer {
        self.is_offered(method)?;
        if self.line.is(Mutant::SwallowsLateCalls) && !self.state().running.contains(&inv) {
            return Ok(json!({}));
        }
        if !self.line.is(Mutant::ForgetsInv) {
            params["inv"] = inv.into();
        }
        let (sender, answer) = sync_channel(1);
        let mut state = self.state();
        loop {
            self.may_ask(&state, inv)?;
            if state.has_room(inv) || self.line.is(Mutant::IgnoresCredit) {
                break;
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        let id = state.last_id + 1;
        let request = json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params});
        let (size, limit) = (request.to_string().len(), state.limits.max_frame);
        if size > limit && !self.line.is(Mutant::IgnoresTheFrameLimit) {
            let what = format!("the request has {size} bytes; the host takes {limit}");
            return Err(coded(ErrorCode::FrameTooLarge, "PAYLOAD_TOO_LARGE", what));
        }
        state.last_id = id;
        state.open.insert(id, (inv, sender));
        // Written under the lock, so that ids leave in their order.
        let sent = self.line.send(&request);
        drop(state);
        sent.map_err(|error| thrown(ErrorCode::InternalError, error))?;
        answer
            .recv_timeout(PATIENCE)
            .unwrap_or_else(|_| Err(thrown(ErrorCode::InternalError, "the host has not answered")))
    }

    fn is_offered(&self, method: &str) -> Result<(), Thrown> {
        let capability = if method == "db.batch" { "batch" } else { "db" };
        if self.state().offered.contains(capability) || self.line.is(Mutant::AsksUnoffered) {
            return Ok(());
        }
        let what = format!("the host offers no database with '{capability}'");
        Err(coded(ErrorCode::MethodNotFound, "UNAVAILABLE", what))
    }

    fn may_ask(&self, state: &State, inv: u64) -> Result<(), Thrown> {
        if !state.running.contains(&inv) {
            let what = "the handler has returned; wait for every call before it does";
            return Err(thrown(ErrorCode::InvocationEnded, what));
        }
        if state.draining && self.line.is(Mutant::RefusesWhileDraining) {
            return Err(thrown(ErrorCode::NotReady, "shutting down"));
        }
        if state.cancelled.contains(&inv) && !self.line.is(Mutant::SendsAfterCancel) {
            return Err(thrown(ErrorCode::Cancelled, "the invocation is cancelled"));
        }
        Ok(())
    }

    /// The host has answered a request; false when nobody asked.
    pub(super) fn answered(&self, id: u64, answer: Answer) -> bool {
        let mut state = self.state();
        if self.line.is(Mutant::SharesIds) && state.running.contains(&id) {
            return false;
        }
        let oldest = state.open.keys().next().copied();
        let id = if self.line.is(Mutant::MatchesInOrder) { oldest.unwrap_or(id) } else { id };
        let asked = state.open.remove(&id);
        if let Some((_, waiting)) = &asked {
            // Nobody waits any more where the time was up.
            let _ = waiting.try_send(answer);
        }
        self.changed.notify_all();
        asked.is_some()
    }

    /// The host wants the shim to leave.
    pub(super) fn drain(&self) {
        self.state().draining = true;
    }

    /// Waits until every invocation is answered, at most that long.
    pub(super) fn drained(&self, within: Duration) {
        let deadline = Instant::now() + within;
        let mut state = self.state();
        while !state.unanswered.is_empty() && Instant::now() < deadline {
            let left = deadline.saturating_duration_since(Instant::now());
            let woken = self.changed.wait_timeout(state, left);
            state = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl State {
    fn has_room(&self, inv: u64) -> bool {
        let own = self.open.values().filter(|(other, _)| *other == inv).count();
        self.open.len() < self.limits.max_calls && own < self.limits.max_calls_per_invocation
    }
}
