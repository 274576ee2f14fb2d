//! What files hold, as hashes and imports, read once for as long as they stay as they are.
//!
//! Knows nothing of functions. A file counts as unchanged when the file system says so; one that
//! was changed a moment before it was read is read again, since clocks of file systems are coarse.

use crate::registry::imports::{Imports, Language};
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::fs::{self, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Of a larger file only the beginning and the size count.
const MAX_BYTES: u64 = 16 << 20;
/// A larger file is nothing that a person wrote; what it imports is not looked for.
const MAX_CODE: usize = 2 << 20;
/// Two changes within this time may look like one to the file system.
const COARSE: Duration = Duration::from_millis(50);

/// What the file system says of a file: the same as long as nobody writes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    /// None when there is no such file.
    pub fn of(path: &Path) -> Option<Stamp> {
        fs::metadata(path).ok().map(|metadata| Stamp::read(&metadata))
    }

    fn read(metadata: &Metadata) -> Stamp {
        Stamp {
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }

    /// When it was written, made or moved here.
    pub fn changed(&self) -> SystemTime {
        let (seconds, nanos) = self.changed;
        UNIX_EPOCH + Duration::new(seconds.unsigned_abs(), nanos as u32)
    }
}

/// What one file held when it was read.
#[derive(Debug)]
pub struct Content {
    pub stamp: Stamp,
    pub digest: [u8; 32],
    /// Of code alone.
    pub imports: Imports,
}

/// The files of one scan after another.
#[derive(Debug, Default)]
pub struct Contents {
    known: HashMap<PathBuf, Known>,
    pass: u64,
}

#[derive(Debug)]
struct Known {
    content: Option<Arc<Content>>,
    /// It may change without a trace.
    fresh: bool,
    pass: u64,
}

impl Contents {
    /// From now on each file is looked at once more.
    pub fn begin(&mut self) {
        self.pass += 1;
    }

    /// Forgets the files that nobody has asked for since [`Contents::begin`].
    pub fn end(&mut self) {
        let pass = self.pass;
        self.known.retain(|_, known| known.pass == pass);
    }

    /// The files asked for since [`Contents::begin`] that can be read.
    pub fn asked(&self) -> impl Iterator<Item = (&Path, &Arc<Content>)> {
        let asked = self.known.iter().filter(|(_, known)| known.pass == self.pass);
        asked.filter_map(|(path, known)| Some((path.as_path(), known.content.as_ref()?)))
    }

    /// None when the file cannot be read.
    pub fn of(&mut self, path: &Path) -> Option<Arc<Content>> {
        let pass = self.pass;
        let known = self.known.get(path);
        if let Some(known) = known.filter(|known| known.pass == pass) {
            return known.content.clone();
        }
        let stamp = Stamp::of(path);
        let usable = |known: &&Known| {
            !known.fresh && known.content.as_ref().map(|content| content.stamp) == stamp
        };
        if let Some(content) = known.filter(usable).map(|known| known.content.clone()) {
            self.remember(path, Known { content: content.clone(), fresh: false, pass });
            return content;
        }
        let now = SystemTime::now();
        let content = read(path).ok().map(Arc::new);
        let recent = |content: &Arc<Content>| {
            now.duration_since(content.stamp.changed()).unwrap_or_default() < COARSE
        };
        let fresh = content.as_ref().is_none_or(recent);
        self.remember(path, Known { content: content.clone(), fresh, pass });
        content
    }

    fn remember(&mut self, path: &Path, known: Known) {
        self.known.insert(path.to_owned(), known);
    }
}

/// Hash of a file's size and beginning; of code also what it imports.
fn read(path: &Path) -> io::Result<Content> {
    let file = fs::File::open(path)?;
    let stamp = Stamp::read(&file.metadata()?);
    let language = Language::of_file(path);
    let mut hash = Sha256::new();
    hash.update(stamp.size.to_le_bytes());
    let mut reader = file.take(MAX_BYTES);
    let mut piece = [0; 16 << 10];
    let mut code = Vec::new();
    loop {
        let count = match reader.read(&mut piece)? {
            0 => break,
            count => count,
        };
        hash.update(&piece[..count]);
        if language.is_some() && code.len() <= MAX_CODE {
            code.extend_from_slice(&piece[..count]);
        }
    }
    let imports = match language {
        Some(_) if code.len() > MAX_CODE => Imports { local: Vec::new(), open: true },
        Some(language) => Imports::of(language, &String::from_utf8_lossy(&code)),
        None => Imports::default(),
    };
    Ok(Content { stamp, digest: hash.finalize().into(), imports })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_again_when_it_changes_and_only_then() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.js");
        let long_ago = SystemTime::now() - Duration::from_secs(60);
        let mut contents = Contents::default();
        let mut look = |text: &str| {
            fs::write(&path, text).unwrap();
            contents.begin();
            contents.of(&path).unwrap().digest
        };
        let one = look("1");
        // At once and of the same size: the file system may not tell them apart.
        assert_ne!(look("2"), one);
        assert_eq!(look("1"), one);
        fs::File::options().append(true).open(&path).unwrap().set_modified(long_ago).unwrap();
        contents.begin();
        assert_eq!(contents.of(&path).unwrap().digest, one);
        assert_eq!(contents.asked().count(), 1);
        fs::remove_file(&path).unwrap();
        contents.begin();
        assert!(contents.of(&path).is_none());
        assert_eq!(contents.asked().count(), 0);
    }

    #[test]
    fn what_nobody_asks_for_is_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.js");
        fs::write(&path, "1").unwrap();
        let mut contents = Contents::default();
        contents.begin();
        contents.of(&path);
        contents.begin();
        contents.end();
        assert!(contents.known.is_empty());
    }
}
