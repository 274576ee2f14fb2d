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
use crate::pool::error::{Fault, KILLED, Refusal};
use crate::pool::slot::{Action, Key, Phase, Route, Rules, Slot, Waiting, pick};

/// Calls of one function that may wait for a worker.
const QUEUE: usize = 4096;
/// For how long a failed load is the answer before it is tried again.
const LOAD_RETRY: Duration = Duration::from_secs(2);
/// Failed starts in a row after which waiting calls are told.
const START_FAILURES: u32 = 3;

/// The workers of one runtime.
#[derive(Debug)]
pub(crate) struct State<W, F, T> {
    pub(crate) rules: Rules,
    pub(crate) last_number: u64,
    pub(crate) last_ticket: u64,
    pub(crate) workers: HashMap<u64, Slot<W>>,
    pub(crate) routes: HashMap<Key, Route<F, T>>,
    /// Functions with waiting calls, longest waiting first.
    pub(crate) hungry: VecDeque<Key>,
    pub(crate) queued: usize,
    pub(crate) start_failures: u32,
    pub(crate) start_again: Instant,
    pub(crate) start_fault: Option<Arc<str>>,
    pub(crate) wanted: bool,
    /// Revisions that were replaced.
    pub(crate) gone: VecDeque<Key>,
}

pub(crate) type Actions<W, F, T> = Vec<Action<W, F, T>>;

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
            gone: VecDeque::new(),
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
        if self.is_gone(key) {
            return (Err(Refusal::Replaced), Vec::new());
        }
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
            Some((fault, until)) if now < *until && route.serving.is_empty() => {
                Some(Refusal::Load(fault.clone()))
            }
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
        let hopeless = self.is_broken() && now < self.start_again;
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

    /// Workers do not start, again and again.
    pub(crate) fn is_broken(&self) -> bool {
        self.start_failures >= START_FAILURES
    }

    /// A worker is taking the function in.
    pub(crate) fn is_loading(&self, key: &Key) -> bool {
        self.routes.get(key).is_some_and(|route| route.loading > 0)
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
        self.back_off(now);
        self.start_fault = Some(fault.clone());
        let mut actions = Vec::new();
        if self.is_broken() && self.workers.is_empty() {
            for key in std::mem::take(&mut self.hungry) {
                self.refuse_waiting(&key, &Refusal::Start(fault.clone()), &mut actions);
            }
        }
        actions.extend(self.balance(now));
        actions
    }

    /// Each start that comes to nothing doubles the pause before the next.
    fn back_off(&mut self, now: Instant) {
        self.start_failures += 1;
        let pause = Duration::from_millis(100 << self.start_failures.min(6));
        self.start_again = now + pause.min(Duration::from_secs(5));
    }

    pub(crate) fn refuse_waiting(
        &mut self,
        key: &Key,
        refusal: &Refusal,
        actions: &mut Actions<W, F, T>,
    ) {
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
        self.start_failures = 0;
        self.start_fault = None;
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

    /// A function could not be loaded: all who wait for it are told, and so is everyone for a
    /// while, unless another worker has it. The worker leaves.
    pub(crate) fn load_failed(
        &mut self,
        number: u64,
        fault: Arc<Fault>,
        now: Instant,
    ) -> Actions<W, F, T> {
        let mut actions = Vec::new();
        if let Some(Phase::Loading(key)) = self.workers.get(&number).map(|slot| slot.phase.clone())
        {
            self.fail_load(&key, fault, now, &mut actions);
        }
        actions.extend(self.retire(number));
        actions.extend(self.balance(now));
        actions
    }

    fn fail_load(
        &mut self,
        key: &Key,
        fault: Arc<Fault>,
        now: Instant,
        actions: &mut Actions<W, F, T>,
    ) {
        if let Some(route) = self.routes.get_mut(key) {
            route.load_fault = Some((fault.clone(), now + LOAD_RETRY));
            if !route.serving.is_empty() {
                return;
            }
        }
        self.refuse_waiting(key, &Refusal::Load(fault), actions);
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

    /// A worker is gone, however that came; `crash` when nobody asked it to go. One that went
    /// while it loaded a function tells who waits for that function why.
    pub(crate) fn died(
        &mut self,
        number: u64,
        crash: Option<&Arc<Fault>>,
        now: Instant,
    ) -> Actions<W, F, T> {
        let Some(slot) = self.workers.remove(&number) else { return Vec::new() };
        let mut actions = Vec::new();
        match slot.phase {
            Phase::Blank if crash.is_some() => self.back_off(now),
            Phase::Loading(key) => {
                if let Some(route) = self.routes.get_mut(&key) {
                    route.loading -= 1;
                }
                match crash {
                    // Not the function's doing: who waits for it goes on waiting.
                    Some(fault) if fault.kind == KILLED => self.back_off(now),
                    Some(fault) => self.fail_load(&key, fault.clone(), now, &mut actions),
                    None => {}
                }
                self.forget_if_unused(&key, now);
            }
            Phase::Serving(key) => {
                if let Some(route) = self.routes.get_mut(&key) {
                    route.serving.retain(|n| *n != number);
                    if crash.is_some() {
                        route.circuit.crashed(now);
                    }
                    if let Some(retry_after) = route.circuit.refuses(now) {
                        let refusal = Refusal::CrashLoop { retry_after };
                        self.refuse_waiting(&key, &refusal, &mut actions);
                    }
                }
                self.refuse_without_worker(&key, now, &mut actions);
                self.forget_if_unused(&key, now);
            }
            _ => {}
        }
        actions.extend(self.balance(now));
        actions
    }

    fn forget_if_unused(&mut self, key: &Key, now: Instant) {
        let unused = |r: &Route<F, T>| {
            r.serving.is_empty() && r.loading == 0 && r.waiting.is_empty() && r.circuit.calm(now)
        };
        if self.routes.get(key).is_some_and(unused) {
            self.routes.remove(key);
        }
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
}

#[cfg(test)]
mod tests;
