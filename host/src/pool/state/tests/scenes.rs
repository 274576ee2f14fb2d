//! One promise at a time.

use super::*;
use crate::pool::rules::TURN;

/// Functions of [`world::terms`] that share and ask for nothing special.
const PLAIN: [usize; 4] = [0, 1, 6, 10];
/// One that takes no company, and one that needs larger workers.
const STRICT: usize = 5;
const LARGE: usize = 4;

/// Workers that have served these, one after the other, and are idle.
fn served(rules: Rules, names: &[usize]) -> World {
    let mut world = World::new(rules, 12, 7);
    for name in names {
        world.call(*name);
        world.settle();
    }
    world
}

impl World {
    fn passes(&mut self, time: Duration) {
        self.now += time;
        self.event(Machine::tick);
    }

    /// What is on its way comes: starts and loads.
    fn arrive(&mut self) {
        for _ in 0..4 {
            while let Some(number) = self.any(|w| !w.started) {
                let worker = self.workers.get_mut(&number).expect("found above");
                (worker.started, worker.offered) = (true, 3);
                self.event(|state, now| state.started(number, number, 3, now));
            }
            while self.any(|w| w.loading.is_some()).is_some() {
                self.a_load_is_done();
            }
        }
    }

    fn serving(&self, name: usize) -> Vec<u64> {
        let key = world::key((name, 0));
        self.state.routes.get(&key).map(|route| route.serving.clone()).unwrap_or_default()
    }

    fn waits_for(&self, name: usize) -> usize {
        self.waiting.values().filter(|waiter| waiter.function.0 == name).count()
    }
}

#[test]
fn a_blank_worker_is_replaced_in_the_background() {
    let census = served(rules(1, 4), &[0]).state.census();
    assert_eq!((census.idle, census.blank + census.starting), (1, 1));
}

#[test]
fn who_has_waited_for_starts_that_fail_hears_why() {
    let mut world = World::new(rules(0, 4), 12, 7);
    let key = world::key((0, 0));
    world.call(0);
    assert_eq!(world.state.start_trouble(&key), None);
    let number = world.any(|w| !w.started).expect("a worker is being started");
    world.workers.remove(&number);
    let why = Refusal::Start("no luck".into());
    world.event(|state, now| state.start_failed(number, &why, now));
    assert_eq!(world.waits_for(0), 1);
    assert_eq!(world.state.start_trouble(&key), Some(why));
    world.passes(Duration::from_secs(1));
    let number = world.any(|w| !w.started).expect("another one");
    world.workers.get_mut(&number).expect("found above").started = true;
    world.event(|state, now| state.started(number, number, 3, now));
    assert_eq!(world.state.start_trouble(&key), None, "it is being loaded");
}

#[test]
fn idle_workers_leave_after_their_time_and_blanks_stay() {
    let mut world = served(rules(1, 4), &PLAIN[..2]);
    world.now += Duration::from_secs(61);
    world.settle();
    let census = world.state.census();
    assert_eq!((census.idle, census.blank + census.starting), (0, 1));
}

#[test]
fn a_burst_fills_one_worker_before_a_second_is_made() {
    let mut world = served(rules(0, 4), &[0]);
    (0..3).for_each(|_| world.call(0));
    assert_eq!(world.state.census().busy, 1);
    world.call(0);
    assert_eq!(world.workers.len(), 1, "a fourth call waits a little first");
    world.passes(Duration::from_millis(100));
    assert_eq!(world.workers.len(), 2);
}

#[test]
fn each_has_a_worker_of_its_own_while_there_is_room_and_then_the_least_busy_takes_one_in() {
    let mut world = served(rules(0, 2), &PLAIN[..2]);
    assert_ne!(world.serving(0), world.serving(1));
    world.call(0);
    world.call(PLAIN[2]);
    world.arrive();
    assert_eq!(world.serving(PLAIN[2]), world.serving(1), "the other is busy");
    assert_eq!((world.waiting.len(), world.last_number()), (0, 2));
}

#[test]
fn a_strict_function_is_alone_even_when_workers_are_short() {
    let mut world = served(rules(0, 2), &[STRICT, 0]);
    world.call(1);
    world.arrive();
    assert_eq!(world.serving(1), world.serving(0), "not with the strict one");
    world.call(11);
    assert_eq!(world.workers.values().filter(|w| w.leaving).count(), 1, "room is made for it");
    world.settle();
    assert_eq!(world.serving(11).len(), 1);
}

#[test]
fn where_workers_hold_one_function_an_idle_one_makes_room() {
    let mut world = served(Rules { shares: false, ..rules(0, 1) }, &PLAIN);
    assert_eq!((world.state.census().idle, world.last_number()), (1, 4));
    // A busy one does when somebody has waited for a while.
    world.call(PLAIN[3]);
    world.call(0);
    assert!(!world.workers.values().any(|w| w.leaving));
    world.passes(TURN);
    world.call(PLAIN[3]);
    assert_eq!(world.waits_for(PLAIN[3]), 1, "no new call for the one that has to go");
    world.settle();
    assert_eq!(world.waiting.len(), 0);
}

#[test]
fn a_larger_function_gets_larger_workers_and_a_blank_makes_room_for_them() {
    let mut world = served(rules(1, 1), &[]);
    world.settle();
    world.call(LARGE);
    world.settle();
    assert_eq!(world.serving(LARGE).len(), 1);
    assert_eq!(world.workers.values().map(|w| w.class.memory).collect::<Vec<_>>(), [512]);
}

#[test]
fn a_cold_function_gets_its_turn_beside_a_hot_one() {
    let mut world = served(rules(0, 1), &[0, 1]);
    (0..60).for_each(|_| world.call(0));
    world.call(1);
    for _ in 0..2 {
        let number = world.any(|w| !w.calls.is_empty()).expect("one runs");
        world.finish(number, 0);
    }
    assert_eq!((world.waits_for(0), world.waits_for(1)), (56, 0), "it is next or next but one");
}

#[test]
fn a_hot_function_does_not_take_all_new_workers() {
    let mut world = World::new(Rules { shares: false, ..rules(0, 4) }, 12, 7);
    (0..100).for_each(|_| world.call(0));
    world.call(1);
    world.arrive();
    assert_eq!((world.serving(0).len(), world.serving(1).len()), (3, 1));
    let mut world = World::new(Rules { shares: false, ..rules(2, 4) }, 12, 7);
    world.event(|state, now| state.want_blanks(2, now));
    world.call(0);
    (0..100).for_each(|_| world.call(0));
    world.call(1);
    world.arrive();
    assert_eq!((world.serving(0).len(), world.serving(1).len()), (3, 1));
}

#[test]
fn who_would_wait_in_vain_is_told_at_once() {
    let mut world = served(rules(0, 1), &[0]);
    let (mut refused, mut longest) = (0, Duration::ZERO);
    // Three at a time, 300 ms each: ten a second come, twenty ask.
    for step in 0..2_000 {
        let before = world.answered.len();
        world.call(0);
        refused += world.answered.len() - before;
        world.now += Duration::from_millis(50);
        if step % 2 == 0 {
            let number = world.any(|w| !w.calls.is_empty()).expect("it is busy");
            world.finish(number, 0);
        }
        let oldest = world.waiting.values().map(|w| w.since).min().unwrap_or(world.now);
        longest = longest.max(world.now - oldest);
    }
    assert!((850..1_000).contains(&refused), "{refused} of 2000 refused");
    assert!(longest < PATIENCE, "nobody waits in vain: {longest:?}");
    assert!(longest > PATIENCE / 2, "and who may wait does: {longest:?}");
}

#[test]
fn a_worker_that_takes_over_lets_no_more_calls_in_than_before() {
    let mut world = served(rules(0, 2), &[0]);
    for _ in 0..8 {
        world.call(0);
        world.passes(Duration::from_millis(50));
        world.arrive();
    }
    assert_eq!(world.serving(0).len(), 2);
    for _ in 0..600 {
        (0..3).for_each(|_| world.call(0));
        world.now += Duration::from_millis(50);
        let number = world.any(|w| !w.calls.is_empty()).expect("it is busy");
        world.finish(number, 0);
    }
    let before = world.waiting.len();
    let number = world.any(|w| !w.calls.is_empty()).expect("it is busy");
    world.end(number, None);
    world.passes(Duration::from_millis(50));
    world.arrive();
    assert_eq!(world.serving(0).len(), 2);
    (0..100).for_each(|_| world.call(0));
    assert!(world.waiting.len() < before + 20, "{} after {before}", world.waiting.len());
}

#[test]
fn a_burst_on_a_cold_function_is_not_taken_for_overload() {
    let mut world = World::new(rules(0, 1), 12, 7);
    for _ in 0..300 {
        world.call(0);
        world.now += Duration::from_millis(2);
    }
    assert_eq!(world.waiting.len(), 300);
    world.arrive();
    world.call(0);
    assert_eq!(world.waiting.len(), 298);
}

#[test]
fn a_worker_that_does_not_listen_gets_no_calls_until_it_does() {
    let mut world = served(rules(0, 2), &[0]);
    let (number, second) = (world.serving(0)[0], Duration::from_secs(1));
    world.call(0);
    world.workers.get_mut(&number).expect("it serves").hangs = true;
    (0..12).for_each(|_| world.passes(second / 2));
    world.call(0);
    assert_eq!(world.waiting.len(), 1, "it has room, but does not listen");
    world.workers.get_mut(&number).expect("it serves").hangs = false;
    world.a_ping_is_answered();
    assert_eq!(world.waiting.len(), 0, "it listens again");
    assert_eq!(world.workers[&number].calls.len(), 2);
}

#[test]
fn a_worn_worker_serves_until_another_has_taken_over() {
    for (rules, wears) in [
        (Rules { max_calls: 4, ..rules(0, 2) }, Duration::from_secs(10)),
        (Rules { max_age: Duration::from_secs(60), ..rules(0, 2) }, Duration::from_secs(60)),
    ] {
        let mut world = served(Rules { idle_timeout: Duration::from_secs(600), ..rules }, &[0]);
        let old = world.serving(0)[0];
        (0..2).for_each(|_| world.call(0));
        world.finish(old, 0);
        (0..2).for_each(|_| world.call(0));
        world.passes(wears);
        assert_eq!(world.workers.len(), 2, "the next is on its way");
        world.finish(old, 0);
        world.call(0);
        assert_eq!(world.workers[&old].calls.len(), 3, "meanwhile it serves");
        world.arrive();
        world.passes(Duration::from_millis(5));
        assert_eq!(world.serving(0), [old + 1]);
        (0..3).for_each(|_| world.finish(old, 0));
        assert!(world.workers[&old].leaving, "it leaves after its calls");
    }
}

#[test]
fn where_there_is_no_room_a_worn_worker_drains() {
    let mut world = served(Rules { max_calls: 1, ..rules(0, 1) }, &[0]);
    world.call(0);
    world.passes(Duration::from_secs(10));
    world.call(0);
    assert_eq!(world.waiting.len(), 0, "not at once");
    world.passes(Duration::from_secs(5));
    world.call(0);
    assert_eq!(world.waiting.len(), 1);
    world.settle();
    assert_eq!(world.last_number(), 2);
}

#[test]
fn the_innocent_are_parted_from_who_may_have_crashed_their_worker() {
    let mut world = served(rules(0, 1), &[0, 1]);
    let shared = world.serving(0);
    assert_eq!(shared, world.serving(1));
    world.end(shared[0], Some("crash"));
    (0..2).for_each(|name| world.call(name));
    world.arrive();
    assert_eq!((world.serving(0).len(), world.serving(1).len()), (1, 0));
    world.settle();
    assert_eq!(world.waiting.len(), 0);
}

#[test]
fn functions_part_when_there_is_room_again() {
    let mut world = served(rules(1, 3), &PLAIN);
    assert!(PLAIN.iter().any(|name| {
        PLAIN.iter().any(|other| name != other && world.serving(*name) == world.serving(*other))
    }));
    // Two of the three are called on, one is not and leaves.
    let busy: Vec<usize> = PLAIN.into_iter().filter(|n| world.serving(*n) != [3]).collect();
    for _ in 0..100 {
        world.now += Duration::from_secs(1);
        busy.iter().for_each(|name| world.call(*name));
        world.settle();
    }
    let own: std::collections::HashSet<_> = busy.iter().map(|name| world.serving(*name)).collect();
    assert!(own.len() >= busy.len().min(3), "{own:?}");
}

/// A call comes at the very moment when its idle worker is to leave, before it or after it.
#[test]
fn a_call_and_the_reaper_never_get_the_same_worker() {
    let mut world = served(rules(0, 2), &[0]);
    let idle = world.rules.idle_timeout;
    let (mut kept, mut reaped) = (0, 0);
    for _ in 0..100_000 {
        let number = world.serving(0)[0];
        let used = world.state.workers[&number].used;
        let around = Duration::from_millis(world.chance(3) as u64);
        world.now = used + idle - Duration::from_millis(1) + around;
        if world.chance(2) == 0 {
            world.call(0);
            world.event(Machine::tick);
            assert!(!world.workers[&number].leaving, "it has a call");
        } else {
            world.event(Machine::tick);
            world.call(0);
        }
        world.check();
        let leaves = world.workers[&number].leaving;
        assert_eq!(world.waits_for(0), usize::from(leaves), "the call runs, or waits for another");
        if leaves {
            reaped += 1
        } else {
            kept += 1
        }
        world.settle();
    }
    assert!(kept > 10_000 && reaped > 10_000, "{kept} kept, {reaped} left");
    assert_eq!(world.answered.len() as u64, world.last_call);
}
