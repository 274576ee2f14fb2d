//! Defaults: put in where something is missing, and nothing else touched.

use bytes::Bytes;

use super::{fill, schema};

const LIMIT: &str = r#"{"limit": {"type": "integer", "default": 10}}"#;

#[test]
fn input_that_lacks_nothing_is_not_copied() {
    let input = Bytes::from(r#"{"limit": 5}"#);
    let checked = schema(LIMIT).check_input(&input).unwrap();
    assert_eq!(checked.as_ptr(), input.as_ptr());
}

#[test]
fn a_default_stands_in_for_missing_and_for_null() {
    assert_eq!(fill(LIMIT, "{}"), r#"{"limit":10}"#);
    assert_eq!(fill(LIMIT, " { \n } "), " { \n \"limit\":10} ");
    assert_eq!(fill(LIMIT, r#"{"a": 1.50}"#), r#"{"a": 1.50,"limit":10}"#);
    assert_eq!(fill(LIMIT, r#"{"limit": null, "b": "}"}"#), r#"{"limit": 10, "b": "}"}"#);
    assert_eq!(fill(LIMIT, r#"{"limit": null, "limit": 3}"#), r#"{"limit": null, "limit": 3}"#);
}

#[test]
fn several_defaults_land_in_the_right_objects() {
    let schema = r#"{
        "z": {"default": [1, {"a": "\""}]},
        "o": {"type": "object", "properties": {"x": {"default": 1}, "\"y": {"default": "é"}}},
        "l": {"type": "array", "items": {"type": "object", "properties": {"n": {"default": 0}}}},
        "a": {"type": "string", "default": "A"}
    }"#;
    let value = r#"{"l": [{}, {"n": 5}, {"m": 1}], "a": null, "o": {"w": null}}"#;
    let want = r#"{"l": [{"n":0}, {"n": 5}, {"m": 1,"n":0}], "a": "A", "o": {"w": null,"x":1,"\"y":"é"},"z":[1, {"a": "\""}]}"#;
    assert_eq!(fill(schema, value), want);
    // What is not there is not made for the sake of what it would hold.
    assert_eq!(fill(schema, r#"{"a":"b","z":0}"#), r#"{"a":"b","z":0}"#);
}

#[test]
fn a_default_satisfies_required() {
    let schema = r#"{"n": {"type": "number", "required": true, "default": 1}}"#;
    assert_eq!(fill(schema, "{}"), r#"{"n":1}"#);
}
