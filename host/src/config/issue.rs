//! What can be wrong with a configuration, and where each value came from.
//!
//! Knows nothing of YAML or of any key; it only words places and complaints.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// Nobody set it.
    Default,
    /// A file; line and column count from 1.
    File { file: Arc<str>, line: usize, column: usize },
    /// An environment variable of this name.
    Variable(Arc<str>),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Default => write!(f, "default"),
            Origin::File { file, line, .. } => write!(f, "{file}:{line}"),
            Origin::Variable(name) => write!(f, "environment variable {name}"),
        }
    }
}

/// One complaint about one key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issue {
    pub origin: Origin,
    /// Path of the key, such as `functions.pool.min_warm`; empty for the file as a whole.
    pub key: String,
    /// Reads on from the key: `is not a known key; did you mean 'min_warm'?`
    pub complaint: String,
}

impl Issue {
    pub fn new(origin: &Origin, key: impl Into<String>, complaint: impl Into<String>) -> Issue {
        Issue { origin: origin.clone(), key: key.into(), complaint: complaint.into() }
    }
}

impl fmt::Display for Issue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.origin {
            Origin::Default => {}
            // Without a key the column is what leads to the spot.
            Origin::File { file, line, column } if self.key.is_empty() => {
                write!(f, "{file}:{line}:{column}: ")?;
            }
            origin => write!(f, "{origin}: ")?,
        }
        if !self.key.is_empty() {
            write!(f, "{} ", self.key)?;
        }
        write!(f, "{}", self.complaint)
    }
}

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("configuration file '{}' not found; create it or leave --config away", .0.display())]
    Missing(PathBuf),
    #[error("cannot read configuration file '{}': {source}", .file.display())]
    Unreadable { file: PathBuf, source: std::io::Error },
    #[error("the folder '{}' cannot be made absolute: {source}", .folder.display())]
    Folder { folder: PathBuf, source: std::io::Error },
    /// Everything that is wrong, in the order of the file.
    #[error("{}", lines(.0))]
    Invalid(Vec<Issue>),
}

fn lines(issues: &[Issue]) -> String {
    issues.iter().map(Issue::to_string).collect::<Vec<_>>().join("\n")
}
