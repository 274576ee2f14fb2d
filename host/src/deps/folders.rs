//! Where sets lie: `.alyx/deps/<runtime>/<key>`, and what points to the one in use.
//!
//! A set appears whole, by one rename, and never changes after that. What is left of an install
//! that was killed is swept by the next. Knows nothing of package managers.

use std::ffi::OsString;
use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Component, Path, PathBuf};
use std::time::{Duration, SystemTime};

use rustix::fs::{FlockOperation, flock};

use crate::deps::list::List;
use crate::registry::imports::Language;

/// Hexadecimal digits of a key.
pub(crate) const KEY: usize = 32;
/// Sets out of use that are kept in any case, newest first.
const KEPT: usize = 3;
/// For how long the others are.
const KEPT_FOR: Duration = Duration::from_secs(7 * 24 * 3600);

/// The folder of all sets of a project.
#[derive(Debug, Clone)]
pub struct Folders(PathBuf);

/// What stands where Node.js looks for packages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pointed {
    Nothing,
    /// A link to this set.
    Set(PathBuf),
    /// A folder, or a link elsewhere, that is the user's own.
    Foreign,
}

impl Folders {
    #[must_use]
    pub fn of(project: &Path) -> Folders {
        Folders(project.join(".alyx/deps"))
    }

    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Makes the folder, so that workers that are started from now on can see what comes into it.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn create(&self) -> io::Result<()> {
        fs::create_dir_all(&self.0)?;
        // Installed packages are no part of the project's history.
        let ignored = self.0.join(".gitignore");
        if !ignored.exists() {
            fs::write(ignored, "*\n")?;
        }
        Ok(())
    }

    fn of_language(&self, language: Language) -> PathBuf {
        self.0.join(name(language))
    }

    #[must_use]
    pub fn set(&self, language: Language, key: &str) -> PathBuf {
        self.of_language(language).join(key)
    }

    /// Where all modules of Go are.
    #[must_use]
    pub fn modules(&self) -> PathBuf {
        self.of_language(Language::Go).join("mod")
    }

    /// Whether the set is installed.
    #[must_use]
    pub fn has(&self, language: Language, key: &str) -> bool {
        let set = self.set(language, key);
        match language {
            Language::Node => set.join("node_modules").is_dir(),
            Language::Python => set.join("site-packages").is_dir(),
            Language::Go => match fs::read_to_string(set.join("modules")) {
                Ok(list) => list.lines().all(|module| self.modules().join(module).is_dir()),
                Err(_) => false,
            },
        }
    }

    /// What points to the set that a list's functions use.
    fn pointer(&self, list: &List) -> PathBuf {
        match list.language {
            Language::Node => list.folder.join("node_modules"),
            language => self.of_language(language).join(format!("current@{}", list.scope())),
        }
    }

    /// The set in use, if any.
    #[must_use]
    pub fn pointed(&self, list: &List) -> Pointed {
        let pointer = self.pointer(list);
        let Ok(found) = pointer.symlink_metadata() else { return Pointed::Nothing };
        let target = if found.is_symlink() { fs::read_link(&pointer).ok() } else { None };
        let Some(target) = target else { return Pointed::Foreign };
        let target = plain(&pointer.with_file_name("").join(target));
        let target = if list.language == Language::Node { parent(&target) } else { target };
        let ours = [Some(self.0.clone()), self.0.canonicalize().ok()];
        if ours.iter().flatten().any(|ours| target.starts_with(ours)) {
            Pointed::Set(target)
        } else {
            Pointed::Foreign
        }
    }

    /// Has the list's functions use this set from now on, in one step.
    ///
    /// # Errors
    /// When the link cannot be made.
    pub fn point(&self, list: &List, set: &Path) -> io::Result<()> {
        let pointer = self.pointer(list);
        let set = set.canonicalize()?;
        if self.pointed(list) == Pointed::Set(set.clone()) {
            return Ok(());
        }
        let target = if list.language == Language::Node { set.join("node_modules") } else { set };
        let folder = parent(&pointer).canonicalize()?;
        let fresh = folder.join(format!(".alyx-link-{}", std::process::id()));
        let _none_as_a_rule = fs::remove_file(&fresh);
        symlink(between(&folder, &target), &fresh)?;
        fs::rename(&fresh, pointer).inspect_err(|_| drop(fs::remove_file(&fresh)))
    }

    /// The right to install sets of this language; none while somebody else has it.
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub fn try_lock(&self, language: Language) -> io::Result<Option<File>> {
        let folder = self.of_language(language);
        self.create()?;
        fs::create_dir_all(&folder)?;
        let lock = File::options().create(true).append(true).open(folder.join(".lock"))?;
        match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Some(lock)),
            Err(rustix::io::Errno::WOULDBLOCK) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// A fresh folder to install into; what was left of earlier ones is removed. Only for who has
    /// the lock.
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub fn begin(&self, language: Language, key: &str) -> io::Result<PathBuf> {
        let folder = self.of_language(language);
        for entry in fs::read_dir(&folder)? {
            let path = entry?.path();
            if path.extension().is_some_and(|end| end == "partial" || end == "old") {
                remove(&path)?;
            }
        }
        let partial = folder.join(format!("{key}.partial"));
        fs::create_dir(&partial)?;
        fs::set_permissions(&partial, Permissions::from_mode(0o755))?;
        Ok(partial)
    }

    /// Puts a finished set in its place, read only.
    ///
    /// # Errors
    /// When it cannot be moved.
    pub fn finish(&self, language: Language, key: &str, partial: &Path) -> io::Result<PathBuf> {
        for entry in fs::read_dir(partial)? {
            seal(&entry?.path())?;
        }
        let set = self.set(language, key);
        if set.exists() {
            // There, but not whole: somebody has removed a part of it.
            let broken = set.with_extension("old");
            fs::rename(&set, &broken)?;
            remove(&broken)?;
        }
        fs::rename(partial, &set)?;
        Ok(set)
    }

    /// Notes that a set is in use.
    pub fn touch(&self, set: &Path) {
        if let Ok(folder) = File::open(set) {
            let _only_keeps_it_longer = folder.set_modified(SystemTime::now());
        }
    }

    /// Removes sets that nobody has used for long. Only for who has the lock.
    pub fn prune(&self, language: Language, in_use: &[PathBuf]) {
        let folder = self.of_language(language);
        let Ok(entries) = fs::read_dir(&folder) else { return };
        let (mut used, mut sets): (Vec<PathBuf>, Vec<_>) = (in_use.to_vec(), Vec::new());
        for path in entries.flatten().map(|entry| entry.path()) {
            if path.is_symlink() {
                used.extend(path.canonicalize());
            } else if is_key(&path) {
                let modified = path.metadata().and_then(|found| found.modified());
                sets.push((modified.unwrap_or(SystemTime::UNIX_EPOCH), path));
            }
        }
        let names: Vec<_> = used.iter().filter_map(|path| path.file_name()).collect();
        sets.retain(|(_, path)| path.file_name().is_none_or(|name| !names.contains(&name)));
        sets.sort_unstable_by(|a, b| b.cmp(a));
        let now = SystemTime::now();
        let long_ago = |time: &SystemTime| now.duration_since(*time).is_ok_and(|t| t > KEPT_FOR);
        for (_, path) in sets.iter().skip(KEPT).filter(|(time, _)| long_ago(time)) {
            let old = path.with_extension("old");
            let removed = fs::rename(path, &old).and_then(|()| remove(&old));
            match removed {
                Ok(()) => tracing::debug!("removed the unused packages in '{}'", path.display()),
                Err(error) => tracing::warn!("cannot remove '{}': {error}", path.display()),
            }
        }
    }
}

/// As in alyx.yaml.
#[must_use]
pub fn name(language: Language) -> &'static str {
    match language {
        Language::Node => "node",
        Language::Python => "python",
        Language::Go => "go",
    }
}

/// Where packages lie inside a set, for workers that have to be told.
pub(crate) fn importable(language: Language, set: &Path) -> Option<PathBuf> {
    (language == Language::Python).then(|| set.join("site-packages"))
}

fn is_key(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name.len() == KEY && name.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn parent(path: &Path) -> PathBuf {
    path.parent().unwrap_or(path).to_owned()
}

/// The path without `..`, which may lead to what is not there.
pub(crate) fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => drop(plain.pop()),
            Component::CurDir => {}
            part => plain.push(part),
        }
    }
    plain
}

/// The way from a folder to a path, both canonical: links stay good when the project moves.
pub(crate) fn between(folder: &Path, path: &Path) -> PathBuf {
    let shared = folder.components().zip(path.components()).take_while(|(a, b)| a == b).count();
    let up = folder.components().skip(shared).map(|_| OsString::from(".."));
    let down = path.components().skip(shared).map(|part| part.as_os_str().to_owned());
    up.chain(down).collect()
}

/// Takes the right to write from everybody, and lets everybody read: workers may be other users.
fn seal(path: &Path) -> io::Result<()> {
    let found = path.symlink_metadata()?;
    if found.is_symlink() {
        return Ok(());
    }
    let mode = found.permissions().mode();
    if found.is_dir() {
        for entry in fs::read_dir(path)? {
            seal(&entry?.path())?;
        }
        return fs::set_permissions(path, Permissions::from_mode(0o555));
    }
    let runs = if mode & 0o100 == 0 { 0 } else { 0o111 };
    fs::set_permissions(path, Permissions::from_mode(0o444 | runs))
}

/// Removes a folder that may be sealed.
pub(crate) fn remove(path: &Path) -> io::Result<()> {
    let found = match path.symlink_metadata() {
        Ok(found) => found,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    if !found.is_dir() {
        return fs::remove_file(path);
    }
    fs::set_permissions(path, Permissions::from_mode(0o700))?;
    for entry in fs::read_dir(path)? {
        remove(&entry?.path())?;
    }
    fs::remove_dir(path)
}

#[cfg(test)]
mod tests;
