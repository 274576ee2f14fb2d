//! `go.mod` and `go.sum`.
//!
//! A `go.mod` that requires nothing but Alyx's own module, which comes with Alyx, is no list.

use std::path::Path;

use crate::deps::list::{Fields, Found, Source, bytes_of};

const FILE: &str = "go.mod";
/// The module that functions import; builds replace it by what comes with Alyx.
pub(crate) const RUNTIME: &str = "github.com/watzon/alyx";

pub(crate) fn read(folder: &Path) -> Option<Found> {
    let text = match bytes_of(&folder.join(FILE)) {
        Ok(text) => text?,
        Err(error) => return Some(Found::broken(FILE, error)),
    };
    let mut digest = Fields::default();
    digest.add(FILE, &text);
    let text = String::from_utf8_lossy(&text);
    let mut required = directives(&text, "require").filter_map(|line| line.split(' ').next());
    if !required.any(|module| module.trim_matches('"') != RUNTIME) {
        return None;
    }
    if let Ok(Some(sums)) = bytes_of(&folder.join("go.sum")) {
        digest.add("go.sum", &sums);
    }
    // A module of the project has requirements of its own.
    for line in directives(&text, "replace") {
        let Some((_, place)) = line.split_once("=> ") else { continue };
        let place = place.trim().trim_matches('"');
        if let Ok(Some(inner)) = bytes_of(&folder.join(place).join(FILE)) {
            digest.add(place, &inner);
        }
    }
    Some(Found { file: FILE, source: Source::Modules, digest })
}

/// What follows the word, on its line or in its block.
fn directives<'t>(text: &'t str, word: &'t str) -> impl Iterator<Item = &'t str> {
    let mut inside = false;
    text.lines().filter_map(move |line| {
        let line = line.split("//").next().unwrap_or_default().trim();
        if inside {
            inside = line != ")";
            return Some(line).filter(|line| inside && !line.is_empty());
        }
        let rest = line.strip_prefix(word)?.strip_prefix([' ', '\t', '('])?.trim();
        inside = line.ends_with('(');
        Some(rest).filter(|rest| !inside && !rest.is_empty())
    })
}
