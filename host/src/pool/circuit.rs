//! Stops a function that keeps crashing from taking worker after worker.
//!
//! Five crashes within a minute open the circuit; each further crash doubles the pause, up to a
//! minute. Knows only moments in time.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

const CRASHES: usize = 5;
const WINDOW: Duration = Duration::from_secs(60);
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// The recent crashes of one function.
#[derive(Debug, Default)]
pub(crate) struct Circuit {
    crashes: VecDeque<Instant>,
    open: Option<(Instant, Duration)>,
}

impl Circuit {
    pub(crate) fn crashed(&mut self, now: Instant) {
        self.crashes.retain(|at| now.saturating_duration_since(*at) < WINDOW);
        self.crashes.push_back(now);
        if self.crashes.len() < CRASHES {
            self.open = None;
            return;
        }
        self.crashes.drain(..self.crashes.len() - CRASHES);
        let pause = self.open.map_or(FIRST_PAUSE, |(_, last)| (last * 2).min(LONGEST_PAUSE));
        self.open = Some((now + pause, pause));
    }

    /// How long calls are still refused.
    pub(crate) fn refuses(&self, now: Instant) -> Option<Duration> {
        let (until, _) = self.open?;
        let left = until.saturating_duration_since(now);
        (!left.is_zero()).then_some(left)
    }

    /// Nothing worth remembering.
    pub(crate) fn calm(&self, now: Instant) -> bool {
        self.crashes.iter().all(|at| now.saturating_duration_since(*at) >= WINDOW)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn five_crashes_open_it_and_the_pause_doubles() {
        let start = Instant::now();
        let mut circuit = Circuit::default();
        for second in 0..4 {
            circuit.crashed(start + Duration::from_secs(second));
        }
        let fifth = start + Duration::from_secs(4);
        assert_eq!(circuit.refuses(fifth), None);
        circuit.crashed(fifth);
        assert_eq!(circuit.refuses(fifth), Some(FIRST_PAUSE));
        let later = fifth + FIRST_PAUSE;
        assert_eq!(circuit.refuses(later), None);
        circuit.crashed(later);
        assert_eq!(circuit.refuses(later), Some(FIRST_PAUSE * 2));
        assert!(!circuit.calm(later) && circuit.calm(later + WINDOW));
    }
}
