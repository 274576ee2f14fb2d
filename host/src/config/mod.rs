//! alyx.yaml: finds it, lays the environment over it, and hands out settings with no gaps.
//!
//! Knows nothing of what the settings do. Defaults < file < `ALYX_*` variables; command line
//! flags come last and are the caller's, who writes them into the public fields.

pub mod issue;
pub mod secret;
pub mod suggest;
pub mod quantity;
pub mod interpolate;
pub mod document;
pub mod braces;
pub mod yaml;
pub mod schema;
pub mod keys;
pub mod substitute;
pub mod environment;
pub mod scalar;
pub mod check;
pub mod collection;
pub mod model;
pub mod consistency;

use crate::config::check::{Checked, check};
use crate::config::consistency::contradictions;
use crate::config::document::{Node, read_text};
use crate::config::issue::{ConfigError, Issue, Origin};
use crate::config::keys::KEYS;
use crate::config::model::Settings;
use crate::config::schema::Schema;
use crate::config::secret::Variables;
use std::collections::BTreeMap;
use std::ops::{Deref, DerefMut};
use std::path::{Path, PathBuf};

/// Looked for in the current folder when no file is named.
pub const FILE_NAME: &str = "alyx.yaml";

/// The settings and where they came from. Fields of `Settings` are reached directly:
/// `config.server.port`.
#[derive(Debug, Clone)]
pub struct Config {
    pub settings: Settings,
    /// The file that was read; none when there is none.
    pub file: Option<PathBuf>,
    /// What relative paths start from: the file's folder.
    pub folder: PathBuf,
    /// To be logged once at the start.
    pub warnings: Vec<String>,
    /// The environment at the start, for `${VAR}` in manifests.
    pub variables: Variables,
    origins: BTreeMap<String, Origin>,
}

impl Config {
    /// Reads `path`, else `ALYX_CONFIG`, else `alyx.yaml` in `folder` if it is there.
    /// A relative path starts from `folder`, the current one as a rule.
    pub fn load(
        path: Option<&Path>,
        folder: &Path,
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Config, ConfigError> {
        let variables: Variables = environment.into_iter().collect();
        let folder = std::path::absolute(folder)
            .map_err(|source| ConfigError::Folder { folder: folder.to_owned(), source })?;
        let file = find(path, &folder, &variables)?;
        let mut document = match &file {
            Some((file, label)) => read(file, label)?,
            None => Node::empty_map(Origin::Default),
        };
        let schema = Schema::new(KEYS);
        let strangers = environment::overlay(&mut document, &schema, &variables);
        let mut checked = check(&schema, &document, &variables);
        let slips = environment::slips(&strangers, &checked.named, &document, &schema);
        checked.warnings.extend(slips);
        let settings = settle(&checked)?;
        let file = file.map(|(file, _)| file);
        let folder = file.as_deref().and_then(Path::parent).map_or(folder, Path::to_owned);
        let Checked { warnings, origins, .. } = checked;
        let mut config = Config { settings, file, folder, warnings, variables, origins };
        config.resolve_paths();
        Ok(config)
    }

    /// Where the value of a key came from: `config.origin("functions.pool.min_warm")`.
    pub fn origin(&self, key: &str) -> &Origin {
        self.origins.get(key).unwrap_or(&Origin::Default)
    }

    /// Every key that has a value, in the order of their paths.
    pub fn origins(&self) -> impl Iterator<Item = (&str, &Origin)> {
        self.origins.iter().map(|(key, origin)| (key.as_str(), origin))
    }

    /// What others find wrong with the settings, as pairs of key path and complaint, with the
    /// places of the keys.
    ///
    /// # Errors
    /// [`ConfigError::Invalid`] when there is anything.
    pub fn refuse(&self, found: Vec<(String, String)>) -> Result<(), ConfigError> {
        let issue = |(key, complaint): (String, String)| {
            let origin = set_origin(&self.origins, &key).unwrap_or(&Origin::Default);
            Issue::new(origin, key, complaint)
        };
        let issues: Vec<_> = found.into_iter().map(issue).collect();
        if issues.is_empty() { Ok(()) } else { Err(ConfigError::Invalid(issues)) }
    }

    fn resolve_paths(&mut self) {
        let folder = &self.folder;
        let settings = &mut self.settings;
        for path in
            [&mut settings.functions.path, &mut settings.database.path, &mut settings.history.path]
        {
            *path = folder.join(&*path);
        }
        if let Some(jwks) = &mut settings.auth.jwt.jwks
            && !jwks.contains("://")
        {
            *jwks = folder.join(&*jwks).to_string_lossy().into_owned();
        }
    }
}

impl Deref for Config {
    type Target = Settings;

    fn deref(&self) -> &Settings {
        &self.settings
    }
}

impl DerefMut for Config {
    fn deref_mut(&mut self) -> &mut Settings {
        &mut self.settings
    }
}

/// The settings of a host that nobody has configured.
pub fn defaults() -> Settings {
    let schema = Schema::new(KEYS);
    let nothing = Node::empty_map(Origin::Default);
    settle(&check(&schema, &nothing, &Variables::default()))
        .expect("defaults are complete and fit together, which a test checks")
}

/// The environment of this process. Names and values that are no text are left out: no key
/// could hold them.
pub fn process_environment() -> Vec<(String, String)> {
    let text = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
        Some((name.into_string().ok()?, value.into_string().ok()?))
    };
    std::env::vars_os().filter_map(text).collect()
}

/// The file to read and what messages call it: the name by which it was asked for.
fn find(
    path: Option<&Path>,
    folder: &Path,
    variables: &Variables,
) -> Result<Option<(PathBuf, String)>, ConfigError> {
    let variable = variables.get(environment::FILE_VARIABLE).filter(|path| !path.is_empty());
    let (file, named) = match path.or(variable.map(Path::new)) {
        Some(path) => (path, true),
        None => (Path::new(FILE_NAME), false),
    };
    let label = file.display().to_string();
    let full = folder.join(file);
    // A dangling link counts as missing when named, and must not pass for no file otherwise.
    match full.symlink_metadata() {
        Ok(_) => Ok(Some((full, label))),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && named => {
            Err(ConfigError::Missing(file.to_owned()))
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(ConfigError::Unreadable { file: file.to_owned(), source }),
    }
}

fn read(file: &Path, label: &str) -> Result<Node, ConfigError> {
    let text =
        read_text(file).map_err(|source| ConfigError::Unreadable { file: label.into(), source })?;
    yaml::parse(&text, &yaml::in_file(label)).map_err(|issue| ConfigError::Invalid(vec![issue]))
}

/// Turns what was checked into settings. Contradictions are looked for only when every value
/// is fine alone: with a value missing they would be guesses.
fn settle(checked: &Checked) -> Result<Settings, ConfigError> {
    if !checked.issues.is_empty() {
        return Err(ConfigError::Invalid(checked.issues.clone()));
    }
    let settings: Settings = serde_yaml::from_value(checked.value.clone())
        .expect("keys.rs and model.rs agree, which a test checks for every kind");
    let issues: Vec<Issue> = contradictions(&settings)
        .into_iter()
        .map(|found| {
            let blamed = found.keys.iter().find_map(|key| set_origin(&checked.origins, key));
            let origin = blamed.unwrap_or(&Origin::Default);
            Issue::new(origin, found.keys[0].clone(), found.complaint)
        })
        .collect();
    if issues.is_empty() { Ok(settings) } else { Err(ConfigError::Invalid(issues)) }
}

/// Where a key was set; for a section, where the first of its keys was.
fn set_origin<'a>(origins: &'a BTreeMap<String, Origin>, key: &str) -> Option<&'a Origin> {
    let section = format!("{key}.");
    let below = origins.range(section.clone()..).take_while(|(name, _)| name.starts_with(&section));
    origins
        .get(key)
        .into_iter()
        .chain(below.map(|(_, origin)| origin))
        .find(|origin| **origin != Origin::Default)
}

#[cfg(test)]
mod tests;
