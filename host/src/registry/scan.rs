//! Reads the functions folder: the snapshot, and what it was read from.
//!
//! One scanner that scans again and again reads only what has changed. Knows nothing of who asks,
//! or of how often.

use crate::config::model::FunctionsConfig;
use crate::config::secret::Variables;
use crate::registry::Registry;
use crate::registry::assemble::{Draft, drafts};
use crate::registry::content::{Contents, Stamp};
use crate::registry::discover::list;
use crate::registry::function::Function;
use crate::registry::manifest::{Manifest, Read};
use crate::registry::revision::{Beside, Parts, Revision, revision};
use std::collections::{BTreeMap, BTreeSet};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

/// Scans, and remembers what files held.
#[derive(Debug, Default)]
pub struct Scanner {
    contents: Contents,
}

/// What one scan has found.
#[derive(Debug, Default)]
pub struct Scanned {
    pub registry: Registry,
    /// Canonical; none when there is no functions folder.
    pub root: Option<PathBuf>,
    /// The folders that were read.
    pub folders: BTreeSet<PathBuf>,
    /// Every file that counts for some function.
    pub files: BTreeMap<PathBuf, File>,
    /// The code that a worker of a function will read, as it was.
    pub sources: BTreeMap<String, Vec<(PathBuf, Stamp)>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct File {
    pub digest: [u8; 32],
    pub changed: SystemTime,
}

impl Scanner {
    /// Reads the whole folder. One that is missing gives an empty registry and a warning.
    pub fn scan(&mut self, config: &FunctionsConfig, variables: &Variables) -> Scanned {
        self.contents.begin();
        let mut scanned = Scanned::default();
        let warnings = &mut scanned.registry.warnings;
        let Some(mut found) = Found::look(config, variables, &mut self.contents, warnings) else {
            self.contents.end();
            return scanned;
        };
        for (name, draft) in std::mem::take(&mut found.drafts) {
            warnings.extend(draft.manifest.iter().flat_map(|read| read.warnings.iter().cloned()));
            let (function, read) = complete(draft, config, &found, &mut self.contents);
            scanned.registry.functions.insert(name.clone(), Arc::new(function));
            scanned.folders.extend(read.folders);
            scanned.sources.insert(name, read.sources);
        }
        self.contents.end();
        let files = self.contents.asked().map(|(path, content)| {
            let (digest, changed) = (content.digest, content.stamp.changed());
            (path.to_owned(), File { digest, changed })
        });
        scanned.files = files.collect();
        scanned.folders.extend(found.beside.folders);
        scanned.folders.insert(found.root.clone());
        scanned.root = Some(found.root);
        scanned
    }

    /// Reads one function anew; none when it is gone. Cheaper than a scan: only its own files
    /// and what lies beside the functions are read.
    pub fn scan_one(
        config: &FunctionsConfig,
        variables: &Variables,
        name: &str,
    ) -> Option<Function> {
        let mut contents = Contents::default();
        contents.begin();
        let mut found = Found::look(config, variables, &mut contents, &mut Vec::new())?;
        let draft = found.drafts.remove(name)?;
        Some(complete(draft, config, &found, &mut contents).0)
    }
}

/// The cheap part of a scan: names, manifests, and what lies beside the functions.
struct Found {
    root: PathBuf,
    drafts: BTreeMap<String, Draft>,
    beside: Beside,
}

impl Found {
    fn look(
        config: &FunctionsConfig,
        variables: &Variables,
        contents: &mut Contents,
        warnings: &mut Vec<String>,
    ) -> Option<Found> {
        let label = config.path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let listed = std::fs::canonicalize(&config.path)
            .and_then(|root| Ok((list(&root, &label, &config.runtimes)?, root)));
        let (mut listing, root) = match listed {
            Ok(listed) => listed,
            Err(error) => {
                let path = config.path.display();
                warnings.push(match error.kind() {
                    ErrorKind::NotFound => format!(
                        "functions folder '{path}' not found; create it or set functions.path"
                    ),
                    _ => format!("cannot read functions folder '{path}': {error}"),
                });
                return None;
            }
        };
        warnings.append(&mut listing.warnings);
        let drafts = drafts(&listing, &config.runtimes, variables);
        let beside = Beside::look(&root, &listing.shared, contents, warnings);
        Some(Found { root, drafts, beside })
    }
}

/// Fills in what the manifest leaves open, lays the environments over each other, and hashes.
fn complete(
    draft: Draft,
    config: &FunctionsConfig,
    found: &Found,
    contents: &mut Contents,
) -> (Function, Revision) {
    let Draft { name, source, manifest_file, manifest, problem } = draft;
    let (manifest, text) = match manifest {
        Some(Read { manifest, text, .. }) => (manifest, Some(text)),
        None => (Manifest::default(), None),
    };
    let mut env = config.env.clone();
    env.extend(manifest.env);
    if let Some(file) = &manifest_file {
        contents.of(file);
    }
    let (entry, folder) = (source.entry.as_path(), source.folder.as_deref());
    let (runtime, manifest_text) = (&*source.runtime, text.as_deref());
    let parts = Parts { name: &name, runtime, entry, folder, manifest: manifest_text, env: &env };
    let read = revision(&found.root, &found.beside, &parts, contents);
    let pool = &config.pool;
    let function = Function {
        name,
        runtime: source.runtime,
        entry: source.entry,
        root: found.root.clone(),
        folder: source.folder,
        manifest: manifest_file,
        timeout: manifest.timeout.unwrap_or(config.timeout),
        memory: manifest.memory.unwrap_or(pool.memory_limit),
        cpu: manifest.cpu.unwrap_or(pool.cpu_limit),
        concurrency: manifest.concurrency.or(pool.concurrency),
        isolation: manifest.isolation,
        env,
        description: manifest.description,
        revision: if problem.is_some() { "".into() } else { read.text.as_str().into() },
        problem,
        stale: None,
    };
    (function, read)
}

/// Whether files are still as they were; one that is gone is not.
pub fn unchanged(files: &[(PathBuf, Stamp)]) -> bool {
    files.iter().all(|(path, stamp): &(PathBuf, Stamp)| Stamp::of(path) == Some(*stamp))
}

/// `functions/_shared/part.js` of an absolute path.
pub fn label(config: &FunctionsConfig, root: &Path, path: &Path) -> String {
    let folder = config.path.file_name().unwrap_or_default().to_string_lossy();
    let inner = path.strip_prefix(root).unwrap_or(path);
    format!("{folder}/{}", inner.display())
}
