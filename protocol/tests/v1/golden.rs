//! The golden files of `protocol/v1` and its schema, for the tests beside this file.
//!
//! Reads and validates; which rule a file must keep is the business of each test.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use jsonschema::Validator;
use serde_json::{Value, json};

/// A file below `protocol/v1`, by its path from there.
pub(crate) fn path(relative: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("v1").join(relative)
}

pub(crate) fn text(relative: &str) -> String {
    let path = path(relative);
    fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// Names in a folder, sorted.
pub(crate) fn names(relative: &str) -> Vec<String> {
    let path = path(relative);
    let entries = fs::read_dir(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// One file of `examples/<folder>/`.
#[derive(Debug)]
pub(crate) struct Example {
    pub(crate) folder: String,
    pub(crate) name: String,
    pub(crate) content: Value,
}

impl Example {
    pub(crate) fn place(&self) -> String {
        format!("{}/{}", self.folder, self.name)
    }

    pub(crate) fn text(&self, member: &str) -> &str {
        let place = self.place();
        self.content[member].as_str().unwrap_or_else(|| panic!("{place}: no {member}"))
    }
}

/// All message examples, or all framing examples.
pub(crate) fn examples(framing: bool) -> Vec<Example> {
    let mut all = Vec::new();
    for folder in names("examples") {
        if (folder == "framing") != framing {
            continue;
        }
        for name in names(&format!("examples/{folder}")) {
            let text = text(&format!("examples/{folder}/{name}"));
            let content = serde_json::from_str(&text).unwrap_or_else(|e| panic!("{name}: {e}"));
            all.push(Example { folder: folder.clone(), name, content });
        }
    }
    assert!(all.len() >= 14, "only {} examples were found", all.len());
    all
}

/// `schema.json`, and validators for its definitions.
pub(crate) struct Schema(pub(crate) Value, RefCell<HashMap<String, Rc<Validator>>>);

impl Schema {
    pub(crate) fn read() -> Self {
        let schema = serde_json::from_str(&text("schema.json")).expect("schema.json is JSON");
        Schema(schema, RefCell::default())
    }

    pub(crate) fn has(&self, definition: &str) -> bool {
        self.0["$defs"].get(definition).is_some()
    }

    /// A validator of one definition, built once.
    pub(crate) fn validator(&self, definition: &str) -> Rc<Validator> {
        let mut built = self.1.borrow_mut();
        let build = || {
            assert!(self.has(definition), "schema.json does not define {definition}");
            let mut schema = self.0.clone();
            schema["$ref"] = json!(format!("#/$defs/{definition}"));
            let validator = jsonschema::draft202012::new(&schema);
            Rc::new(validator.expect("schema.json is a JSON Schema"))
        };
        built.entry(definition.to_owned()).or_insert_with(build).clone()
    }

    /// What is wrong with a value, one line per fault; empty when it fits.
    pub(crate) fn faults(&self, definition: &str, value: &Value) -> String {
        let validator = self.validator(definition);
        let faults = validator.iter_errors(value);
        faults.map(|fault| format!("{definition}{}: {fault}\n", fault.instance_path())).collect()
    }
}
