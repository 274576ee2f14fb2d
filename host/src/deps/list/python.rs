//! `requirements.txt` and the files it includes, else the dependencies in `pyproject.toml`.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::deps::list::{Fields, Found, Source, bytes_of};

const REQUIREMENTS: &str = "requirements.txt";
const PROJECT: &str = "pyproject.toml";
/// Files that include files, one in the other.
const MAX_DEPTH: u32 = 8;
/// What says that another file belongs to this one.
const INCLUDES: [&str; 4] = ["--requirement", "--constraint", "-r", "-c"];

pub(crate) fn read(root: &Path, folder: &Path) -> Option<Found> {
    requirements(root, folder).or_else(|| project(folder))
}

fn requirements(root: &Path, folder: &Path) -> Option<Found> {
    let mut seen = Seen::default();
    match add_file(root, folder, Path::new(REQUIREMENTS), 0, &mut seen) {
        Ok(_) if seen.packages == 0 => None,
        Ok(_) => {
            let source = Source::Requirements { local: seen.local };
            Some(Found { file: REQUIREMENTS, source, digest: seen.digest })
        }
        Err(why) => Some(Found::broken(REQUIREMENTS, why)),
    }
}

/// What a list and those that it includes ask for.
#[derive(Default)]
struct Seen {
    digest: Fields,
    packages: usize,
    local: Vec<PathBuf>,
}

/// Adds a file and what it includes; false when it is not there.
fn add_file(
    root: &Path,
    folder: &Path,
    file: &Path,
    depth: u32,
    seen: &mut Seen,
) -> Result<bool, String> {
    let path = folder.join(file);
    let shown = file.display();
    let failed = |error| format!("cannot read '{shown}': {error}");
    let Some(bytes) = bytes_of(&path).map_err(failed)? else { return Ok(false) };
    seen.digest.add("requirements", &bytes);
    let text = String::from_utf8_lossy(&bytes);
    for line in text.lines().map(without_comment).filter(|line| !line.is_empty()) {
        if let Some(included) = included(line) {
            if depth == MAX_DEPTH {
                return Err(format!("'{shown}' includes files more than {MAX_DEPTH} deep"));
            }
            let inner = path.parent().unwrap_or(folder);
            if !add_file(root, inner, Path::new(included), depth + 1, seen)? {
                return Err(format!("'{shown}' includes '{included}', which is not there"));
            }
        } else if let Some(path) = editable(line) {
            // It would be a note for the interpreter's own folder, not a package in the set.
            return Err(format!(
                "'{line}' in '{shown}' is an editable install, which functions cannot import; write '{path}'"
            ));
        } else if !line.starts_with('-') {
            seen.packages += 1;
            add_local(root, folder, line, seen);
        }
    }
    Ok(true)
}

/// A wheel or a source archive of the project may change under its name.
fn add_local(root: &Path, folder: &Path, line: &str, seen: &mut Seen) {
    let words = line.split([' ', ';', '@', '=']).filter(|word| word.contains(['/', '.']));
    for word in words {
        let path = folder.join(word.trim_start_matches("file:"));
        let Ok(real) = path.canonicalize() else { continue };
        seen.digest
            .add("place", real.strip_prefix(root).unwrap_or(&real).to_string_lossy().as_bytes());
        let inner = [real.clone(), real.join(PROJECT), real.join("setup.py")];
        for content in inner.iter().filter_map(|path| bytes_of(path).ok().flatten()) {
            seen.digest.add("local", &content);
        }
        seen.local.push(real);
    }
}

fn without_comment(line: &str) -> &str {
    let end = if line.trim_start().starts_with('#') { Some(0) } else { line.find(" #") };
    line[..end.unwrap_or(line.len())].trim()
}

/// The place in `-e ./part`.
fn editable(line: &str) -> Option<&str> {
    let rest = line.strip_prefix("--editable").or_else(|| line.strip_prefix("-e"))?;
    Some(rest.trim_start_matches([' ', '=']))
}

/// The file in `-r base.txt`, `-rbase.txt` or `--constraint=limits.txt`.
fn included(line: &str) -> Option<&str> {
    let rest = INCLUDES.iter().find_map(|option| line.strip_prefix(option))?;
    let file = rest.trim_start_matches('=').trim();
    (!file.is_empty() && !file.contains("://")).then_some(file)
}

#[derive(Deserialize)]
struct PyProject {
    project: Option<Project>,
}

#[derive(Deserialize)]
struct Project {
    #[serde(default)]
    dependencies: Vec<String>,
}

fn project(folder: &Path) -> Option<Found> {
    let bytes = match bytes_of(&folder.join(PROJECT)) {
        Ok(bytes) => bytes?,
        Err(error) => return Some(Found::broken(PROJECT, error)),
    };
    let read = toml::from_str::<PyProject>(&String::from_utf8_lossy(&bytes));
    let wanted = match read {
        Ok(read) => read.project.map(|project| project.dependencies).unwrap_or_default(),
        Err(error) => return Some(Found::broken(PROJECT, error.message())),
    };
    if wanted.is_empty() {
        return None;
    }
    let mut digest = Fields::default();
    for requirement in &wanted {
        digest.add("dependency", requirement.as_bytes());
    }
    Some(Found { file: PROJECT, source: Source::Project(wanted), digest })
}
