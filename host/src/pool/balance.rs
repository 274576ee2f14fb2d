//! How many workers there should be, of which class, and which functions they take in.
//!
//! Part of the state machine: all events end here, where workers are brought in line with what
//! waits. A function without a worker comes before one that wants another.

use std::time::{Duration, Instant};

use crate::pool::rules::{Class, Key};
use crate::pool::slot::{Action, Phase, Slot};
use crate::pool::state::{Actions, State};

/// A function that is served gets one more worker only when a call has waited this long: short
/// bursts are cheaper to queue than to spread.
const PATIENCE: Duration = Duration::from_millis(20);

/// One more worker for one function.
#[derive(Debug, Clone)]
pub(crate) struct Want {
    pub(crate) key: Key,
    pub(crate) class: Class,
    pub(crate) why: Why,
    /// Since when.
    pub(crate) since: Instant,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Why {
    /// Calls wait, and no worker has the function.
    First,
    /// Calls wait longer than its workers should let them.
    More,
    /// Its worker is to be replaced.
    Renewal,
}

/// What there is to fill wants with.
struct Supply {
    /// Classes of workers that are being started.
    starting: Vec<Class>,
    /// Workers that will make room by leaving.
    leaving: usize,
    room: usize,
}

impl<W: Clone, F: Clone, T> State<W, F, T> {
    /// Brings the workers in line with what waits: blanks load, missing workers are launched, and
    /// where there is no room, workers are shared or make some.
    pub(crate) fn balance(&mut self, now: Instant) -> Actions<W, F, T> {
        let mut actions = Vec::new();
        if !self.wanted {
            return actions;
        }
        let mut supply = self.supply();
        for want in self.wants(now) {
            self.fill(&want, &mut supply, now, &mut actions);
        }
        let class = self.rules.class;
        let coming = supply.starting.iter().filter(|starting| **starting == class).count();
        let ready = self.workers.values().filter(|slot| slot.blank(class)).count() + coming;
        if now >= self.start_again {
            let missing = self.rules.min_warm.saturating_sub(ready).min(supply.room);
            actions.extend((0..missing).map(|_| self.start(class, now)));
        }
        actions
    }

    fn supply(&self) -> Supply {
        let going = |slot: &&Slot<W>| slot.phase == Phase::Leaving || slot.spent;
        let starting = self.workers.values().filter(|slot| slot.phase == Phase::Starting);
        Supply {
            starting: starting.map(|slot| slot.class).collect(),
            leaving: self.workers.values().filter(going).count(),
            room: self.rules.max_instances.saturating_sub(self.workers.len()),
        }
    }

    /// All that is wanted, in the order in which it is given: one worker each, and then the next
    /// round.
    fn wants(&self, now: Instant) -> Vec<Want> {
        let mut wants: Vec<(Why, usize, Want)> = Vec::new();
        for key in &self.hungry {
            let Some(route) = self.routes.get(key) else { continue };
            let Some(since) = route.waiting.front().map(|first| first.since) else { continue };
            for round in 0..self.lacking(key, now) {
                let first = round == 0 && route.serving.is_empty() && !self.has_load(key);
                let why = if first { Why::First } else { Why::More };
                let class = route.terms.class;
                wants.push((why, round, Want { key: key.clone(), class, why, since }));
            }
        }
        // Stable: within a round the order is that of the turns.
        wants.sort_by_key(|(why, round, _)| (*why, *round));
        wants.into_iter().map(|(_, _, want)| want).chain(self.renewals(now)).collect()
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
        let credit = known.or(route.terms.concurrency).unwrap_or(self.rules.credit).max(1);
        let lacking = route.waiting.len().div_ceil(credit as usize);
        lacking.saturating_sub(self.loads(key)).min(self.rules.max_instances)
    }

    /// Workers that are taking the function in. One that is busy with others and does not listen
    /// may be at it for ever, and does not count.
    fn loads(&self, key: &Key) -> usize {
        let stuck = |slot: &Slot<W>| slot.silent && slot.held.len() > 1;
        let loading = |slot: &&Slot<W>| slot.loading.as_ref() == Some(key) && !stuck(slot);
        self.workers.values().filter(loading).count()
    }

    pub(crate) fn has_load(&self, key: &Key) -> bool {
        self.loads(key) > 0
    }

    fn fill(
        &mut self,
        want: &Want,
        supply: &mut Supply,
        now: Instant,
        actions: &mut Actions<W, F, T>,
    ) {
        let blank = self.workers.iter().filter(|(_, slot)| slot.blank(want.class));
        if let Some(number) = blank.map(|(number, _)| *number).min() {
            actions.extend(self.load(number, &want.key, now));
        } else if let Some(at) = supply.starting.iter().position(|class| *class == want.class) {
            supply.starting.swap_remove(at);
        } else if supply.room > 0 {
            if now >= self.start_again {
                supply.room -= 1;
                actions.push(self.start(want.class, now));
            }
        } else if let Some(number) = self.taker(want, now) {
            actions.extend(self.load(number, &want.key, now));
        } else if supply.leaving > 0 {
            supply.leaving -= 1;
        } else if let Some(number) = self.dispensable(want, now) {
            actions.extend(self.spend(number));
        }
    }

    pub(crate) fn load(&mut self, number: u64, key: &Key, now: Instant) -> Option<Action<W, F, T>> {
        let slot = self.workers.get_mut(&number)?;
        let route = self.routes.get(key)?;
        slot.begin_load(key, &route.terms.name, now);
        Some(Action::Load(number, slot.handle.clone()?, route.function.clone()))
    }

    fn start(&mut self, class: Class, now: Instant) -> Action<W, F, T> {
        self.last_number += 1;
        self.workers.insert(self.last_number, Slot::starting(class, self.rules.credit, now));
        Action::Start(self.last_number, class)
    }
}
