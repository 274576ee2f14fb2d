//! Which host a container belongs to, and whether that host still lives: said by labels.
//!
//! Hosts that share an engine need not share a machine's view: one may itself run in a container.
//! A host is known to be dead only by one that sees the same folders.

use std::collections::HashMap;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::sandbox::run_dir::{self, RunDir};

/// The host's own start, which no other has.
pub(crate) const INSTANCE: &str = "dev.alyx.instance";
const PROJECT: &str = "dev.alyx.project";
const FOLDER: &str = "dev.alyx.folder";
const MACHINE: &str = "dev.alyx.machine";
const RUNTIME: &str = "dev.alyx.runtime";
const WORKER: &str = "dev.alyx.worker";

/// One start of one host.
#[derive(Debug, Clone)]
pub struct Identity {
    /// Of the project, the same at each start.
    pub(crate) project: String,
    /// Of this start.
    pub(crate) instance: String,
    folder: PathBuf,
    machine: String,
}

/// Whose a container is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Owner {
    Ours,
    /// A host of this project that is known to have ended.
    Dead,
    /// A host of this project of which only itself knows.
    Unknown,
    Somebody,
}

impl Identity {
    pub(crate) fn of(run_dir: &RunDir) -> Self {
        let machine = machine(run_dir.path());
        let mut nonce = [0; 4];
        // Without randomness the machine's name and the process tell hosts apart.
        let _rarely_needed = getrandom::fill(&mut nonce);
        Identity {
            project: run_dir.project(),
            instance: format!("{}-{}", run_dir.name(), hex::encode(nonce)),
            folder: run_dir.path().to_owned(),
            machine,
        }
    }

    /// What a container of this host carries.
    pub(crate) fn labels(&self, runtime: &str, worker: &str) -> HashMap<String, String> {
        let folder = self.folder.to_string_lossy();
        let labels = [
            (INSTANCE, self.instance.as_str()),
            (PROJECT, &self.project),
            (FOLDER, &folder),
            (MACHINE, &self.machine),
            (RUNTIME, runtime),
            (WORKER, worker),
        ];
        labels.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
    }

    pub(crate) fn owner(&self, labels: &HashMap<String, String>) -> Owner {
        let label = |name| labels.get(name).map(String::as_str);
        if label(PROJECT) != Some(&self.project) {
            return Owner::Somebody;
        }
        if label(INSTANCE) == Some(&self.instance) {
            return Owner::Ours;
        }
        match label(FOLDER) {
            Some(folder) if label(MACHINE) == Some(&self.machine) => {
                // In a container each start has the number of the one before, and so its folder.
                let lives = Path::new(folder) != self.folder && run_dir::is_held(folder.as_ref());
                if lives { Owner::Somebody } else { Owner::Dead }
            }
            _ => Owner::Unknown,
        }
    }
}

/// What hosts share that see the same folders: the name of the machine, which containers may have in
/// common, and the folder that holds those of all hosts.
fn machine(folder: &Path) -> String {
    let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let all = folder.parent().and_then(|all| std::fs::metadata(all).ok());
    all.map_or_else(|| name.clone(), |all| format!("{name}-{}-{}", all.dev(), all.ino()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn owners_are_told_apart_by_what_they_hold() {
        let base = tempfile::tempdir().unwrap();
        let here = RunDir::create(base.path(), "aa").unwrap();
        let ours = Identity::of(&here);
        let labels = ours.labels("node", "node-1");
        assert_eq!(ours.owner(&labels), Owner::Ours);
        let changed = |name: &str, value: &str| {
            let mut labels = labels.clone();
            labels.insert(INSTANCE.into(), "another".into());
            labels.insert(name.to_owned(), value.to_owned());
            ours.owner(&labels)
        };
        assert_eq!(changed(RUNTIME, "python"), Owner::Dead, "its folder is ours now");
        let other = RunDir::create(base.path(), "bb").unwrap();
        let held = other.path().to_string_lossy();
        assert_eq!(changed(FOLDER, &held), Owner::Somebody, "its lock is held");
        assert_eq!(changed(FOLDER, "/nowhere"), Owner::Dead);
        assert_eq!(changed(MACHINE, "elsewhere"), Owner::Unknown);
        assert_eq!(changed(PROJECT, "bb"), Owner::Somebody);
    }
}
