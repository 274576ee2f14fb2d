//! Says when it is worth a look at the files: after changes that have settled, and every now and
//! then, since no notification is sure to come.
//!
//! Watches folders, not files: editors replace files. Knows nothing of what files hold.

use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use notify::event::{AccessKind, AccessMode, CreateKind, EventKind, ModifyKind, RenameMode};
use notify::{ErrorKind, Event, RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use crate::dev::settle::{Settling, Touch};
use crate::registry::discover::{is_foreign, is_left_behind};

/// Between looks that nothing asks for: notifications get lost (network file systems, links that
/// change far away, a full queue).
const RARELY: Duration = Duration::from_secs(2);
/// The same when the system sends no notifications.
const OFTEN: Duration = Duration::from_millis(250);
/// Notifications that wait; of more, only the time counts.
const QUEUE: usize = 4096;

type Touched = (PathBuf, Touch);

/// The folders that are watched, and what has happened in them.
#[derive(Debug)]
pub(crate) struct Watch {
    watcher: Option<RecommendedWatcher>,
    /// Which folder stood at a path when it was followed: device and inode.
    followed: HashMap<PathBuf, (u64, u64)>,
    touched: mpsc::Receiver<Touched>,
    /// Keeps the queue open without a watcher.
    _touch: mpsc::Sender<Touched>,
    settling: Settling,
    looks_at: Instant,
    complained: bool,
}

impl Watch {
    pub(crate) fn new() -> Watch {
        let (touch, touched) = mpsc::channel(QUEUE);
        let sender = touch.clone();
        let watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
            for touched in event.iter().flat_map(touches) {
                // A full queue says as much as one more entry would.
                let _full = sender.try_send(touched);
            }
        });
        let mut watch = Watch {
            watcher: None,
            followed: HashMap::new(),
            touched,
            _touch: touch,
            settling: Settling::default(),
            looks_at: Instant::now() + RARELY,
            complained: false,
        };
        match watcher {
            Ok(watcher) => watch.watcher = Some(watcher),
            Err(error) => watch.complain(&error),
        }
        watch
    }

    /// From now on these folders are watched and no others. True when one of them is new: what
    /// happened in it until now may have gone unnoticed.
    pub(crate) fn follow(&mut self, folders: &BTreeSet<PathBuf>) -> bool {
        let identity = |path: &PathBuf| {
            fs::metadata(path).ok().map(|metadata| (metadata.dev(), metadata.ino()))
        };
        let there: HashMap<_, _> =
            folders.iter().filter_map(|path| Some((path.clone(), identity(path)?))).collect();
        let Some(watcher) = &mut self.watcher else { return false };
        let gone = self.followed.iter().filter(|(path, id)| there.get(*path) != Some(*id));
        let gone: Vec<_> = gone.map(|(path, _)| path.clone()).collect();
        for path in gone {
            let _went_by_itself = watcher.unwatch(&path);
            self.followed.remove(&path);
        }
        let (mut is_new, mut problem) = (false, None);
        for (path, id) in there {
            if self.followed.contains_key(&path) {
                continue;
            }
            match watcher.watch(&path, RecursiveMode::NonRecursive) {
                Ok(()) => {
                    self.followed.insert(path, id);
                    is_new = true;
                }
                Err(error) if !path.exists() => tracing::debug!("{error}"),
                Err(error) => problem = Some(error),
            }
        }
        if let Some(error) = problem {
            self.complain(&error);
        }
        is_new
    }

    fn complain(&mut self, error: &notify::Error) {
        if std::mem::replace(&mut self.complained, true) {
            return;
        }
        let hint = match &error.kind {
            ErrorKind::MaxFilesWatch => "; raise fs.inotify.max_user_watches with sysctl",
            ErrorKind::Io(error) if error.raw_os_error() == Some(TOO_MANY) => {
                "; raise fs.inotify.max_user_instances with sysctl"
            }
            _ => "",
        };
        tracing::warn!(
            "the system does not tell of all changes ({error}); looking every {OFTEN:?} instead{hint}"
        );
    }

    /// Looks at `moment` at the latest.
    pub(crate) fn look_by(&mut self, moment: Instant) {
        self.looks_at = self.looks_at.min(moment);
    }

    /// Waits until it is time for a look.
    pub(crate) async fn changed(&mut self) {
        loop {
            let due = self.settling.due().map_or(self.looks_at, |due| due.min(self.looks_at));
            tokio::select! {
                biased;
                Some((path, touch)) = self.touched.recv() => {
                    self.settling.touch(&path, touch, Instant::now());
                }
                () = sleep_until(due) => break,
            }
        }
        self.settling.clear();
        self.looks_at = Instant::now() + if self.complained { OFTEN } else { RARELY };
    }
}

/// EMFILE: no more watchers for this user.
const TOO_MANY: i32 = 24;

/// What a notification says of which files. Reading is no change.
fn touches(event: &Event) -> Vec<Touched> {
    use Touch::{Begun, Done};
    let touch = match event.kind {
        EventKind::Access(AccessKind::Close(AccessMode::Write)) => Done,
        EventKind::Access(_) | EventKind::Modify(ModifyKind::Metadata(_)) => return Vec::new(),
        EventKind::Create(CreateKind::Folder)
        | EventKind::Modify(ModifyKind::Name(RenameMode::To)) => Done,
        // A temporary file that becomes the real one is gone for good; what becomes a backup is
        // about to be written anew.
        EventKind::Modify(ModifyKind::Name(RenameMode::Both)) => {
            match event.paths.last().is_some_and(|to| is_noise(to)) {
                true => Begun,
                false => Done,
            }
        }
        _ => Begun,
    };
    let real = event.paths.iter().filter(|path| !is_noise(path));
    real.map(|path| (path.clone(), touch)).collect()
}

/// What editors and tools leave beside the code.
fn is_noise(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    is_foreign(&name) || is_left_behind(&name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(kind: EventKind, paths: &[&str], expected: &[(&str, Touch)]) {
        let event = paths.iter().fold(Event::new(kind), |event, path| event.add_path(path.into()));
        let expected: Vec<Touched> =
            expected.iter().map(|(path, touch)| (PathBuf::from(path), *touch)).collect();
        assert_eq!(touches(&event), expected, "{event:?}");
    }

    #[test]
    fn closed_files_are_whole_and_others_may_not_be() {
        let closed = |mode| EventKind::Access(AccessKind::Close(mode));
        let renamed = |mode| EventKind::Modify(ModifyKind::Name(mode));
        check(closed(AccessMode::Write), &["f/a.js"], &[("f/a.js", Touch::Done)]);
        check(closed(AccessMode::Read), &["f/a.js"], &[]);
        check(EventKind::Create(CreateKind::File), &["f/a.js"], &[("f/a.js", Touch::Begun)]);
        check(EventKind::Create(CreateKind::Folder), &["f/b"], &[("f/b", Touch::Done)]);
        check(renamed(RenameMode::From), &["f/a.js"], &[("f/a.js", Touch::Begun)]);
        check(renamed(RenameMode::To), &["f/a.js"], &[("f/a.js", Touch::Done)]);
        let both = [("f/x", Touch::Done), ("f/a.js", Touch::Done)];
        check(renamed(RenameMode::Both), &["f/x", "f/a.js"], &both);
        check(renamed(RenameMode::Both), &["f/a.js", "f/a.js~"], &[("f/a.js", Touch::Begun)]);
    }

    #[test]
    fn what_editors_and_tools_leave_behind_is_no_change() {
        let noise = [".a.js.swp", "a.js~", "4913", ".#a.js", "#a.js#", "__pycache__", "a.pyc"];
        for name in noise.iter().chain(&["node_modules", ".git", ".alyx"]) {
            check(EventKind::Create(CreateKind::Any), &[&format!("f/{name}")], &[]);
        }
    }
}
