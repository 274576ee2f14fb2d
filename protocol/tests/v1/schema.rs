//! The schema is open where version 1 may grow, and does not change by accident.

use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::golden::{Schema, text};

#[test]
fn it_is_a_schema_and_all_its_references_resolve() {
    let schema = Schema::read();
    for definition in schema.0["$defs"].as_object().unwrap().keys() {
        schema.validator(definition);
    }
}

/// Calls `look` with every object in a value.
fn each_object(value: &Value, look: &mut impl FnMut(&serde_json::Map<String, Value>)) {
    match value {
        Value::Object(object) => {
            look(object);
            object.values().for_each(|value| each_object(value, look));
        }
        Value::Array(items) => items.iter().for_each(|item| each_object(item, look)),
        _ => {}
    }
}

#[test]
fn no_object_is_closed_to_unknown_members() {
    each_object(&Schema::read().0, &mut |object| {
        let closed = ["additionalProperties", "unevaluatedProperties"]
            .iter()
            .any(|word| object.get(*word) == Some(&Value::Bool(false)));
        assert!(!closed, "{object:?}");
    });
}

/// The part that describes the wire: texts for people may change freely.
fn without_descriptions(value: &Value) -> Value {
    match value {
        Value::Object(object) => {
            let kept = object.iter().filter(|(name, value)| {
                !(matches!(name.as_str(), "description" | "title") && value.is_string())
            });
            Value::Object(kept.map(|(k, v)| (k.clone(), without_descriptions(v))).collect())
        }
        Value::Array(items) => Value::Array(items.iter().map(without_descriptions).collect()),
        other => other.clone(),
    }
}

fn hash() -> String {
    let mut canonical = without_descriptions(&Schema::read().0);
    canonical.sort_all_objects();
    hex::encode(Sha256::digest(canonical.to_string()))
}

/// `schema.lock` holds one line: `unreleased HASH` or `released HASH`.
///
/// While version 1 is unreleased, whoever changes the schema on purpose puts the new hash there
/// (this test prints it) in the same commit, with a line in the changelog of `spec.md` when the
/// wire changes. Releasing means writing `released` instead, and dropping "unreleased" from the
/// text; from then on a new hash is only right for additions that section 18 allows.
#[test]
fn it_is_the_locked_one() {
    let lock = text("schema.lock");
    let (status, locked) = lock.trim().split_once(' ').expect("schema.lock is 'STATUS HASH'");
    assert!(matches!(status, "unreleased" | "released"), "unknown status '{status}'");
    assert_eq!(hash(), locked, "schema.json changed; see the comment of this test");
    let says_unreleased = text("spec.md").contains("Version 1, unreleased");
    assert_eq!(status == "unreleased", says_unreleased, "spec.md and schema.lock disagree");
}
