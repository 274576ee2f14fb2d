//! What an install works with: the list, the tool, and how a tool is run.
//!
//! Knows nothing of one language's tool, and nothing of the order of the steps.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::deps::blame::{Fault, blame};
use crate::deps::folders::Folders;
use crate::deps::list::List;
use crate::deps::progress::Progress;
use crate::deps::tools::{Tool, Tools, ask};
use crate::workshop::{Order, Printed};

/// Longest run of a tool, and of a wait for another's. What has to be compiled may take its time.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30 * 60);
/// Lines of a tool's output that are kept for the error, and what of each.
const KEPT_LINES: usize = 400;
const KEPT_BYTES: usize = 8 << 10;
/// The user's own settings, which tools look for in their home.
const SETTINGS: [&str; 6] =
    [".npmrc", ".netrc", ".config/pip/pip.conf", ".pip/pip.conf", ".config/go/env", ".gitconfig"];

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

    /// An order to run a program of the tool, which sees the functions and writes to `partial`.
    pub(crate) fn order<A: Into<OsString>>(
        &self,
        program: &Path,
        arguments: impl IntoIterator<Item = A>,
        folder: &Path,
        env: &[(&str, &str)],
        partial: &Path,
    ) -> Order {
        let mut order = self.tools.order(self.tool, program, arguments, folder, env);
        if self.tool.in_image {
            let home = home(partial).to_string_lossy().into_owned();
            order.env.push(("HOME".into(), home));
        }
        order.reads.push(self.list.root.clone());
        order.writes.push(partial.to_owned());
        order.online = true;
        order
    }

    /// What a program of the tool prints in one line.
    pub(crate) async fn ask(
        &self,
        program: &Path,
        arguments: &[&str],
        partial: &Path,
    ) -> Result<String, String> {
        ask(self.tool, &self.order(program, arguments, partial, &[], partial)).await
    }

    /// Runs a tool; the lines that it printed to stdout go to `stdout` as well.
    pub(crate) async fn run(
        &self,
        order: &Order,
        mut stdout: impl FnMut(&str) + Send,
    ) -> Result<(), Fault> {
        let mut kept = VecDeque::with_capacity(KEPT_LINES);
        let mut listen = |printed: Printed| {
            let mut line = without_passwords(&printed.text);
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
            line.truncate(line.floor_char_boundary(KEPT_BYTES));
            kept.push_back(line);
        };
        match self.tool.workshop.run(order, PATIENCE, &mut listen).await {
            Ok(true) => Ok(()),
            Ok(false) => Err(blame(self.list.language, kept.into())),
            Err(error) => {
                let why = format!("'{}': {error}", order.program.display());
                Err(Fault { output: kept.into(), ..Fault::new(why) })
            }
        }
    }

    /// A folder for what the tools write in passing: swept with the set.
    pub(crate) fn temporary(&self, partial: &Path) -> Result<String, Fault> {
        let folder = partial.join("tmp");
        std::fs::create_dir_all(&folder).map_err(Fault::new)?;
        if self.tool.in_image {
            self.bring_settings(&home(partial)).map_err(Fault::new)?;
        }
        Ok(folder.to_string_lossy().into_owned())
    }

    /// Gives tools that do not see the user's home what of it they look for.
    fn bring_settings(&self, home: &Path) -> io::Result<()> {
        for name in SETTINGS {
            let Some(from) = self.tools.home().map(|home| home.join(name)) else { continue };
            if from.is_file() {
                let to = home.join(name);
                std::fs::create_dir_all(to.parent().unwrap_or(home))?;
                std::fs::copy(from, to)?;
            }
        }
        std::fs::create_dir_all(home)
    }
}

/// Of a tool that has none, for as long as it runs.
fn home(partial: &Path) -> PathBuf {
    partial.join("tmp/home")
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
