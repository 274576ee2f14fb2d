//! Known failures: cases a shim does not pass yet, each with a reason.
//!
//! The list only shrinks: an entry whose cases pass is stale, and a stale entry fails the run.

use std::path::Path;

use globset::GlobMatcher;
use serde::Deserialize;

use crate::suite::glob;
use crate::transport::Transport;

/// One line of the list.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Entry {
    /// A case id or a glob.
    pub case: String,
    pub reason: String,
    #[serde(default)]
    pub issue: Option<String>,
    /// The version of the shim by which it is to be mended.
    #[serde(default)]
    pub until: Option<String>,
    /// Only on these transports; none named means all.
    #[serde(default)]
    pub transports: Vec<Transport>,
}

/// The whole list.
#[derive(Debug, Default)]
pub struct KnownFailing(Vec<(Entry, GlobMatcher)>);

/// What is wrong with the list.
#[derive(Debug, thiserror::Error)]
pub enum KnownError {
    #[error("cannot read '{path}': {source}")]
    Read { path: String, source: std::io::Error },
    #[error("'{path}': {source}")]
    Form { path: String, source: serde_yaml::Error },
    #[error("'{path}': entry '{case}': {why}")]
    Entry { path: String, case: String, why: String },
}

impl KnownFailing {
    /// Reads the list.
    ///
    /// # Errors
    /// [`KnownError`] naming the file.
    pub fn read(path: &Path) -> Result<Self, KnownError> {
        let shown = path.display().to_string();
        let text = std::fs::read_to_string(path)
            .map_err(|source| KnownError::Read { path: shown.clone(), source })?;
        let entries: Vec<Entry> = serde_yaml::from_str(&text)
            .map_err(|source| KnownError::Form { path: shown.clone(), source })?;
        let with_glob = |entry: Entry| {
            let wrong = |why: String| {
                let (path, case) = (shown.clone(), entry.case.clone());
                KnownError::Entry { path, case, why }
            };
            if entry.reason.trim().is_empty() {
                return Err(wrong("a known failure needs a `reason`".into()));
            }
            let matcher = glob(&entry.case).map_err(|e| wrong(e.to_string()))?;
            Ok((entry, matcher))
        };
        Ok(KnownFailing(entries.into_iter().map(with_glob).collect::<Result<_, _>>()?))
    }

    /// The entry that speaks of this case on this transport.
    #[must_use]
    pub fn entry(&self, case: &str, transport: Transport) -> Option<&Entry> {
        self.0
            .iter()
            .find(|(entry, matcher)| {
                let here = entry.transports.is_empty() || entry.transports.contains(&transport);
                here && matcher.is_match(case)
            })
            .map(|(entry, _)| entry)
    }

    /// Entries that match no case of the whole suite: renamed or removed, stale either way.
    #[must_use]
    pub fn without_case<'a>(&'a self, all: &[&str]) -> Vec<&'a Entry> {
        let unknown = |matcher: &GlobMatcher| !all.iter().any(|id| matcher.is_match(id));
        self.0.iter().filter(|(_, m)| unknown(m)).map(|(entry, _)| entry).collect()
    }
}
