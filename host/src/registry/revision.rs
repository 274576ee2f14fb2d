//! The revision of a function: a hash of everything that its code depends on in the folder.
//!
//! That is its own files, the local files they import and so on, the lists of its packages, and
//! data beside the functions, of which nobody can tell who reads it. Knows nothing of time or
//! places: only contents and names below the functions folder count, so that a copy of the folder
//! elsewhere has the same revisions.

use crate::config::secret::Secret;
use crate::registry::content::{Contents, Stamp};
use crate::registry::discover::is_foreign;
use crate::registry::imports::Language;
use crate::registry::resolve::Places;
use crate::registry::tree::{MAX_FILES, Tree};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Half of the hash: enough to never meet twice, short enough for a table.
const SHOWN_BYTES: usize = 16;

/// What says which packages a function gets. The last of Node's is what npm says is there.
const NODE_PACKAGES: [&str; 7] = [
    "package.json",
    "package-lock.json",
    "npm-shrinkwrap.json",
    "pnpm-lock.yaml",
    "yarn.lock",
    "bun.lock",
    "node_modules/.package-lock.json",
];
const PYTHON_PACKAGES: [&str; 4] = ["requirements.txt", "pyproject.toml", "uv.lock", "poetry.lock"];
const GO_PACKAGES: [&str; 3] = ["go.mod", "go.sum", "go.work"];

/// What lies beside the functions; looked at once per scan.
#[derive(Debug)]
pub struct Beside {
    /// Hash of what is no code.
    data: [u8; 32],
    code: Vec<PathBuf>,
    /// The folders it lies in.
    pub folders: Vec<PathBuf>,
}

impl Beside {
    /// `paths` are files and folders below the canonical `root`.
    pub fn look(
        root: &Path,
        paths: &[PathBuf],
        contents: &mut Contents,
        warnings: &mut Vec<String>,
    ) -> Beside {
        let mut tree = Tree::new(root);
        for path in paths {
            tree.add(path);
        }
        if tree.is_cut() {
            let count = format!("more than {MAX_FILES} files beside the functions; ");
            warnings.push(count + "changes in the rest go unnoticed, move data elsewhere");
        }
        let is_code = |path: &PathBuf| Language::of_file(path).is_some();
        let (code, data): (Vec<_>, Vec<_>) = tree.files.into_iter().partition(is_code);
        let mut hash = Hash::new(root);
        data.iter().for_each(|path| hash.file(path, contents));
        Beside { data: hash.0.finalize().into(), code, folders: tree.folders }
    }
}

/// What one function's revision is made of besides what lies beside it.
#[derive(Debug)]
pub struct Parts<'a> {
    pub name: &'a str,
    pub runtime: &'a str,
    pub entry: &'a Path,
    pub folder: Option<&'a Path>,
    pub manifest: Option<&'a str>,
    pub env: &'a BTreeMap<String, Secret>,
}

/// A revision and what it was read from.
#[derive(Debug)]
pub struct Revision {
    pub text: String,
    /// The code that a worker will read, as it was.
    pub sources: Vec<(PathBuf, Stamp)>,
    /// The folders of its own.
    pub folders: Vec<PathBuf>,
}

pub fn revision(
    root: &Path,
    beside: &Beside,
    parts: &Parts<'_>,
    contents: &mut Contents,
) -> Revision {
    let mut hash = Hash::new(root);
    hash.field(b"beside", &beside.data);
    hash.field(b"name", parts.name.as_bytes());
    hash.field(b"runtime", parts.runtime.as_bytes());
    hash.field(b"entry", relative(root, parts.entry));
    if let Some(manifest) = parts.manifest {
        hash.field(b"manifest", manifest.as_bytes());
    }
    for (name, value) in parts.env {
        hash.field(name.as_bytes(), value.expose().as_bytes());
    }
    hash.field(b"files", b"");
    let mut own = Tree::new(root);
    own.add(parts.folder.unwrap_or(parts.entry));
    let language = Language::of_runtime(parts.runtime);
    let mut files: BTreeSet<PathBuf> = own.files.into_iter().collect();
    match language {
        Some(language) => imported(root, language, parts, beside, &mut files, contents),
        // A language that nobody here can read: all code counts.
        None => files.extend(beside.code.iter().cloned()),
    }
    files.extend(packages(root, parts.folder, language));
    files.iter().for_each(|path| hash.file(path, contents));
    let stamp = |path: PathBuf, contents: &mut Contents| Some((contents.of(&path)?.stamp, path));
    let sources = files.into_iter().filter_map(|path| stamp(path, contents));
    Revision {
        sources: sources.map(|(stamp, path)| (path, stamp)).collect(),
        text: hex::encode(&hash.0.finalize()[..SHOWN_BYTES]),
        folders: own.folders,
    }
}

/// Adds the local files that `files` import, those that these import, and so on.
fn imported(
    root: &Path,
    language: Language,
    parts: &Parts<'_>,
    beside: &Beside,
    files: &mut BTreeSet<PathBuf>,
    contents: &mut Contents,
) {
    let folder = parts.folder.or_else(|| parts.entry.parent()).unwrap_or(root);
    let places = Places::new(language, root, folder);
    files.extend(places.beside(root, parts.entry));
    let is_code = |path: &PathBuf| Language::of_file(path) == Some(language);
    let mut queue: Vec<PathBuf> = files.iter().filter(|path| is_code(path)).cloned().collect();
    let mut open = false;
    while let Some(file) = queue.pop() {
        let Some(content) = contents.of(&file) else { continue };
        if content.imports.open && !open {
            open = true;
            let code = beside.code.iter().filter(|path| is_code(path)).cloned();
            queue.extend(code.filter(|path| files.insert(path.clone())));
        }
        // An import may be meant from where the file is, or from where a link to it lies.
        let real = fs::canonicalize(&file).ok().filter(|real| *real != file);
        for from in [Some(&file), real.as_ref()].into_iter().flatten() {
            let found = content.imports.local.iter().flat_map(|import| places.of(from, import));
            let inside = found.filter(|path| is_inside(root, path));
            queue.extend(inside.filter(|path| files.insert(path.clone())).take(MAX_FILES));
        }
    }
}

/// Below the functions folder, also by its real path, and nothing that a tool has put there.
fn is_inside(root: &Path, path: &Path) -> bool {
    let Ok(inner) = path.strip_prefix(root) else { return false };
    let foreign = inner.components().any(|part| is_foreign(&part.as_os_str().to_string_lossy()));
    !foreign && fs::canonicalize(path).is_ok_and(|real| real.starts_with(root))
}

fn packages(root: &Path, folder: Option<&Path>, language: Option<Language>) -> Vec<PathBuf> {
    let all = [&NODE_PACKAGES[..], &PYTHON_PACKAGES, &GO_PACKAGES];
    let lists = match language {
        Some(Language::Node) => &all[..1],
        Some(Language::Python) => &all[1..2],
        Some(Language::Go) => &all[2..],
        None => &all[..],
    };
    let folders = [Some(root), folder].into_iter().flatten();
    let names = || lists.iter().flat_map(|list| list.iter());
    let paths = folders.flat_map(|folder| names().map(move |name| folder.join(name)));
    // What Alyx has installed follows from the lists; only what the user has does not.
    let is_ours = |path: &PathBuf| path.parent().is_some_and(Path::is_symlink);
    paths.filter(|path| path.is_file() && !is_ours(path)).collect()
}

struct Hash<'a>(Sha256, &'a Path);

impl<'a> Hash<'a> {
    fn new(root: &'a Path) -> Hash<'a> {
        Hash(Sha256::new(), root)
    }

    /// Lengths first: no two lists of fields give the same bytes.
    fn field(&mut self, name: &[u8], value: &[u8]) {
        for bytes in [name, value] {
            self.0.update((bytes.len() as u64).to_le_bytes());
            self.0.update(bytes);
        }
    }

    fn file(&mut self, path: &Path, contents: &mut Contents) {
        let content = contents.of(path);
        let name = relative(self.1, path);
        self.field(name, content.as_ref().map_or(b"unreadable", |content| &content.digest));
    }
}

fn relative<'p>(root: &Path, path: &'p Path) -> &'p [u8] {
    path.strip_prefix(root).unwrap_or(path).as_os_str().as_encoded_bytes()
}
