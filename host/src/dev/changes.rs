//! Which files have changed from one scan to the next, in words.
//!
//! Goes by contents, so that it does not matter how a file was saved.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use crate::registry::scan::File;

/// Clocks of file systems are coarse.
const SLACK: Duration = Duration::from_millis(50);

/// The files and what happened to them: `created`, `changed` or `deleted`. `since` is when `before`
/// was read.
pub(crate) fn between<'f>(
    before: &'f BTreeMap<PathBuf, File>,
    after: &'f BTreeMap<PathBuf, File>,
    since: SystemTime,
) -> Vec<(&'f PathBuf, &'static str)> {
    let mut changes = Vec::new();
    for (path, file) in after {
        match before.get(path) {
            Some(old) if old.digest != file.digest => changes.push((path, "changed")),
            Some(_) => {}
            // A file that was there before and is imported only now is no news.
            None if file.changed + SLACK < since => {}
            None => changes.push((path, "created")),
        }
    }
    let gone = before.keys().filter(|path| !after.contains_key(*path) && !path.exists());
    changes.extend(gone.map(|path| (path, "deleted")));
    changes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contents_and_names_tell() {
        let now = SystemTime::now();
        let long_ago = now - Duration::from_secs(60);
        let file = |digest: u8, changed| File { digest: [digest; 32], changed };
        let files = |list: &[(&str, File)]| {
            list.iter().map(|(path, file)| (PathBuf::from(path), *file)).collect::<BTreeMap<_, _>>()
        };
        let before = files(&[
            ("same", file(1, long_ago)),
            ("new", file(1, long_ago)),
            ("gone", file(1, now)),
        ]);
        let after = files(&[
            ("same", file(1, now)),
            ("new", file(2, now)),
            ("made", file(1, now)),
            ("imported", file(1, long_ago)),
        ]);
        let changes = between(&before, &after, now);
        let changes: Vec<_> =
            changes.iter().map(|(path, what)| (path.to_str().unwrap(), *what)).collect();
        assert_eq!(changes, [("made", "created"), ("new", "changed"), ("gone", "deleted")]);
    }
}
