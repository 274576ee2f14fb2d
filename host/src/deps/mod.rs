//! The packages that functions use: which sets are wanted, which are there, and installing them.
//!
//! A set belongs to a list (`functions/package.json`), and has a key made of the list, its lock and
//! the platform. Nothing is installed during a call: a function whose set is missing is refused
//! until it is there. Knows nothing of workers, nor of who is told.

pub mod list;
pub mod folders;
pub mod tools;
pub mod blame;
pub mod progress;
mod job;
mod install;
mod npm;
mod pip;
mod modules;
mod book;
mod upkeep;

use std::collections::HashMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::sync::watch;

use crate::config::Config;
use crate::config::model::RuntimeConfig;
use crate::deps::book::Id;
use crate::deps::list::List;
use crate::deps::progress::{Logged, Progress};
use crate::deps::tools::Workshops;
use crate::deps::upkeep::Upkeep;
use crate::registry::Registry;
use crate::registry::function::Function;
use crate::registry::imports::Language;

pub use crate::deps::book::{Row, Trouble};

const LANGUAGES: [Language; 3] = [Language::Node, Language::Python, Language::Go];

/// What is done about sets that are missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// They are installed in the background.
    Serve,
    /// Their functions are refused.
    Use,
    /// Nothing, and nothing is written.
    Look,
}

/// The lists of one snapshot, by language and folder.
type Lists = HashMap<(usize, PathBuf), Option<List>>;

/// Where the packages of one function are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Packages {
    /// Folders to import from, the first one first.
    pub paths: Vec<PathBuf>,
    /// The cache of Go's modules, when it is not the user's own.
    pub modules: Option<PathBuf>,
}

/// The sets of one project. Clones share them.
#[derive(Clone)]
pub struct Deps {
    upkeep: Arc<Upkeep>,
    /// Runtimes that somebody else's command starts: nobody knows what their packages are.
    strangers: Arc<[String]>,
}

impl Deps {
    #[must_use]
    pub fn new(config: &Config, purpose: Purpose, elsewhere: Workshops) -> Deps {
        let stranger = |runtime: &RuntimeConfig| runtime.command.is_some() || !runtime.enabled;
        let runtimes = config.functions.runtimes.iter();
        let strangers = runtimes.filter(|(_, runtime)| stranger(runtime));
        Deps {
            upkeep: Arc::new(Upkeep::new(config, purpose, elsewhere)),
            strangers: strangers.map(|(name, _)| name.clone()).collect(),
        }
    }

    /// The folder of all sets, which workers have to be able to read.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.upkeep.folders.path()
    }

    /// Makes that folder: workers see what comes into it later only if it was there before them.
    pub fn make_folder(&self) {
        if let Err(error) = self.upkeep.folders.create() {
            tracing::warn!("cannot make '{}': {error}", self.folder().display());
        }
    }

    /// Takes in what a snapshot's functions want. What is missing is installed in the background,
    /// where that is the purpose; a set that is there is in use when this returns.
    pub async fn adopt(&self, registry: &Registry) {
        let functions = registry.iter().cloned().collect();
        self.take_in(functions, true).await;
        self.begin();
    }

    /// Whether this function's sets are there, so that it can be loaded.
    ///
    /// # Errors
    /// [`Trouble`], for as long as one is not.
    pub async fn ready(&self, function: &Arc<Function>) -> Result<(), Trouble> {
        if !self.upkeep.automatic {
            return Ok(());
        }
        let known = self.upkeep.book.lock().needs(&function.revision);
        let needs = match known {
            Some(needs) => needs,
            None => self.learn(function).await,
        };
        for id in needs {
            self.upkeep.standing(&id)?;
        }
        Ok(())
    }

    /// A revision that no snapshot had: a function was mended while its host serves.
    async fn learn(&self, function: &Arc<Function>) -> Vec<Id> {
        self.take_in(vec![function.clone()], false).await;
        self.begin();
        self.upkeep.book.lock().needs(&function.revision).unwrap_or_default()
    }

    /// Waits until this function's sets are there, if they are about to be.
    ///
    /// # Errors
    /// [`Trouble`], when one will not be.
    pub async fn wait(&self, function: &Arc<Function>) -> Result<(), Trouble> {
        let mut changed = self.changes();
        loop {
            match self.ready(function).await {
                Err(Trouble::Installing { .. }) => {}
                settled => return settled,
            }
            if changed.changed().await.is_err() {
                return Ok(());
            }
        }
    }

    /// Where a function finds its packages; asked when it is loaded.
    #[must_use]
    pub fn packages(&self, function: &Function) -> Packages {
        self.upkeep.book.lock().packages(&function.revision, &self.upkeep.folders)
    }

    /// Whether sets of this runtime are being installed.
    #[must_use]
    pub fn installing(&self, runtime: &str) -> bool {
        let language = Language::of_runtime(runtime);
        language.is_some_and(|language| self.upkeep.book.lock().next(language).is_some())
    }

    /// Changes whenever a set is installed, or could not be.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.upkeep.changed.subscribe()
    }

    /// Installs what is missing, or was not to be installed before.
    pub async fn install(&self, progress: &dyn Progress) {
        LANGUAGES.iter().for_each(|language| self.upkeep.book.lock().try_again(*language));
        let all = LANGUAGES.map(|language| self.upkeep.install_all(language, progress));
        futures_util::future::join_all(all).await;
    }

    /// Begins to install what is awaited.
    fn begin(&self) {
        for language in LANGUAGES {
            if self.upkeep.book.lock().next(language).is_some() {
                let upkeep = self.upkeep.clone();
                tokio::spawn(async move {
                    upkeep.install_all(language, &Logged).await;
                    upkeep.tend(language).await;
                });
            }
        }
    }

    /// How the sets of the last snapshot stand.
    #[must_use]
    pub fn rows(&self) -> Vec<Row> {
        self.upkeep.book.lock().rows()
    }

    /// Lists that nothing can be said of, and why: their language is not there.
    #[must_use]
    pub fn unknown(&self) -> Vec<(String, String)> {
        self.upkeep.unknown.lock().clone().into_iter().collect()
    }

    /// The lists of a function, its own before the folder's.
    fn lists(&self, function: &Function, read: &mut Lists) -> Vec<List> {
        let Some(language) = Language::of_runtime(&function.runtime) else { return Vec::new() };
        if self.strangers.contains(&function.runtime) {
            return Vec::new();
        }
        let mut list = |folder: &PathBuf| {
            let place = (language as usize, folder.clone());
            let list = || List::read(language, &function.root, folder);
            read.entry(place).or_insert_with(list).clone()
        };
        function.folder.iter().chain([&function.root]).filter_map(&mut list).collect()
    }

    async fn take_in(&self, functions: Vec<Arc<Function>>, whole: bool) {
        let deps = self.clone();
        let read = move || {
            let mut read = HashMap::new();
            let functions = functions.into_iter().filter(|function| function.problem.is_none());
            functions
                .map(|function| (deps.lists(&function, &mut read), function))
                .collect::<Vec<_>>()
        };
        let Ok(wanted) = tokio::task::spawn_blocking(read).await else { return };
        let mut needs = Vec::with_capacity(wanted.len());
        for (lists, function) in wanted {
            let mut ids = Vec::with_capacity(lists.len());
            for list in lists {
                ids.push(self.upkeep.identify(list).await);
            }
            // What is not known now is asked for again when the function is called.
            if let Ok(ids) = ids.into_iter().collect() {
                needs.push((function.revision.clone(), function.name.clone(), ids));
            }
        }
        self.upkeep.note(needs, whole);
    }
}

impl fmt::Debug for Deps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Deps").field("folders", &self.upkeep.folders).finish_non_exhaustive()
    }
}
