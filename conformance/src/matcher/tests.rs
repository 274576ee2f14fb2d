//! What fits a pattern and what does not.

use serde_json::{Value, json};

use super::{check_pattern, compare};

#[track_caller]
fn fits(pattern: Value, got: Value) {
    assert_eq!(compare(&pattern, &got), [], "{pattern} against {got}");
}

#[track_caller]
fn differs(pattern: Value, got: Value, path: &str) {
    let differences = compare(&pattern, &got);
    let paths: Vec<&str> = differences.iter().map(|d| d.path.as_str()).collect();
    assert_eq!(paths, [path], "{pattern} against {got}");
}

#[test]
fn objects_of_the_protocol_are_open() {
    fits(json!({"id": 1}), json!({"id": 1, "x-new": 2}));
    differs(json!({"id": 1, "method": "$absent"}), json!({"id": 1, "method": "a"}), "$.method");
    differs(json!({"$closed": true, "a": {}}), json!({"a": {"b": 1}}), "$.a.b");
}

#[test]
fn what_belongs_to_the_user_is_closed() {
    let answer = |output: Value| json!({"result": {"output": output, "stats": {}}});
    fits(json!({"result": {"output": {"a": 1}}}), answer(json!({"a": 1})));
    differs(
        json!({"result": {"output": {"a": 1}}}),
        answer(json!({"a": 1, "b": 2})),
        "$.result.output.b",
    );
    differs(json!({"result": {"output": [{}]}}), answer(json!([{"b": 2}])), "$.result.output[0].b");
    fits(json!({"result": {"output": {"$open": true}}}), answer(json!({"b": {"c": 1}})));
}

#[test]
fn arrays_count_every_item() {
    fits(json!([1, "$str"]), json!([1, "a"]));
    differs(json!([1]), json!([1, 2]), "$[1]");
    differs(json!([1, 2]), json!([1]), "$[1]");
}

#[test]
fn null_is_not_absent() {
    differs(json!({"a": null}), json!({}), "$.a");
    differs(json!({"a": "$absent"}), json!({"a": null}), "$.a");
    fits(json!({"a": {"$oneOf": ["$absent", 1]}}), json!({}));
    differs(json!({"a": {"$oneOf": [2, 1]}}), json!({}), "$.a");
}

#[test]
fn numbers_are_one_kind_and_exact_as_integers() {
    fits(json!(1), json!(1.0));
    differs(json!(9_007_199_254_740_993_u64), json!(9_007_199_254_740_992_u64), "$");
    differs(json!("1"), json!(1), "$");
    differs(json!("$int"), json!(1.5), "$");
    fits(json!({"$gte": 1, "$lte": 2}), json!(2));
    differs(json!({"$gte": 1}), json!("2"), "$");
}

#[test]
fn texts_are_matched_whole_or_by_regex() {
    fits(json!({"$re": "^a.c$"}), json!("abc"));
    differs(json!({"$re": "^a.c$"}), json!("abcd"), "$");
    fits(json!("$$int"), json!("$int"));
    differs(json!("$$int"), json!(1), "$");
    fits(json!({"$len": {"$lte": 2}}), json!("äö"));
    fits(json!({"$not": "b"}), json!("a"));
}

#[test]
fn unordered_gives_each_pattern_a_value_of_its_own() {
    let two = json!({"$unordered": [{"msg": "a"}, {"msg": "b"}]});
    fits(two.clone(), json!([{"msg": "b"}, {"msg": "a"}]));
    differs(two.clone(), json!([{"msg": "a"}, {"msg": "a"}]), "$");
    differs(two, json!([{"msg": "a"}, {"msg": "b"}, {"msg": "c"}]), "$");
}

#[test]
fn an_escaped_name_is_a_plain_member() {
    fits(json!({"$$gte": 10}), json!({"$gte": 10}));
    differs(json!({"$closed": true, "$$gte": 10}), json!({"$gte": 10, "a": 1}), "$.a");
}

#[test]
fn a_typing_error_in_a_pattern_is_refused() {
    assert!(check_pattern(&json!({"id": 1, "a": ["$any", {"$re": "x"}]})).is_ok());
    for wrong in [json!("$anny"), json!({"$re": "("}), json!({"$gte": "1"}), json!([{"$regex": 1}])]
    {
        assert!(check_pattern(&wrong).is_err(), "{wrong}");
    }
}
