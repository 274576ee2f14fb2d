//! The revision of a function: a hash of everything that its code depends on in the folder.
//!
//! Knows nothing of time or places: only contents and names below the functions folder count,
//! so that a copy of the folder elsewhere has the same revisions. Not covered: a function that
//! imports another function's own file.

use crate::config::secret::Secret;
use crate::registry::discover::is_foreign;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// Of a larger file only the beginning and the size count.
const MAX_BYTES: u64 = 16 << 20;
/// Most files of one tree; the rest does not count.
const MAX_FILES: usize = 10_000;
const MAX_DEPTH: usize = 32;
/// Half of the hash: enough to never meet twice, short enough for a table.
const SHOWN_BYTES: usize = 16;

/// What says which packages a function gets.
const DEPENDENCY_FILES: [&str; 13] = [
    "package.json",
    "package-lock.json",
    "npm-shrinkwrap.json",
    "pnpm-lock.yaml",
    "yarn.lock",
    "bun.lock",
    "requirements.txt",
    "pyproject.toml",
    "uv.lock",
    "poetry.lock",
    "go.mod",
    "go.sum",
    "go.work",
];

/// Hash of what all functions share; made once per scan.
#[derive(Debug, Clone)]
pub struct Shared([u8; 32]);

/// `paths` are files and folders below the canonical `root`.
pub fn shared(root: &Path, paths: &[PathBuf], warnings: &mut Vec<String>) -> Shared {
    let mut tree = Tree::new(root);
    for path in paths {
        tree.add(path, 0);
    }
    for name in DEPENDENCY_FILES {
        let path = root.join(name);
        if path.is_file() {
            tree.add_file(&path);
        }
    }
    if tree.files > MAX_FILES {
        let count = format!("more than {MAX_FILES} files beside the functions; ");
        warnings.push(count + "changes in the rest go unnoticed, move data elsewhere");
    }
    Shared(tree.hash.finalize().into())
}

/// What one function's revision is made of besides the shared part.
#[derive(Debug)]
pub struct Parts<'a> {
    pub name: &'a str,
    pub runtime: &'a str,
    pub entry: &'a Path,
    pub folder: Option<&'a Path>,
    pub manifest: Option<&'a str>,
    pub env: &'a BTreeMap<String, Secret>,
}

pub fn revision(root: &Path, shared: &Shared, parts: &Parts<'_>) -> String {
    let mut tree = Tree::new(root);
    tree.field(b"shared", &shared.0);
    tree.field(b"name", parts.name.as_bytes());
    tree.field(b"runtime", parts.runtime.as_bytes());
    tree.field(b"entry", relative(root, parts.entry));
    if let Some(manifest) = parts.manifest {
        tree.field(b"manifest", manifest.as_bytes());
    }
    for (name, value) in parts.env {
        tree.field(name.as_bytes(), value.expose().as_bytes());
    }
    tree.field(b"files", b"");
    match parts.folder {
        Some(folder) => tree.add(folder, 0),
        None => tree.add_file(parts.entry),
    }
    hex::encode(&tree.hash.finalize()[..SHOWN_BYTES])
}

struct Tree<'a> {
    root: &'a Path,
    hash: Sha256,
    files: usize,
    /// Real paths, so that links in a circle come to an end.
    folders: HashSet<PathBuf>,
}

impl<'a> Tree<'a> {
    fn new(root: &'a Path) -> Tree<'a> {
        Tree { root, hash: Sha256::new(), files: 0, folders: HashSet::new() }
    }

    /// Lengths first: no two lists of fields give the same bytes.
    fn field(&mut self, name: &[u8], value: &[u8]) {
        for bytes in [name, value] {
            self.hash.update((bytes.len() as u64).to_le_bytes());
            self.hash.update(bytes);
        }
    }

    fn add(&mut self, path: &Path, depth: usize) {
        if self.files > MAX_FILES {
            return;
        }
        // What leaves the folder is not part of it; what cannot be read fails when it is loaded.
        let Ok(real) = fs::canonicalize(path) else { return };
        if !real.starts_with(self.root) {
            return;
        }
        if real.is_file() {
            self.add_file(path);
        } else if real.is_dir() && depth < MAX_DEPTH && self.folders.insert(real.clone()) {
            self.add_folder(path, depth);
        }
    }

    fn add_folder(&mut self, path: &Path, depth: usize) {
        // A Python environment is made from files that count already.
        if path.join("pyvenv.cfg").exists() {
            return;
        }
        let Ok(entries) = fs::read_dir(path) else { return };
        let inner = entries.take(MAX_FILES).filter_map(Result::ok).map(|entry| entry.path());
        let mut inner: Vec<_> = inner.collect();
        inner.sort();
        for path in inner {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            if !is_foreign(&name) && !name.ends_with(".pyc") {
                self.add(&path, depth + 1);
            }
        }
    }

    fn add_file(&mut self, path: &Path) {
        self.files += 1;
        let content = content(path);
        let root = self.root;
        self.field(relative(root, path), content.as_ref().map_or(b"unreadable", |hash| hash));
    }
}

/// Hash of a file's size and content, read piece by piece.
fn content(path: &Path) -> io::Result<[u8; 32]> {
    let file = fs::File::open(path)?;
    let mut hash = Sha256::new();
    hash.update(file.metadata()?.len().to_le_bytes());
    let mut reader = file.take(MAX_BYTES);
    let mut piece = [0; 16 << 10];
    loop {
        match reader.read(&mut piece)? {
            0 => return Ok(hash.finalize().into()),
            count => hash.update(&piece[..count]),
        }
    }
}

fn relative<'p>(root: &Path, path: &'p Path) -> &'p [u8] {
    path.strip_prefix(root).unwrap_or(path).as_os_str().as_encoded_bytes()
}
