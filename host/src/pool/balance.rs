//! How many workers there should be, and of what kind.
//!
//! The second half of the state machine: events change the state in `state`, and end here, where
//! the number of workers is brought in line with what waits.

use std::time::{Duration, Instant};

use crate::pool::slot::{Action, Census, Key, Phase, Slot};
use crate::pool::state::{Actions, State};

/// A function that is served gets one more worker only when a call has waited this long: short
/// bursts are cheaper to queue than to spread.
const PATIENCE: Duration = Duration::from_millis(20);

impl<W: Clone, F: Clone, T> State<W, F, T> {
    /// Takes a worker out of service; an action when it is there to be told.
    pub(crate) fn retire(&mut self, number: u64) -> Option<Action<W, F, T>> {
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

    /// Time has passed: idle workers leave, blanks are made up, long queues get workers.
    pub(crate) fn tick(&mut self, now: Instant) -> Actions<W, F, T> {
        let idle_timeout = self.rules.idle_timeout;
        let idle = |slot: &Slot<W>| {
            let over = now.saturating_duration_since(slot.used) >= idle_timeout;
            let kept = |key| self.is_frozen(key, now);
            over && slot.in_flight == 0 && matches!(&slot.phase, Phase::Serving(key) if !kept(key))
        };
        let leaving: Vec<u64> =
            self.workers.iter().filter(|(_, s)| idle(s)).map(|(n, _)| *n).collect();
        let mut actions: Vec<_> = leaving.into_iter().filter_map(|n| self.retire(n)).collect();
        actions.extend(self.balance(now));
        actions
    }

    /// Brings the number of workers in line with what waits: blanks load, missing workers are
    /// launched, and where there is no room an idle worker of another function makes some.
    pub(crate) fn balance(&mut self, now: Instant) -> Actions<W, F, T> {
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
            let Some(number) = self.longest_idle(now) else { break };
            actions.extend(self.retire(number));
        }
        actions
    }

    /// How many more workers a hungry function should get.
    fn lacking(&self, key: &Key, now: Instant) -> usize {
        let Some(route) = self.routes.get(key) else { return 0 };
        let Some(first) = route.waiting.front() else { return 0 };
        if route.load_fault.as_ref().is_some_and(|(_, until)| now < *until) {
            return 0;
        }
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

    /// What cannot be brought back goes last.
    fn longest_idle(&self, now: Instant) -> Option<u64> {
        let idle = self.workers.iter().filter_map(|(number, slot)| match &slot.phase {
            Phase::Serving(key) if slot.in_flight == 0 => Some((key, slot.used, *number)),
            _ => None,
        });
        let order = |(key, used, number)| (self.is_frozen(key, now), used, number);
        idle.map(order).min().map(|(_, _, number)| number)
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
