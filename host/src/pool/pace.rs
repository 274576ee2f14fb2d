//! How fast the queue of one function moves, and so how long the last in it will wait.
//!
//! A guess from what has left the queue since it formed. Knows only counts and moments in time.

use std::time::{Duration, Instant};

/// No guess before a queue has been looked at for so long.
const FIRST_LOOK: Duration = Duration::from_millis(500);
/// Fewer calls that left it may have been the slow first ones of new workers: then it is looked at
/// for this part of what the one who asks would wait.
const FEW: f64 = 16.0;
const SECOND_LOOK: u32 = 8;
/// What happened longer ago than this counts for half.
const MEMORY: Duration = Duration::from_secs(4);

/// The movement of one queue, by the calls that could run meanwhile: workers come and go, and the
/// guess goes with them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    at: Instant,
    /// Seconds, each times the calls that could run at that time.
    seen: f64,
    left: f64,
}

impl Pace {
    /// From now on.
    pub(crate) fn new(now: Instant) -> Self {
        Pace { at: now, seen: 0.0, left: 0.0 }
    }

    /// Until now `credit` calls could run at a time.
    pub(crate) fn pass(&mut self, credit: u32, now: Instant) {
        self.seen = self.seen_until(credit, now);
        self.at = now;
    }

    /// The first in the queue has got a worker; `credit` calls can run at a time.
    pub(crate) fn step(&mut self, credit: u32, now: Instant) {
        self.pass(credit, now);
        self.left += 1.0;
        if self.seen > MEMORY.as_secs_f64() * f64::from(credit) {
            self.seen /= 2.0;
            self.left /= 2.0;
        }
    }

    /// How long the one at `place`, who has `patience`, will wait when `credit` calls run at a time;
    /// none while too little has been seen.
    pub(crate) fn wait(
        &self,
        place: usize,
        credit: u32,
        patience: Duration,
        now: Instant,
    ) -> Option<Duration> {
        let credits = f64::from(credit);
        let seen = self.seen_until(credit, now);
        let second = if self.left < FEW { patience / SECOND_LOOK } else { Duration::ZERO };
        if credit == 0 || seen < FIRST_LOOK.max(second).as_secs_f64() * credits {
            return None;
        }
        // Those that run count as well: they have been at it since the queue formed.
        let moved = (self.left + credits) * credits / seen;
        Duration::try_from_secs_f64(place as f64 / moved).ok()
    }

    fn seen_until(&self, credit: u32, now: Instant) -> f64 {
        let since = now.saturating_duration_since(self.at);
        self.seen + since.as_secs_f64() * f64::from(credit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHORT: Duration = Duration::from_secs(1);

    #[test]
    fn a_slow_beginning_turns_nobody_away_who_has_time() {
        let start = Instant::now();
        let mut pace = Pace::new(start);
        pace.step(2, start + Duration::from_millis(600));
        let guess = |patience, after| {
            pace.wait(300, 2, Duration::from_secs(patience), start + Duration::from_millis(after))
        };
        assert_eq!(guess(40, 4_900), None);
        assert!(guess(40, 5_100).is_some() && guess(1, 700).is_some());
    }

    #[test]
    fn a_steady_queue_is_guessed_right_however_long_it_lasts() {
        let start = Instant::now();
        let (mut pace, mut now) = (Pace::new(start), start);
        for _ in 0..10_000 {
            now += Duration::from_millis(10);
            pace.step(4, now);
        }
        let wait = pace.wait(300, 4, SHORT, now).unwrap();
        assert!((2.8..3.1).contains(&wait.as_secs_f64()), "{wait:?}");
    }

    #[test]
    fn a_change_of_pace_is_noticed_within_seconds() {
        let start = Instant::now();
        let (mut pace, mut now) = (Pace::new(start), start);
        for step in (0..2_000).map(|_| 10).chain((0..200).map(|_| 100)) {
            now += Duration::from_millis(step);
            pace.step(1, now);
        }
        let wait = pace.wait(10, 1, SHORT, now).unwrap();
        assert!((0.8..1.1).contains(&wait.as_secs_f64()), "{wait:?}");
    }

    #[test]
    fn a_worker_that_is_replaced_changes_the_guess_for_that_time_alone() {
        let start = Instant::now();
        let (mut pace, mut now) = (Pace::new(start), start);
        let mut steps = |count, credit, millis| {
            for _ in 0..count {
                now += Duration::from_millis(millis);
                pace.step(credit, now);
            }
            pace.wait(100, credit, SHORT, now).unwrap().as_secs_f64()
        };
        let (before, with_one, after) = (steps(2_000, 16, 1), steps(50, 8, 2), steps(1, 16, 1));
        assert!((0.095..0.105).contains(&before), "{before}");
        assert!((0.19..0.21).contains(&with_one), "{with_one}");
        assert!((0.095..0.105).contains(&after), "{after}");
    }

    #[test]
    fn calls_that_run_long_are_not_taken_for_a_queue_that_stands() {
        let start = Instant::now();
        let pace = Pace::new(start);
        assert_eq!(pace.wait(1_000, 64, SHORT, start + Duration::from_millis(400)), None);
        let wait = pace.wait(137, 64, SHORT, start + Duration::from_millis(800)).unwrap();
        assert!(wait < Duration::from_secs(2), "{wait:?}");
    }
}
