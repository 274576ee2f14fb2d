//! What passes, what does not, and what is said of it.

use bytes::Bytes;

use super::{FunctionSchema, violations};

const GUIDE: &str = r#"{
    "title": {"type": "string", "required": true, "maxLength": 200},
    "content": {"type": "string", "required": true},
    "tags": {"type": "array", "items": "string", "optional": true}
}"#;

#[test]
fn the_guides_schema_names_what_is_missing_in_its_order() {
    assert_eq!(violations(GUIDE, r#"{"content": "c", "title": "t"}"#), [""; 0]);
    assert_eq!(
        violations(GUIDE, r#"{"tags": ["a", 1]}"#),
        [
            "title required: title is required",
            "content required: content is required",
            "tags[1] type: tags[1] must be a string",
        ]
    );
}

#[test]
fn both_spellings_are_one_rule() {
    let long = format!(r#"{{"t": "{}"}}"#, "x".repeat(4));
    for spelling in ["maxLength", "max_length"] {
        let schema = format!(r#"{{"t": {{"type": "string", "{spelling}": 3}}}}"#);
        assert_eq!(violations(&schema, &long), ["t maxLength: t must have at most 3 characters"]);
    }
}

#[test]
fn types_are_not_mixed_up() {
    let one = |kind: &str, value: &str| {
        violations(&format!(r#"{{"v": {{"type": "{kind}"}}}}"#), &format!(r#"{{"v": {value}}}"#))
    };
    let samples = [r#""s""#, "1", "1.5", "true", "[]", "{}"];
    let passing = [
        ("string", vec![r#""s""#]),
        ("number", vec!["1", "1.5"]),
        ("integer", vec!["1"]),
        ("boolean", vec!["true"]),
        ("array", vec!["[]"]),
        ("object", vec!["{}"]),
        ("any", samples.to_vec()),
    ];
    for (kind, fine) in passing {
        for sample in samples {
            assert_eq!(one(kind, sample).is_empty(), fine.contains(&sample), "{sample} as {kind}");
        }
    }
    assert_eq!(one("integer", "1.0"), [""; 0]);
    assert_eq!(one("integer", "1.5"), ["v type: v must be an integer"]);
    assert_eq!(one("number", "true"), ["v type: v must be a number"]);
}

#[test]
fn null_counts_as_missing() {
    let schema = r#"{"a": {"type": "string"}, "b": {"required": true}}"#;
    assert_eq!(violations(schema, r#"{"a": null, "b": null}"#), ["b required: b is required"]);
    let elements = |items: &str| {
        violations(
            &format!(r#"{{"a": {{"type": "array", "items": {items}}}}}"#),
            r#"{"a": [null]}"#,
        )
    };
    assert_eq!(elements(r#""string""#), ["a[0] type: a[0] must be a string"]);
    assert_eq!(
        elements(r#"{"type": "string", "required": true}"#),
        ["a[0] required: a[0] is required"]
    );
    assert_eq!(elements(r#"{"type": "string", "optional": true}"#), [""; 0]);
    assert_eq!(elements(r#""any""#), [""; 0]);
}

#[test]
fn bounds_say_what_they_want() {
    let schema = r#"{
        "n": {"type": "number", "min": 0, "max": 1.5},
        "s": {"type": "string", "minLength": 2, "pattern": "^a", "format": "email"},
        "l": {"type": "array", "maxLength": 1},
        "e": {"type": "string", "enum": ["draft", "published"]},
        "i": {"type": "integer", "enum": [1, 2]}
    }"#;
    let value = r#"{"n": 2, "s": "b", "l": [1, 2], "e": "gone", "i": 3}"#;
    assert_eq!(
        violations(schema, value),
        [
            "n max: n must be at most 1.5",
            "s minLength: s must have at least 2 characters",
            "s pattern: s must match the pattern ^a",
            "s format: s must be a valid email address",
            "l maxLength: l must have at most 1 item",
            "e enum: e must be one of draft, published",
            "i enum: i must be one of 1, 2",
        ]
    );
    let fine = r#"{"n": 0, "s": "a@b.co", "l": [1], "e": "dr\u0061ft", "i": 2.0}"#;
    assert_eq!(violations(schema, fine), [""; 0]);
}

#[test]
fn lengths_count_code_points() {
    let schema = r#"{"s": {"type": "string", "minLength": 2, "maxLength": 2}}"#;
    let fine = ["\u{1f389}\u{1f389}", "éé", r"\ud83c\udf89x", r"\ud800x", r"\n\u0000"];
    for text in fine {
        assert_eq!(violations(schema, &format!(r#"{{"s": "{text}"}}"#)), [""; 0], "{text}");
    }
    assert_eq!(violations(schema, r#"{"s": "\ud83c\udf89"}"#).len(), 1);
}

#[test]
fn nested_fields_have_their_whole_path() {
    let schema = r#"{"author": {"type": "object", "properties": {
        "emails": {"type": "array", "items": {"type": "object", "properties": {
            "address": {"type": "string", "required": true}}}}}}}"#;
    let value = r#"{"author": {"emails": [{"address": "a"}, {}]}}"#;
    assert_eq!(
        violations(schema, value),
        ["author.emails[1].address required: author.emails[1].address is required"]
    );
    assert_eq!(violations(schema, "{}"), [""; 0]);
    assert_eq!(violations(schema, r#"{"author": []}"#), ["author type: author must be an object"]);
}

#[test]
fn of_a_key_that_stands_twice_the_last_is_checked() {
    let schema = r#"{"a": {"type": "string"}}"#;
    assert_eq!(violations(schema, r#"{"a": "x", "\u0061": 1}"#), ["a type: a must be a string"]);
    assert_eq!(violations(schema, r#"{"a": 1, "a": "x"}"#), [""; 0]);
}

#[test]
fn extra_fields_pass_whatever_they_hold() {
    let schema = r#"{"a": {"type": "string"}}"#;
    assert_eq!(violations(schema, r#"{"b": {"\ud800": [1e999]}, "\udfff": "\ud800"}"#), [""; 0]);
}

#[test]
fn a_long_list_of_faults_is_cut() {
    let value = format!(r#"{{"a": [{}1]}}"#, "1,".repeat(9_999));
    let schema = r#"{"a": {"type": "array", "items": "string", "maxLength": 5}}"#;
    assert_eq!(violations(schema, &value).len(), 100);
}

#[test]
fn integers_beyond_doubles_are_compared_exactly() {
    let schema = r#"{"n": {"type": "integer", "max": 9007199254740992}}"#;
    assert_eq!(violations(schema, r#"{"n": 9007199254740992}"#), [""; 0]);
    assert_eq!(violations(schema, r#"{"n": 9007199254740993}"#).len(), 1);
}

#[test]
fn a_result_is_held_to_the_output() {
    let schema = r#"{"output": {"id": {"type": "string", "required": true, "default": "x"}}}"#;
    let schema = FunctionSchema::read(schema).unwrap();
    let check = |value: &'static str| {
        schema.check_output(&Bytes::from(value)).map_err(|violations| violations.to_string())
    };
    assert_eq!(check(r#"{"id": "1", "more": 2}"#), Ok(()));
    assert_eq!(check("{}"), Err("id is required".into()));
    assert_eq!(check(r#"[{"id": "1"}]"#), Err("result must be an object".into()));
    assert_eq!(check("null"), Err("result must be an object".into()));
    assert!(schema.check_input(&Bytes::from("{}")).is_ok());
}
