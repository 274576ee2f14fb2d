//! What happens to workers: they start, take functions in, change what they offer, and end.
//!
//! Part of the state machine. Whatever happens to a worker, those who wait for it hear of it or
//! go on waiting for another.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::pool::error::{Fault, KILLED, Refusal};
use crate::pool::queue::credit;
use crate::pool::rules::Key;
use crate::pool::slot::{Action, Phase, Slot};
use crate::pool::state::{Actions, State};

/// For how long a failed load is the answer before it is tried again.
const LOAD_RETRY: Duration = Duration::from_secs(2);
/// What a shim says that holds one function at a time.
const UNSUPPORTED: &str = "unsupported";

impl<W: Clone, F: Clone, T> State<W, F, T> {
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
        if matches!(self.start_fault, Some(Refusal::Unavailable { .. })) {
            self.start_fault = None;
        }
        slot.handle = Some(handle);
        (slot.offered, slot.credit) = (credit, credit);
        slot.phase = Phase::Blank;
        (slot.born, slot.used, slot.heard) = (now, now, now);
        self.balance(now)
    }

    /// A launch came to nothing.
    pub(crate) fn start_failed(
        &mut self,
        number: u64,
        why: &Refusal,
        now: Instant,
    ) -> Actions<W, F, T> {
        self.workers.remove(&number);
        self.back_off(now);
        self.start_fault = Some(why.clone());
        let mut actions = Vec::new();
        if self.is_broken() && self.workers.is_empty() {
            for key in self.hungry.clone() {
                self.refuse_waiting(&key, why, &mut actions);
            }
        }
        actions.extend(self.balance(now));
        actions
    }

    /// A worker has taken in a function.
    pub(crate) fn loaded(&mut self, number: u64, now: Instant) -> Actions<W, F, T> {
        let Some(slot) = self.workers.get_mut(&number) else { return Vec::new() };
        let Some(key) = slot.loading.take() else { return Vec::new() };
        slot.used = now;
        self.start_failures = 0;
        self.start_fault = None;
        let mut actions = Vec::new();
        if slot.spent {
            actions.extend(self.retire_if_done(number));
        } else if let Some(route) = self.routes.get_mut(&key) {
            let held = slot.held.iter_mut().find(|held| held.key == key);
            held.into_iter().for_each(|held| held.serves = true);
            route.load_fault = None;
            route.pace.pass(credit(&self.workers, route), now);
            route.serving.push(number);
            self.set_credit(number);
            self.feed(number, now, &mut actions);
        }
        actions.extend(self.balance(now));
        actions
    }

    /// A function could not be loaded: all who wait for it are told, and so is everyone for a
    /// while, unless another worker has it. The worker leaves unless it serves other functions.
    pub(crate) fn load_failed(
        &mut self,
        number: u64,
        fault: Arc<Fault>,
        now: Instant,
    ) -> Actions<W, F, T> {
        let mut actions = Vec::new();
        let Some(slot) = self.workers.get_mut(&number) else { return actions };
        let serves_others = slot.served().next().is_some();
        let others = slot.held.len() > 1;
        if let Some(key) = slot.loading.take() {
            match self.routes.get_mut(&key) {
                // Only this worker cannot take it in.
                Some(route) if others && fault.kind == UNSUPPORTED => route.alone = true,
                _ => self.fail_load(&key, fault, now, &mut actions),
            }
        }
        if serves_others {
            actions.extend(self.retire_if_done(number));
        } else {
            actions.extend(self.retire(number));
        }
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
    pub(crate) fn credit(&mut self, number: u64, credit: u32, now: Instant) -> Actions<W, F, T> {
        let Some(slot) = self.workers.get_mut(&number) else { return Vec::new() };
        slot.offered = credit.max(1);
        self.set_credit(number);
        self.regained(number, now)
    }

    /// The least that shim and functions allow.
    fn set_credit(&mut self, number: u64) {
        let Some(slot) = self.workers.get_mut(&number) else { return };
        let bounds = slot.served().filter_map(|key| self.routes.get(key)?.terms.concurrency);
        slot.credit = bounds.min().map_or(slot.offered, |bound| bound.min(slot.offered)).max(1);
    }

    /// A cancelled call has no answer yet (`true`), or now has (`false`).
    pub(crate) fn suspend(
        &mut self,
        number: u64,
        suspended: bool,
        now: Instant,
    ) -> Actions<W, F, T> {
        let Some(slot) = self.workers.get_mut(&number) else { return Vec::new() };
        if suspended {
            slot.suspended += 1;
            return Vec::new();
        }
        slot.suspended = slot.suspended.saturating_sub(1);
        self.regained(number, now)
    }

    /// A worker may have room for calls that it had not before.
    pub(crate) fn regained(&mut self, number: u64, now: Instant) -> Actions<W, F, T> {
        let mut actions = Vec::new();
        if self.queued > 0 {
            self.feed(number, now, &mut actions);
            actions.extend(self.balance(now));
        }
        actions
    }

    /// The worker said that it is to be replaced once its calls have ended.
    pub(crate) fn spent(&mut self, number: u64, now: Instant) -> Actions<W, F, T> {
        let mut actions: Vec<_> = self.spend(number).into_iter().collect();
        actions.extend(self.balance(now));
        actions
    }

    /// No call goes there any more, and it leaves when its calls have ended.
    pub(crate) fn spend(&mut self, number: u64) -> Option<Action<W, F, T>> {
        self.workers.get_mut(&number)?.spent = true;
        self.unroute(number);
        self.retire_if_done(number)
    }

    fn retire_if_done(&mut self, number: u64) -> Option<Action<W, F, T>> {
        let slot = self.workers.get(&number)?;
        if slot.spent && slot.in_flight == 0 { self.retire(number) } else { None }
    }

    /// Takes a worker out of service; an action when it is there to be told.
    pub(crate) fn retire(&mut self, number: u64) -> Option<Action<W, F, T>> {
        self.unroute(number);
        let slot = self.workers.get_mut(&number)?;
        slot.loading = None;
        match std::mem::replace(&mut slot.phase, Phase::Leaving) {
            Phase::Leaving => None,
            _ => slot.handle.clone().map(Action::Retire),
        }
    }

    /// The functions it serves no longer know of it.
    fn unroute(&mut self, number: u64) {
        let Some(slot) = self.workers.get(&number) else { return };
        for key in slot.served() {
            if let Some(route) = self.routes.get_mut(key) {
                route.serving.retain(|n| *n != number);
            }
        }
    }

    /// A worker is gone, however that came; `crash` when nobody asked it to go. One that went
    /// while it loaded a function tells who waits for that function why.
    pub(crate) fn died(
        &mut self,
        number: u64,
        crash: Option<&Arc<Fault>>,
        now: Instant,
    ) -> Actions<W, F, T> {
        self.unroute(number);
        let Some(slot) = self.workers.remove(&number) else { return Vec::new() };
        let mut actions = Vec::new();
        if let Some(fault) = crash
            && slot.phase != Phase::Leaving
        {
            self.crashed(&slot, fault, now, &mut actions);
        }
        for key in slot.held.iter().map(|held| &held.key) {
            self.refuse_without_worker(key, now, &mut actions);
        }
        actions.extend(self.balance(now));
        actions
    }

    /// Who is to blame: what was being loaded, if nothing else was going on, else all that the
    /// worker served. The guilty and the merely present are told apart when each has a worker of
    /// its own.
    fn crashed(
        &mut self,
        slot: &Slot<W>,
        fault: &Arc<Fault>,
        now: Instant,
        actions: &mut Actions<W, F, T>,
    ) {
        match &slot.loading {
            // Not the function's doing: who waits for it goes on waiting.
            Some(_) if fault.kind == KILLED => self.back_off(now),
            Some(key) if slot.in_flight == 0 => {
                return self.fail_load(key, fault.clone(), now, actions);
            }
            Some(key) => {
                self.routes.get_mut(key).into_iter().for_each(|route| route.alone = true);
            }
            None if slot.phase == Phase::Blank => self.back_off(now),
            None => {}
        }
        for key in slot.served() {
            let Some(route) = self.routes.get_mut(key) else { continue };
            route.circuit.crashed(now);
            if let Some(retry_after) = route.circuit.refuses(now) {
                let refusal = Refusal::CrashLoop { retry_after };
                self.refuse_waiting(key, &refusal, actions);
            }
        }
    }
}
