//! Finds interpreters and toolchains and asks them for their version.
//!
//! The program that answers is resolved to the real one, so that version managers' wrapper
//! scripts cost one start and not one per worker.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;

use crate::runtime::Unavailable;

/// How long an interpreter may take to tell its version.
const PATIENCE: Duration = Duration::from_secs(20);

/// An interpreter or toolchain that answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    pub program: PathBuf,
    pub version: String,
    /// What it reads to run, besides itself; some of it may not be there.
    pub reads: Vec<PathBuf>,
}

/// The first executable file of that name.
#[must_use]
pub fn on_path(path: &[PathBuf], name: &str) -> Option<PathBuf> {
    if name.contains('/') {
        return Some(PathBuf::from(name)).filter(|p| executable(p));
    }
    path.iter().map(|dir| dir.join(name)).find(|p| executable(p))
}

fn executable(path: &Path) -> bool {
    path.metadata().is_ok_and(|m| m.is_file() && m.permissions().mode() & 0o111 != 0)
}

/// Node.js.
///
/// # Errors
/// [`Unavailable`] when there is none or it is too old.
pub async fn node(path: &[PathBuf]) -> Result<Found, Unavailable> {
    let script = "console.log(process.execPath + '\\n' + process.versions.node)
        console.log(require('path').resolve(process.execPath, '../../lib'))";
    let wanted = Wanted { language: "Node.js", least: (20, 0), install: "apt-get install nodejs" };
    wanted.ask(path, &["node", "nodejs"], &["-e", script]).await
}

/// CPython.
///
/// # Errors
/// [`Unavailable`] when there is none or it is too old.
pub async fn python(path: &[PathBuf]) -> Result<Found, Unavailable> {
    // A virtual environment is a folder for nothing else; of what it is based on, its libraries.
    let script = "import sys, os
print(sys.executable)
print('.'.join(map(str, sys.version_info[:3])))
print(os.path.realpath(sys.executable))
for prefix in {sys.base_prefix, sys.base_exec_prefix}:
    print(os.path.join(prefix, 'lib'))
    print(os.path.join(prefix, 'lib64'))
if sys.prefix != sys.base_prefix:
    print(sys.prefix)";
    let wanted = Wanted { language: "Python", least: (3, 9), install: "apt-get install python3" };
    wanted.ask(path, &["python3", "python"], &["-c", script]).await
}

/// The Go toolchain.
///
/// # Errors
/// [`Unavailable`] when there is none or it is too old.
pub async fn go(path: &[PathBuf]) -> Result<Found, Unavailable> {
    let wanted = Wanted { language: "Go", least: (1, 22), install: "apt-get install golang" };
    let found = wanted.ask(path, &["go"], &["env", "GOROOT", "GOVERSION"]).await?;
    Ok(Found { program: found.program.join("bin/go"), ..found })
}

struct Wanted {
    language: &'static str,
    least: (u32, u32),
    install: &'static str,
}

impl Wanted {
    /// Runs the first of `names` that is on the path; it prints a path and a version.
    async fn ask(
        &self,
        path: &[PathBuf],
        names: &[&str],
        args: &[&str],
    ) -> Result<Found, Unavailable> {
        let program = names
            .iter()
            .find_map(|name| on_path(path, name))
            .ok_or_else(|| self.unavailable(&format!("no '{}' on PATH", names[0])))?;
        let shown = program.display().to_string();
        let asked =
            Command::new(&program).args(args).stdin(Stdio::null()).kill_on_drop(true).output();
        let answer = match tokio::time::timeout(PATIENCE, asked).await {
            Ok(Ok(output)) if output.status.success() => output,
            Ok(Ok(output)) => {
                let why = String::from_utf8_lossy(&output.stderr).trim().to_owned();
                return Err(self.unavailable(&format!("'{shown}' does not run: {why}")));
            }
            Ok(Err(e)) => return Err(self.unavailable(&format!("'{shown}' does not run: {e}"))),
            Err(_) => {
                return Err(self.unavailable(&format!("'{shown}' gave no answer in {PATIENCE:?}")));
            }
        };
        let text = String::from_utf8_lossy(&answer.stdout);
        let mut lines = text.lines();
        let (Some(program), Some(version)) = (lines.next(), lines.next()) else {
            return Err(self.unavailable(&format!("'{shown}' answered '{}'", text.trim())));
        };
        let version = version.trim_start_matches("go").to_owned();
        if number(&version) < self.least {
            return Err(self.unavailable(&format!("'{shown}' is version {version}")));
        }
        let reads = lines.map(PathBuf::from).collect();
        Ok(Found { program: PathBuf::from(program), version, reads })
    }

    fn unavailable(&self, why: &str) -> Unavailable {
        let (major, minor) = self.least;
        Unavailable(format!(
            "{why}; install {} {major}.{minor} or newer (Debian 13: {}) and restart",
            self.language, self.install
        ))
    }
}

fn number(version: &str) -> (u32, u32) {
    let mut parts = version.split(|c: char| !c.is_ascii_digit()).map(|n| n.parse().unwrap_or(0));
    (parts.next().unwrap_or(0), parts.next().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_compare_by_number() {
        assert!(number("1.9rc1") < number("1.22.0") && number("20.20.2") > number("20.0"));
    }

    #[tokio::test]
    async fn a_missing_interpreter_is_told_with_what_to_install() {
        let error = node(&[]).await.unwrap_err().to_string();
        assert_eq!(
            error,
            "no 'node' on PATH; install Node.js 20.0 or newer (Debian 13: apt-get install nodejs) and restart"
        );
    }
}
