//! Where the functions are that a shim is asked to load.
//!
//! A fixture is a file in the runtime's folder, found by its name. A runtime that compiles has a
//! `prepare` command; what that prints when it fails stands for the shim's refusal to load.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::process::Command;
use tokio::time::timeout;

use crate::config::fill;

/// How long one `prepare` may take: a cold compiler included.
const PREPARE_PATIENCE: Duration = Duration::from_secs(180);

/// A fixture as the shim gets it.
#[derive(Debug, Clone)]
pub enum Fixture {
    /// The path to load.
    Ready(PathBuf),
    /// `prepare` refused it: the error that a shim would have answered.
    Refused(Value),
}

/// All fixtures of one runtime.
#[derive(Debug, Default)]
pub struct Fixtures {
    root: PathBuf,
    ready: BTreeMap<String, Fixture>,
}

/// Why the fixtures cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FixtureError {
    #[error(
        "no fixture '{name}' in '{folder}'; write it, or name under `same` of a config file \
         the one that stands for it, see the README of the suite"
    )]
    Missing { name: String, folder: String },
    #[error("cannot read the fixtures folder '{folder}': {source}; name it with --fixtures")]
    Folder { folder: String, source: std::io::Error },
    #[error("cannot prepare fixture '{name}': {why}")]
    Prepare { name: String, why: String },
}

impl Fixtures {
    /// Finds the fixtures called `names` in `root` and prepares them where a command is given;
    /// `same` names for some of them another that stands for it.
    ///
    /// # Errors
    /// [`FixtureError`]; a fixture that fails to compile is none.
    pub async fn collect(
        root: &Path,
        names: &[String],
        same: &BTreeMap<String, String>,
        prepare: Option<&[String]>,
        folder_for_built: &Path,
    ) -> Result<Self, FixtureError> {
        let named = |source| FixtureError::Folder { folder: root.display().to_string(), source };
        let root = root.canonicalize().map_err(named)?;
        let mut ready = BTreeMap::new();
        let own: BTreeSet<&String> =
            names.iter().map(|name| same.get(name).unwrap_or(name)).collect();
        for name in own {
            let source = find(&root, name)?;
            let fixture = match prepare {
                None => Fixture::Ready(entry(source)),
                Some(command) => {
                    prepared(command, name, &root, &source, &folder_for_built.join(name)).await?
                }
            };
            ready.insert(name.clone(), fixture);
        }
        for (name, other) in same.iter().filter(|(name, _)| names.contains(name)) {
            let fixture = ready[other].clone();
            ready.insert(name.clone(), fixture);
        }
        Ok(Fixtures { root, ready })
    }

    /// The fixture of this name, if the cases asked for it.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Fixture> {
        self.ready.get(name)
    }

    /// The path a message names: of a fixture, or of the whole folder for the empty name.
    ///
    /// # Errors
    /// That the suite does not know the fixture.
    pub fn locate(&self, name: &str) -> Result<String, String> {
        if name.is_empty() {
            return Ok(self.root.display().to_string());
        }
        match self.ready.get(name) {
            Some(Fixture::Ready(path)) => Ok(path.display().to_string()),
            Some(Fixture::Refused(_)) => Ok(format!("{}/{name}", self.root.display())),
            None => Err(format!("no fixture '{name}' was collected")),
        }
    }
}

/// The file whose name without its ending is `name`, or the folder of that name.
fn find(root: &Path, name: &str) -> Result<PathBuf, FixtureError> {
    let folder = root.display().to_string();
    let entries = std::fs::read_dir(root)
        .map_err(|source| FixtureError::Folder { folder: folder.clone(), source })?;
    let mut found: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.file_stem().is_some_and(|stem| stem == name))
        .collect();
    found.sort();
    found.into_iter().next().ok_or(FixtureError::Missing { name: name.to_owned(), folder })
}

/// The file that a shim is told to load: of a folder, the one called `main` or `index`.
fn entry(source: PathBuf) -> PathBuf {
    let inside = |name: &str| find(&source, name).ok();
    if source.is_dir() { inside("main").or(inside("index")).unwrap_or(source) } else { source }
}

async fn prepared(
    command: &[String],
    name: &str,
    root: &Path,
    source: &Path,
    out: &Path,
) -> Result<Fixture, FixtureError> {
    let refuse = |why: String| FixtureError::Prepare { name: name.to_owned(), why };
    let shown = |path: &Path| path.display().to_string();
    let command =
        fill(command, &[("source", &shown(source)), ("root", &shown(root)), ("out", &shown(out))]);
    let program = command.first().ok_or_else(|| refuse("`prepare` is empty".into()))?;
    let run =
        Command::new(program).args(&command[1..]).stdin(Stdio::null()).kill_on_drop(true).output();
    let output = timeout(PREPARE_PATIENCE, run)
        .await
        .map_err(|_| refuse(format!("'{program}' took longer than {PREPARE_PATIENCE:?}")))?
        .map_err(|e| refuse(format!("cannot run '{program}': {e}")))?;
    if output.status.success() {
        return Ok(Fixture::Ready(out.to_owned()));
    }
    let printed = String::from_utf8_lossy(&output.stdout);
    let report = printed.lines().rev().find_map(|line| serde_json::from_str(line).ok());
    match report {
        Some(report) => Ok(Fixture::Refused(load_error(report))),
        None => Err(refuse(format!(
            "'{program}' failed without a line of JSON: {}",
            String::from_utf8_lossy(&output.stderr).trim_end()
        ))),
    }
}

/// The report of a failed `prepare` as a shim's answer to `load`.
///
/// The report is `{message, details: {kind, file, line, column}, stack?}`, bare or under `error`.
fn load_error(report: Value) -> Value {
    let report = report.get("error").cloned().unwrap_or(report);
    let member = |name: &str| {
        report.get(name).or_else(|| report.get("data")?.get(name)).cloned().unwrap_or(Value::Null)
    };
    let details = match member("details") {
        Value::Null => {
            let mut bare = report.clone();
            for known in ["message", "stack", "code", "data"] {
                bare.as_object_mut().map(|members| members.remove(known));
            }
            bare
        }
        details => details,
    };
    json!({
        "code": -32023,
        "message": member("message"),
        "data": {"code": "LOAD_FAILED", "details": details, "stack": member("stack")},
    })
}

/// Runs the commands that must succeed before a runtime can be started at all.
///
/// # Errors
/// Which of them failed, with what it wrote.
pub async fn set_up(commands: &[Vec<String>]) -> Result<(), String> {
    for command in commands {
        let Some(program) = command.first() else { continue };
        let mut run = Command::new(program);
        run.args(&command[1..]).stdin(Stdio::null()).kill_on_drop(true);
        let output = timeout(PREPARE_PATIENCE, run.output())
            .await
            .map_err(|_| format!("setup '{program}' took longer than {PREPARE_PATIENCE:?}"))?
            .map_err(|e| format!("cannot run setup '{program}': {e}"))?;
        if !output.status.success() {
            let wrote = String::from_utf8_lossy(&output.stderr);
            return Err(format!("setup '{}' failed:\n{}", command.join(" "), wrote.trim_end()));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_of_prepare_becomes_the_answer_of_a_shim() {
        let details = json!({"kind": "syntax", "file": "/f/a.go", "line": 4});
        let full = json!({"message": "m", "details": details});
        let bare = json!({"ok": false, "error": {"message": "m", "kind": "syntax", "file": "/f/a.go", "line": 4}});
        for report in [full, bare] {
            let error = load_error(report);
            assert_eq!(error["code"], -32023);
            assert_eq!(error["message"], "m");
            assert_eq!(error["data"]["details"], details);
        }
    }
}
