//! `conf.yaml`: how one runtime is run, for authors who prefer a file to flags.
//!
//! Knows how the file is written; `runner` uses what it says.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;

/// One runtime. In its commands `{dir}` is the folder of the file, `{tmp}` a folder for this run
/// alone and `{cache}` one that may be kept.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct RuntimeConfig {
    /// Program and arguments of the shim.
    #[serde(default)]
    pub command: Vec<String>,
    /// The folder of the fixtures; relative to the file.
    #[serde(default)]
    pub fixtures: Option<String>,
    /// Commands run once before anything else, such as building the shim.
    #[serde(default)]
    pub setup: Vec<Vec<String>>,
    /// For a runtime that compiles: turns `{source}` (in `{root}`) into `{out}`, which is loaded
    /// instead.
    #[serde(default)]
    pub prepare: Option<Vec<String>>,
    /// How long a shim may take to connect.
    #[serde(default)]
    pub start_timeout_ms: Option<u64>,
    /// Fixtures that are the same function in this language: the name and the one that stands for
    /// it.
    #[serde(default)]
    pub same: BTreeMap<String, String>,
    /// False where a handler does one thing at a time: cases that need more are skipped.
    #[serde(default)]
    pub parallel: Option<bool>,
    #[serde(default)]
    pub known_failing: Option<String>,
}

/// What is wrong with the file.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("cannot read '{path}': {source}")]
    Read { path: String, source: std::io::Error },
    #[error("'{path}': {source}")]
    Form { path: String, source: serde_yaml::Error },
}

impl RuntimeConfig {
    /// Reads `path` and fills in the places of its commands.
    ///
    /// # Errors
    /// [`ConfigError`] with file and place.
    pub fn read(path: &Path, tmp: &Path, cache: &Path) -> Result<Self, ConfigError> {
        let shown = path.display().to_string();
        let read = |source| ConfigError::Read { path: shown.clone(), source };
        let text = std::fs::read_to_string(path).map_err(read)?;
        let mut config: RuntimeConfig = serde_yaml::from_str(&text)
            .map_err(|source| ConfigError::Form { path: shown.clone(), source })?;
        let dir = folder_of(path).map_err(read)?.display().to_string();
        let (tmp, cache) = (tmp.display().to_string(), cache.display().to_string());
        let places = [("dir", dir.as_str()), ("tmp", &tmp), ("cache", &cache)];
        config.command = fill(&config.command, &places);
        config.setup = config.setup.iter().map(|command| fill(command, &places)).collect();
        config.prepare = config.prepare.map(|command| fill(&command, &places));
        let in_dir = |name: String| Path::new(&dir).join(name).display().to_string();
        config.fixtures = config.fixtures.map(in_dir);
        config.known_failing = config.known_failing.map(in_dir);
        Ok(config)
    }
}

fn folder_of(path: &Path) -> std::io::Result<PathBuf> {
    let path = path.canonicalize()?;
    Ok(path.parent().unwrap_or(&path).to_owned())
}

/// The words of a command with each `{name}` replaced by its value.
#[must_use]
pub fn fill(command: &[String], values: &[(&str, &str)]) -> Vec<String> {
    let replaced = |word: &String| {
        values
            .iter()
            .fold(word.clone(), |word, (name, value)| word.replace(&format!("{{{name}}}"), value))
    };
    command.iter().map(replaced).collect()
}
