//! What is wanted and how it stands: functions by revision, sets by list and key.
//!
//! Plain data behind one lock; touches no file and runs nothing.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::PathBuf;
use std::sync::Arc;

use crate::deps::Packages;
use crate::deps::blame::Fault;
use crate::deps::folders::{Folders, importable, name};
use crate::deps::list::List;
use crate::deps::progress::told;
use crate::registry::imports::Language;

/// Revisions that are remembered: those that serve, and some before them.
const REVISIONS: usize = 20_000;

/// A set, as one list asks for it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Id {
    /// The list's label.
    pub(crate) list: String,
    pub(crate) key: String,
}

/// Why a function cannot be loaded for the moment.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Trouble {
    #[error("the packages of '{list}' are being installed; try again")]
    Installing { list: String },
    #[error("the packages of '{list}' are not installed; run 'alyx deps install'")]
    Missing { list: String },
    #[error("{}; mend '{list}' and run 'alyx deps install'", told(.list, .fault))]
    Failed { list: String, fault: Arc<Fault> },
}

/// How a set stands.
#[derive(Debug, Clone)]
pub(crate) enum Standing {
    /// Installed there and in use.
    Present(PathBuf),
    /// The user's own packages are used.
    Own,
    /// About to be installed, or being installed; an older set may be in use until then.
    Awaited(Option<PathBuf>),
    Missing,
    /// It could not be installed; an older set of the same list may be in use.
    Failed {
        fault: Arc<Fault>,
        old: Option<PathBuf>,
    },
}

impl Standing {
    pub(crate) fn failed(fault: Fault, old: Option<PathBuf>) -> Standing {
        Standing::Failed { fault: Arc::new(fault), old }
    }

    pub(crate) fn is_awaited(&self) -> bool {
        matches!(self, Standing::Awaited(_))
    }

    pub(crate) fn usable(&self, id: &Id) -> Result<(), Trouble> {
        let list = id.list.clone();
        match self {
            Standing::Present(_) | Standing::Own => Ok(()),
            Standing::Failed { old: Some(_), .. } | Standing::Awaited(Some(_)) => Ok(()),
            Standing::Awaited(None) => Err(Trouble::Installing { list }),
            Standing::Missing => Err(Trouble::Missing { list }),
            Standing::Failed { fault, old: None } => {
                Err(Trouble::Failed { list, fault: fault.clone() })
            }
        }
    }
}

/// One set in a table.
#[derive(Debug, Clone)]
pub struct Row {
    pub list: String,
    pub runtime: &'static str,
    pub key: String,
    /// Names of the functions that use it.
    pub functions: Vec<String>,
    /// One word.
    pub status: &'static str,
    pub detail: String,
    /// Whether the set that is wanted can be used.
    pub whole: bool,
    pub folder: Option<PathBuf>,
}

#[derive(Debug, Default)]
pub(crate) struct Book {
    needs: HashMap<Arc<str>, Vec<Id>>,
    sets: BTreeMap<Id, Entry>,
}

#[derive(Debug)]
struct Entry {
    list: List,
    standing: Standing,
    /// Of the last snapshot.
    functions: BTreeSet<String>,
}

impl Book {
    /// What is wanted from now on is what comes next.
    pub(crate) fn forget_wants(&mut self) {
        self.sets.values_mut().for_each(|entry| entry.functions.clear());
        if self.needs.len() > REVISIONS {
            self.needs.clear();
        }
    }

    pub(crate) fn want(&mut self, revision: Arc<str>, ids: Vec<Id>) {
        self.needs.insert(revision, ids);
    }

    /// Enters a set that a function wants, with how it stands if that has changed.
    pub(crate) fn enter(&mut self, id: Id, list: List, function: &str, standing: Option<Standing>) {
        let entry = self.sets.entry(id).or_insert_with(|| Entry {
            list,
            standing: Standing::Missing,
            functions: BTreeSet::new(),
        });
        if let Some(standing) = standing {
            entry.standing = standing;
        }
        entry.functions.insert(function.to_owned());
    }

    pub(crate) fn needs(&self, revision: &str) -> Option<Vec<Id>> {
        self.needs.get(revision).cloned()
    }

    pub(crate) fn set(&self, id: &Id) -> Option<(&List, &Standing)> {
        self.sets.get(id).map(|entry| (&entry.list, &entry.standing))
    }

    pub(crate) fn stands(&mut self, id: &Id, standing: Standing) {
        if let Some(entry) = self.sets.get_mut(id) {
            entry.standing = standing;
        }
    }

    /// A set of this language that is to be installed.
    pub(crate) fn next(&self, language: Language) -> Option<(Id, List)> {
        let mut awaited = self.sets.iter().filter(|(_, entry)| {
            entry.list.language == language
                && entry.standing.is_awaited()
                && !entry.functions.is_empty()
        });
        awaited.next().map(|(id, entry)| (id.clone(), entry.list.clone()))
    }

    /// Has everything installed that is wanted and not there.
    pub(crate) fn try_again(&mut self, language: Language) {
        let wanted =
            |entry: &&mut Entry| entry.list.language == language && !entry.functions.is_empty();
        for entry in self.sets.values_mut().filter(wanted) {
            match &mut entry.standing {
                Standing::Missing => entry.standing = Standing::Awaited(None),
                // What serves goes on while it is tried.
                Standing::Failed { old, .. } => entry.standing = Standing::Awaited(old.take()),
                _ => {}
            }
        }
    }

    /// The sets that are wanted and could not be installed.
    pub(crate) fn failed(&self, language: Language) -> Vec<(Id, List)> {
        let failed = self.sets.iter().filter(|(_, entry)| {
            entry.list.language == language
                && matches!(entry.standing, Standing::Failed { .. })
                && !entry.functions.is_empty()
        });
        failed.map(|(id, entry)| (id.clone(), entry.list.clone())).collect()
    }

    pub(crate) fn in_use(&self) -> Vec<PathBuf> {
        self.sets.values().filter_map(|entry| folder(&entry.standing).cloned()).collect()
    }

    pub(crate) fn packages(&self, revision: &str, folders: &Folders) -> Packages {
        let mut packages = Packages::default();
        for id in self.needs.get(revision).into_iter().flatten() {
            let Some(entry) = self.sets.get(id) else { continue };
            let Some(set) = folder(&entry.standing) else { continue };
            packages.paths.extend(importable(entry.list.language, set));
            if entry.list.language == Language::Go {
                packages.modules = Some(folders.modules());
            }
        }
        packages
    }

    pub(crate) fn rows(&self) -> Vec<Row> {
        let wanted = self.sets.iter().filter(|(_, entry)| !entry.functions.is_empty());
        let row = |(id, entry): (&Id, &Entry)| {
            let (status, detail) = match &entry.standing {
                Standing::Present(_) => ("installed", String::new()),
                Standing::Own => ("yours", "node_modules is used as it is".to_owned()),
                Standing::Awaited(_) => ("installing", String::new()),
                Standing::Missing => ("missing", String::new()),
                Standing::Failed { fault, .. } => ("failed", told(&id.list, fault)),
            };
            Row {
                list: id.list.clone(),
                runtime: name(entry.list.language),
                key: folder(&entry.standing)
                    .and_then(|set| set.file_name())
                    .map_or_else(|| id.key.clone(), |name| name.to_string_lossy().into_owned()),
                functions: entry.functions.iter().cloned().collect(),
                status,
                detail,
                whole: matches!(entry.standing, Standing::Present(_) | Standing::Own),
                folder: folder(&entry.standing).cloned(),
            }
        };
        wanted.map(row).collect()
    }
}

/// The set that a list's functions get.
fn folder(standing: &Standing) -> Option<&PathBuf> {
    match standing {
        Standing::Present(set) => Some(set),
        Standing::Failed { old, .. } | Standing::Awaited(old) => old.as_ref(),
        Standing::Own | Standing::Missing => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deps::list::Source;

    #[test]
    fn an_older_set_serves_while_the_one_that_failed_is_tried_again() {
        let id = Id { list: "functions/requirements.txt".into(), key: "k".into() };
        for old in [None, Some(PathBuf::from("/sets/old"))] {
            let mut book = Book::default();
            let list = List {
                language: Language::Python,
                root: "/f".into(),
                folder: "/f".into(),
                label: id.list.clone(),
                source: Source::Requirements { local: Vec::new() },
                digest: [0; 32],
            };
            let failed = Standing::failed(Fault::new("no luck"), old.clone());
            book.enter(id.clone(), list, "uses", Some(failed));
            book.try_again(Language::Python);
            assert!(book.next(Language::Python).is_some(), "it is tried");
            let (_, standing) = book.set(&id).expect("it was entered");
            assert_eq!(standing.usable(&id).is_ok(), old.is_some());
            assert_eq!(folder(standing), old.as_ref());
        }
    }
}
