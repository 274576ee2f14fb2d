//! Our validator and one of JSON Schema agree on what passes, for random schemas and values.

use bytes::Bytes;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::{FunctionSchema, parsed};
use crate::schema::json_schema::of_fields;

fn leaf() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(json!({})),
        Just(json!({"type": "boolean"})),
        Just(json!({"enum": ["a", 1, [true]]})),
        (0..3usize, 0..3usize).prop_map(|(min, more)| {
            json!({"type": "string", "min_length": min, "maxLength": min + more})
        }),
        Just(json!({"type": "string", "pattern": "^[a\\d]+$"})),
        Just(json!({"type": "string", "enum": ["a", "b"]})),
        Just(json!({"type": "string", "format": "uuid"})),
        (-3..3i64, 0..4i64)
            .prop_map(|(min, more)| { json!({"type": "number", "min": min, "max": min + more}) }),
        Just(json!({"type": "integer"})),
        Just(json!({"type": "integer", "min": 1, "default": 2})),
    ]
}

fn with_presence(rules: impl Strategy<Value = Value>) -> impl Strategy<Value = Value> {
    (rules, 0..3).prop_map(|(mut rules, presence)| {
        let members = rules.as_object_mut().unwrap();
        members.retain(|rule, _| rule != "required" && rule != "optional");
        match presence {
            0 => {}
            1 => rules["required"] = json!(true),
            _ => rules["optional"] = json!(true),
        }
        rules
    })
}

fn rules() -> impl Strategy<Value = Value> {
    let tree = leaf().prop_recursive(3, 12, 3, |inner| {
        let item = with_presence(inner.clone()).prop_map(|mut rules| {
            rules.as_object_mut().unwrap().remove("default");
            rules
        });
        prop_oneof![
            (item, 0..3usize).prop_map(|(items, max)| {
                json!({"type": "array", "items": items, "maxLength": max})
            }),
            fields_of(inner).prop_map(|fields| json!({"type": "object", "properties": fields})),
        ]
    });
    with_presence(tree)
}

fn fields_of(rules: impl Strategy<Value = Value>) -> impl Strategy<Value = Value> {
    let names = prop::sample::select(vec!["a", "b", "c"]).prop_map(str::to_owned);
    prop::collection::btree_map(names, with_presence(rules), 0..3)
        .prop_map(|fields| Value::Object(fields.into_iter().collect::<Map<_, _>>()))
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-4..4i64).prop_map(Value::from),
        Just(json!(1.5)),
        Just(json!(2.0)),
        Just(json!(1e300)),
        "[ab1\u{1f389}]{0,4}".prop_map(Value::from),
        Just(json!("0190b5c0-6f2e-7c3a-8a43-0f1e2d3c4b5a")),
    ];
    leaf.prop_recursive(3, 16, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            object_of(inner),
        ]
    })
}

fn object_of(value: impl Strategy<Value = Value>) -> impl Strategy<Value = Value> {
    let names = prop::sample::select(vec!["a", "b", "c", "d"]).prop_map(str::to_owned);
    prop::collection::btree_map(names, value, 0..4)
        .prop_map(|members| Value::Object(members.into_iter().collect::<Map<_, _>>()))
}

fn judge(fields: &Value, value: &Value) -> (bool, bool, Option<Value>) {
    let text = json!({ "input": fields }).to_string();
    let schema = FunctionSchema::read(&text).unwrap();
    let written = serde_json::to_value(of_fields(schema.input().unwrap(), true)).unwrap();
    let validator = jsonschema::options().should_validate_formats(true).build(&written).unwrap();
    let checked = schema.check_input(&Bytes::from(value.to_string()));
    let filled = checked.as_ref().ok().map(|bytes| parsed(std::str::from_utf8(bytes).unwrap()));
    (checked.is_ok(), validator.is_valid(value), filled)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_published_is_what_is_enforced(
        fields in fields_of(rules()),
        value in object_of(value()),
    ) {
        let (ours, theirs, filled) = judge(&fields, &value);
        prop_assert_eq!(ours, theirs, "schema {} value {}", fields, value);
        // What was filled in passes as well, and stays as it is.
        if let Some(filled) = filled {
            prop_assert_eq!(judge(&fields, &filled), (true, true, Some(filled.clone())));
        }
    }
}

#[test]
fn the_samples_hit_both_verdicts() {
    use proptest::strategy::ValueTree;
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let (mut passed, mut refused) = (0, 0);
    for _ in 0..500 {
        let fields = fields_of(rules()).new_tree(&mut runner).unwrap().current();
        let value = object_of(value()).new_tree(&mut runner).unwrap().current();
        if judge(&fields, &value).0 { passed += 1 } else { refused += 1 }
    }
    assert!(passed > 100 && refused > 100, "{passed} passed, {refused} refused");
}
