//! The state machine driven by chance: whatever happens in whatever order, its promises hold.

use std::collections::{HashMap, HashSet};

use super::*;

const WORKERS: usize = 4;
const FUNCTIONS: usize = 6;

/// What the outside world knows: which workers it runs and which calls it has not been told of.
struct World {
    state: State<u64, usize, u64>,
    now: Instant,
    seed: u64,
    starting: Vec<u64>,
    loading: Vec<(u64, usize)>,
    alive: HashSet<u64>,
    leaving: Vec<u64>,
    serves: HashMap<u64, usize>,
    waiting: HashMap<u64, (usize, u64)>,
    running: Vec<(u64, u64)>,
    last_call: u64,
    answered: HashSet<u64>,
}

fn key(function: usize) -> Key {
    format!("revision-{function}").into()
}

impl World {
    fn new(seed: u64) -> Self {
        let now = Instant::now();
        let rules = Rules {
            min_warm: 1,
            max_instances: WORKERS,
            idle_timeout: Duration::from_secs(60),
            credit: 3,
        };
        World {
            state: State::new(rules, now),
            now,
            seed,
            starting: Vec::new(),
            loading: Vec::new(),
            alive: HashSet::new(),
            leaving: Vec::new(),
            serves: HashMap::new(),
            waiting: HashMap::new(),
            running: Vec::new(),
            last_call: 0,
            answered: HashSet::new(),
        }
    }

    /// xorshift: repeatable from the seed that a failure names.
    fn chance(&mut self, below: usize) -> usize {
        self.seed ^= self.seed << 13;
        self.seed ^= self.seed >> 7;
        self.seed ^= self.seed << 17;
        (self.seed % below as u64) as usize
    }

    fn take(&mut self, actions: Vec<Action<u64, usize, u64>>) {
        for action in actions {
            match action {
                Action::Start(number) => {
                    assert!(self.alive.insert(number), "a number is used once");
                    self.starting.push(number);
                }
                Action::Load(number, worker, function) => {
                    assert_eq!(number, worker);
                    assert!(
                        self.serves.insert(number, function).is_none(),
                        "one function a worker"
                    );
                    self.loading.push((number, function));
                }
                Action::Retire(worker) => self.leaving.push(worker),
                Action::Grant(call, worker) => {
                    let (function, _) = self.waiting.remove(&call).expect("granted once");
                    self.run(call, worker, function);
                }
                Action::Refuse(call, _) => {
                    self.waiting.remove(&call).expect("refused once");
                    assert!(self.answered.insert(call));
                }
            }
        }
        assert!(self.alive.len() <= WORKERS, "never over max_instances");
    }

    fn run(&mut self, call: u64, worker: u64, function: usize) {
        assert_eq!(self.serves.get(&worker), Some(&function), "the right function");
        assert!(!self.leaving.contains(&worker), "no call for one who leaves");
        self.running.push((call, worker));
        let load = self.running.iter().filter(|(_, w)| *w == worker).count();
        assert!(load <= 3, "credit is never exceeded");
    }

    fn step(&mut self) {
        let passed = Duration::from_millis(self.chance(40) as u64);
        self.now += passed;
        let now = self.now;
        let actions = match self.chance(12) {
            0..=3 => return self.call(),
            4..=6 if !self.running.is_empty() => {
                let at = self.chance(self.running.len());
                let (call, worker) = self.running.swap_remove(at);
                assert!(self.answered.insert(call), "answered once");
                self.state.release(worker, now)
            }
            7 if !self.starting.is_empty() => {
                let at = self.chance(self.starting.len());
                let number = self.starting.swap_remove(at);
                if self.chance(5) == 0 {
                    self.alive.remove(&number);
                    self.state.start_failed(number, &"no luck".into(), now)
                } else {
                    self.state.started(number, number, 3, now)
                }
            }
            8 if !self.loading.is_empty() => {
                let at = self.chance(self.loading.len());
                let (number, _) = self.loading.swap_remove(at);
                if self.chance(6) == 0 {
                    let fault = Arc::new(Fault::default());
                    self.state.load_failed(number, fault, now)
                } else {
                    self.state.loaded(number, now)
                }
            }
            9 => return self.end_one(),
            10 if !self.waiting.is_empty() => {
                let calls: Vec<u64> = self.waiting.keys().copied().collect();
                let at = self.chance(calls.len());
                let call = calls[at];
                let (function, ticket) = self.waiting.remove(&call).expect("it is there");
                assert!(self.answered.insert(call));
                self.state.abandon(&key(function), ticket);
                Vec::new()
            }
            _ => self.state.tick(now),
        };
        self.take(actions);
    }

    fn call(&mut self) {
        let function = self.chance(FUNCTIONS);
        self.last_call += 1;
        let call = self.last_call;
        if let Some(worker) = self.state.try_acquire(&key(function), self.now) {
            return self.run(call, worker, function);
        }
        let ticket = self.state.last_ticket + 1;
        self.waiting.insert(call, (function, ticket));
        let (outcome, actions) =
            self.state.acquire(&key(function), &function, None, call, self.now);
        if outcome.is_err() {
            self.waiting.remove(&call);
            assert!(self.answered.insert(call));
        }
        self.take(actions);
    }

    /// A worker ends: one that was asked to, or any other by a crash.
    fn end_one(&mut self) {
        let (number, crashed) = match self.leaving.pop() {
            Some(number) => (number, false),
            None => {
                let known: Vec<u64> =
                    self.alive.iter().filter(|n| !self.starting.contains(n)).copied().collect();
                if known.is_empty() || self.chance(4) > 0 {
                    return;
                }
                let at = self.chance(known.len());
                (known[at], true)
            }
        };
        self.alive.remove(&number);
        self.serves.remove(&number);
        self.loading.retain(|(n, _)| *n != number);
        self.leaving.retain(|n| *n != number);
        let (lost, kept): (Vec<_>, Vec<_>) =
            self.running.drain(..).partition(|(_, w)| *w == number);
        self.running = kept;
        let fault = crashed.then(|| Arc::new(Fault::default()));
        let actions = self.state.died(number, fault.as_ref(), self.now);
        self.take(actions);
        for (call, worker) in lost {
            assert!(self.answered.insert(call));
            let actions = self.state.release(worker, self.now);
            self.take(actions);
        }
    }

    /// With no more faults, everyone who waits is served in the end.
    fn settle(&mut self) {
        for _ in 0..10_000 {
            self.now += Duration::from_millis(50);
            let now = self.now;
            while let Some(number) = self.starting.pop() {
                let actions = self.state.started(number, number, 3, now);
                self.take(actions);
            }
            while let Some((number, _)) = self.loading.pop() {
                let actions = self.state.loaded(number, now);
                self.take(actions);
            }
            while let Some((call, worker)) = self.running.pop() {
                assert!(self.answered.insert(call));
                let actions = self.state.release(worker, now);
                self.take(actions);
            }
            while !self.leaving.is_empty() {
                self.end_one();
            }
            let actions = self.state.tick(now);
            self.take(actions);
            if self.waiting.is_empty() && self.running.is_empty() {
                return;
            }
        }
        panic!("{} calls wait for ever: {:?}", self.waiting.len(), self.state);
    }
}

#[test]
fn no_call_is_lost_and_no_bound_is_broken() {
    for seed in 1u64..=60 {
        let mut world = World::new(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        for _ in 0..2_000 {
            world.step();
        }
        world.settle();
        assert_eq!(world.answered.len() as u64, world.last_call, "seed {seed}");
        let census = world.state.census();
        assert_eq!((census.busy, census.queued), (0, 0), "seed {seed}");
    }
}

fn serving(rules: Rules, functions: &[usize]) -> World {
    let mut world = World::new(7);
    world.state = State::new(rules, world.now);
    for function in functions {
        world.last_call += 1;
        let call = world.last_call;
        world.waiting.insert(call, (*function, 0));
        let (_, actions) = world.state.acquire(&key(*function), function, None, call, world.now);
        world.take(actions);
    }
    world.settle();
    world
}

fn rules(min_warm: usize, max_instances: usize) -> Rules {
    Rules { min_warm, max_instances, idle_timeout: Duration::from_secs(60), credit: 3 }
}

#[test]
fn a_blank_worker_is_replaced_in_the_background() {
    let world = serving(rules(1, 4), &[0]);
    let census = world.state.census();
    assert_eq!((census.idle, census.blank + census.starting), (1, 1));
}

#[test]
fn an_idle_worker_makes_room_for_another_function() {
    let world = serving(rules(0, 1), &[0, 1, 2]);
    assert_eq!(world.state.census().idle, 1);
}

#[test]
fn idle_workers_leave_after_their_time_and_blanks_stay() {
    let mut world = serving(rules(1, 4), &[0, 1]);
    world.now += Duration::from_secs(61);
    world.settle();
    let census = world.state.census();
    assert_eq!((census.idle, census.blank + census.starting), (0, 1));
}

#[test]
fn a_burst_fills_one_worker_before_a_second_is_made() {
    let mut world = serving(rules(0, 4), &[0]);
    for _ in 0..3 {
        world.call_function(0);
    }
    assert_eq!(world.state.census().busy, 1);
    world.call_function(0);
    assert!(world.starting.is_empty(), "a fourth call waits a little first");
    world.now += Duration::from_millis(100);
    let actions = world.state.tick(world.now);
    world.take(actions);
    assert_eq!(world.starting.len(), 1);
}

impl World {
    fn call_function(&mut self, function: usize) {
        self.last_call += 1;
        let call = self.last_call;
        if let Some(worker) = self.state.try_acquire(&key(function), self.now) {
            return self.run(call, worker, function);
        }
        self.waiting.insert(call, (function, self.state.last_ticket + 1));
        let (_, actions) = self.state.acquire(&key(function), &function, None, call, self.now);
        self.take(actions);
    }
}
