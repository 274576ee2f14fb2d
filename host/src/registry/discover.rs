//! Lists what lies in the functions folder: sources, manifests and the code they share.
//!
//! Knows nothing of what a manifest says; it goes by names and kinds of files alone.

use crate::config::model::RuntimeConfig;
use crate::registry::function::Problem;
use std::collections::BTreeMap;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

/// More than anybody keeps in one folder; the rest is left out with a warning.
const MAX_ENTRIES: usize = 10_000;
/// Names of a folder's entry file without extension, the usual one first.
const ENTRY_STEMS: [&str; 2] = ["index", "main"];
const MANIFEST_EXTENSIONS: [&str; 2] = [".yaml", ".yml"];

/// A file that could be a function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// Its name unless a manifest gives another.
    pub stem: String,
    pub runtime: String,
    /// Absolute.
    pub entry: PathBuf,
    /// The folder that is its own, absolute.
    pub folder: Option<PathBuf>,
    /// What messages call the entry: `functions/hello.js`.
    pub label: String,
    pub problem: Option<Problem>,
}

/// A manifest's file and what messages call it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ManifestFile {
    pub path: PathBuf,
    pub label: String,
}

/// The folder's content, sorted by name so that messages and revisions are steady.
#[derive(Debug, Default)]
pub struct Listing {
    pub sources: BTreeMap<String, Vec<Source>>,
    pub manifests: BTreeMap<String, Vec<ManifestFile>>,
    /// Files and folders that functions may import.
    pub shared: Vec<PathBuf>,
    pub warnings: Vec<String>,
}

/// Lists `root`, which must be canonical; `label` is what messages call it.
pub fn list(
    root: &Path,
    label: &str,
    runtimes: &BTreeMap<String, RuntimeConfig>,
) -> io::Result<Listing> {
    let mut listing = Listing::default();
    let mut entries = fs::read_dir(root)?
        .take(MAX_ENTRIES + 1)
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<io::Result<Vec<_>>>()?;
    if entries.len() > MAX_ENTRIES {
        entries.truncate(MAX_ENTRIES);
        let warning = format!("'{label}' has more than {MAX_ENTRIES} entries; the rest is ignored");
        listing.warnings.push(warning);
    }
    entries.sort();
    let folder = Folder { root, label, runtimes };
    for path in entries {
        folder.place(&path, &mut listing);
    }
    Ok(listing)
}

/// Whether a name is no code at all: hidden, or made by a tool.
pub fn is_foreign(name: &str) -> bool {
    name.starts_with('.') || matches!(name, "node_modules" | "__pycache__")
}

/// Files that editors and interpreters put beside the real ones.
pub fn is_left_behind(name: &str) -> bool {
    let hashes = name.starts_with('#') && name.ends_with('#');
    let ends = [".pyc", "~", ".swp", ".swo", ".swx", ".tmp"];
    // What Vim makes to see whether it may.
    hashes || name == "4913" || ends.iter().any(|end| name.ends_with(end))
}

struct Folder<'a> {
    root: &'a Path,
    label: &'a str,
    runtimes: &'a BTreeMap<String, RuntimeConfig>,
}

impl Folder<'_> {
    fn place(&self, path: &Path, listing: &mut Listing) {
        let name = file_name(path);
        if is_foreign(&name) || is_left_behind(&name) {
            return;
        }
        if name.starts_with('_') {
            listing.shared.push(path.to_owned());
        } else if path.is_dir() {
            self.place_folder(path, &name, listing);
        } else if let Some(stem) = manifest_stem(&name) {
            let label = format!("{}/{name}", self.label);
            let file = ManifestFile { path: path.to_owned(), label };
            listing.manifests.entry(stem.to_owned()).or_default().push(file);
        } else if let Some((stem, runtime)) = self.code(&name) {
            let source = self.source(path, stem, runtime, None);
            listing.sources.entry(stem.to_owned()).or_default().extend(source);
        }
    }

    /// A folder is a function when it has an entry, else code that others may import.
    fn place_folder(&self, folder: &Path, name: &str, listing: &mut Listing) {
        let mut sources = Vec::new();
        for (runtime, config) in self.runtimes {
            for stem in entry_stems(runtime) {
                for extension in &config.extensions {
                    let path = folder.join(format!("{stem}{extension}"));
                    sources.extend(self.source(&path, name, runtime, Some(folder)));
                }
            }
        }
        if sources.is_empty() {
            listing.shared.push(folder.to_owned());
            return;
        }
        listing.sources.entry(name.to_owned()).or_default().extend(sources);
        for stem in ["manifest", name] {
            for extension in MANIFEST_EXTENSIONS {
                let path = folder.join(format!("{stem}{extension}"));
                if path.is_file() {
                    let label = format!("{}/{name}/{stem}{extension}", self.label);
                    let file = ManifestFile { path, label };
                    listing.manifests.entry(name.to_owned()).or_default().push(file);
                }
            }
        }
    }

    /// Stem and runtime of a file that could be a function.
    fn code<'n>(&self, name: &'n str) -> Option<(&'n str, &str)> {
        let (stem, extension) = name.split_at(name.rfind('.')?);
        let types = stem.ends_with(".d") && matches!(extension, ".ts" | ".mts" | ".cts");
        if types || stem.ends_with("_test") {
            return None;
        }
        let runtime = self
            .runtimes
            .iter()
            .find(|(_, config)| config.extensions.iter().any(|known| known == extension));
        runtime.map(|(runtime, _)| (stem, runtime.as_str()))
    }

    /// None when there is no such file.
    fn source(
        &self,
        entry: &Path,
        stem: &str,
        runtime: &str,
        folder: Option<&Path>,
    ) -> Option<Source> {
        let inner = entry.strip_prefix(self.root).unwrap_or(entry);
        let label = format!("{}/{}", self.label, inner.display());
        let problem = match self.look(entry, &label) {
            Ok(true) => None,
            Ok(false) => return None,
            Err(problem) => Some(problem),
        };
        Some(Source {
            stem: stem.to_owned(),
            runtime: runtime.to_owned(),
            entry: entry.to_owned(),
            folder: folder.map(Path::to_owned),
            label,
            problem,
        })
    }

    /// Whether a regular file is there, and within the functions folder after every link.
    fn look(&self, entry: &Path, label: &str) -> Result<bool, Problem> {
        let file = label.to_owned();
        let real = match fs::canonicalize(entry) {
            Ok(real) => real,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                return if entry.is_symlink() {
                    Err(Problem::BrokenLink { file })
                } else {
                    Ok(false)
                };
            }
            Err(error) => return Err(Problem::Unreadable { file, why: error.to_string() }),
        };
        if !real.is_file() {
            return Ok(false);
        }
        if real.starts_with(self.root) { Ok(true) } else { Err(Problem::OutsideLink { file }) }
    }
}

/// Go knows `main.go` alone; Node's habit is `index`; the others may choose.
fn entry_stems(runtime: &str) -> &'static [&'static str] {
    match runtime {
        "node" => &ENTRY_STEMS[..1],
        "go" => &ENTRY_STEMS[1..],
        _ => &ENTRY_STEMS,
    }
}

fn manifest_stem(name: &str) -> Option<&str> {
    MANIFEST_EXTENSIONS.iter().find_map(|extension| name.strip_suffix(extension))
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}
