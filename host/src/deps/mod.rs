//! The packages that functions use: which sets are wanted, which are there, and installing them.
//!
//! A set belongs to a list (`functions/package.json`), and has a key made of the list, its lock and
//! the platform. Nothing is installed during a call: a function whose set is missing is refused
//! until it is there. Knows nothing of workers, nor of who is told.

pub mod list;
pub mod folders;
pub mod tools;
pub mod leash;
pub mod blame;
pub mod progress;
mod job;
mod install;
mod npm;
mod pip;
mod modules;
mod book;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::watch;

use crate::config::Config;
use crate::config::model::{Dependencies, RuntimeConfig};
use crate::deps::book::{Book, Id, Standing};
use crate::deps::folders::{Folders, Pointed};
use crate::deps::job::Job;
use crate::deps::list::{List, Source};
use crate::deps::progress::{Logged, Progress};
use crate::deps::tools::Tools;
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
pub struct Deps(Arc<Inner>);

struct Inner {
    folders: Folders,
    tools: Tools,
    purpose: Purpose,
    /// Off: sets that are there are used, and nothing is said of others.
    automatic: bool,
    /// Runtimes that somebody else's command starts: nobody knows what their packages are.
    strangers: Vec<String>,
    book: Mutex<Book>,
    /// One install of each language at a time.
    turns: [tokio::sync::Mutex<()>; 3],
    changed: watch::Sender<u64>,
}

impl Deps {
    #[must_use]
    pub fn new(config: &Config, purpose: Purpose) -> Deps {
        let automatic = config.functions.dependencies == Dependencies::Auto;
        let stranger = |runtime: &RuntimeConfig| runtime.command.is_some() || !runtime.enabled;
        let runtimes = config.functions.runtimes.iter();
        let strangers = runtimes.filter(|(_, runtime)| stranger(runtime));
        Deps(Arc::new(Inner {
            folders: Folders::of(&config.folder),
            tools: Tools::new(&config.variables),
            purpose,
            automatic,
            strangers: strangers.map(|(name, _)| name.clone()).collect(),
            book: Mutex::default(),
            turns: Default::default(),
            changed: watch::Sender::new(0),
        }))
    }

    /// The folder of all sets, which workers have to be able to read.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.0.folders.path()
    }

    /// Takes in what a snapshot's functions want. What is missing is installed in the background,
    /// where that is the purpose; a set that is there is in use when this returns.
    pub async fn adopt(&self, registry: &Registry) {
        let functions = registry.iter().cloned().collect();
        self.take_in(functions, true).await;
        if self.0.purpose == Purpose::Serve && self.0.automatic {
            self.begin();
        }
    }

    /// Whether this function's sets are there, so that it can be loaded.
    ///
    /// # Errors
    /// [`Trouble`], for as long as one is not.
    pub fn ready(&self, function: &Arc<Function>) -> Result<(), Trouble> {
        if !self.0.automatic {
            return Ok(());
        }
        let known = self.0.book.lock().needs(&function.revision);
        let Some(needs) = known else { return self.unknown(function) };
        for id in needs {
            self.0.standing(&id)?;
        }
        Ok(())
    }

    /// A revision that no snapshot had: a function was mended while its host serves.
    fn unknown(&self, function: &Arc<Function>) -> Result<(), Trouble> {
        let Some(list) = self.0.lists(function).into_iter().next() else { return Ok(()) };
        let (deps, function) = (self.clone(), function.clone());
        tokio::spawn(async move {
            deps.take_in(vec![function], false).await;
            if deps.0.purpose == Purpose::Serve {
                deps.begin();
            }
        });
        Err(Trouble::Installing { list: list.label })
    }

    /// Where a function finds its packages; asked when it is loaded.
    #[must_use]
    pub fn packages(&self, function: &Function) -> Packages {
        self.0.book.lock().packages(&function.revision, &self.0.folders)
    }

    /// Whether sets of this runtime are being installed.
    #[must_use]
    pub fn installing(&self, runtime: &str) -> bool {
        let language = Language::of_runtime(runtime);
        language.is_some_and(|language| self.0.book.lock().next(language).is_some())
    }

    /// Waits until no set of this runtime is being installed.
    pub async fn settled(&self, runtime: &str) {
        let mut changed = self.changes();
        while self.installing(runtime) {
            if changed.changed().await.is_err() {
                return;
            }
        }
    }

    /// Changes whenever a set is installed, or could not be.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.0.changed.subscribe()
    }

    /// Installs what is missing, or was not to be installed before.
    pub async fn install(&self, progress: &dyn Progress) {
        self.0.book.lock().try_all_again();
        let all = LANGUAGES.map(|language| self.0.install_all(language, progress));
        futures_util::future::join_all(all).await;
    }

    fn begin(&self) {
        for language in LANGUAGES {
            if self.0.book.lock().next(language).is_some() {
                let inner = self.0.clone();
                tokio::spawn(async move { inner.install_all(language, &Logged).await });
            }
        }
    }

    /// How the sets of the last snapshot stand.
    #[must_use]
    pub fn rows(&self) -> Vec<Row> {
        self.0.book.lock().rows()
    }

    async fn take_in(&self, functions: Vec<Arc<Function>>, whole: bool) {
        let inner = self.0.clone();
        let read = move || {
            let lists = |function: &Arc<Function>| inner.lists(function);
            let functions = functions.into_iter().filter(|function| function.problem.is_none());
            functions.map(|function| (lists(&function), function)).collect::<Vec<_>>()
        };
        let Ok(wanted) = tokio::task::spawn_blocking(read).await else { return };
        let mut needs = Vec::with_capacity(wanted.len());
        for (lists, function) in wanted {
            let mut ids = Vec::with_capacity(lists.len());
            for list in lists {
                ids.extend(self.0.identify(list).await);
            }
            needs.push((function.revision.clone(), function.name.clone(), ids));
        }
        self.0.note(needs, whole);
    }
}

impl Inner {
    /// The lists of a function, its own before the folder's.
    fn lists(&self, function: &Function) -> Vec<List> {
        let Some(language) = Language::of_runtime(&function.runtime) else { return Vec::new() };
        if self.strangers.contains(&function.runtime) {
            return Vec::new();
        }
        let folders = function.folder.iter().chain([&function.root]);
        folders.filter_map(|folder| List::read(language, &function.root, folder)).collect()
    }

    /// None when the language is not there: its functions are refused for that.
    async fn identify(&self, list: List) -> Option<(Id, List)> {
        let tool = self.tools.find(list.language).await.ok()?;
        let key = install::key(&list, tool);
        Some((Id { list: list.label.clone(), key }, list))
    }

    /// Enters what functions want, and puts in use what is there.
    fn note(&self, needs: Vec<(Arc<str>, String, Vec<(Id, List)>)>, whole: bool) {
        let mut book = self.book.lock();
        if whole {
            book.forget_wants();
        }
        if self.purpose != Purpose::Look && needs.iter().any(|(_, _, ids)| !ids.is_empty()) {
            // Told when something is to be installed.
            let _unwritable = self.folders.create();
        }
        for (revision, function, wanted) in needs {
            let ids = wanted.iter().map(|(id, _)| id.clone()).collect();
            book.want(revision, ids);
            for (id, list) in wanted {
                book.enter(id, list, &function, |id, list| self.look(id, list));
            }
        }
    }

    /// How a set stands that has not been looked at before.
    fn look(&self, id: &Id, list: &List) -> Standing {
        if let Source::Broken(why) = &list.source {
            return Standing::failed(blame::Fault::new(why), None);
        }
        let pointed = self.folders.pointed(list);
        if pointed == Pointed::Foreign && list.language == Language::Node {
            if self.purpose != Purpose::Look {
                let folder = Path::new(&list.label).with_file_name("node_modules");
                tracing::info!("'{}' is used as it is", folder.display());
            }
            return Standing::Own;
        }
        let set = self.folders.set(list.language, &id.key);
        if !self.folders.has(list.language, &id.key) {
            let automatic = self.purpose == Purpose::Serve && self.automatic;
            return if automatic { Standing::Awaited } else { Standing::Missing };
        }
        if self.purpose == Purpose::Look {
            let used = pointed == Pointed::Set(set.canonicalize().unwrap_or_default());
            return if used { Standing::Present(set) } else { Standing::Missing };
        }
        self.put_in_use(list, set)
    }

    fn put_in_use(&self, list: &List, set: PathBuf) -> Standing {
        self.folders.touch(&set);
        match self.folders.point(list, &set) {
            Ok(()) => Standing::Present(set),
            Err(error) => {
                let link = Path::new(&list.label).with_file_name("node_modules");
                let why = format!("cannot link '{}' to it: {error}", link.display());
                Standing::failed(blame::Fault::new(why), None)
            }
        }
    }

    /// Whether a set can be used; one that was not there may have been installed by hand.
    fn standing(&self, id: &Id) -> Result<(), Trouble> {
        let mut book = self.book.lock();
        let Some((list, standing)) = book.set(id) else { return Ok(()) };
        let (language, list) = (list.language, list.clone());
        let Err(trouble) = standing.usable(id) else { return Ok(()) };
        if !self.folders.has(language, &id.key) || standing.is_awaited() {
            return Err(trouble);
        }
        let put = self.put_in_use(&list, self.folders.set(language, &id.key));
        book.stands(id, put);
        Ok(())
    }

    async fn install_all(&self, language: Language, progress: &dyn Progress) {
        let _turn = self.turns[language as usize].lock().await;
        loop {
            let Some((id, list)) = self.book.lock().next(language) else { return };
            let standing = self.install(&list, progress).await;
            self.book.lock().stands(&id, standing);
            self.changed.send_modify(|count| *count += 1);
        }
    }

    async fn install(&self, list: &List, progress: &dyn Progress) -> Standing {
        let (folders, tools) = (&self.folders, &self.tools);
        let tool = match tools.find(list.language).await {
            Ok(tool) => tool,
            Err(why) => return Standing::failed(blame::Fault::new(why), None),
        };
        let in_use = self.book.lock().in_use();
        let job = Job { list, tool, tools, folders, progress };
        match install::install(&job, &in_use).await {
            Ok(set) => self.put_in_use(list, set),
            Err(fault) => {
                let old = match folders.pointed(list) {
                    Pointed::Set(set) if list.language != Language::Go && set.is_dir() => Some(set),
                    _ => None,
                };
                if old.is_some() {
                    progress.warns(&list.label, "the packages installed before stay in use");
                }
                Standing::failed(fault, old)
            }
        }
    }
}

impl fmt::Debug for Deps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Deps").field("folders", &self.0.folders).finish_non_exhaustive()
    }
}
