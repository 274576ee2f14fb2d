//! Names and values that would be SQL: each attempt of a function ends in an error with a code,
//! and afterwards the file is what it was.

use serde_json::{Value, json};

use super::hostile::{check_refused, host_with_a_secret};
use crate::db::{create, delete, get, list, probes, update};

/// Names that end a quoted name, a text or a statement, and names of what nobody may see.
const NAMES: [&str; 12] = [
    "title\" = \"title\" OR 1=1 --",
    "title'; DROP TABLE posts; --",
    "\"; DROP TABLE posts; --",
    "1=1) UNION SELECT password_hash FROM _alyx_credentials --",
    "posts.title",
    "rowid",
    "(SELECT 1)",
    "title COLLATE NOCASE",
    "_alyx_credentials",
    "*",
    "",
    "__proto__",
];

#[tokio::test]
async fn d2_no_name_in_a_filter_sort_or_document_becomes_sql() {
    let host = host_with_a_secret().await;
    let id = &json!("0190a1b2-0000-7000-8000-000000000001");
    let mut attempts: Vec<(Value, &[&str])> = Vec::new();
    for name in NAMES {
        for filter in [
            json!({name: "x"}),
            json!({name: {"$gt": 1}}),
            json!({"title": {name: "x"}}),
            json!({"$or": [{"title": "T"}, {name: null}]}),
        ] {
            attempts.push((list("posts", json!({"filter": filter})), &["INVALID_FILTER"]));
        }
        if !name.is_empty() {
            for sort in [name.to_owned(), format!("-{name}"), format!("title,{name}")] {
                attempts.push((list("posts", json!({"sort": sort})), &["INVALID_QUERY"]));
            }
        }
        attempts.push((list("posts", json!({"fields": [name]})), &["INVALID_QUERY"]));
        let data = json!({"title": "T", name: "x"});
        attempts.push((create("posts", data.clone()), &["VALIDATION_ERROR"]));
        attempts.push((update("posts", id, data), &["VALIDATION_ERROR", "NOT_FOUND"]));
    }
    // In JavaScript this name is no member but the prototype of an object.
    attempts.retain(|(call, _)| !call.to_string().contains("__proto__"));
    for value in ["x' OR 1=1 --", "x\" OR 1=1 --", "?1", ":title", "T'; DROP TABLE posts; --"] {
        attempts.push((
            list("posts", json!({"filter": {"title": {"$x": value}}})),
            &["INVALID_FILTER"],
        ));
        attempts.push((update("posts", &json!(value), json!({"title": "U"})), &["NOT_FOUND"]));
        attempts.push((delete("posts", &json!(value)), &["NOT_FOUND"]));
    }
    check_refused(&host, &attempts).await;
    for probe in probes(&host) {
        for value in ["x' OR 1=1 --", "T\" OR \"1\"=\"1", "%' OR '1'='1", "?1", ":title"] {
            let filter = json!({"filter": {"$or": [{"title": value}, {"slug": {"$like": value}}]}});
            assert_eq!(probe.done(list("posts", filter)).await["total"], 0, "{value}");
            assert_eq!(probe.make(get("posts", &json!(value))).await, Value::Null);
        }
    }
}

#[tokio::test]
async fn d6_no_name_of_a_collection_becomes_sql() {
    let host = host_with_a_secret().await;
    let mut attempts: Vec<(Value, &[&str])> = Vec::new();
    for name in NAMES.into_iter().chain([
        "posts; DROP TABLE posts",
        "main.posts",
        "sqlite_schema",
        "sqlite_master",
        "sqlite_sequence",
        "pragma_table_info",
        "_ALYX_CREDENTIALS",
        "main._alyx_credentials",
        "posts JOIN _alyx_credentials",
        "POSTS",
        "../alyx.db",
        "constructor",
    ]) {
        let id = &json!("x");
        for call in [
            list(name, json!({})),
            create(name, json!({"id": "x"})),
            update(name, id, json!({"id": "x"})),
            delete(name, id),
            json!({"do": "get_named", "collection": name, "id": "x"}),
        ] {
            attempts.push((call, &["COLLECTION_NOT_FOUND"]));
        }
    }
    // In JavaScript these are members that every object has.
    attempts.retain(|(call, _)| {
        let inherited = ["__proto__", "constructor"].iter().any(|name| call["collection"] == *name);
        !inherited || call["do"] == "get_named"
    });
    for name in ["query", "exec", "batch", "collection", "then", "toJSON"] {
        let call = json!({"do": "get_named", "collection": name, "id": "x"});
        attempts.push((call, &["COLLECTION_NOT_FOUND"]));
    }
    check_refused(&host, &attempts).await;
}
