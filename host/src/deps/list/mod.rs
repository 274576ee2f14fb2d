//! Lists of packages: the files in one folder that say which packages its functions get.
//!
//! Reads what package managers have written; knows nothing of how packages are installed.

pub mod node;
pub mod python;
pub mod go;

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::registry::imports::Language;

/// A larger file is no list.
const MAX_BYTES: u64 = 32 << 20;

/// The packages of one folder and one language, as they are asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct List {
    pub language: Language,
    /// The functions folder, canonical.
    pub root: PathBuf,
    /// Where the list lies: the functions folder, or that of one function.
    pub folder: PathBuf,
    /// What messages call it: `functions/requirements.txt`.
    pub label: String,
    pub source: Source,
    /// Of everything that decides which packages there will be.
    pub digest: [u8; 32],
}

/// What the language's own tool is given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// `package.json`; files and folders of the project that it names; whether there is a lock.
    Npm { locked: bool, local: Vec<PathBuf> },
    /// `requirements.txt`; files and folders that it names.
    Requirements { local: Vec<PathBuf> },
    /// The dependencies of `pyproject.toml`.
    Project(Vec<String>),
    /// `go.mod`.
    Modules,
    /// The list cannot be used.
    Broken(String),
}

impl List {
    /// The list for functions of `language` in `folder`, if there is one that names packages.
    #[must_use]
    pub fn read(language: Language, root: &Path, folder: &Path) -> Option<List> {
        let read = match language {
            Language::Node => node::read(root, folder),
            Language::Python => python::read(root, folder),
            Language::Go => go::read(folder),
        }?;
        let Found { file, source, digest } = read;
        let place = folder.strip_prefix(root).unwrap_or(Path::new(""));
        let top = root.file_name().unwrap_or_default().to_string_lossy();
        let label = Path::new(&*top).join(place).join(file).to_string_lossy().into_owned();
        let digest = digest.finish();
        Some(List { language, root: root.into(), folder: folder.into(), label, source, digest })
    }

    /// A short name of the folder: none for the functions folder itself.
    #[must_use]
    pub fn scope(&self) -> String {
        let place = self.folder.strip_prefix(&self.root).unwrap_or(Path::new(""));
        place.to_string_lossy().replace('/', "-")
    }
}

/// What a reader of one language has found.
pub(crate) struct Found {
    pub(crate) file: &'static str,
    pub(crate) source: Source,
    pub(crate) digest: Fields,
}

impl Found {
    pub(crate) fn broken(file: &'static str, why: impl ToString) -> Found {
        let why = why.to_string();
        let mut digest = Fields::default();
        digest.add("broken", why.as_bytes());
        Found { file, source: Source::Broken(why), digest }
    }
}

/// A hash of named fields: no two lists of fields give the same bytes.
#[derive(Debug, Default)]
pub struct Fields(Sha256);

impl Fields {
    pub fn add(&mut self, name: &str, value: &[u8]) {
        for bytes in [name.as_bytes(), value] {
            self.0.update((bytes.len() as u64).to_le_bytes());
            self.0.update(bytes);
        }
    }

    #[must_use]
    pub fn finish(self) -> [u8; 32] {
        self.0.finalize().into()
    }
}

/// The bytes of a list; none when there is no such file.
pub(crate) fn bytes_of(path: &Path) -> io::Result<Option<Vec<u8>>> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut bytes = Vec::new();
    file.take(MAX_BYTES + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(io::Error::other(format!("it is larger than {} MB", MAX_BYTES >> 20)));
    }
    Ok(Some(bytes))
}

#[cfg(test)]
mod tests;
