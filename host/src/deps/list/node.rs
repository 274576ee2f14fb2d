//! `package.json` and its lock.
//!
//! Of `package.json` only what npm installs by counts: another script or another version of the
//! project itself installs nothing anew.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::deps::list::{Fields, Found, Source, bytes_of};

const FILE: &str = "package.json";
/// In the order in which npm looks for them.
pub(crate) const LOCKS: [&str; 2] = ["npm-shrinkwrap.json", "package-lock.json"];
/// What npm installs by, besides the lock.
const COUNTING: [&str; 6] = [
    "dependencies",
    "devDependencies",
    "optionalDependencies",
    "peerDependencies",
    "bundleDependencies",
    "overrides",
];
/// What is installed.
const INSTALLED: [&str; 3] = ["dependencies", "optionalDependencies", "peerDependencies"];

pub(crate) fn read(root: &Path, folder: &Path) -> Option<Found> {
    let text = match bytes_of(&folder.join(FILE)) {
        Ok(text) => text?,
        Err(error) => return Some(Found::broken(FILE, error)),
    };
    let package: Value = match serde_json::from_slice(&text) {
        Ok(package) => package,
        Err(error) => return Some(Found::broken(FILE, error)),
    };
    let entries = |name: &&str| package.get(*name)?.as_object().cloned();
    let wanted: Vec<_> = INSTALLED.iter().filter_map(entries).flatten().collect();
    if wanted.is_empty() {
        return None;
    }
    if package.get("workspaces").is_some() {
        let why = "'workspaces' cannot be installed; name the folders as \"file:\" dependencies";
        return Some(Found::broken(FILE, why));
    }
    let specs = wanted.iter().filter_map(|(name, spec)| Some((name.as_str(), spec.as_str()?)));
    Some(match digest(root, folder, &package, specs) {
        Ok((digest, locked, local)) => {
            Found { file: FILE, source: Source::Npm { locked, local }, digest }
        }
        Err(why) => Found::broken(FILE, why),
    })
}

fn digest<'s>(
    root: &Path,
    folder: &Path,
    package: &Value,
    specs: impl Iterator<Item = (&'s str, &'s str)>,
) -> Result<(Fields, bool, Vec<PathBuf>), String> {
    let mut digest = Fields::default();
    for name in COUNTING {
        if let Some(value) = package.get(name) {
            digest.add(name, value.to_string().as_bytes());
        }
    }
    let file = |name: &str| {
        bytes_of(&folder.join(name)).map_err(|error| format!("cannot read '{name}': {error}"))
    };
    let mut locked = false;
    for name in LOCKS {
        if let Some(lock) = file(name)? {
            digest.add("lock", &lock);
            locked = true;
            break;
        }
    }
    if let Some(settings) = file(".npmrc")? {
        digest.add(".npmrc", &settings);
    }
    let mut local = Vec::new();
    for (name, spec) in specs {
        let Some(path) = local_path(spec) else { continue };
        let real = inside(root, &folder.join(path)).map_err(|why| {
            format!("'{name}' is '{spec}', {why}; only what is below the functions folder can be installed from")
        })?;
        digest.add("place", real.to_string_lossy().as_bytes());
        let content = if real.is_dir() { real.join(FILE) } else { real.clone() };
        let content = bytes_of(&content).ok().flatten().unwrap_or_default();
        digest.add("local", &content);
        local.push(real);
    }
    Ok((digest, locked, local))
}

/// The path in `file:vendor/part.tgz` or `./part`.
fn local_path(spec: &str) -> Option<&str> {
    let path = spec.strip_prefix("file:").unwrap_or(spec);
    let is_path = path.len() < spec.len() || [".", "/", "~/"].iter().any(|p| path.starts_with(p));
    is_path.then_some(path)
}

fn inside(root: &Path, path: &Path) -> Result<PathBuf, &'static str> {
    let real = path.canonicalize().map_err(|_| "which is not there")?;
    if real.starts_with(root) { Ok(real) } else { Err("which is outside") }
}
