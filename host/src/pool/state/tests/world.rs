//! A world for the state machine: workers that start slowly or not, load or fail to, hang, change
//! their mind and die at any moment, and callers who come, leave and are told things too late.
//!
//! Keeps its own books of who may serve what, and never looks into the machine for them.

use std::collections::{BTreeMap, HashSet};

use super::*;
use crate::pool::error::Fault;
use crate::pool::rules::Asking;
use crate::pool::rules::{Class, Terms};
use crate::pool::slot::pick;

/// A function and its revision.
pub(super) type Function = (usize, u32);
pub(super) type Machine = State<u64, Function, u64>;

pub(super) const PATIENCE: Duration = Duration::from_secs(10);

/// A worker, as the outside sees it.
#[derive(Debug, Default)]
pub(super) struct Worker {
    pub(super) class: Class,
    pub(super) started: bool,
    pub(super) offered: u32,
    /// What it was told to load, ever.
    pub(super) told: Vec<Function>,
    pub(super) loaded: HashSet<Function>,
    pub(super) loading: Option<Function>,
    pub(super) calls: Vec<u64>,
    /// Calls that were cancelled and go on.
    pub(super) cancelled: Vec<u64>,
    /// Nobody may send it a call any more.
    pub(super) closed: bool,
    pub(super) leaving: bool,
    pub(super) hangs: bool,
    pub(super) pinged: bool,
}

/// A call that waits.
#[derive(Debug, Clone, Copy)]
pub(super) struct Waiter {
    pub(super) function: Function,
    pub(super) ticket: u64,
    pub(super) since: Instant,
}

pub(super) struct World {
    pub(super) state: Machine,
    pub(super) rules: Rules,
    pub(super) now: Instant,
    pub(super) seed: u64,
    pub(super) workers: BTreeMap<u64, Worker>,
    pub(super) waiting: BTreeMap<u64, Waiter>,
    pub(super) revisions: Vec<u32>,
    pub(super) gone: HashSet<Function>,
    pub(super) last_call: u64,
    pub(super) answered: HashSet<u64>,
}

pub(super) fn key((name, revision): Function) -> Key {
    format!("revision-{name}-{revision}").into()
}

/// What functions ask for: every third is strict, every fourth takes one call at a time and has
/// packages, every fifth needs larger workers.
pub(super) fn terms((name, _): Function) -> Terms {
    let memory = if name % 5 == 4 { 512 } else { 256 };
    Terms {
        name: format!("function-{name}").into(),
        concurrency: (name % 4 == 3).then_some(1),
        class: Class { memory, millicpus: 1000 },
        strict: name % 3 == 2,
        packages: (name % 4 == 3).then(|| "packages".into()).into_iter().collect(),
    }
}

pub(super) fn rules(min_warm: usize, max_instances: usize) -> Rules {
    let class = terms((0, 0)).class;
    Rules { min_warm, max_instances, credit: 3, class, ..Rules::default() }
}

impl World {
    pub(super) fn new(rules: Rules, functions: usize, seed: u64) -> Self {
        let now = Instant::now();
        World {
            state: State::new(rules.clone(), now),
            rules,
            now,
            seed,
            workers: BTreeMap::new(),
            waiting: BTreeMap::new(),
            revisions: vec![0; functions],
            gone: HashSet::new(),
            last_call: 0,
            answered: HashSet::new(),
        }
    }

    /// xorshift: repeatable from the seed that a failure names.
    pub(super) fn chance(&mut self, below: usize) -> usize {
        self.seed ^= self.seed << 13;
        self.seed ^= self.seed >> 7;
        self.seed ^= self.seed << 17;
        (self.seed % below as u64) as usize
    }

    /// One of the workers that fit, by chance.
    pub(super) fn any(&mut self, fits: impl Fn(&Worker) -> bool) -> Option<u64> {
        let found: Vec<u64> =
            self.workers.iter().filter(|(_, w)| fits(w)).map(|(n, _)| *n).collect();
        if found.is_empty() { None } else { Some(found[self.chance(found.len())]) }
    }

    pub(super) fn event(
        &mut self,
        event: impl FnOnce(&mut Machine, Instant) -> Actions<u64, Function, u64>,
    ) {
        let actions = event(&mut self.state, self.now);
        self.take(actions);
    }

    pub(super) fn take(&mut self, actions: Actions<u64, Function, u64>) {
        for action in actions {
            match action {
                Action::Start(number, class) => {
                    let worker = Worker { class, ..Worker::default() };
                    assert!(self.workers.insert(number, worker).is_none(), "numbers are new");
                }
                Action::Load(number, worker, function) => {
                    assert_eq!(number, worker);
                    self.check_load(number, function);
                }
                Action::Retire(number) => {
                    // One that ended meanwhile is told in vain.
                    let Some(worker) = self.workers.get_mut(&number) else { continue };
                    assert!(!worker.leaving, "asked once");
                    (worker.leaving, worker.closed, worker.loading) = (true, true, None);
                    assert!(worker.calls.is_empty(), "nobody leaves with calls");
                }
                Action::Kill(number) => {
                    let worker = &self.workers[&number];
                    assert!(worker.calls.is_empty() && worker.hangs, "killed for silence alone");
                    self.end(number, None);
                }
                Action::Ping(number, _) => {
                    let worker = self.workers.get_mut(&number).expect("it lives");
                    assert!(!worker.pinged, "one ping at a time");
                    worker.pinged = true;
                }
                Action::Grant(call, worker) => {
                    let waiter = self.waiting.remove(&call).expect("granted once");
                    self.run(call, worker, waiter.function);
                }
                Action::Refuse(call, _) => {
                    self.waiting.remove(&call).expect("refused once");
                    self.answer(call);
                }
            }
        }
        assert!(self.workers.len() <= self.rules.max_instances, "never over max_instances");
    }

    fn check_load(&mut self, number: u64, function: Function) {
        let (shares, terms_of) = (self.rules.shares, terms(function));
        let worker = self.workers.get_mut(&number).expect("it lives");
        assert!(worker.started && !worker.closed && worker.loading.is_none());
        assert_eq!(worker.class, terms_of.class, "the class of the function");
        let others = worker.told.iter().filter(|told| **told != function);
        for other in others {
            assert_ne!(other.0, function.0, "no two revisions of a function in one worker");
            assert!(shares, "this runtime shares no workers");
            assert!(!terms_of.strict && !terms(*other).strict, "strict functions are alone");
            assert_eq!(terms_of.packages, terms(*other).packages, "one set of packages");
        }
        worker.told.push(function);
        worker.loading = Some(function);
    }

    pub(super) fn answer(&mut self, call: u64) {
        assert!(self.answered.insert(call), "answered once");
    }

    pub(super) fn run(&mut self, call: u64, number: u64, function: Function) {
        let worker = self.workers.get_mut(&number).expect("calls go to workers that live");
        assert!(worker.loaded.contains(&function), "the right function");
        assert!(!worker.closed, "no call for one who leaves");
        assert!(worker.cancelled.is_empty(), "no call for one who does not stop");
        assert!(!self.gone.contains(&function), "no call for what was replaced");
        worker.calls.push(call);
        // A function may have been put out of a shared worker, and bind it no more.
        let bound = terms(function).concurrency.unwrap_or(u32::MAX).min(worker.offered);
        assert!(worker.calls.len() as u32 <= bound, "credit is never exceeded");
    }

    pub(super) fn call(&mut self, name: usize) {
        let function = (name, self.revisions[name]);
        self.last_call += 1;
        let call = self.last_call;
        if let Some(worker) = self.state.try_acquire(&key(function), self.now) {
            return self.run(call, worker, function);
        }
        let ticket = self.state.last_ticket + 1;
        self.waiting.insert(call, Waiter { function, ticket, since: self.now });
        let (key, terms) = (key(function), terms(function));
        let asking = Asking { key: &key, function: &function, terms, call, patience: PATIENCE };
        let (outcome, actions) = self.state.acquire(asking, self.now);
        if outcome.is_err() {
            self.waiting.remove(&call);
            self.answer(call);
        }
        self.take(actions);
    }

    /// A caller leaves the queue; it may be told that it was, too.
    pub(super) fn abandon(&mut self, call: u64) {
        let Some(waiter) = self.waiting.remove(&call) else { return };
        self.answer(call);
        self.state.abandon(&key(waiter.function), waiter.ticket);
        self.state.abandon(&key(waiter.function), waiter.ticket);
    }

    /// A call is answered, in time or not.
    pub(super) fn finish(&mut self, number: u64, at: usize) {
        let worker = self.workers.get_mut(&number).expect("it has calls");
        let call = worker.calls.swap_remove(at);
        let late = worker.cancelled.iter().position(|cancelled| *cancelled == call);
        if let Some(late) = late {
            // Its caller was answered at the deadline.
            worker.cancelled.swap_remove(late);
            self.event(|state, now| state.suspend(number, false, now));
        } else {
            self.answer(call);
        }
        self.event(|state, now| state.release(number, now));
    }

    /// The deadline passes, or the client leaves: the caller has its answer, the call goes on.
    pub(super) fn cancel(&mut self, number: u64, at: usize) {
        let worker = self.workers.get_mut(&number).expect("it has calls");
        let call = worker.calls[at];
        if worker.cancelled.contains(&call) {
            return;
        }
        worker.cancelled.push(call);
        self.answer(call);
        self.event(|state, now| state.suspend(number, true, now));
    }

    /// The worker ends; the calls in it are told a moment later.
    pub(super) fn end(&mut self, number: u64, fault: Option<&str>) {
        let worker = self.workers.remove(&number).expect("it lives");
        let fault = fault.map(|kind| Arc::new(Fault { kind: kind.into(), ..Fault::default() }));
        self.event(|state, now| state.died(number, fault.as_ref(), now));
        for call in worker.calls {
            if !worker.cancelled.contains(&call) {
                self.answer(call);
            }
            self.event(|state, now| state.release(number, now));
        }
    }

    /// What has to be true between any two events.
    pub(super) fn check(&self) {
        assert_eq!(self.state.queued, self.waiting.len(), "nobody is forgotten");
        assert_eq!(self.state.workers.len(), self.workers.len(), "no worker is forgotten");
        let waiting: HashSet<Function> = self.waiting.values().map(|w| w.function).collect();
        assert_eq!(self.state.hungry.len(), waiting.len(), "everybody gets a turn, and but one");
        for key in waiting.into_iter().map(key) {
            assert!(self.state.hungry.contains(&key), "everybody gets a turn");
            let free = pick(&self.state.workers, &self.state.routes[&key].serving);
            assert_eq!(free, None, "nobody waits while a worker has room");
        }
        let in_flight = |(number, worker): (&u64, &Worker)| (*number, worker.calls.len() as u32);
        for (number, calls) in self.workers.iter().map(in_flight) {
            assert_eq!(self.state.workers[&number].in_flight, calls, "credit does not leak");
        }
    }
}
