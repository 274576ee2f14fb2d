//! Joins sources and manifests: exactly one draft for each name, with its problem if any.
//!
//! Knows nothing of environments or revisions; those cost reading and come for each draft.

use crate::config::issue::Issue;
use crate::config::model::RuntimeConfig;
use crate::config::secret::Variables;
use crate::config::suggest::closest;
use crate::registry::discover::{Listing, ManifestFile, Source};
use crate::registry::function::{Problem, better_name, is_name};
use crate::registry::manifest::{self, Read};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// A function before its environment and revision are known.
#[derive(Debug)]
pub struct Draft {
    pub name: String,
    pub source: Source,
    pub manifest_file: Option<PathBuf>,
    /// None without a manifest, and when it could not be read.
    pub manifest: Option<Read>,
    pub problem: Option<Problem>,
}

/// The drafts by name.
pub fn drafts(
    listing: &Listing,
    runtimes: &BTreeMap<String, RuntimeConfig>,
    variables: &Variables,
) -> BTreeMap<String, Draft> {
    let mut drafts: BTreeMap<String, Draft> = BTreeMap::new();
    for (stem, sources) in &listing.sources {
        let files = listing.manifests.get(stem).map_or(&[][..], Vec::as_slice);
        let Some(draft) = draft(stem, sources, files, runtimes, variables) else { continue };
        match drafts.get_mut(&draft.name) {
            // A manifest's name may meet another function's: neither is served by guess.
            Some(other) => {
                let (first, second) = (other.source.label.clone(), draft.source.label);
                let name = draft.name;
                let problem = Problem::TwoSources { name, first, second, pickable: false };
                other.problem = Some(problem);
            }
            None => {
                drafts.insert(draft.name.clone(), draft);
            }
        }
    }
    drafts
}

fn draft(
    stem: &str,
    sources: &[Source],
    files: &[ManifestFile],
    runtimes: &BTreeMap<String, RuntimeConfig>,
    variables: &Variables,
) -> Option<Draft> {
    let first = sources.first()?;
    let manifest = match files {
        [] => Ok(None),
        [file] => manifest::read(&file.path, &file.label, variables).map(Some),
        [first, second, ..] => {
            let (first, second) = (first.label.clone(), second.label.clone());
            Err(Problem::TwoManifests { first, second })
        }
    };
    let (manifest, problem) = match manifest {
        Ok(manifest) => (manifest, None),
        Err(problem) => (None, Some(problem)),
    };
    let wanted = manifest.as_ref().and_then(|read| read.manifest.runtime.as_deref());
    let chosen = choose(stem, sources, wanted);
    let name = manifest.as_ref().and_then(|read| read.manifest.name.clone());
    let name = name.unwrap_or_else(|| stem.to_owned());
    let source = chosen.as_ref().map_or(first, |source| source);
    let problem = problem
        .or_else(|| manifest.as_ref().and_then(|read| unfit(read, sources, runtimes)))
        .or_else(|| chosen.as_ref().err().cloned())
        .or_else(|| source.problem.clone())
        .or_else(|| bad_name(&name, source));
    Some(Draft {
        name,
        source: source.clone(),
        manifest_file: files.first().map(|file| file.path.clone()),
        manifest,
        problem,
    })
}

/// The one source, or the one of the runtime that the manifest picks.
fn choose<'s>(
    stem: &str,
    sources: &'s [Source],
    wanted: Option<&str>,
) -> Result<&'s Source, Problem> {
    let fits = |source: &&Source| wanted.is_none_or(|wanted| source.runtime == wanted);
    let fitting: Vec<_> = sources.iter().filter(fits).collect();
    match fitting.as_slice() {
        [first, second, ..] => Err(Problem::TwoSources {
            name: stem.to_owned(),
            first: first.label.clone(),
            second: second.label.clone(),
            pickable: first.runtime != second.runtime,
        }),
        [one] => Ok(one),
        // `unfit` has the words for a runtime with no source.
        [] => Ok(&sources[0]),
    }
}

/// A runtime that nobody knows, or for which there is no code.
fn unfit(
    read: &Read,
    sources: &[Source],
    runtimes: &BTreeMap<String, RuntimeConfig>,
) -> Option<Problem> {
    let wanted = read.manifest.runtime.as_deref()?;
    if sources.iter().any(|source| source.runtime == wanted) {
        return None;
    }
    let complaint = if runtimes.contains_key(wanted) {
        let source = &sources[0];
        let (label, runtime) = (&source.label, &source.runtime);
        format!("is '{wanted}', but '{label}' is {runtime} code; correct it or leave it away")
    } else {
        let known: Vec<_> = runtimes.keys().map(String::as_str).collect();
        let meant = closest(wanted, known.iter().copied());
        let hint = meant.map(|meant| format!("; did you mean '{meant}'?")).unwrap_or_default();
        format!("is '{wanted}'; expected one of {}{hint}", known.join(", "))
    };
    Some(Problem::Manifest(vec![Issue::new(&read.runtime_origin, "runtime", complaint)]))
}

fn bad_name(name: &str, source: &Source) -> Option<Problem> {
    if is_name(name) {
        return None;
    }
    Some(Problem::BadName { file: source.label.clone(), better: better_name(name) })
}
