//! What the state machine is told, keeps of each worker and function, and asks for.
//!
//! Data with a few questions it can answer by itself; the decisions are in `state` and
//! `balance`.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::pool::circuit::Circuit;
use crate::pool::error::{Fault, Refusal};

/// What the configuration asks of one runtime's pool.
#[derive(Debug, Clone)]
pub struct Rules {
    pub min_warm: usize,
    pub max_instances: usize,
    pub idle_timeout: Duration,
    /// Calls one worker takes until its shim has said otherwise.
    pub credit: u32,
}

/// What is to be done about an event.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Action<W, F, T> {
    /// Launch a worker of this number.
    Start(u64),
    /// Have a blank worker load the function.
    Load(u64, W, F),
    /// Ask an idle worker to leave.
    Retire(W),
    /// The call has a worker and one unit of its credit.
    Grant(T, W),
    Refuse(T, Refusal),
}

/// A function's revision, which differs from that of every other function.
pub(crate) type Key = Arc<str>;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Phase {
    Starting,
    Blank,
    Loading(Key),
    Serving(Key),
    Leaving,
}

#[derive(Debug)]
pub(crate) struct Slot<W> {
    pub(crate) phase: Phase,
    pub(crate) handle: Option<W>,
    pub(crate) credit: u32,
    pub(crate) in_flight: u32,
    /// Cancelled calls that the worker has not answered; it gets no new ones meanwhile.
    pub(crate) suspended: u32,
    /// Leave as soon as nothing is in flight.
    pub(crate) spent: bool,
    pub(crate) used: Instant,
}

impl<W> Slot<W> {
    pub(crate) fn free(&self) -> bool {
        self.suspended == 0 && !self.spent && self.in_flight < self.credit
    }
}

#[derive(Debug)]
pub(crate) struct Route<F, T> {
    pub(crate) function: F,
    /// Bound on the credit of its workers.
    pub(crate) concurrency: Option<u32>,
    pub(crate) serving: Vec<u64>,
    pub(crate) loading: usize,
    pub(crate) waiting: VecDeque<Waiting<T>>,
    pub(crate) circuit: Circuit,
    /// Why the last load failed, and until when that is the answer.
    pub(crate) load_fault: Option<(Arc<Fault>, Instant)>,
}

#[derive(Debug)]
pub(crate) struct Waiting<T> {
    pub(crate) ticket: u64,
    pub(crate) since: Instant,
    pub(crate) call: T,
}

/// How many workers there are in which state.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Census {
    pub starting: usize,
    pub blank: usize,
    pub idle: usize,
    pub busy: usize,
    pub leaving: usize,
    pub queued: usize,
}

impl Census {
    /// Workers by the name of their state.
    #[must_use]
    pub fn by_state(&self) -> [(&'static str, usize); 5] {
        [
            ("starting", self.starting),
            ("blank", self.blank),
            ("idle", self.idle),
            ("busy", self.busy),
            ("leaving", self.leaving),
        ]
    }
}

/// Fill before spreading: the fullest worker with room, else the one used last.
pub(crate) fn pick<W>(workers: &HashMap<u64, Slot<W>>, serving: &[u64]) -> Option<u64> {
    let free = serving.iter().filter_map(|n| workers.get(n).filter(|s| s.free()).map(|s| (n, s)));
    free.max_by_key(|(n, s)| (s.in_flight, s.used, **n)).map(|(n, _)| *n)
}
