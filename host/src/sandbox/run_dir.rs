//! The host's folder for sockets and workers' private files.
//!
//! Each running host has one of its own, held by a lock; what a killed host of the same project
//! left behind is removed by the next. Knows nothing of what is put inside.

use std::fs::{File, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};

/// A private folder that goes when its owner goes.
#[derive(Debug)]
pub struct RunDir {
    path: PathBuf,
    _lock: File,
}

impl RunDir {
    /// Makes `<base>/alyx-<uid>/<instance>-<pid>` with folders for sockets and workers.
    ///
    /// # Errors
    /// When a folder cannot be made or belongs to somebody else.
    pub fn create(base: &Path, instance: &str) -> io::Result<Self> {
        let uid = rustix::process::getuid().as_raw();
        let shared = base.join(format!("alyx-{uid}"));
        private_dir(&shared, true)?;
        let path = shared.join(format!("{instance}-{}", std::process::id()));
        remove_leftovers(&shared, instance);
        // Under its own name only once it is locked: until then it looks like a leftover.
        let fresh = shared.join(format!("new-{instance}-{}", std::process::id()));
        // In a container the one before may have had this very number.
        for left in [Some(&fresh), Some(&path).filter(|path| !path.join("lock").exists())] {
            let _there_is_none = left.map(std::fs::remove_dir_all);
        }
        private_dir(&fresh, false)?;
        let lock = File::create(fresh.join("lock"))?;
        flock(&lock, FlockOperation::NonBlockingLockExclusive)?;
        for inner in ["s", "w"] {
            private_dir(&fresh.join(inner), false)?;
        }
        std::fs::DirBuilder::new().mode(0o700).create(fresh.join("c"))?;
        std::fs::rename(&fresh, &path)?;
        Ok(RunDir { path, _lock: lock })
    }

    /// What no other host on this machine is called: `<instance>-<pid>`.
    #[must_use]
    pub fn name(&self) -> String {
        let name = self.path.file_name().unwrap_or_default();
        name.to_string_lossy().into_owned()
    }

    /// The folder itself.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What is the same at each start of this project's host.
    #[must_use]
    pub fn project(&self) -> String {
        let name = self.name();
        name.rsplit_once('-').map_or_else(|| name.clone(), |(project, _)| project.to_owned())
    }

    /// Where the sockets of workers in containers go: no user of this machine gets there, so that
    /// what is inside can be open to whoever the container's user is.
    #[must_use]
    pub fn container_sockets(&self) -> PathBuf {
        self.path.join("c")
    }

    /// Where the workers' sockets go, one folder each.
    #[must_use]
    pub fn sockets(&self) -> PathBuf {
        self.path.join("s")
    }

    /// Where the workers' private folders go.
    #[must_use]
    pub fn workers(&self) -> PathBuf {
        self.path.join("w")
    }

    /// A database that nobody keeps.
    #[must_use]
    pub fn scratch(&self) -> PathBuf {
        self.path.join("scratch.db")
    }
}

impl Drop for RunDir {
    fn drop(&mut self) {
        let _already_gone = std::fs::remove_dir_all(&self.path);
    }
}

/// True when the host that made the folder still runs.
#[must_use]
pub fn is_held(folder: &Path) -> bool {
    match File::open(folder.join("lock")) {
        Ok(lock) => flock(&lock, FlockOperation::NonBlockingLockShared).is_err(),
        // Somebody may have removed the folder under a host that runs.
        Err(_) => {
            let name = folder.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            let pid = name.rsplit_once('-').map(|(_, pid)| pid).filter(|pid| !pid.is_empty());
            pid.is_some_and(|pid| Path::new("/proc").join(pid).exists())
        }
    }
}

fn private_dir(path: &Path, may_exist: bool) -> io::Result<()> {
    let owner = rustix::process::getuid().as_raw();
    // Workers of root are somebody else and have to get at what is theirs inside.
    let mode = if owner == 0 { 0o711 } else { 0o700 };
    let made = match std::fs::DirBuilder::new().mode(mode).create(path) {
        Err(e) if may_exist && e.kind() == io::ErrorKind::AlreadyExists => {
            use std::os::unix::fs::MetadataExt;
            let found = std::fs::symlink_metadata(path)?;
            if found.is_dir() && found.uid() == owner {
                Ok(())
            } else {
                Err(io::Error::other(format!("'{}' belongs to somebody else", path.display())))
            }
        }
        made => made.map_err(|e| io::Error::new(e.kind(), format!("'{}': {e}", path.display()))),
    };
    // Whatever the umask says, and whoever made it.
    made.and_then(|()| std::fs::set_permissions(path, Permissions::from_mode(mode)))
}

/// Makes a folder of a running host anew that somebody has removed, such as a cleaner of /tmp.
///
/// # Errors
/// When it cannot be made or belongs to somebody else.
pub(crate) fn restore(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    path.parent().map_or(Ok(()), restore)?;
    tracing::warn!("the folder '{}' has been removed; it is made anew", path.display());
    private_dir(path, true)
}

/// Removes the folders of hosts of this project that have ended.
fn remove_leftovers(shared: &Path, instance: &str) {
    for entry in std::fs::read_dir(shared).into_iter().flatten().flatten() {
        if is_left(&entry.path(), instance) {
            let _in_use_after_all = std::fs::remove_dir_all(entry.path());
        }
    }
}

fn is_left(folder: &Path, instance: &str) -> bool {
    let name = folder.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let finished = name.strip_prefix("new-");
    let host = finished.unwrap_or(name).strip_prefix(instance);
    let Some(pid) = host.and_then(|rest| rest.strip_prefix('-')) else { return false };
    match File::open(folder.join("lock")) {
        Ok(lock) if finished.is_none() => {
            flock(&lock, FlockOperation::NonBlockingLockExclusive).is_ok()
        }
        // Not finished, or made anew while its host was running.
        _ => !Path::new("/proc").join(pid).exists(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_that_start_together_leave_each_other_alone() {
        let base = tempfile::tempdir().unwrap();
        let (shared, done) = (base.path().to_owned(), std::sync::atomic::AtomicBool::new(false));
        std::thread::scope(|scope| {
            let folder = shared.join(format!("alyx-{}", rustix::process::getuid().as_raw()));
            let done = &done;
            scope.spawn(move || {
                while !done.load(std::sync::atomic::Ordering::Relaxed) {
                    remove_leftovers(&folder, "aa");
                }
            });
            for _ in 0..500 {
                let own = RunDir::create(&shared, "aa").unwrap();
                assert!(own.sockets().is_dir());
            }
            done.store(true, std::sync::atomic::Ordering::Relaxed);
        });
    }

    #[test]
    fn what_a_host_left_that_was_killed_in_its_first_moments_goes_as_well() {
        let base = tempfile::tempdir().unwrap();
        let own = RunDir::create(base.path(), "aa").unwrap();
        let shared = own.path.parent().unwrap().to_path_buf();
        // No process has such a number; process 1 runs always.
        for name in ["new-aa-99999999", "aa-99999999", "new-aa-1", "aa-1", "new-bb-99999999"] {
            std::fs::create_dir(shared.join(name)).unwrap();
        }
        remove_leftovers(&shared, "aa");
        let there = |name: &str| shared.join(name).exists();
        assert!(!there("new-aa-99999999") && !there("aa-99999999"));
        assert!(there("new-aa-1") && there("aa-1") && there("new-bb-99999999"));
    }

    #[test]
    fn a_folder_that_was_removed_is_made_anew_with_all_above_it() {
        let base = tempfile::tempdir().unwrap();
        let own = RunDir::create(base.path(), "aa").unwrap();
        std::fs::remove_dir_all(own.path.parent().unwrap()).unwrap();
        restore(&own.sockets()).unwrap();
        assert!(own.sockets().is_dir());
        let path = own.path.clone();
        remove_leftovers(path.parent().unwrap(), "bb");
        assert!(path.is_dir());
        drop(own);
        assert!(!path.exists());
    }

    #[test]
    fn leftovers_of_the_same_project_go_and_others_stay() {
        let base = tempfile::tempdir().unwrap();
        let first = RunDir::create(base.path(), "aa").unwrap();
        let shared = first.path.parent().unwrap().to_path_buf();
        for name in ["aa-1", "bb-1"] {
            std::fs::create_dir(shared.join(name)).unwrap();
            File::create(shared.join(name).join("lock")).unwrap();
        }
        remove_leftovers(&shared, "aa");
        assert!(
            first.path.exists() && shared.join("bb-1").exists() && !shared.join("aa-1").exists()
        );
        drop(first);
        assert_eq!(std::fs::read_dir(&shared).unwrap().count(), 1);
    }
}
