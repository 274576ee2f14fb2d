//! Calls: who gets a worker at once, who waits, who is turned away.
//!
//! Part of the state machine. Each function has a queue of its own; credit that comes free goes
//! round the functions that wait, so that none can starve another.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use crate::pool::error::Refusal;
use crate::pool::pace::Pace;
use crate::pool::rules::Asking;
use crate::pool::rules::Key;
use crate::pool::slot::{Action, Phase, Route, Slot, Waiting, pick};
use crate::pool::state::{Actions, State};

/// Calls of one function that may wait for a worker, however fast they are.
pub const QUEUE: usize = 4096;
/// A call is turned away when it would wait longer than this part of what it may wait: until its
/// turn, workers may be replaced, or become half as fast on a busy machine.
const HOPE: f64 = 0.5;

impl<W: Clone, F: Clone, T> State<W, F, T> {
    /// A worker with room for one more call of this function, if there is one.
    pub(crate) fn try_acquire(&mut self, key: &Key, now: Instant) -> Option<W> {
        let number = pick(&self.workers, &self.routes.get(key)?.serving)?;
        let slot = self.workers.get_mut(&number)?;
        slot.take(now);
        slot.handle.clone()
    }

    /// A call asks for a worker, now or later; a ticket when it may wait.
    pub(crate) fn acquire(
        &mut self,
        asking: Asking<'_, F, T>,
        now: Instant,
    ) -> (Result<u64, Refusal>, Actions<W, F, T>) {
        let Asking { key, function, terms, call, patience } = asking;
        if self.is_gone(key) {
            return (Err(Refusal::Replaced), Vec::new());
        }
        if !self.routes.contains_key(key) {
            self.routes.insert(key.clone(), Route::new(function.clone(), terms, now));
        }
        if let Some(refusal) = self.refusal(key, patience, now) {
            return (Err(refusal), Vec::new());
        }
        let ticket = self.enqueue(key, call, now);
        let mut actions = Vec::new();
        self.feed_key(key, now, &mut actions);
        actions.extend(self.balance(now));
        (Ok(ticket), actions)
    }

    fn refusal(&self, key: &Key, patience: Duration, now: Instant) -> Option<Refusal> {
        let route = self.routes.get(key)?;
        match &route.load_fault {
            Some((fault, until)) if now < *until && route.serving.is_empty() => {
                return Some(Refusal::Load(fault.clone()));
            }
            _ if !self.wanted => return Some(Refusal::Stopping),
            _ if route.waiting.len() >= QUEUE => return Some(Refusal::QueueFull),
            _ => {}
        }
        let open = route.circuit.refuses(now).map(|retry_after| Refusal::CrashLoop { retry_after });
        open.or_else(|| self.start_refusal(now)).or_else(|| self.hopeless(route, patience, now))
    }

    fn start_refusal(&self, now: Instant) -> Option<Refusal> {
        let hopeless = self.is_broken() && now < self.start_again;
        self.start_fault.clone().filter(|_| hopeless && self.workers.is_empty())
    }

    /// The queue is so long that the call would wait in vain: better it hears so at once. Where
    /// more workers may come, nobody can say.
    fn hopeless(&self, route: &Route<F, T>, patience: Duration, now: Instant) -> Option<Refusal> {
        let full = self.workers.len() >= self.rules.max_instances;
        if route.waiting.is_empty() || !full {
            return None;
        }
        let credit = credit(&self.workers, route);
        let wait = route.pace.wait(route.waiting.len() + 1, credit, patience, now)?;
        (wait > patience.mul_f64(HOPE)).then_some(Refusal::Overloaded { wait, patience })
    }

    fn enqueue(&mut self, key: &Key, call: T, now: Instant) -> u64 {
        self.last_ticket += 1;
        let ticket = self.last_ticket;
        if let Some(route) = self.routes.get_mut(key) {
            if route.waiting.is_empty() {
                self.hungry.push_back(key.clone());
                route.pace = Pace::new(now);
            }
            route.waiting.push_back(Waiting { ticket, since: now, call });
            self.queued += 1;
        }
        ticket
    }

    /// A queued call is no longer waiting.
    pub(crate) fn abandon(&mut self, key: &Key, ticket: u64) {
        let Some(route) = self.routes.get_mut(key) else { return };
        // Tickets are given out in order.
        let Ok(at) = route.waiting.binary_search_by_key(&ticket, |w| w.ticket) else { return };
        route.waiting.remove(at);
        self.queued -= 1;
        if route.waiting.is_empty() {
            self.hungry.retain(|k| k != key);
        }
    }

    /// A call has ended; its unit of credit goes to the next in line.
    pub(crate) fn release(&mut self, number: u64, now: Instant) -> Actions<W, F, T> {
        let Some(slot) = self.workers.get_mut(&number) else { return Vec::new() };
        slot.in_flight = slot.in_flight.saturating_sub(1);
        slot.used = now;
        if slot.spent && slot.in_flight == 0 && slot.phase == Phase::Active {
            return self.retire(number).into_iter().collect();
        }
        if self.queued == 0 {
            return Vec::new();
        }
        let mut actions = Vec::new();
        self.feed(number, now, &mut actions);
        // A worker with nothing to do may be what somebody else waits for.
        if self.queued > 0 && self.workers.get(&number).is_some_and(|slot| slot.in_flight == 0) {
            actions.extend(self.balance(now));
        }
        actions
    }

    /// Gives the free credit of one worker to those who wait for it, one function after the other.
    pub(crate) fn feed(&mut self, number: u64, now: Instant, actions: &mut Actions<W, F, T>) {
        while let Some(slot) = self.workers.get(&number)
            && slot.free()
        {
            let Some(at) = self.hungry.iter().position(|key| slot.serves(key)) else { return };
            let Some(key) = self.hungry.remove(at) else { return };
            let Some(route) = self.routes.get_mut(&key) else { return };
            let Some(worker) = slot.handle.clone() else { return };
            let Some(next) = route.waiting.pop_front() else { return };
            route.pace.step(credit(&self.workers, route), now);
            self.workers.entry(number).and_modify(|slot| slot.take(now));
            self.queued -= 1;
            if !route.waiting.is_empty() {
                self.hungry.push_back(key);
            }
            actions.push(Action::Grant(next.call, worker));
        }
    }

    /// Gives waiting calls of one function the credit that there is.
    fn feed_key(&mut self, key: &Key, now: Instant, actions: &mut Actions<W, F, T>) {
        let waits = |state: &Self| state.routes.get(key).is_some_and(|r| !r.waiting.is_empty());
        while waits(self) {
            let Some(route) = self.routes.get(key) else { return };
            let Some(number) = pick(&self.workers, &route.serving) else { return };
            self.feed(number, now, actions);
        }
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
}

/// Calls that the workers of a function take at a time.
pub(crate) fn credit<W, F, T>(workers: &HashMap<u64, Slot<W>>, route: &Route<F, T>) -> u32 {
    route.serving.iter().filter_map(|number| workers.get(number)).map(|slot| slot.credit).sum()
}
