//! Node.js: npm installs into a copy of the list's place in the project.
//!
//! The user's folder is not written, but for the lock that npm makes where there is none.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use crate::deps::blame::Fault;
use crate::deps::folders::{between, plain, remove};
use crate::deps::job::Job;
use crate::deps::list::List;
use crate::deps::list::node::LOCKS;
use crate::registry::imports::Language;

/// Files of a local package; more are data that has no place in one.
const MAX_FILES: usize = 10_000;
const OPTIONS: [&str; 6] = [
    "--omit=dev",
    "--no-audit",
    "--no-fund",
    "--no-update-notifier",
    "--progress=false",
    "--loglevel=http",
];

/// The list as it is once a lock has been written, where there was none.
pub(crate) async fn install(
    job: &Job<'_>,
    partial: &Path,
    locked: bool,
    local: &[PathBuf],
) -> Result<Option<List>, Fault> {
    let list = job.list;
    let stage = partial.join("stage");
    let place = stage.join(list.folder.strip_prefix(&list.root).unwrap_or(Path::new("")));
    let copied = copy(list, local, &stage, &place);
    copied.map_err(|error| Fault::new(format!("cannot copy '{}': {error}", list.label)))?;
    let temporary = job.temporary(partial)?;
    let (program, npm) = npm(job)?;
    let verb = if locked { "ci" } else { "install" };
    let arguments = [OsStr::new(verb)].into_iter().chain(OPTIONS.iter().map(OsStr::new));
    let order = job.order(
        &program,
        npm.iter().map(|npm| npm.as_os_str()).chain(arguments),
        &place,
        &[("TMPDIR", &temporary), ("NODE_ENV", "production")],
        partial,
    );
    job.run(&order, |_| {}).await?;
    let lock = if locked { None } else { keep_lock(job, &place) };
    let (root, partial) = (list.root.clone(), partial.to_owned());
    let moved = job.on_disk(move |_| take(&partial, &stage, &place, &root)).await?;
    moved.map_err(|error| Fault::new(format!("cannot move what npm has installed: {error}")))?;
    Ok(lock)
}

/// npm, and what runs it: a script, for the very Node.js that runs functions. In an image its own
/// first line knows.
fn npm(job: &Job<'_>) -> Result<(PathBuf, Option<PathBuf>), Fault> {
    if job.tool.in_image {
        return Ok(("npm".into(), None));
    }
    let npm = job.tools.npm(&job.tool.program).map_err(Fault::new)?;
    Ok((job.tool.program.clone(), Some(npm)))
}

/// What npm reads, at the same places relative to each other.
fn copy(list: &List, local: &[PathBuf], stage: &Path, place: &Path) -> io::Result<()> {
    fs::create_dir_all(place)?;
    for name in ["package.json", ".npmrc"].into_iter().chain(LOCKS) {
        match fs::copy(list.folder.join(name), place.join(name)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    for from in local {
        let to = stage.join(from.strip_prefix(&list.root).unwrap_or(from));
        copy_package(from, &to)?;
    }
    Ok(())
}

/// Copies a package of the project, without what was installed in it.
pub(crate) fn copy_package(from: &Path, to: &Path) -> io::Result<()> {
    copy_all(from, to, &mut MAX_FILES.clone())
}

fn copy_all(from: &Path, to: &Path, left: &mut usize) -> io::Result<()> {
    *left = left.checked_sub(1).ok_or_else(|| {
        io::Error::other(format!("local packages have more than {MAX_FILES} files"))
    })?;
    if !from.is_dir() {
        fs::create_dir_all(to.parent().unwrap_or(to))?;
        return fs::copy(from, to).map(drop);
    }
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let name = entry.file_name();
        if name != "node_modules" && name != ".git" && !entry.file_type()?.is_symlink() {
            copy_all(&entry.path(), &to.join(name), left)?;
        }
    }
    Ok(())
}

/// Puts the lock that npm has written beside the user's `package.json`, as npm itself would.
fn keep_lock(job: &Job<'_>, place: &Path) -> Option<List> {
    let list = job.list;
    let (name, from) = (LOCKS[1], place.join(LOCKS[1]));
    // Settings may forbid a lock.
    if !from.is_file() {
        return None;
    }
    match fs::copy(&from, list.folder.join(name)) {
        Ok(_) => {
            let what = format!("wrote '{name}' beside it; keep it with your code");
            job.progress.warns(&list.label, &what);
            List::read(Language::Node, &list.root, &list.folder)
        }
        Err(error) => {
            let what =
                format!("cannot write '{name}' beside it, so versions are not fixed: {error}");
            job.progress.warns(&list.label, &what);
            None
        }
    }
}

/// Leaves nothing in the set but its packages.
fn take(partial: &Path, stage: &Path, place: &Path, root: &Path) -> io::Result<()> {
    let packages = partial.join("node_modules");
    match fs::rename(place.join("node_modules"), &packages) {
        // Packages that are all optional may all be left out.
        Err(error) if error.kind() == io::ErrorKind::NotFound => fs::create_dir(&packages)?,
        moved => moved?,
    }
    relink(&packages, partial, stage, place, root)?;
    remove(stage)?;
    remove(&partial.join("tmp"))
}

/// Packages that are folders of the project are links, as npm makes them; they lead to the
/// project again, and not to its copy.
fn relink(
    folder: &Path,
    partial: &Path,
    stage: &Path,
    place: &Path,
    root: &Path,
) -> io::Result<()> {
    let inner = folder.strip_prefix(partial).unwrap_or(folder);
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_owned();
        if path.is_symlink() {
            let target = plain(&place.join(inner).join(fs::read_link(&path)?));
            let Ok(target) = target.strip_prefix(stage).map(|target| root.join(target)) else {
                continue;
            };
            fs::remove_file(&path)?;
            // The folder of the set has another name at the end, and the same depth.
            symlink(between(&folder.canonicalize()?, &target), &path)?;
        } else if name.to_string_lossy().starts_with('@') {
            relink(&path, partial, stage, place, root)?;
        }
    }
    Ok(())
}
