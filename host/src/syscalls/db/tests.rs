//! Params as shims may send them; what is right is tested through the whole host.

use super::read;
use serde_json::{Value, json};

fn check(method: &str, mut params: Value, code: &str, message: &str) {
    params["inv"] = 1.into();
    let error = *read(method, &params.to_string()).expect_err(message);
    assert_eq!((error.text_code(), error.message.as_str()), (code, message), "{params}");
}

#[test]
fn an_option_of_the_wrong_type_is_named() {
    for (member, code, message) in [
        (json!({"limit": "5"}), "INVALID_QUERY", "limit must be an integer, not a string"),
        (json!({"limit": 2.5}), "INVALID_QUERY", "limit must be an integer, not 2.5"),
        (json!({"offset": [1]}), "INVALID_QUERY", "offset must be an integer, not a list"),
        (
            json!({"sort": 1}),
            "INVALID_QUERY",
            "sort must be a string such as \"-created_at\", not 1",
        ),
        (
            json!({"fields": "a"}),
            "INVALID_QUERY",
            "fields must be a list of names of fields, not a string",
        ),
        (
            json!({"fields": [1]}),
            "INVALID_QUERY",
            "fields must be a list of names of fields, not a list",
        ),
        (json!({"count": 1}), "INVALID_QUERY", "count must be true or false, not 1"),
        (json!({"filter": null}), "INVALID_FILTER", "filter must be an object, not null"),
    ] {
        let mut params = member;
        params["collection"] = "posts".into();
        check("db.list", params, code, message);
    }
}

#[test]
fn a_member_of_the_wrong_type_is_named() {
    for (method, params, code, message) in [
        (
            "db.list",
            json!({"collection": 1}),
            "VALIDATION_ERROR",
            "collection must be a string, not 1",
        ),
        (
            "db.get",
            json!({"collection": "a", "id": 5}),
            "VALIDATION_ERROR",
            "id must be a string, not 5",
        ),
        (
            "db.create",
            json!({"collection": "a", "data": []}),
            "VALIDATION_ERROR",
            "data must be an object, not a list",
        ),
        ("db.query", json!({"sql": {}}), "INVALID_QUERY", "sql must be a string, not an object"),
        (
            "db.exec",
            json!({"sql": "x", "args": true}),
            "INVALID_QUERY",
            "args must be a list, or an object of names, not true",
        ),
        ("db.batch", json!({"ops": {}}), "INVALID_QUERY", "ops must be a list, not an object"),
        (
            "db.batch",
            json!({"ops": [{"method": "db.exec", "params": {"sql": 1}}]}),
            "INVALID_QUERY",
            "sql must be a string, not 1",
        ),
    ] {
        check(method, params, code, message);
    }
}

#[test]
fn what_only_a_shim_gets_wrong_is_the_shims() {
    let error = read("db.list", r#"{"inv": "x", "collection": "a"}"#).unwrap_err();
    assert_eq!(error.text_code(), "INVALID_PARAMS");
    assert!(read("db.list", r#"{"inv": 1}"#).unwrap_err().message.contains("collection"));
}
