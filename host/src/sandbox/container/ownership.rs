//! Who a tool in a container is, so that what it writes is the host's in the end.
//!
//! Files in a folder of the host belong to a number, and what number a container's user has there
//! depends on engine and host. Knows nothing of tools.

use std::io;
use std::os::unix::fs::{MetadataExt, lchown};
use std::path::{Path, PathBuf};

use crate::engine::Engine;
use crate::sandbox::profile::NOBODY;

/// The user of a tool's container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum User {
    /// The host's own.
    Host { user: u32, group: u32 },
    /// Root of an engine that is an ordinary user's: outside it is that user.
    Rootless,
    /// Nobody, for a host that is root: it lends its folders.
    Nobody,
}

impl User {
    pub(crate) fn on(engine: &Engine) -> User {
        let user = rustix::process::geteuid();
        if engine.is_rootless() {
            User::Rootless
        } else if user.is_root() {
            User::Nobody
        } else {
            User::Host { user: user.as_raw(), group: rustix::process::getegid().as_raw() }
        }
    }

    /// As engines have it.
    pub(crate) fn spelt(self) -> String {
        match self {
            User::Host { user, group } => format!("{user}:{group}"),
            User::Rootless => "0:0".into(),
            User::Nobody => format!("{NOBODY}:{NOBODY}"),
        }
    }

    /// Makes folders the tool's for as long as it runs.
    pub(crate) async fn lend(self, folders: &[PathBuf]) -> io::Result<()> {
        self.hand_over(folders, NOBODY, NOBODY).await
    }

    /// Makes folders the tool's for good. Others may be at work there.
    pub(crate) async fn give(self, folders: &[PathBuf]) -> io::Result<()> {
        let mut fresh = Vec::new();
        for folder in folders {
            let inner = std::fs::read_dir(folder)?.flatten().map(|entry| entry.path());
            let is_ours =
                |path: &Path| path.symlink_metadata().is_ok_and(|found| found.uid() != NOBODY);
            if is_ours(folder) {
                fresh.push(folder.clone());
            } else {
                fresh.extend(inner.filter(|path| is_ours(path)));
            }
        }
        self.lend(&fresh).await
    }

    /// Makes them the host's again.
    pub(crate) async fn take_back(self, folders: &[PathBuf]) -> io::Result<()> {
        self.hand_over(folders, 0, 0).await
    }

    async fn hand_over(self, folders: &[PathBuf], user: u32, group: u32) -> io::Result<()> {
        if self != User::Nobody {
            return Ok(());
        }
        let folders = folders.to_vec();
        let all = move || folders.iter().try_for_each(|folder| own(folder, user, group));
        tokio::task::spawn_blocking(all).await.map_err(io::Error::other)?
    }
}

/// Follows no link: what a tool has made may lead anywhere.
fn own(path: &Path, user: u32, group: u32) -> io::Result<()> {
    let found = match path.symlink_metadata() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        found => found?,
    };
    if found.uid() != user || found.gid() != group {
        lchown(path, Some(user), Some(group))?;
    }
    if found.is_dir() {
        for entry in std::fs::read_dir(path)? {
            own(&entry?.path(), user, group)?;
        }
    }
    Ok(())
}
