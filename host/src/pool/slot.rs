//! What the state machine is told, keeps of each worker and function, and asks for.
//!
//! Data with a few questions it can answer by itself; the decisions are in `state` and its
//! neighbours.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Instant;

use smallvec::SmallVec;

use crate::pool::circuit::Circuit;
use crate::pool::error::{Fault, Refusal};
use crate::pool::pace::Pace;
use crate::pool::rules::{Class, Key, Terms};

/// What is to be done about an event.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Action<W, F, T> {
    /// Launch a worker of this number.
    Start(u64, Class),
    /// Have a worker load the function.
    Load(u64, W, F),
    /// Ask a worker without calls to leave.
    Retire(W),
    /// Ask a worker whether it still listens.
    Ping(u64, W),
    /// End a worker that has nothing to do and does not listen.
    Kill(W),
    /// The call has a worker and one unit of its credit.
    Grant(T, W),
    Refuse(T, Refusal),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    Starting,
    Blank,
    /// Has taken a function in, or is at it.
    Active,
    Leaving,
}

/// A revision that a worker has been told to load.
#[derive(Debug, Clone)]
pub(crate) struct Held {
    pub(crate) key: Key,
    pub(crate) name: Arc<str>,
    /// It is loaded and calls go there.
    pub(crate) serves: bool,
}

#[derive(Debug)]
pub(crate) struct Slot<W> {
    pub(crate) phase: Phase,
    pub(crate) class: Class,
    pub(crate) handle: Option<W>,
    /// More than one when workers are short.
    pub(crate) held: SmallVec<[Held; 1]>,
    pub(crate) loading: Option<Key>,
    /// What the shim takes at a time, and what it gets.
    pub(crate) offered: u32,
    pub(crate) credit: u32,
    pub(crate) in_flight: u32,
    /// Cancelled calls that the worker has not answered; it gets no new ones meanwhile.
    pub(crate) suspended: u32,
    /// It misses pings, and gets no new calls meanwhile.
    pub(crate) silent: bool,
    /// Leave as soon as nothing is in flight; no new calls.
    pub(crate) spent: bool,
    /// Since when it is to be replaced, if another can take over.
    pub(crate) worn: Option<Instant>,
    pub(crate) calls: u64,
    pub(crate) born: Instant,
    pub(crate) used: Instant,
    /// When it took in its last function.
    pub(crate) filled: Instant,
    /// The ping that has no answer yet, and when the last answer came.
    pub(crate) pinged: Option<Instant>,
    pub(crate) heard: Instant,
}

impl<W> Slot<W> {
    pub(crate) fn starting(class: Class, credit: u32, now: Instant) -> Self {
        Slot {
            phase: Phase::Starting,
            class,
            handle: None,
            held: SmallVec::new(),
            loading: None,
            offered: credit,
            credit,
            in_flight: 0,
            suspended: 0,
            silent: false,
            spent: false,
            worn: None,
            calls: 0,
            born: now,
            used: now,
            filled: now,
            pinged: None,
            heard: now,
        }
    }

    pub(crate) fn free(&self) -> bool {
        self.in_flight < self.credit && self.suspended == 0 && !self.silent && !self.spent
    }

    /// Ready to take in its first function.
    pub(crate) fn blank(&self, class: Class) -> bool {
        let fit = self.phase == Phase::Blank && self.class == class;
        fit && self.worn.is_none() && !self.silent
    }

    /// One call more is with it.
    pub(crate) fn take(&mut self, now: Instant) {
        self.in_flight += 1;
        self.calls += 1;
        self.used = now;
    }

    pub(crate) fn idle(&self) -> bool {
        self.phase == Phase::Active && self.in_flight == 0 && self.loading.is_none()
    }

    pub(crate) fn serves(&self, key: &Key) -> bool {
        self.held.iter().any(|held| held.serves && held.key == *key)
    }

    /// The functions it serves.
    pub(crate) fn served(&self) -> impl Iterator<Item = &Key> {
        self.held.iter().filter(|held| held.serves).map(|held| &held.key)
    }

    /// Notes that it loads a function, or tries to.
    pub(crate) fn begin_load(&mut self, key: &Key, name: &Arc<str>, now: Instant) {
        self.phase = Phase::Active;
        self.loading = Some(key.clone());
        self.filled = now;
        if !self.held.iter().any(|held| held.key == *key) {
            self.held.push(Held { key: key.clone(), name: name.clone(), serves: false });
        }
    }
}

#[derive(Debug)]
pub(crate) struct Route<F, T> {
    pub(crate) function: F,
    pub(crate) terms: Terms,
    /// Its workers hold no other function for now: who made them crash is to be seen.
    pub(crate) alone: bool,
    /// The workers that take its calls.
    pub(crate) serving: Vec<u64>,
    pub(crate) waiting: VecDeque<Waiting<T>>,
    pub(crate) pace: Pace,
    pub(crate) circuit: Circuit,
    /// Why the last load failed, and until when that is the answer.
    pub(crate) load_fault: Option<(Arc<Fault>, Instant)>,
}

impl<F, T> Route<F, T> {
    pub(crate) fn new(function: F, terms: Terms, now: Instant) -> Self {
        Route {
            function,
            terms,
            alone: false,
            serving: Vec::new(),
            waiting: VecDeque::new(),
            pace: Pace::new(now),
            circuit: Circuit::default(),
            load_fault: None,
        }
    }

    /// It may be in a worker with others.
    pub(crate) fn shares(&self, now: Instant) -> bool {
        !self.terms.strict && !self.alone && self.circuit.calm(now)
    }
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
    free.max_by_key(|(n, s)| (s.worn.is_none(), s.in_flight, s.used, **n)).map(|(n, _)| *n)
}
