//! What an install works with: the list, the tool, and how a tool is run.
//!
//! Knows nothing of one language's tool, and nothing of the order of the steps.

use std::collections::VecDeque;
use std::path::Path;
use std::time::Duration;

use crate::deps::blame::{Fault, blame};
use crate::deps::folders::Folders;
use crate::deps::list::List;
use crate::deps::progress::Progress;
use crate::deps::tools::{Tool, Tools};
use crate::leash::{self, Order};

/// Longest run of a tool, and of a wait for another's. What has to be compiled may take its time.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30 * 60);
/// Lines of a tool's output that are kept for the error.
const KEPT_LINES: usize = 400;

/// What an install works with.
pub(crate) struct Job<'a> {
    pub(crate) list: &'a List,
    pub(crate) tool: &'a Tool,
    pub(crate) tools: &'a Tools,
    pub(crate) folders: &'a Folders,
    pub(crate) progress: &'a dyn Progress,
}

impl Job<'_> {
    /// Files by the thousand are no work for the threads that serve calls.
    pub(crate) async fn on_disk<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Folders) -> T + Send + 'static,
    ) -> Result<T, Fault> {
        let folders = self.folders.clone();
        tokio::task::spawn_blocking(move || work(&folders)).await.map_err(Fault::new)
    }

    /// Runs a tool; the lines that it printed to stdout go to `stdout` as well.
    pub(crate) async fn order(
        &self,
        order: &Order,
        mut stdout: impl FnMut(&str),
    ) -> Result<(), Fault> {
        let mut kept = VecDeque::with_capacity(KEPT_LINES);
        let ended = leash::run(order, PATIENCE, |printed| {
            let line = without_passwords(&printed.text);
            self.progress.says(&self.list.label, &line);
            if printed.stdout {
                stdout(&line);
            }
            // What went well is of no use when something else did not.
            if line.starts_with("npm http") {
                return;
            }
            if kept.len() == KEPT_LINES {
                kept.pop_front();
            }
            kept.push_back(line);
        });
        match ended.await {
            Ok(true) => Ok(()),
            Ok(false) => Err(blame(self.list.language, kept.into())),
            Err(error) => {
                let why = format!("'{}': {error}", order.program.display());
                Err(Fault { output: kept.into(), ..Fault::new(why) })
            }
        }
    }

    /// A folder for what the tools write in passing: swept with the set.
    pub(crate) fn temporary(partial: &Path) -> Result<String, Fault> {
        let folder = partial.join("tmp");
        std::fs::create_dir_all(&folder).map_err(Fault::new)?;
        Ok(folder.to_string_lossy().into_owned())
    }
}

/// Tools print addresses, and addresses may hold a password.
fn without_passwords(line: &str) -> String {
    let mut parts = line.split("://");
    let mut shown = parts.next().unwrap_or_default().to_owned();
    for rest in parts {
        let host = rest.find(['/', ' ', '\'', '"']).unwrap_or(rest.len());
        let secret = rest[..host].rfind('@');
        shown.push_str("://");
        shown.push_str(if secret.is_some() { "…" } else { "" });
        shown.push_str(&rest[secret.unwrap_or(0)..]);
    }
    shown
}

impl std::fmt::Debug for Job<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Job").field("list", &self.list.label).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_in_addresses_are_not_repeated() {
        for (line, shown) in [
            ("GET https://me:secret@npm.example/x 404", "GET https://…@npm.example/x 404"),
            ("GET https://npm.example/@scope/x", "GET https://npm.example/@scope/x"),
            ("in http://a:b@one/x, http://c:d@two", "in http://…@one/x, http://…@two"),
            ("no address", "no address"),
        ] {
            assert_eq!(without_passwords(line), shown);
        }
    }
}
