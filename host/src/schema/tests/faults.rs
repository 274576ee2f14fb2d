//! Schemas that are wrong themselves: every fault, and its exact place.

use super::FunctionSchema;

/// Faults of a schema whose input is `input`, without the first part of their places.
fn faults(input: &str) -> Vec<String> {
    let error = FunctionSchema::read(&format!(r#"{{"input": {input}}}"#)).unwrap_err();
    error.faults().iter().map(|fault| fault.to_string().replacen("input.", "", 1)).collect()
}

fn fault(input: &str) -> String {
    let mut all = faults(input);
    assert_eq!(all.len(), 1, "{all:?}");
    all.remove(0)
}

#[test]
fn unknown_words_get_a_suggestion() {
    assert_eq!(
        fault(r#"{"a": {"type": "string", "maxlenght": 3}}"#),
        "a.maxlenght: unknown rule 'maxlenght'; did you mean 'maxLength'?"
    );
    assert_eq!(
        fault(r#"{"a": {"type": "array", "items": "strnig"}}"#),
        "a.items.type: unknown type 'strnig'; did you mean 'string'?"
    );
    assert_eq!(
        fault(r#"{"a": {"type": "string", "format": "mail"}}"#),
        "a.format: unknown format 'mail'; did you mean 'email'?"
    );
    assert!(
        fault(r#"{"a": {"description": "x"}}"#)
            .starts_with("a.description: unknown rule 'description'; known are type,")
    );
    let error = FunctionSchema::read(r#"{"inputs": {}}"#).unwrap_err();
    assert_eq!(error.to_string(), "schema: inputs: unknown part 'inputs'; did you mean 'input'?");
}

#[test]
fn contradictions_are_faults() {
    let both = "a.required: contradicts 'optional'; keep one of them";
    assert_eq!(fault(r#"{"a": {"required": true, "optional": true}}"#), both);
    assert_eq!(fault(r#"{"a": {"required": false, "optional": false}}"#), both);
    assert_eq!(
        fault(r#"{"a": {"type": "string", "maxLength": 1, "max_length": 2}}"#),
        "a.max_length: 'maxLength' is given in both spellings; keep one"
    );
    assert_eq!(
        fault(r#"{"a": {"type": "number", "min": 2, "max": 1}}"#),
        "a.min: is above the upper bound: no value could ever pass"
    );
    assert_eq!(fault(r#"{"a": {"enum": []}}"#), "a.enum: is empty: no value could ever pass");
    for fine in
        [r#"{"required": true, "optional": false}"#, r#"{"required": false, "optional": true}"#]
    {
        assert!(FunctionSchema::read(&format!(r#"{{"input": {{"a": {fine}}}}}"#)).is_ok());
    }
}

#[test]
fn rules_of_another_type_are_faults() {
    assert_eq!(
        fault(r#"{"a": {"type": "string", "min": 2}}"#),
        "a.min: needs type number or integer, and this is of type string"
    );
    assert_eq!(
        fault(r#"{"a": {"pattern": "x"}}"#),
        "a.pattern: needs type string, and this is of type any"
    );
}

#[test]
fn values_in_a_schema_keep_its_own_rules() {
    assert_eq!(
        fault(r#"{"a": {"type": "integer", "default": "x"}}"#),
        "a.default: must be an integer"
    );
    assert_eq!(
        fault(r#"{"a": {"type": "string", "enum": ["x", 1]}}"#),
        "a.enum[1]: must be a string"
    );
    assert_eq!(
        fault(r#"{"a": {"type": "string", "enum": ["x"], "default": "y"}}"#),
        "a.default: must be one of x"
    );
    assert_eq!(
        fault(
            r#"{"a": {"type": "object", "default": {}, "properties": {"b": {"required": true}}}}"#
        ),
        "a.default: value.b is required"
    );
}

#[test]
fn rules_of_the_wrong_kind_are_faults() {
    assert_eq!(fault(r#"{"a": {"required": "yes"}}"#), "a.required: must be true or false");
    assert_eq!(
        fault(r#"{"a": {"type": "string", "minLength": -1}}"#),
        "a.minLength: must be a whole number from 0 on"
    );
    assert_eq!(fault(r#"{"a": {"type": "number", "min": "0"}}"#), "a.min: must be a number");
    assert_eq!(
        fault(r#"{"a": {"type": "string", "pattern": "("}}"#),
        "a.pattern: is not valid: unclosed group"
    );
    assert_eq!(
        fault(r#"{"a": "string"}"#),
        "a: must be an object of rules, such as {type: 'string'}"
    );
    assert_eq!(
        fault(r#"{"a": {"type": ["string"]}}"#).split(';').next(),
        Some(r#"a.type: unknown type '["string"]'"#)
    );
    assert!(FunctionSchema::read("[]").is_err());
    assert!(FunctionSchema::read(r#"{"input": []}"#).is_err());
}

#[test]
fn a_json_schema_is_not_taken_for_ours() {
    let all = faults(r#"{"type": "object", "properties": {"a": {"type": "string"}}}"#);
    assert_eq!(all[0], "type: must be an object of rules, such as {type: 'string'}");
}

#[test]
fn all_faults_are_told_in_order() {
    let all = faults(r#"{"b": {"type": "x"}, "a": {"required": 1, "pattern": "x"}}"#);
    let places: Vec<&str> = all.iter().filter_map(|fault| fault.split(':').next()).collect();
    assert_eq!(places, ["b.type", "a.required", "a.pattern"]);
}

#[test]
fn size_has_a_limit() {
    let nested = |depth: usize| {
        let open = r#"{"type": "array", "items": "#.repeat(depth);
        let text = format!(r#"{{"input": {{"a": {open}"any"{}}}}}"#, "}".repeat(depth));
        FunctionSchema::read(&text)
    };
    assert!(nested(20).is_ok());
    assert!(nested(40).is_err());
    let wide: Vec<String> = (0..1_001).map(|n| format!(r#""f{n}": {{}}"#)).collect();
    assert!(fault(&format!("{{{}}}", wide.join(","))).contains("at most 1000 fields"));
}
