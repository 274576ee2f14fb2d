//! How fast the queue of one function moves, and so how long the last in it will wait.
//!
//! A guess from what has left the queue since it formed. Knows only counts and moments in time.

use std::time::{Duration, Instant};

/// No guess before a queue has been looked at for so long.
const FIRST_LOOK: Duration = Duration::from_millis(500);
/// What happened longer ago than this counts for half.
const MEMORY: Duration = Duration::from_secs(4);

/// The movement of one queue.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    since: Instant,
    left: f64,
}

impl Pace {
    /// From now on.
    pub(crate) fn new(now: Instant) -> Self {
        Pace { since: now, left: 0.0 }
    }

    /// The first in the queue has got a worker.
    pub(crate) fn step(&mut self, now: Instant) {
        self.left += 1.0;
        let seen = now.saturating_duration_since(self.since);
        if seen > MEMORY {
            self.since += seen / 2;
            self.left /= 2.0;
        }
    }

    /// How long the one at `place` will wait when `credit` calls run at a time; none while too
    /// little has been seen.
    pub(crate) fn wait(&self, place: usize, credit: u32, now: Instant) -> Option<Duration> {
        let seen = now.saturating_duration_since(self.since);
        // Those that run count as well: they have been at it since the queue formed.
        let moved = self.left + f64::from(credit);
        (seen >= FIRST_LOOK && moved > 0.0).then(|| seen.mul_f64(place as f64 / moved))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_steady_queue_is_guessed_right_however_long_it_lasts() {
        let start = Instant::now();
        let (mut pace, mut now) = (Pace::new(start), start);
        for _ in 0..10_000 {
            now += Duration::from_millis(10);
            pace.step(now);
        }
        let wait = pace.wait(300, 4, now).unwrap();
        assert!((2.8..3.1).contains(&wait.as_secs_f64()), "{wait:?}");
    }

    #[test]
    fn a_change_of_pace_is_noticed_within_seconds() {
        let start = Instant::now();
        let (mut pace, mut now) = (Pace::new(start), start);
        for step in (0..2_000).map(|_| 10).chain((0..200).map(|_| 100)) {
            now += Duration::from_millis(step);
            pace.step(now);
        }
        let wait = pace.wait(10, 1, now).unwrap();
        assert!((0.8..1.1).contains(&wait.as_secs_f64()), "{wait:?}");
    }

    #[test]
    fn calls_that_run_long_are_not_taken_for_a_queue_that_stands() {
        let start = Instant::now();
        let pace = Pace::new(start);
        assert_eq!(pace.wait(1_000, 64, start + Duration::from_millis(400)), None);
        let wait = pace.wait(137, 64, start + Duration::from_millis(800)).unwrap();
        assert!(wait < Duration::from_secs(2), "{wait:?}");
    }
}
