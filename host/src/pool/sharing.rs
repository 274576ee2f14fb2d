//! When all workers are in use: which of them takes in one function more, and which makes room.
//!
//! Part of the state machine. Sharing is for scarcity alone: a function that could have a worker
//! of its own again gets one.

use std::time::{Duration, Instant};

use crate::pool::balance::{Want, Why};
use crate::pool::rules::{Key, TURN};
use crate::pool::slot::{Phase, Slot};
use crate::pool::state::State;

/// How long functions stay together at least.
const TOGETHER: Duration = Duration::from_secs(10);

impl<W: Clone, F: Clone, T> State<W, F, T> {
    /// The worker with the least to do that may take the function in as well. For a function that
    /// has workers already, one with nothing to do.
    pub(crate) fn taker(&self, want: &Want, now: Instant) -> Option<u64> {
        let route = self.routes.get(&want.key)?;
        if !self.rules.shares || !route.shares(now) || want.why == Why::Renewal {
            return None;
        }
        let takes = |slot: &Slot<W>| {
            let room = want.why == Why::First || slot.in_flight == 0;
            let healthy = !slot.spent && !slot.silent && slot.worn.is_none() && slot.suspended == 0;
            let fits = slot.phase == Phase::Active && slot.class == want.class;
            room && healthy
                && fits
                && slot.loading.is_none()
                && !slot.serves(&want.key)
                && slot.held.iter().all(|held| {
                    let other = self.routes.get(&held.key);
                    (held.key == want.key || held.name != route.terms.name)
                        && other.is_none_or(|other| {
                            other.shares(now) && other.terms.packages == route.terms.packages
                        })
                })
        };
        let takers = self.workers.iter().filter(|(_, slot)| takes(slot));
        let order = |(number, slot): &(&u64, &Slot<W>)| {
            (slot.in_flight, slot.held.len(), slot.used, **number)
        };
        takers.min_by_key(order).map(|(number, _)| *number)
    }

    /// A worker that makes room for this: one with nothing to do, or at last a busy one, whose
    /// calls end first.
    pub(crate) fn dispensable(&self, want: &Want, now: Instant) -> Option<u64> {
        if want.why == Why::Renewal {
            return None;
        }
        let idle = self.workers.iter().filter(|(_, slot)| {
            let blank = slot.phase == Phase::Blank && slot.class != want.class;
            blank || (slot.idle() && !slot.spent && !slot.serves(&want.key))
        });
        let order = |(number, slot): (&u64, &Slot<W>)| {
            // What cannot be brought back goes last.
            (self.holds_frozen(slot, now), slot.phase == Phase::Active, slot.used, *number)
        };
        let idle = idle.map(order).min().map(|(_, _, _, number)| number);
        idle.or_else(|| self.victim(want, now))
    }

    /// The busy worker that its functions miss least: of the function with most workers, the one
    /// that has served longest.
    fn victim(&self, want: &Want, now: Instant) -> Option<u64> {
        let waited = now.saturating_duration_since(want.since);
        if want.why != Why::First || waited < TURN {
            return None;
        }
        let busy = self.workers.iter().filter(|(_, slot)| {
            slot.phase == Phase::Active
                && !slot.spent
                && slot.loading.is_none()
                && now.saturating_duration_since(slot.filled) >= TURN
                && !self.holds_frozen(slot, now)
        });
        let others = |slot: &Slot<W>| {
            let serving = slot.served().filter_map(|key| self.routes.get(key));
            serving.map(|route| route.serving.len()).min().unwrap_or(0)
        };
        let order = |(number, slot): &(&u64, &Slot<W>)| {
            (std::cmp::Reverse(others(slot)), slot.filled, **number)
        };
        busy.min_by_key(order).map(|(number, _)| *number)
    }

    /// It has a revision that nothing could bring back.
    pub(crate) fn holds_frozen(&self, slot: &Slot<W>, now: Instant) -> bool {
        slot.served().any(|key| self.is_frozen(key, now))
    }

    /// There is a worker to spare again: one function that shares another goes out of it, so that
    /// its next call finds one of its own.
    pub(crate) fn part(&mut self, now: Instant) {
        let crowded = |slot: &Slot<W>| {
            let long = now.saturating_duration_since(slot.filled) >= TOGETHER;
            let crowd = slot.phase == Phase::Active && !slot.spent && slot.served().count() > 1;
            crowd && long && self.workers.values().any(|other| other.blank(slot.class))
        };
        let crowded = self.workers.iter().filter(|(_, slot)| crowded(slot));
        let Some(number) = crowded.map(|(number, _)| *number).min() else { return };
        let Some(slot) = self.workers.get_mut(&number) else { return };
        slot.filled = now;
        let Some(last) = slot.held.iter_mut().rev().find(|held| held.serves) else { return };
        last.serves = false;
        let key: Key = last.key.clone();
        if let Some(route) = self.routes.get_mut(&key) {
            route.serving.retain(|n| *n != number);
        }
    }
}
