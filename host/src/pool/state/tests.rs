//! The state machine driven by chance: whatever happens in whatever order, its promises hold.
//! And by hand, where one promise is to be seen alone.

mod scenes;
mod world;

use std::sync::Arc;

use super::*;
use crate::pool::error::{Fault, KILLED};
use world::{Machine, PATIENCE, Worker, World, rules};

/// Events of one history, and histories: 120,000 events in each run.
const STEPS: usize = 2_000;
const HISTORIES: u64 = 60;
const FUNCTIONS: usize = 8;

impl World {
    fn by_chance(seed: u64) -> World {
        let mut dice = World::new(Rules::default(), 1, seed);
        let max_instances = 1 + dice.chance(6);
        let min_warm = dice.chance(4).min(max_instances);
        let rules = Rules {
            shares: dice.chance(3) > 0,
            max_calls: 20,
            max_age: Duration::from_secs(40),
            idle_timeout: Duration::from_secs(5),
            ..rules(min_warm, max_instances)
        };
        World::new(rules, FUNCTIONS, dice.seed)
    }

    /// One thing happens.
    fn step(&mut self) {
        let long = self.chance(50) == 0;
        let passed = self.chance(if long { 3_000 } else { 40 });
        self.now += Duration::from_millis(passed as u64);
        self.give_up();
        match self.chance(24) {
            0..=6 => {
                let name = self.chance(FUNCTIONS);
                (0..=self.chance(4)).for_each(|_| self.call(name));
            }
            7..=11 => self.a_call_ends(),
            12 => self.a_call_is_cancelled(),
            13..=14 => self.a_worker_starts(),
            15..=16 => self.a_load_ends(),
            17 => self.a_worker_dies(),
            18 => self.a_worker_has_news(),
            19 => self.a_ping_is_answered(),
            20 => self.somebody_leaves_the_queue(),
            21 => self.a_function_changes(),
            22 => self.something_comes_too_late(),
            _ => self.event(Machine::tick),
        }
        self.check();
    }

    /// Who has waited as long as it may is told so, and who has run over its grace is killed.
    fn give_up(&mut self) {
        let over = |since: Instant| self.now.saturating_duration_since(since) >= PATIENCE;
        let late: Vec<u64> =
            self.waiting.iter().filter(|(_, w)| over(w.since)).map(|(call, _)| *call).collect();
        late.into_iter().for_each(|call| self.abandon(call));
    }

    fn a_call_ends(&mut self) {
        let Some(number) = self.any(|w| !w.calls.is_empty() && !w.hangs) else { return };
        let at = self.chance(self.workers[&number].calls.len());
        self.finish(number, at);
    }

    fn a_call_is_cancelled(&mut self) {
        let Some(number) = self.any(|w| !w.calls.is_empty()) else { return };
        let at = self.chance(self.workers[&number].calls.len());
        self.cancel(number, at);
        // Some do not stop, and are ended for it.
        if self.chance(3) == 0 {
            self.end(number, None);
        }
    }

    fn a_worker_starts(&mut self) {
        let Some(number) = self.any(|w| !w.started) else { return };
        if self.chance(6) == 0 {
            self.workers.remove(&number);
            return self.event(|state, now| {
                state.start_failed(number, &Refusal::Start("no luck".into()), now)
            });
        }
        let worker = self.workers.get_mut(&number).expect("found above");
        (worker.started, worker.offered) = (true, 3);
        self.event(|state, now| state.started(number, number, 3, now));
    }

    fn a_load_ends(&mut self) {
        let Some(number) = self.any(|w| w.loading.is_some() && !w.hangs) else { return };
        let failed = self.chance(6) == 0;
        let kind = if self.chance(3) == 0 { "unsupported" } else { "syntax" };
        let worker = self.workers.get_mut(&number).expect("found above");
        let function = worker.loading.take().expect("found above");
        if failed {
            let fault = Arc::new(Fault { kind: kind.into(), ..Default::default() });
            return self.event(|state, now| state.load_failed(number, fault, now));
        }
        worker.loaded.insert(function);
        self.event(|state, now| state.loaded(number, now));
    }

    fn a_load_is_done(&mut self) {
        let Some(number) = self.any(|w| w.loading.is_some()) else { return };
        let worker = self.workers.get_mut(&number).expect("found above");
        let function = worker.loading.take().expect("found above");
        worker.loaded.insert(function);
        self.event(|state, now| state.loaded(number, now));
    }

    fn a_worker_dies(&mut self) {
        if let Some(number) = self.any(|w| w.leaving) {
            return self.end(number, None);
        }
        if self.chance(3) == 0
            && let Some(number) = self.any(|w| w.started)
        {
            let kind = if self.chance(2) == 0 { KILLED } else { "crash" };
            self.end(number, Some(kind));
        }
    }

    fn a_worker_has_news(&mut self) {
        let Some(number) = self.any(|w| w.started && !w.leaving) else { return };
        match self.chance(5) {
            0 => {
                let offered = 1 + self.chance(3) as u32;
                self.workers.get_mut(&number).expect("found above").offered = offered;
                self.event(|state, now| state.credit(number, offered, now));
            }
            1 => {
                self.workers.get_mut(&number).expect("found above").closed = true;
                self.event(|state, now| state.spent(number, now));
            }
            2 => {
                let _news = self.state.swollen(number, self.now);
            }
            3 => self.workers.get_mut(&number).expect("found above").hangs = true,
            _ => {
                if let Some(number) = self.any(|w| w.hangs) {
                    self.workers.get_mut(&number).expect("found above").hangs = false;
                }
            }
        }
    }

    fn a_ping_is_answered(&mut self) {
        let Some(number) = self.any(|w| w.pinged && !w.hangs) else { return };
        self.workers.get_mut(&number).expect("found above").pinged = false;
        self.event(|state, now| state.pong(number, true, now));
    }

    fn somebody_leaves_the_queue(&mut self) {
        let calls: Vec<u64> = self.waiting.keys().copied().collect();
        if !calls.is_empty() {
            let at = self.chance(calls.len());
            self.abandon(calls[at]);
        }
    }

    /// A new revision, whatever the workers of the old one are doing; or an old one that is back.
    fn a_function_changes(&mut self) {
        let name = self.chance(FUNCTIONS);
        let old = (name, self.revisions[name]);
        self.revisions[name] = self.chance(4) as u32;
        let new = (name, self.revisions[name]);
        if new == old {
            return;
        }
        self.gone.remove(&new);
        self.state.revive(&world::key(new));
        self.gone.insert(old);
        self.event(|state, now| state.replaced(&world::key(old), now));
    }

    /// What nobody asked for any more changes nothing.
    fn something_comes_too_late(&mut self) {
        let number = 1 + self.chance(self.state.last_number as usize + 1) as u64;
        let busy = self.workers.get(&number).is_some_and(|w| w.loading.is_some());
        if !self.workers.contains_key(&number) {
            let actions = self.state.started(number, number, 3, self.now);
            assert_eq!(actions, [Action::Retire(number)], "nobody knows it");
            self.event(|state, now| state.release(number, now));
            self.event(|state, now| state.died(number, None, now));
        }
        if !busy {
            self.event(|state, now| state.loaded(number, now));
        }
        self.event(|state, now| state.suspend(number + 1_000, false, now));
    }

    fn last_number(&self) -> u64 {
        self.state.last_number
    }

    /// With no more faults, everyone who waits is served in the end.
    fn settle(&mut self) {
        for _ in 0..10_000 {
            self.now += Duration::from_millis(50);
            self.workers.values_mut().for_each(|w| w.hangs = false);
            while let Some(number) = self.any(|w| !w.started) {
                let worker = self.workers.get_mut(&number).expect("found above");
                (worker.started, worker.offered) = (true, 3);
                self.event(|state, now| state.started(number, number, 3, now));
            }
            while self.any(|w| w.loading.is_some()).is_some() {
                self.a_load_is_done();
            }
            while self.any(|w| w.pinged).is_some() {
                self.a_ping_is_answered();
            }
            while let Some(number) = self.any(|w| !w.calls.is_empty()) {
                self.finish(number, 0);
            }
            while let Some(number) = self.any(|w| w.leaving) {
                self.end(number, None);
            }
            self.event(Machine::tick);
            self.check();
            let rests =
                |w: &Worker| w.started && !w.leaving && w.calls.is_empty() && w.loading.is_none();
            if self.waiting.is_empty() && self.workers.values().all(rests) {
                return;
            }
        }
        panic!("{} calls wait for ever: {:?}", self.waiting.len(), self.state);
    }
}

#[test]
fn no_call_is_lost_and_no_bound_is_broken() {
    for seed in 1..=HISTORIES {
        let mut world = World::by_chance(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let told = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            (0..STEPS).for_each(|_| world.step());
            world.settle();
        }));
        if let Err(panic) = told {
            eprintln!("in history {seed}");
            std::panic::resume_unwind(panic);
        }
        assert_eq!(world.answered.len() as u64, world.last_call, "history {seed}");
        let census = world.state.census();
        assert_eq!((census.busy, census.queued), (0, 0), "history {seed}");
    }
}

#[test]
fn nothing_is_kept_of_what_is_long_over() {
    for seed in 1..=HISTORIES / 4 {
        let mut world = World::by_chance(seed.wrapping_mul(0x1234_5678_9abc_def1));
        (0..STEPS).for_each(|_| world.step());
        for _ in 0..40 {
            world.now += Duration::from_secs(5);
            world.settle();
        }
        let warm = world.rules.min_warm;
        assert_eq!(world.state.workers.len(), warm, "history {seed}: {:?}", world.state.workers);
        assert_eq!(world.state.routes.len(), 0, "history {seed}");
        assert!(world.state.gone.len() <= 256 && world.state.hungry.is_empty());
    }
}
