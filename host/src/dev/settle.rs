//! When a row of changes has come to rest, so that half-written files are not read.
//!
//! Knows neither files nor clocks: it is told what was touched, and when.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::time::Instant;

/// After the last change, when all files touched are whole.
const QUIET: Duration = Duration::from_millis(8);
/// The same when one may be in the middle of being written, or about to come back.
const UNSURE: Duration = Duration::from_millis(100);
/// Nobody waits longer than this for somebody else to stop.
const LONGEST: Duration = Duration::from_millis(500);

/// What happened to a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Touch {
    /// It is being written, or gone.
    Begun,
    /// It is whole.
    Done,
}

/// Changes that nobody has looked at.
#[derive(Debug, Default)]
pub(crate) struct Settling {
    first: Option<Instant>,
    last: Option<Instant>,
    begun: HashSet<PathBuf>,
}

impl Settling {
    pub(crate) fn touch(&mut self, path: &Path, touch: Touch, now: Instant) {
        self.first.get_or_insert(now);
        self.last = Some(now);
        match touch {
            Touch::Begun => self.begun.insert(path.to_owned()),
            Touch::Done => self.begun.remove(path),
        };
    }

    /// When to look; none when nothing was touched.
    pub(crate) fn due(&self) -> Option<Instant> {
        let (first, last) = (self.first?, self.last?);
        let pause = if self.begun.is_empty() { QUIET } else { UNSURE };
        Some((last + pause).min(first + LONGEST))
    }

    /// Somebody looks now.
    pub(crate) fn clear(&mut self) {
        *self = Settling::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_whole_file_is_due_soon_and_a_half_one_later() {
        let (mut settling, start) = (Settling::default(), Instant::now());
        assert_eq!(settling.due(), None);
        settling.touch(Path::new("a"), Touch::Begun, start);
        assert_eq!(settling.due(), Some(start + UNSURE));
        settling.touch(Path::new("a"), Touch::Done, start);
        assert_eq!(settling.due(), Some(start + QUIET));
        settling.touch(Path::new("b"), Touch::Begun, start);
        settling.touch(Path::new("a"), Touch::Done, start);
        assert_eq!(settling.due(), Some(start + UNSURE));
        settling.clear();
        assert_eq!(settling.due(), None);
    }

    #[test]
    fn a_row_without_an_end_is_looked_at_all_the_same() {
        let (mut settling, start) = (Settling::default(), Instant::now());
        for n in 0..100 {
            settling.touch(Path::new("a"), Touch::Begun, start + Duration::from_millis(n * 10));
        }
        assert_eq!(settling.due(), Some(start + LONGEST));
    }
}
