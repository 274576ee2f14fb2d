//! The pool's decisions, as a state machine without tasks, clocks or processes.
//!
//! Each event is a method that returns the actions to take; who takes them and when is the
//! caller's affair. So the whole policy can be driven by a test, event by event. One state holds
//! one runtime's workers. Generic over the worker handle `W`, the function `F` and the waiting
//! call `T`, of which it knows nothing.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::pool::circuit::Circuit;
use crate::pool::error::{Fault, Refusal};

/// Calls of one function that may wait for a worker.
const QUEUE: usize = 4096;
/// A function that is served gets one more worker only when a call has waited this long: short
/// bursts are cheaper to queue than to spread.
const PATIENCE: Duration = Duration::from_millis(20);
/// Failed starts in a row after which waiting calls are told.
const START_FAILURES: u32 = 3;

/// A function's revision, which differs from that of every other function.
pub(crate) type Key = Arc<str>;

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

#[derive(Debug, Clone, PartialEq, Eq)]
enum Phase {
    Starting,
    Blank,
    Loading(Key),
    Serving(Key),
    Leaving,
}

#[derive(Debug)]
struct Slot<W> {
    phase: Phase,
    handle: Option<W>,
    credit: u32,
    in_flight: u32,
    /// Cancelled calls that the worker has not answered; it gets no new ones meanwhile.
    suspended: u32,
    /// Leave as soon as nothing is in flight.
    spent: bool,
    used: Instant,
}

impl<W> Slot<W> {
    fn free(&self) -> bool {
        self.suspended == 0 && !self.spent && self.in_flight < self.credit
    }
}

#[derive(Debug)]
struct Route<F, T> {
    function: F,
    /// Bound on the credit of its workers.
    concurrency: Option<u32>,
    serving: Vec<u64>,
    loading: usize,
    waiting: VecDeque<Waiting<T>>,
    circuit: Circuit,
    /// Why the last load failed, and until when that is the answer.
    load_fault: Option<(Arc<Fault>, Instant)>,
}

#[derive(Debug)]
struct Waiting<T> {
    ticket: u64,
    since: Instant,
    call: T,
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

/// The workers of one runtime.
#[derive(Debug)]
pub(crate) struct State<W, F, T> {
    rules: Rules,
    last_number: u64,
    last_ticket: u64,
    workers: HashMap<u64, Slot<W>>,
    routes: HashMap<Key, Route<F, T>>,
    /// Functions with waiting calls, longest waiting first.
    hungry: VecDeque<Key>,
    queued: usize,
    start_failures: u32,
    start_again: Instant,
    start_fault: Option<Arc<str>>,
    wanted: bool,
}

type Actions<W, F, T> = Vec<Action<W, F, T>>;

impl<W: Clone, F: Clone, T> State<W, F, T> {
    pub(crate) fn new(rules: Rules, now: Instant) -> Self {
        State {
            rules,
            last_number: 0,
            last_ticket: 0,
            workers: HashMap::new(),
            routes: HashMap::new(),
            hungry: VecDeque::new(),
            queued: 0,
            start_failures: 0,
            start_again: now,
            start_fault: None,
            wanted: true,
        }
    }

    /// A worker with room for one more call of this function, if there is one.
    pub(crate) fn try_acquire(&mut self, key: &Key, now: Instant) -> Option<W> {
        let number = pick(&self.workers, &self.routes.get(key)?.serving)?;
        let slot = self.workers.get_mut(&number)?;
        slot.in_flight += 1;
        slot.used = now;
        slot.handle.clone()
    }

    /// A call asks for a worker, now or later; a ticket when it may wait.
    pub(crate) fn acquire(
        &mut self,
        key: &Key,
        function: &F,
        concurrency: Option<u32>,
        call: T,
        now: Instant,
    ) -> (Result<u64, Refusal>, Actions<W, F, T>) {
        let route = self.routes.entry(key.clone()).or_insert_with(|| Route {
            function: function.clone(),
            concurrency,
            serving: Vec::new(),
            loading: 0,
            waiting: VecDeque::new(),
            circuit: Circuit::default(),
            load_fault: None,
        });
        let refusal = match &route.load_fault {
            Some((fault, until)) if now < *until => Some(Refusal::Load(fault.clone())),
            _ if !self.wanted => Some(Refusal::Stopping),
            _ if route.waiting.len() >= QUEUE => Some(Refusal::QueueFull),
            _ => route.circuit.refuses(now).map(|retry_after| Refusal::CrashLoop { retry_after }),
        };
        if let Some(refusal) = refusal.or_else(|| self.start_refusal(now)) {
            return (Err(refusal), Vec::new());
        }
        let ticket = self.enqueue(key, call, now);
        let mut actions = Vec::new();
        self.serve_waiting(key, now, &mut actions);
        actions.extend(self.balance(now));
        (Ok(ticket), actions)
    }

    fn start_refusal(&self, now: Instant) -> Option<Refusal> {
        let hopeless = self.start_failures >= START_FAILURES && now < self.start_again;
        let fault = self.start_fault.clone().filter(|_| hopeless && self.workers.is_empty());
        fault.map(Refusal::Start)
    }

    fn enqueue(&mut self, key: &Key, call: T, now: Instant) -> u64 {
        self.last_ticket += 1;
        let ticket = self.last_ticket;
        if let Some(route) = self.routes.get_mut(key) {
            if route.waiting.is_empty() {
                self.hungry.push_back(key.clone());
            }
            route.waiting.push_back(Waiting { ticket, since: now, call });
            self.queued += 1;
        }
        ticket
    }

    /// A queued call is no longer waiting.
    pub(crate) fn abandon(&mut self, key: &Key, ticket: u64) {
        let Some(route) = self.routes.get_mut(key) else { return };
        let before = route.waiting.len();
        route.waiting.retain(|w| w.ticket != ticket);
        self.queued -= before - route.waiting.len();
        if before > 0 && route.waiting.is_empty() {
            self.hungry.retain(|k| k != key);
        }
    }

    /// A call has ended; its unit of credit goes to the next in line.
    pub(crate) fn release(&mut self, number: u64, now: Instant) -> Actions<W, F, T> {
        let Some(slot) = self.workers.get_mut(&number) else { return Vec::new() };
        slot.in_flight = slot.in_flight.saturating_sub(1);
        slot.used = now;
        let Phase::Serving(key) = slot.phase.clone() else { return Vec::new() };
        if slot.spent && slot.in_flight == 0 {
            return self.retire(number).into_iter().collect();
        }
        if self.queued == 0 {
            return Vec::new();
        }
        let mut actions = Vec::new();
        self.serve_waiting(&key, now, &mut actions);
        if self.queued > 0 {
            actions.extend(self.balance(now));
        }
        actions
    }

    /// Grants credit to waiting calls of one function while there is some.
    fn serve_waiting(&mut self, key: &Key, now: Instant, actions: &mut Actions<W, F, T>) {
        let Some(route) = self.routes.get_mut(key) else { return };
        while !route.waiting.is_empty() {
            let Some(number) = pick(&self.workers, &route.serving) else { return };
            let Some(slot) = self.workers.get_mut(&number) else { return };
            let Some(worker) = slot.handle.clone() else { return };
            let Some(next) = route.waiting.pop_front() else { return };
            slot.in_flight += 1;
            slot.used = now;
            self.queued -= 1;
            actions.push(Action::Grant(next.call, worker));
        }
        self.hungry.retain(|k| k != key);
    }

    /// A launched worker said hello.
    pub(crate) fn started(
        &mut self,
        number: u64,
        handle: W,
        credit: u32,
        now: Instant,
    ) -> Actions<W, F, T> {
        self.start_failures = 0;
        self.start_fault = None;
        let Some(slot) = self.workers.get_mut(&number) else { return vec![Action::Retire(handle)] };
        if slot.phase == Phase::Leaving {
            return vec![Action::Retire(handle)];
        }
        slot.handle = Some(handle);
        slot.credit = credit;
        slot.phase = Phase::Blank;
        slot.used = now;
        self.balance(now)
    }

    /// A launch came to nothing.
    pub(crate) fn start_failed(
        &mut self,
        number: u64,
        fault: &Arc<str>,
        now: Instant,
    ) -> Actions<W, F, T> {
        self.workers.remove(&number);
        self.start_failures += 1;
        let backoff = Duration::from_millis(100 << self.start_failures.min(6));
        self.start_again = now + backoff.min(Duration::from_secs(5));
        self.start_fault = Some(fault.clone());
        let mut actions = Vec::new();
        if self.start_failures >= START_FAILURES && self.workers.is_empty() {
            for key in std::mem::take(&mut self.hungry) {
                self.refuse_waiting(&key, &Refusal::Start(fault.clone()), &mut actions);
            }
        }
        actions.extend(self.balance(now));
        actions
    }

    fn refuse_waiting(&mut self, key: &Key, refusal: &Refusal, actions: &mut Actions<W, F, T>) {
        let Some(route) = self.routes.get_mut(key) else { return };
        self.queued -= route.waiting.len();
        let refused = route.waiting.drain(..).map(|w| Action::Refuse(w.call, refusal.clone()));
        actions.extend(refused);
        self.hungry.retain(|k| k != key);
    }

    /// A worker has taken in its function. `credit` is what the shim takes now.
    pub(crate) fn loaded(&mut self, number: u64, now: Instant) -> Actions<W, F, T> {
        let Some(slot) = self.workers.get_mut(&number) else { return Vec::new() };
        let Phase::Loading(key) = slot.phase.clone() else { return Vec::new() };
        slot.phase = Phase::Serving(key.clone());
        slot.used = now;
        let mut actions = Vec::new();
        if let Some(route) = self.routes.get_mut(&key) {
            route.loading -= 1;
            route.load_fault = None;
            route.serving.push(number);
            slot.credit = slot.credit.min(route.concurrency.unwrap_or(u32::MAX)).max(1);
            self.serve_waiting(&key, now, &mut actions);
        }
        actions.extend(self.balance(now));
        actions
    }

    /// A function could not be loaded: all who wait for it are told, and so is everyone until
    /// `until`. The worker leaves.
    pub(crate) fn load_failed(
        &mut self,
        number: u64,
        fault: Arc<Fault>,
        until: Instant,
        now: Instant,
    ) -> Actions<W, F, T> {
        let mut actions = Vec::new();
        if let Some(slot) = self.workers.get(&number)
            && let Phase::Loading(key) = slot.phase.clone()
            && let Some(route) = self.routes.get_mut(&key)
        {
            route.load_fault = Some((fault.clone(), until));
            self.refuse_waiting(&key, &Refusal::Load(fault), &mut actions);
        }
        actions.extend(self.retire(number));
        actions.extend(self.balance(now));
        actions
    }

    /// The shim changed how many calls it takes.
    pub(crate) fn credit(&mut self, number: u64, credit: u32) {
        let Some(slot) = self.workers.get_mut(&number) else { return };
        let bound = match &slot.phase {
            Phase::Serving(key) => self.routes.get(key).and_then(|route| route.concurrency),
            _ => None,
        };
        slot.credit = credit.min(bound.unwrap_or(u32::MAX)).max(1);
    }

    /// A cancelled call has no answer yet (`true`), or now has (`false`).
    pub(crate) fn suspend(&mut self, number: u64, suspended: bool) {
        let Some(slot) = self.workers.get_mut(&number) else { return };
        slot.suspended =
            if suspended { slot.suspended + 1 } else { slot.suspended.saturating_sub(1) };
    }

    /// The worker is to be replaced once its calls have ended.
    pub(crate) fn spent(&mut self, number: u64) -> Actions<W, F, T> {
        let Some(slot) = self.workers.get_mut(&number) else { return Vec::new() };
        slot.spent = true;
        if slot.in_flight == 0 { self.retire(number).into_iter().collect() } else { Vec::new() }
    }

    /// A worker is gone, however that came. `crashed` when nobody asked it to go.
    pub(crate) fn died(&mut self, number: u64, crashed: bool, now: Instant) -> Actions<W, F, T> {
        let Some(slot) = self.workers.remove(&number) else { return Vec::new() };
        if let Phase::Serving(key) | Phase::Loading(key) = &slot.phase
            && let Some(route) = self.routes.get_mut(key)
        {
            route.serving.retain(|n| *n != number);
            if matches!(slot.phase, Phase::Loading(_)) {
                route.loading -= 1;
            }
            if crashed {
                route.circuit.crashed(now);
            }
            let refusal =
                route.circuit.refuses(now).map(|retry_after| Refusal::CrashLoop { retry_after });
            let (key, mut actions) = (key.clone(), Vec::new());
            if let Some(refusal) = refusal {
                self.refuse_waiting(&key, &refusal, &mut actions);
            }
            self.forget_if_unused(&key, now);
            actions.extend(self.balance(now));
            return actions;
        }
        self.balance(now)
    }

    fn forget_if_unused(&mut self, key: &Key, now: Instant) {
        let unused = |r: &Route<F, T>| {
            r.serving.is_empty() && r.loading == 0 && r.waiting.is_empty() && r.circuit.calm(now)
        };
        if self.routes.get(key).is_some_and(unused) {
            self.routes.remove(key);
        }
    }

    /// Time has passed: idle workers leave, blanks are made up, long queues get workers.
    pub(crate) fn tick(&mut self, now: Instant) -> Actions<W, F, T> {
        let idle_timeout = self.rules.idle_timeout;
        let idle = |slot: &Slot<W>| {
            slot.in_flight == 0
                && matches!(slot.phase, Phase::Serving(_))
                && now.saturating_duration_since(slot.used) >= idle_timeout
        };
        let leaving: Vec<u64> =
            self.workers.iter().filter(|(_, s)| idle(s)).map(|(n, _)| *n).collect();
        let mut actions: Vec<_> = leaving.into_iter().filter_map(|n| self.retire(n)).collect();
        actions.extend(self.balance(now));
        actions
    }

    /// Functions are there to be served (`true`): blanks are kept ready.
    pub(crate) fn want_blanks(&mut self, min_warm: usize, now: Instant) -> Actions<W, F, T> {
        self.rules.min_warm = min_warm;
        self.balance(now)
    }

    /// No more calls: everyone who waits is told, idle workers leave at once, the others when
    /// their calls have ended.
    pub(crate) fn stop(&mut self) -> Actions<W, F, T> {
        self.wanted = false;
        let mut actions = Vec::new();
        for key in std::mem::take(&mut self.hungry) {
            self.refuse_waiting(&key, &Refusal::Stopping, &mut actions);
        }
        let numbers: Vec<u64> = self.workers.keys().copied().collect();
        for number in numbers {
            actions.extend(self.spent(number));
        }
        actions
    }

    /// Takes a worker out of service; an action when it is there to be told.
    fn retire(&mut self, number: u64) -> Option<Action<W, F, T>> {
        let slot = self.workers.get_mut(&number)?;
        match std::mem::replace(&mut slot.phase, Phase::Leaving) {
            Phase::Serving(key) => {
                if let Some(route) = self.routes.get_mut(&key) {
                    route.serving.retain(|n| *n != number);
                }
            }
            Phase::Loading(key) => {
                if let Some(route) = self.routes.get_mut(&key) {
                    route.loading -= 1;
                }
            }
            Phase::Leaving => return None,
            Phase::Starting | Phase::Blank => {}
        }
        self.workers.get(&number)?.handle.clone().map(Action::Retire)
    }

    /// Brings the number of workers in line with what waits: blanks load, missing workers are
    /// launched, and where there is no room an idle worker of another function makes some.
    fn balance(&mut self, now: Instant) -> Actions<W, F, T> {
        let mut actions = Vec::new();
        if !self.wanted {
            return actions;
        }
        let mut missing = 0;
        for key in self.hungry.clone() {
            for _ in 0..self.lacking(&key, now) {
                match self.any(|phase| *phase == Phase::Blank) {
                    Some(number) => actions.extend(self.load(number, &key)),
                    None => missing += 1,
                }
            }
        }
        let census = self.census();
        let blanks = self.rules.min_warm.saturating_sub(census.blank);
        let wanted = (missing + blanks).saturating_sub(census.starting);
        let room = self.rules.max_instances.saturating_sub(self.workers.len());
        if now >= self.start_again {
            actions.extend((0..wanted.min(room)).map(|_| self.start(now)));
        }
        let short = missing.saturating_sub(census.starting + room + census.leaving);
        for _ in 0..short {
            let Some(number) = self.longest_idle() else { break };
            actions.extend(self.retire(number));
        }
        actions
    }

    /// How many more workers a hungry function should get.
    fn lacking(&self, key: &Key, now: Instant) -> usize {
        let Some(route) = self.routes.get(key) else { return 0 };
        let Some(first) = route.waiting.front() else { return 0 };
        if !route.serving.is_empty() && now.saturating_duration_since(first.since) < PATIENCE {
            return 0;
        }
        let known =
            route.serving.iter().filter_map(|n| self.workers.get(n)).map(|s| s.credit).min();
        let credit = known.or(route.concurrency).unwrap_or(self.rules.credit).max(1);
        route.waiting.len().div_ceil(credit as usize).saturating_sub(route.loading)
    }

    fn any(&self, phase: impl Fn(&Phase) -> bool) -> Option<u64> {
        self.workers.iter().filter(|(_, s)| phase(&s.phase)).map(|(n, _)| *n).min()
    }

    fn longest_idle(&self) -> Option<u64> {
        let idle = self
            .workers
            .iter()
            .filter(|(_, s)| s.in_flight == 0 && matches!(s.phase, Phase::Serving(_)));
        idle.min_by_key(|(n, s)| (s.used, **n)).map(|(n, _)| *n)
    }

    fn load(&mut self, number: u64, key: &Key) -> Option<Action<W, F, T>> {
        let slot = self.workers.get_mut(&number)?;
        let route = self.routes.get_mut(key)?;
        slot.phase = Phase::Loading(key.clone());
        route.loading += 1;
        Some(Action::Load(number, slot.handle.clone()?, route.function.clone()))
    }

    fn start(&mut self, now: Instant) -> Action<W, F, T> {
        self.last_number += 1;
        let slot = Slot {
            phase: Phase::Starting,
            handle: None,
            credit: self.rules.credit,
            in_flight: 0,
            suspended: 0,
            spent: false,
            used: now,
        };
        self.workers.insert(self.last_number, slot);
        Action::Start(self.last_number)
    }

    /// A worker without a call, blank or loaded.
    pub(crate) fn is_idle(&self, number: u64) -> bool {
        let slot = self.workers.get(&number);
        slot.is_some_and(|s| {
            s.in_flight == 0 && matches!(s.phase, Phase::Blank | Phase::Serving(_))
        })
    }

    pub(crate) fn census(&self) -> Census {
        let mut census = Census { queued: self.queued, ..Census::default() };
        for slot in self.workers.values() {
            match slot.phase {
                Phase::Starting => census.starting += 1,
                Phase::Blank => census.blank += 1,
                Phase::Loading(_) => census.busy += 1,
                Phase::Serving(_) if slot.in_flight == 0 => census.idle += 1,
                Phase::Serving(_) => census.busy += 1,
                Phase::Leaving => census.leaving += 1,
            }
        }
        census
    }
}

/// Fill before spreading: the fullest worker with room, else the one used last.
fn pick<W>(workers: &HashMap<u64, Slot<W>>, serving: &[u64]) -> Option<u64> {
    let free = serving.iter().filter_map(|n| workers.get(n).filter(|s| s.free()).map(|s| (n, s)));
    free.max_by_key(|(n, s)| (s.in_flight, s.used, **n)).map(|(n, _)| *n)
}
