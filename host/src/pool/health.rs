//! Time passes: workers that are idle leave, worn ones are replaced, and those that do not listen
//! get no calls.
//!
//! Part of the state machine. A worn worker serves until another has taken over its functions, as
//! far as there is room for one.

use std::time::{Duration, Instant};

use crate::pool::balance::{Want, Why};
use crate::pool::rules::Key;
use crate::pool::slot::{Action, Phase, Slot};
use crate::pool::state::{Actions, State};

/// How often a worker is asked whether it listens: with calls, and without.
const PING_BUSY: Duration = Duration::from_millis(250);
const PING_IDLE: Duration = Duration::from_secs(5);
/// Without an answer for so long, it gets no new calls; with nothing to do, it is ended.
const SILENCE: Duration = Duration::from_millis(500);
const DEAD: Duration = Duration::from_secs(15);
/// A worker is not replaced for the number of its calls before this age: the start of one costs
/// as much as thousands of calls.
const LEAST_AGE: Duration = Duration::from_secs(10);
/// The same for its memory: what a function needs from the start is not mended by another start.
const LEAST_AGE_SWOLLEN: Duration = Duration::from_secs(3);
/// How long a worn worker goes on when nothing can take over.
const WEAR: Duration = Duration::from_secs(5);
/// A worn worker that has been idle for so long needs nobody to take over.
const QUIET: Duration = Duration::from_secs(1);

impl<W: Clone, F: Clone, T> State<W, F, T> {
    /// To be called every now and then, and often while calls wait.
    pub(crate) fn tick(&mut self, now: Instant) -> Actions<W, F, T> {
        let mut actions = Vec::new();
        for number in self.numbers() {
            actions.extend(self.check_idle(number, now));
            self.check_wear(number, now);
            actions.extend(self.check_ping(number, now));
        }
        self.part(now);
        self.sweep(now);
        actions.extend(self.balance(now));
        actions.extend(self.relieve(now));
        actions
    }

    /// Loaded workers leave when nobody has called for long, and blank ones beyond `min_warm`.
    fn check_idle(&mut self, number: u64, now: Instant) -> Option<Action<W, F, T>> {
        let slot = self.workers.get(&number)?;
        if now.saturating_duration_since(slot.used) < self.rules.idle_timeout {
            return None;
        }
        let of_blanks = |s: &&Slot<W>| s.phase == Phase::Blank && s.class == self.rules.class;
        let spare = slot.phase == Phase::Blank
            && (slot.class != self.rules.class
                || self.workers.values().filter(of_blanks).count() > self.rules.min_warm);
        if spare || (slot.idle() && !self.holds_frozen(slot, now)) {
            return self.retire(number);
        }
        None
    }

    fn check_wear(&mut self, number: u64, now: Instant) {
        let (max_calls, max_age) = (self.rules.max_calls, self.rules.max_age);
        let Some(slot) = self.workers.get_mut(&number) else { return };
        let age = now.saturating_duration_since(slot.born);
        let over = age >= max_age || (slot.calls >= max_calls && age >= LEAST_AGE);
        if over && slot.worn.is_none() && matches!(slot.phase, Phase::Blank | Phase::Active) {
            slot.worn = Some(now);
        }
    }

    /// The worker uses more memory than it should. True when that is news.
    pub(crate) fn swollen(&mut self, number: u64, now: Instant) -> bool {
        let Some(slot) = self.workers.get_mut(&number) else { return false };
        let old_enough = now.saturating_duration_since(slot.born) >= LEAST_AGE_SWOLLEN;
        let serves = slot.phase == Phase::Active && !slot.spent;
        let news = serves && old_enough && slot.worn.is_none();
        if news {
            slot.worn = Some(now);
        }
        news
    }

    /// Functions whose workers are all worn, each to get another.
    pub(crate) fn renewals(&self, now: Instant) -> Vec<Want> {
        let mut wants: Vec<Want> = Vec::new();
        for slot in self.workers.values().filter(|slot| !slot.spent && !slot.idle()) {
            let Some(since) = slot.worn else { continue };
            for key in slot.served() {
                let Some(route) = self.routes.get(key) else { continue };
                let seen = wants.iter().any(|want| want.key == *key);
                let fault = route.load_fault.as_ref().is_some_and(|(_, until)| now < *until);
                if !seen && !fault && !self.is_succeeded(key) && !self.has_load(key) {
                    let (key, class, why) = (key.clone(), route.terms.class, Why::Renewal);
                    wants.push(Want { key, class, why, since });
                }
            }
        }
        wants.sort_by_key(|want| want.since);
        wants
    }

    /// A worker has it that is to stay.
    fn is_succeeded(&self, key: &Key) -> bool {
        let serving = self.routes.get(key).into_iter().flat_map(|route| &route.serving);
        serving.filter_map(|n| self.workers.get(n)).any(|slot| slot.worn.is_none())
    }

    /// Worn workers get no more calls once others have taken over, or when that takes too long.
    fn relieve(&mut self, now: Instant) -> Actions<W, F, T> {
        let relieved = |slot: &Slot<W>| {
            let Some(since) = slot.worn else { return false };
            let quiet = slot.idle() && now.saturating_duration_since(slot.used) >= QUIET;
            let over = now.saturating_duration_since(since) >= WEAR;
            !slot.spent
                && slot.phase != Phase::Leaving
                && slot.loading.is_none()
                && !self.holds_frozen(slot, now)
                && (quiet || over || slot.served().all(|key| self.is_succeeded(key)))
        };
        let relieved: Vec<u64> =
            self.workers.iter().filter(|(_, slot)| relieved(slot)).map(|(n, _)| *n).collect();
        let mut actions = Vec::new();
        for number in relieved {
            actions.extend(self.spend(number));
        }
        actions
    }

    /// Busy or idle, a worker is asked from time to time whether it listens. How long a busy one
    /// may go on is for its calls' deadlines to say.
    fn check_ping(&mut self, number: u64, now: Instant) -> Option<Action<W, F, T>> {
        let slot = self.workers.get_mut(&number)?;
        // One that takes in its first function may be busy with nothing else.
        let busy_loading = slot.loading.is_some() && slot.in_flight == 0;
        if busy_loading || !matches!(slot.phase, Phase::Blank | Phase::Active) {
            return None;
        }
        let worker = slot.handle.clone()?;
        if let Some(asked) = slot.pinged {
            let since = |moment| now.saturating_duration_since(moment);
            slot.silent |= since(asked) >= SILENCE;
            if slot.in_flight > 0 || since(asked.max(slot.used)) < DEAD {
                return None;
            }
            let _killed_instead = self.retire(number);
            return Some(Action::Kill(worker));
        }
        let pause = if slot.in_flight > 0 || slot.silent { PING_BUSY } else { PING_IDLE };
        if now.saturating_duration_since(slot.heard) < pause {
            return None;
        }
        slot.pinged = Some(now);
        Some(Action::Ping(number, worker))
    }

    /// A ping was answered (`true`), or is given up.
    pub(crate) fn pong(&mut self, number: u64, answered: bool, now: Instant) -> Actions<W, F, T> {
        let Some(slot) = self.workers.get_mut(&number) else { return Vec::new() };
        slot.pinged = None;
        if !answered {
            return Vec::new();
        }
        slot.heard = now;
        if std::mem::take(&mut slot.silent) { self.regained(number, now) } else { Vec::new() }
    }
}
