//! The functions on disk: a snapshot of name → function, taken whole or for one name.
//!
//! Knows nothing of workers, calls or watching files; whoever swaps snapshots is the caller.

pub mod function;
pub mod discover;
pub mod manifest;
pub mod assemble;
pub mod revision;

use crate::config::model::FunctionsConfig;
use crate::config::secret::Variables;
use crate::config::suggest::closest;
use crate::registry::assemble::{Draft, drafts};
use crate::registry::discover::list;
use crate::registry::function::Function;
use crate::registry::manifest::{Manifest, Read};
use crate::registry::revision::{Parts, Shared, revision, shared};
use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What the functions folder held at one moment. Functions with a problem are in it too.
#[derive(Debug, Clone, Default)]
pub struct Registry {
    functions: BTreeMap<String, Arc<Function>>,
    /// To be logged once.
    pub warnings: Vec<String>,
}

impl Registry {
    /// Reads the whole folder. One that is missing gives an empty registry and a warning.
    pub fn scan(config: &FunctionsConfig, variables: &Variables) -> Registry {
        let mut registry = Registry::default();
        let Some(scan) = Scan::start(config, variables, &mut registry.warnings) else {
            return registry;
        };
        for (name, draft) in scan.drafts {
            let warnings = draft.manifest.iter().flat_map(|read| read.warnings.iter().cloned());
            registry.warnings.extend(warnings);
            let function = complete(draft, config, &scan.root, &scan.shared);
            registry.functions.insert(name, Arc::new(function));
        }
        registry
    }

    /// Reads one function anew; none when it is gone. Cheaper than a scan: only its own files
    /// and the shared ones are read.
    pub fn rescan_one(
        config: &FunctionsConfig,
        variables: &Variables,
        name: &str,
    ) -> Option<Function> {
        let mut scan = Scan::start(config, variables, &mut Vec::new())?;
        let draft = scan.drafts.remove(name)?;
        Some(complete(draft, config, &scan.root, &scan.shared))
    }

    /// A snapshot in which one function is as given, or gone.
    #[must_use]
    pub fn replacing(&self, name: &str, function: Option<Function>) -> Registry {
        let mut next = self.clone();
        match function {
            Some(function) => next.functions.insert(name.to_owned(), Arc::new(function)),
            None => next.functions.remove(name),
        };
        next
    }

    pub fn get(&self, name: &str) -> Option<&Arc<Function>> {
        self.functions.get(name)
    }

    /// Sorted by name.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Function>> {
        self.functions.values()
    }

    pub fn len(&self) -> usize {
        self.functions.len()
    }

    pub fn is_empty(&self) -> bool {
        self.functions.is_empty()
    }

    /// The function that a wrong name was probably meant to be.
    pub fn suggest(&self, name: &str) -> Option<&str> {
        // Nobody's slip is longer than the longest name, and comparing costs length × length.
        let name: String = name.chars().take(function::LONGEST_NAME).collect();
        closest(&name, self.functions.keys().map(String::as_str))
    }
}

/// The cheap part of a scan: names and manifests.
struct Scan {
    root: PathBuf,
    drafts: BTreeMap<String, Draft>,
    shared: Shared,
}

impl Scan {
    fn start(
        config: &FunctionsConfig,
        variables: &Variables,
        warnings: &mut Vec<String>,
    ) -> Option<Scan> {
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
        let shared = shared(&root, &listing.shared, warnings);
        Some(Scan { root, drafts, shared })
    }
}

/// Fills in what the manifest leaves open, lays the environments over each other, and hashes.
fn complete(draft: Draft, config: &FunctionsConfig, root: &Path, shared: &Shared) -> Function {
    let Draft { name, source, manifest_file, manifest, problem } = draft;
    let (manifest, text) = match manifest {
        Some(Read { manifest, text, .. }) => (manifest, Some(text)),
        None => (Manifest::default(), None),
    };
    let mut env = config.env.clone();
    env.extend(manifest.env);
    let revision = match problem {
        Some(_) => "".into(),
        None => {
            let (entry, folder) = (source.entry.as_path(), source.folder.as_deref());
            let (name, runtime, manifest) = (&*name, &*source.runtime, text.as_deref());
            revision(root, shared, &Parts { name, runtime, entry, folder, manifest, env: &env })
                .into()
        }
    };
    let pool = &config.pool;
    Function {
        name,
        runtime: source.runtime,
        entry: source.entry,
        root: root.to_owned(),
        folder: source.folder,
        manifest: manifest_file,
        timeout: manifest.timeout.unwrap_or(config.timeout),
        memory: manifest.memory.unwrap_or(pool.memory_limit),
        cpu: manifest.cpu.unwrap_or(pool.cpu_limit),
        concurrency: manifest.concurrency.or(pool.concurrency),
        isolation: manifest.isolation,
        env,
        description: manifest.description,
        revision,
        problem,
    }
}

#[cfg(test)]
mod tests;
