//! The cases: embedded in the binary or read from a folder, checked whole, chosen by glob.
//!
//! Knows the YAML around a case; what a case means is `case`'s.

use std::collections::BTreeSet;
use std::path::Path;

use globset::{Glob, GlobMatcher};
use rust_embed::RustEmbed;
use serde_json::{Value, json};

use crate::case::{Case, LoadSpec};
use crate::generated::numbered;
use crate::outgoing::Piece;
use crate::step::Step;

#[derive(RustEmbed)]
#[folder = "cases/"]
struct Embedded;

/// A case and the text it was read from.
#[derive(Debug, Clone)]
pub struct Written {
    pub case: Case,
    pub file: String,
    pub text: String,
}

/// Which cases are meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum SuiteName {
    /// Five cases: does the setup work at all?
    Smoke,
    /// Everything that every shim must do.
    Core,
}

/// Why there are no cases to run.
#[derive(Debug, thiserror::Error)]
pub enum SuiteError {
    #[error("cannot read the cases in '{folder}': {source}")]
    Folder { folder: String, source: std::io::Error },
    #[error("'{file}': {source}")]
    Yaml { file: String, source: serde_yaml::Error },
    #[error("'{file}': case '{id}': {why}")]
    Case { file: String, id: String, why: String },
    #[error("two cases are called '{id}'")]
    Twice { id: String },
    #[error("'{glob}' is no glob: {source}")]
    Glob { glob: String, source: globset::Error },
    #[error("no case matches '{glob}'; `alyx-conformance list` shows all")]
    NoCase { glob: String },
}

/// The cases of the binary.
///
/// # Errors
/// [`SuiteError`] naming file and case.
pub fn embedded() -> Result<Vec<Written>, SuiteError> {
    let mut all = Vec::new();
    for file in Embedded::iter() {
        let data = Embedded::get(&file).map(|f| f.data.into_owned()).unwrap_or_default();
        all.extend(read_file(&file, &String::from_utf8_lossy(&data))?);
    }
    without_doubles(all)
}

/// The cases of the `.yaml` files in a folder.
///
/// # Errors
/// [`SuiteError`] naming file and case.
pub fn from_folder(folder: &Path) -> Result<Vec<Written>, SuiteError> {
    let named = |source| SuiteError::Folder { folder: folder.display().to_string(), source };
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .map_err(named)?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|ending| ending == "yaml"))
        .collect();
    files.sort();
    let mut all = Vec::new();
    for file in files {
        let text = std::fs::read_to_string(&file).map_err(named)?;
        all.extend(read_file(&file.display().to_string(), &text)?);
    }
    without_doubles(all)
}

fn read_file(file: &str, text: &str) -> Result<Vec<Written>, SuiteError> {
    let yaml = |source| SuiteError::Yaml { file: file.to_owned(), source };
    let values: Vec<Value> = serde_yaml::from_str(text).map_err(yaml)?;
    values.into_iter().map(|value| read_case(file, text, value)).collect()
}

fn read_case(file: &str, text: &str, mut value: Value) -> Result<Written, SuiteError> {
    let id = value.get("id").and_then(Value::as_str).unwrap_or("without an id").to_owned();
    let wrong = |why: String| SuiteError::Case { file: file.to_owned(), id: id.clone(), why };
    if let Some(Value::Array(steps)) = value.get_mut("steps") {
        *steps = repeated(std::mem::take(steps)).map_err(wrong)?;
    }
    let case: Case = serde_json::from_value(value).map_err(|e| wrong(e.to_string()))?;
    let case = case.finish().map_err(wrong)?;
    let text = source_of(text, &id);
    Ok(Written { case, file: file.to_owned(), text })
}

/// The lines of one case: from its `- id:` to the next.
fn source_of(text: &str, id: &str) -> String {
    let mut lines = text.lines().skip_while(|line| *line != format!("- id: {id}")).peekable();
    let mut own: Vec<&str> = lines.next().into_iter().collect();
    own.extend(lines.take_while(|line| !line.starts_with("- id: ")));
    own.join("\n").trim_end().to_owned()
}

/// Spells out `repeat: {from, to, steps}`: `$i` is the number, `${i}` the same inside a text.
fn repeated(steps: Vec<Value>) -> Result<Vec<Value>, String> {
    let mut flat = Vec::new();
    for step in steps {
        let Some(repeat) = step.get("repeat") else {
            flat.push(step);
            continue;
        };
        let number = |name: &str| {
            repeat.get(name).and_then(Value::as_i64).ok_or(format!("`repeat` needs `{name}`"))
        };
        let body = repeat.get("steps").and_then(Value::as_array);
        let body = body.ok_or("`repeat` needs `steps`")?;
        for i in number("from")?..=number("to")? {
            flat.extend(body.iter().map(|step| numbered(step, i)));
        }
    }
    Ok(flat)
}

fn without_doubles(all: Vec<Written>) -> Result<Vec<Written>, SuiteError> {
    let mut seen = BTreeSet::new();
    match all.iter().find(|written| !seen.insert(written.case.id.as_str())) {
        Some(twice) => Err(SuiteError::Twice { id: twice.case.id.clone() }),
        None => Ok(all),
    }
}

/// The cases of a suite that match one of the globs; no glob means all.
///
/// # Errors
/// A bad glob, or one that matches nothing: a typing error must not pass as success.
pub fn choose(
    all: Vec<Written>,
    suite: SuiteName,
    globs: &[String],
) -> Result<Vec<Written>, SuiteError> {
    let matchers: Vec<GlobMatcher> = globs.iter().map(|g| glob(g)).collect::<Result<_, _>>()?;
    for (matcher, glob) in matchers.iter().zip(globs) {
        if !all.iter().any(|written| matcher.is_match(&written.case.id)) {
            return Err(SuiteError::NoCase { glob: glob.clone() });
        }
    }
    let mut chosen: Vec<Written> = all
        .into_iter()
        .filter(|written| suite == SuiteName::Core || written.case.smoke)
        .filter(|w| globs.is_empty() || matchers.iter().any(|m| m.is_match(&w.case.id)))
        .collect();
    chosen.sort_by(|a, b| (!a.case.smoke, &a.case.id).cmp(&(!b.case.smoke, &b.case.id)));
    Ok(chosen)
}

/// A glob over case ids; `*` crosses `/`.
///
/// # Errors
/// [`SuiteError::Glob`].
pub fn glob(text: &str) -> Result<GlobMatcher, SuiteError> {
    let wrong = |source| SuiteError::Glob { glob: text.to_owned(), source };
    Ok(Glob::new(text).map_err(wrong)?.compile_matcher())
}

/// Every fixture that these cases load, each once.
#[must_use]
pub fn fixtures_of(cases: &[Written]) -> Vec<String> {
    let mut names = BTreeSet::new();
    for written in cases {
        for LoadSpec { params } in &written.case.load {
            names.extend(params.get("fixture").and_then(Value::as_str).map(str::to_owned));
        }
        for step in &written.case.steps {
            match step {
                Step::Send { messages, .. } => messages.iter().for_each(|m| named(m, &mut names)),
                Step::SendRaw { pieces, .. } => pieces.iter().for_each(|piece| {
                    if let Piece::Message(message) = piece {
                        named(message, &mut names);
                    }
                }),
                _ => {}
            }
        }
    }
    names.into_iter().collect()
}

/// The fixture in `$file:NAME`; `$file:/PLACE` is none.
fn fixture_of(text: &str) -> Option<&str> {
    text.strip_prefix("$file:").filter(|name| !name.starts_with('/'))
}

/// Fixtures named in a message: `fixture: NAME` of a `load`, `$file:NAME` anywhere.
fn named(message: &Value, names: &mut BTreeSet<String>) {
    match message {
        Value::String(text) => names.extend(fixture_of(text).map(str::to_owned)),
        Value::Array(items) => items.iter().for_each(|item| named(item, names)),
        Value::Object(members) => {
            let none = json!(null);
            let fixture = members.get("load").unwrap_or(&none).get("fixture");
            names.extend(fixture.and_then(Value::as_str).map(str::to_owned));
            members.values().for_each(|value| named(value, names));
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repeat_is_spelt_out_with_its_number() {
        let step = json!({"repeat": {"from": 1, "to": 2, "steps": [{"ping": "$i", "x": "n${i}"}]}});
        let flat = repeated(vec![json!({"ping": 9}), step]).unwrap();
        let expected =
            [json!({"ping": 9}), json!({"ping": 1, "x": "n1"}), json!({"ping": 2, "x": "n2"})];
        assert_eq!(flat, expected);
    }

    #[test]
    fn fixtures_are_found_wherever_a_case_names_them() {
        let text = "
- id: a/b
  title: t
  req: [REQ-X-1]
  load: [one, {fixture: two}]
  steps:
    - load: {id: 1, fixture: three}
    - sendRaw: {message: {load: {id: 2, fixture: four}}}
    - send: {id: 3, method: load, params: {path: '$file:five'}}
";
        let cases = read_file("own.yaml", text).unwrap();
        assert_eq!(fixtures_of(&cases), ["five", "four", "one", "three", "two"]);
        assert!(cases[0].text.starts_with("- id: a/b\n  title: t"));
    }

    #[test]
    fn two_cases_of_one_name_are_refused() {
        let case = "- {id: a/b, title: t, req: [R], steps: [{ping: 1}]}\n";
        let twice = read_file("own.yaml", &case.repeat(2)).unwrap();
        assert!(matches!(without_doubles(twice), Err(SuiteError::Twice { id }) if id == "a/b"));
    }
}
