//! The files of a folder and of the folders in it, without what tools put there.
//!
//! Comes to an end whatever it meets: links in circles, links out, very many files. Knows nothing
//! of what files hold.

use crate::registry::discover::{is_foreign, is_left_behind};
use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Most files of one tree; the rest does not count.
pub const MAX_FILES: usize = 10_000;
const MAX_DEPTH: usize = 32;

/// What lies below the paths that were added, in a steady order.
#[derive(Debug)]
pub struct Tree<'a> {
    root: &'a Path,
    pub files: Vec<PathBuf>,
    /// The folders that were read.
    pub folders: Vec<PathBuf>,
    /// Real paths, so that links in a circle come to an end.
    seen: HashSet<PathBuf>,
}

impl<'a> Tree<'a> {
    /// What is outside of the canonical `root` is not part of it.
    pub fn new(root: &'a Path) -> Tree<'a> {
        Tree { root, files: Vec::new(), folders: Vec::new(), seen: HashSet::new() }
    }

    pub fn is_cut(&self) -> bool {
        self.files.len() > MAX_FILES
    }

    /// Adds a file, or a folder with all that is in it.
    pub fn add(&mut self, path: &Path) {
        self.add_at(path, 0);
    }

    fn add_at(&mut self, path: &Path, depth: usize) {
        if self.is_cut() {
            return;
        }
        // What cannot be read fails when it is loaded.
        let Ok(real) = fs::canonicalize(path) else { return };
        if !real.starts_with(self.root) {
            return;
        }
        if real.is_file() {
            self.files.push(path.to_owned());
        } else if real.is_dir() && depth < MAX_DEPTH && self.seen.insert(real) {
            self.add_folder(path, depth);
        }
    }

    fn add_folder(&mut self, path: &Path, depth: usize) {
        // A Python environment is made from files that count already.
        if path.join("pyvenv.cfg").exists() {
            return;
        }
        let Ok(entries) = fs::read_dir(path) else { return };
        self.folders.push(path.to_owned());
        let inner = entries.take(MAX_FILES).flatten().map(|entry| entry.path());
        let mut inner: Vec<_> = inner.collect();
        inner.sort();
        for path in inner {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            if !is_foreign(&name) && !is_left_behind(&name) {
                self.add_at(&path, depth + 1);
            }
        }
    }
}
