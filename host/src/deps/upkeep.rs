//! Keeps sets as they are wanted: looks at them, puts them in use, installs them, tries again.
//!
//! Knows one set after the other; which functions want them is noted in the book.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::config::Config;
use crate::config::model::Dependencies;
use crate::deps::Purpose;
use crate::deps::blame::Fault;
use crate::deps::book::{Book, Id, Standing, Trouble};
use crate::deps::folders::{Folders, Pointed};
use crate::deps::install::{install, key};
use crate::deps::job::Job;
use crate::deps::list::{List, Source};
use crate::deps::progress::{Logged, Progress};
use crate::deps::tools::{Tools, Workshops};
use crate::registry::imports::Language;

/// How often a set that could not be installed is looked for, in case somebody has installed it.
const GLANCE: Duration = Duration::from_secs(2);
/// When to try again what could not be installed: twice as late each time, up to the last.
const RETRY: Duration = Duration::from_secs(60);
const LAST_RETRY: Duration = Duration::from_secs(15 * 60);

/// What a function wants: its revision, its name, its sets.
pub(crate) type Want = (Arc<str>, String, Vec<(Id, List)>);

/// All sets of a project, and what is done about them.
pub(crate) struct Upkeep {
    pub(super) folders: Folders,
    pub(super) tools: Tools,
    purpose: Purpose,
    /// Else sets that are there are used, and nothing is said of others.
    pub(super) automatic: bool,
    pub(super) book: Mutex<Book>,
    /// Lists whose sets cannot be known, and why.
    pub(super) unknown: Mutex<BTreeMap<String, String>>,
    /// One install of each language at a time.
    turns: [tokio::sync::Mutex<()>; 3],
    tending: [tokio::sync::Mutex<()>; 3],
    pub(super) changed: watch::Sender<u64>,
}

impl Upkeep {
    pub(crate) fn new(config: &Config, purpose: Purpose, elsewhere: Workshops) -> Upkeep {
        Upkeep {
            folders: Folders::of(&config.folder),
            tools: Tools::new(&config.variables, elsewhere),
            purpose,
            automatic: config.functions.enabled
                && config.functions.dependencies == Dependencies::Auto,
            book: Mutex::default(),
            unknown: Mutex::default(),
            turns: Default::default(),
            tending: Default::default(),
            changed: watch::Sender::new(0),
        }
    }

    /// The set that a list asks for.
    ///
    /// # Errors
    /// Why that cannot be known: the language is not there, and its functions are refused for that.
    pub(crate) async fn identify(&self, list: List) -> Result<(Id, List), String> {
        let found = self.tools.find(list.language).await;
        let mut unknown = self.unknown.lock();
        match found {
            Ok(tool) => {
                unknown.remove(&list.label);
                let key = key(&list, &tool);
                Ok((Id { list: list.label.clone(), key }, list))
            }
            Err(why) => {
                unknown.insert(list.label, why.clone());
                Err(why)
            }
        }
    }

    /// Enters what functions want, and puts in use what is there.
    pub(crate) fn note(&self, needs: Vec<Want>, whole: bool) {
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
                let standing = self.look(&id, &list, book.set(&id).map(|(_, standing)| standing));
                book.enter(id, list, &function, standing);
            }
        }
    }

    /// How a set stands, after what was known of it; none when that still holds.
    fn look(&self, id: &Id, list: &List, before: Option<&Standing>) -> Option<Standing> {
        let pointed = self.folders.pointed(list);
        if pointed == Pointed::Foreign && list.language == Language::Node {
            if !matches!(before, Some(Standing::Own)) {
                let folder = Path::new(&list.label).with_file_name("node_modules");
                tracing::info!("'{}' is used as it is", folder.display());
            }
            return Some(Standing::Own);
        }
        if let Source::Broken(why) = &list.source {
            let failed = || Standing::failed(Fault::new(why), self.before(list));
            return before.is_none().then(failed);
        }
        let set = self.folders.set(list.language, &id.key);
        let automatic = self.purpose == Purpose::Serve && self.automatic;
        match before {
            Some(Standing::Awaited(_)) => None,
            _ if self.is_there(id, list) && self.purpose == Purpose::Look => {
                let used = pointed == Pointed::Set(set.canonicalize().unwrap_or_default());
                Some(if used { Standing::Present(set) } else { Standing::Missing })
            }
            _ if self.is_there(id, list) => Some(self.put_in_use(list, set)),
            // It is tried again from time to time.
            Some(Standing::Failed { .. }) => None,
            _ => Some(if automatic { Standing::Awaited(None) } else { Standing::Missing }),
        }
    }

    fn put_in_use(&self, list: &List, set: PathBuf) -> Standing {
        self.folders.touch(&set);
        match self.folders.point(list, &set) {
            Ok(()) => Standing::Present(set),
            Err(error) => {
                let link = Path::new(&list.label).with_file_name("node_modules");
                let why = format!("cannot link '{}' to it: {error}", link.display());
                Standing::failed(Fault::new(why), None)
            }
        }
    }

    /// Whether a set can be used; one that was not there may have been installed by hand.
    pub(crate) fn standing(&self, id: &Id) -> Result<(), Trouble> {
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

    fn is_there(&self, id: &Id, list: &List) -> bool {
        self.folders.has(list.language, &id.key)
    }

    /// Looks after sets that could not be installed: somebody may install them by hand, and what
    /// is out of reach now may not be so later.
    pub(crate) async fn tend(&self, language: Language) {
        let Ok(_tending) = self.tending[language as usize].try_lock() else { return };
        let (mut pause, mut again) = (RETRY, Instant::now() + RETRY);
        loop {
            tokio::time::sleep(GLANCE).await;
            let failed = self.book.lock().failed(language);
            if failed.is_empty() {
                return;
            }
            for (id, list) in failed {
                if self.is_there(&id, &list) {
                    let standing = self.put_in_use(&list, self.folders.set(language, &id.key));
                    self.settle(&id, standing);
                }
            }
            if Instant::now() >= again {
                self.book.lock().try_again(language);
                self.install_all(language, &Logged).await;
                pause = (pause * 2).min(LAST_RETRY);
                again = Instant::now() + pause;
            }
        }
    }

    fn settle(&self, id: &Id, standing: Standing) {
        self.book.lock().stands(id, standing);
        self.changed.send_modify(|count| *count += 1);
    }

    pub(crate) async fn install_all(&self, language: Language, progress: &dyn Progress) {
        let _turn = self.turns[language as usize].lock().await;
        loop {
            let Some((id, list)) = self.book.lock().next(language) else { return };
            let standing = self.try_one(&list, progress).await;
            self.settle(&id, standing);
        }
    }

    /// The set that was installed before; of Go's a build can make no use.
    fn before(&self, list: &List) -> Option<PathBuf> {
        match self.folders.pointed(list) {
            Pointed::Set(set) if list.language != Language::Go && set.is_dir() => Some(set),
            _ => None,
        }
    }

    async fn try_one(&self, list: &List, progress: &dyn Progress) -> Standing {
        let (folders, tools) = (&self.folders, &self.tools);
        let tool = match tools.find(list.language).await {
            Ok(tool) => tool,
            Err(why) => return Standing::failed(Fault::new(why), None),
        };
        let in_use = self.book.lock().in_use();
        let job = Job { list, tool: &tool, tools, folders, progress };
        match install(&job, &in_use).await {
            Ok(set) => self.put_in_use(list, set),
            Err(fault) => {
                let old = self.before(list);
                if old.is_some() {
                    progress.warns(&list.label, "the packages installed before stay in use");
                }
                Standing::failed(fault, old)
            }
        }
    }
}
