//! The pool's decisions, as a state machine without tasks, clocks or processes.
//!
//! Each event is a method that returns the actions to take; who takes them and when is the
//! caller's affair. So the whole policy can be driven by a test, event by event. One state holds
//! one runtime's workers. Generic over the worker handle `W`, the function `F` and the waiting
//! call `T`, of which it knows nothing. What calls ask is in `queue`, what happens to workers in
//! `lives` and `health`; all of it ends in `balance`.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use crate::pool::error::Refusal;
use crate::pool::rules::{Key, Rules};
use crate::pool::slot::{Action, Census, Phase, Route, Slot};

/// Failed starts in a row after which waiting calls are told.
const START_FAILURES: u32 = 3;
/// How often what is known of functions is gone through.
const SWEEP: Duration = Duration::from_secs(1);

/// The workers of one runtime.
#[derive(Debug)]
pub(crate) struct State<W, F, T> {
    pub(crate) rules: Rules,
    pub(crate) last_number: u64,
    pub(crate) last_ticket: u64,
    pub(crate) workers: HashMap<u64, Slot<W>>,
    pub(crate) routes: HashMap<Key, Route<F, T>>,
    /// Functions with waiting calls, in the order of their turns.
    pub(crate) hungry: VecDeque<Key>,
    pub(crate) queued: usize,
    pub(crate) start_failures: u32,
    pub(crate) start_again: Instant,
    pub(crate) start_fault: Option<Refusal>,
    pub(crate) wanted: bool,
    pub(crate) swept: Instant,
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
            swept: now,
            gone: VecDeque::new(),
        }
    }

    /// Workers do not start, again and again.
    pub(crate) fn is_broken(&self) -> bool {
        let unavailable = matches!(self.start_fault, Some(Refusal::Unavailable { .. }));
        unavailable || self.start_failures >= START_FAILURES
    }

    /// Each start that comes to nothing doubles the pause before the next.
    pub(crate) fn back_off(&mut self, now: Instant) {
        self.start_failures += 1;
        let pause = Duration::from_millis(100 << self.start_failures.min(6));
        self.start_again = now + pause.min(Duration::from_secs(5));
    }

    /// The function is being built or loaded, or the first worker for it is being made.
    pub(crate) fn is_loading(&self, key: &Key) -> bool {
        let served = self.routes.get(key).is_some_and(|route| !route.serving.is_empty());
        let starting = |slot: &Slot<W>| slot.phase == Phase::Starting && !served;
        self.workers.values().any(|slot| slot.loading.as_ref() == Some(key) || starting(slot))
    }

    /// Why nobody has even begun to load the function: the last worker did not start.
    pub(crate) fn start_trouble(&self, key: &Key) -> Option<Refusal> {
        let loads = self.workers.values().any(|slot| slot.loading.as_ref() == Some(key));
        self.start_fault.clone().filter(|_| !loads)
    }

    /// Functions are there to be served: so many blanks are kept ready.
    pub(crate) fn want_blanks(&mut self, min_warm: usize, now: Instant) -> Actions<W, F, T> {
        self.rules.min_warm = min_warm;
        self.balance(now)
    }

    /// No more calls: everyone who waits is told, idle workers leave at once, the others when
    /// their calls have ended.
    pub(crate) fn stop(&mut self) -> Actions<W, F, T> {
        self.wanted = false;
        let mut actions = Vec::new();
        for key in self.hungry.clone() {
            self.refuse_waiting(&key, &Refusal::Stopping, &mut actions);
        }
        for number in self.numbers() {
            actions.extend(self.spend(number));
        }
        actions
    }

    /// Forgets functions of which nothing is left to know.
    pub(crate) fn sweep(&mut self, now: Instant) {
        if now.saturating_duration_since(self.swept) < SWEEP {
            return;
        }
        self.swept = now;
        let workers = &self.workers;
        self.routes.retain(|key, route| {
            let known = route.load_fault.as_ref().is_some_and(|(_, until)| now < *until);
            let used = !route.serving.is_empty() || !route.waiting.is_empty() || known;
            let loads = |slot: &Slot<W>| slot.held.iter().any(|held| held.key == *key);
            used || !route.circuit.calm(now) || workers.values().any(loads)
        });
    }

    /// All workers, oldest first.
    pub(crate) fn numbers(&self) -> Vec<u64> {
        let mut numbers: Vec<u64> = self.workers.keys().copied().collect();
        numbers.sort_unstable();
        numbers
    }

    pub(crate) fn census(&self) -> Census {
        let mut census = Census { queued: self.queued, ..Census::default() };
        for slot in self.workers.values() {
            match slot.phase {
                Phase::Starting => census.starting += 1,
                Phase::Blank => census.blank += 1,
                Phase::Active if slot.idle() => census.idle += 1,
                Phase::Active => census.busy += 1,
                Phase::Leaving => census.leaving += 1,
            }
        }
        census
    }
}

#[cfg(test)]
mod tests;
