//! Revisions that follow each other, event by event.

use super::*;
use crate::pool::rules::Asking;
use crate::pool::rules::{Class, Rules, Terms};
use crate::pool::slot::Action;

type Calls = State<u64, &'static str, &'static str>;

struct Pool {
    state: Calls,
    now: Instant,
    told: Vec<String>,
}

fn key(revision: &str) -> Key {
    revision.into()
}

impl Pool {
    /// Room for two workers, none kept blank.
    fn new() -> Pool {
        let rules = Rules { max_instances: 2, shares: false, ..Rules::default() };
        let now = Instant::now();
        Pool { state: State::new(rules, now), now, told: Vec::new() }
    }

    /// Notes the actions and carries out what is sure to follow: workers start.
    fn take(&mut self, actions: Vec<Action<u64, &'static str, &'static str>>) -> &mut Pool {
        for action in actions {
            self.told.push(match action {
                Action::Start(number, _) => {
                    let actions = self.state.started(number, number, 1, self.now);
                    self.take(actions);
                    continue;
                }
                Action::Load(number, _, function) => format!("load {function} in {number}"),
                Action::Retire(number) => format!("retire {number}"),
                Action::Ping(..) => continue,
                Action::Kill(number) => format!("kill {number}"),
                Action::Grant(call, number) => format!("{call} to {number}"),
                Action::Refuse(call, Refusal::Load(_)) => format!("{call} does not load"),
                Action::Refuse(call, refusal) => format!("{call}: {refusal:?}"),
            });
        }
        self
    }

    fn call(&mut self, call: &'static str, function: &'static str) -> &mut Pool {
        let name = function.into();
        let terms = Terms {
            name,
            concurrency: None,
            class: Class::default(),
            strict: false,
            packages: Vec::new(),
        };
        let (key, patience) = (key(function), Duration::from_secs(10));
        let asking = Asking { key: &key, function: &function, terms, call, patience };
        let (place, actions) = self.state.acquire(asking, self.now);
        if let Err(refusal) = place {
            let what =
                if let Refusal::Load(_) = refusal { "Load".into() } else { format!("{refusal:?}") };
            self.told.push(format!("{call} refused: {what}"));
        }
        self.take(actions)
    }

    fn event(
        &mut self,
        event: impl FnOnce(&mut Calls, Instant) -> Actions<u64, &'static str, &'static str>,
    ) -> &mut Pool {
        let actions = event(&mut self.state, self.now);
        self.take(actions)
    }

    fn loaded(&mut self, number: u64) -> &mut Pool {
        self.event(|state, now| state.loaded(number, now))
    }

    fn released(&mut self, number: u64) -> &mut Pool {
        self.event(|state, now| state.release(number, now))
    }

    fn replaced(&mut self, function: &str) -> &mut Pool {
        self.event(|state, now| state.replaced(&key(function), now))
    }

    fn told(&mut self, expected: &[&str]) -> &mut Pool {
        assert_eq!(std::mem::take(&mut self.told), expected);
        self
    }
}

#[test]
fn calls_go_to_the_new_revision_and_the_old_worker_leaves_after_its_call() {
    let mut pool = Pool::new();
    pool.call("c1", "a").loaded(1).told(&["load a in 1", "c1 to 1"]);
    pool.call("c2", "b").loaded(2).told(&["load b in 2", "c2 to 2"]);
    pool.released(2).call("late", "a").told(&[]);
    pool.replaced("a").told(&["late: Replaced"]);
    pool.call("later", "a").told(&["later refused: Replaced"]);
    pool.call("c3", "b").told(&["c3 to 2"]);
    pool.released(1).told(&["retire 1"]);
}

#[test]
fn a_revision_that_comes_back_gets_a_worker_of_its_own() {
    let mut pool = Pool::new();
    pool.call("c1", "a").loaded(1).replaced("a").told(&["load a in 1", "c1 to 1"]);
    pool.state.revive(&key("a"));
    pool.call("c2", "a").told(&["load a in 2"]);
    pool.released(1).told(&["retire 1"]);
    pool.event(|state, now| state.died(1, None, now));
    pool.loaded(2).released(2).call("c3", "a").told(&["c2 to 2", "c3 to 2"]);
}

#[test]
fn a_load_that_nobody_wants_any_more_ends_with_its_worker() {
    let mut pool = Pool::new();
    pool.call("c1", "a").replaced("a").told(&["load a in 1", "c1: Replaced", "retire 1"]);
    pool.state.revive(&key("a"));
    pool.call("c2", "a").told(&["load a in 2"]);
    // The end of the first load, however it went, is nothing to the second.
    pool.loaded(1).event(|state, now| state.died(1, None, now)).told(&[]);
    pool.loaded(2).told(&["c2 to 2"]);
}

#[test]
fn who_has_a_worker_waits_for_it_when_another_does_not_load() {
    let mut pool = Pool::new();
    pool.call("c1", "a").loaded(1).told(&["load a in 1", "c1 to 1"]);
    pool.call("c2", "a");
    pool.now += Duration::from_millis(50);
    pool.event(Calls::tick).told(&["load a in 2"]);
    pool.event(|state, now| state.load_failed(2, Arc::default(), now)).told(&["retire 2"]);
    pool.event(|state, now| state.died(2, None, now)).call("c3", "a").told(&[]);
    pool.released(1).told(&["c2 to 1"]);
    pool.released(1).told(&["c3 to 1"]);
}

#[test]
fn the_last_worker_of_a_frozen_revision_stays_and_without_one_the_fault_is_the_answer() {
    let mut pool = Pool::new();
    pool.call("c1", "a").loaded(1).released(1).told(&["load a in 1", "c1 to 1"]);
    let now = pool.now;
    pool.state.freeze(&key("a"), Arc::default(), now);
    pool.now += Duration::from_secs(3600);
    pool.event(Calls::tick).call("c2", "a").told(&["c2 to 1"]);
    pool.call("c3", "a").event(|state, now| state.died(1, None, now));
    pool.told(&["c3 does not load"]);
    pool.event(Calls::tick).told(&[]);
    // Another call may find the code mended.
    pool.call("c4", "a").told(&["load a in 2"]);
}
