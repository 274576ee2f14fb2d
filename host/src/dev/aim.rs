//! What each function is to become, so that no change is acted on twice.
//!
//! Plain notes: knows nothing of workers or files.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;

use crate::registry::Registry;
use crate::registry::function::Function;

/// A file that is gone for less than this may be in the middle of being replaced.
const ABSENCE: Duration = Duration::from_millis(100);

/// The revisions, or problems, that were last acted on, by function.
#[derive(Debug, Default)]
pub(crate) struct Aims {
    aims: HashMap<String, String>,
    absent: HashMap<String, Instant>,
}

impl Aims {
    pub(crate) fn of(registry: &Registry) -> Aims {
        let aims = registry.iter().map(|function| (function.name.clone(), aim(function)));
        Aims { aims: aims.collect(), absent: HashMap::new() }
    }

    /// Notes the function as it is to be; false when that was noted before.
    pub(crate) fn set(&mut self, function: &Function) -> bool {
        let aim = aim(function);
        let before = self.aims.insert(function.name.clone(), aim.clone());
        before != Some(aim)
    }

    /// Whatever comes next is to be acted on.
    pub(crate) fn forget(&mut self, name: &str) {
        self.aims.remove(name);
        self.absent.remove(name);
    }

    /// The functions that are in none of both for long enough, and when to look for others.
    pub(crate) fn gone(
        &mut self,
        before: &Registry,
        now: &Registry,
        moment: Instant,
    ) -> (Vec<String>, Option<Instant>) {
        self.absent.retain(|name, _| now.get(name).is_none() && before.get(name).is_some());
        let missing = before.iter().filter(|function| now.get(&function.name).is_none());
        for function in missing {
            self.absent.entry(function.name.clone()).or_insert(moment);
        }
        let is_over = |since: &Instant| moment.duration_since(*since) >= ABSENCE;
        let gone = self.absent.iter().filter(|(_, since)| is_over(since));
        let mut gone: Vec<String> = gone.map(|(name, _)| name.clone()).collect();
        gone.sort_unstable();
        let waiting = self.absent.values().filter(|since| !is_over(since));
        (gone, waiting.min().map(|since| *since + ABSENCE))
    }
}

fn aim(function: &Function) -> String {
    match &function.problem {
        Some(problem) => format!("problem: {problem}"),
        None => function.revision.to_string(),
    }
}
