//! `get`, `create`, `update` and `delete`: whole documents, and what is missing.

use serde_json::{Value, json};

use crate::harness::RUNTIMES;

use super::{Probe, create, delete, exec, get, list, probes, project, uncaught, update};

const NOBODY: &str = "0190a1b2-0000-7000-8000-000000000001";

#[tokio::test]
async fn d5_create_returns_the_whole_document_as_it_is_stored() {
    let host = project().serve().await;
    for probe in probes(&host) {
        probe.clear().await;
        let doc = probe.created("posts", json!({"title": "Hello", "tags": ["a"]})).await;
        let id = doc["id"].as_str().expect("an id");
        assert!(id.len() == 36 && id.as_bytes()[14] == b'7', "{}: {id}", probe.name);
        assert_eq!(doc["created_at"], doc["updated_at"], "{}", probe.name);
        let expected = json!({
            "id": id, "created_at": doc["created_at"], "updated_at": doc["updated_at"],
            "title": "Hello", "slug": null, "published": false, "tags": ["a"], "views": 0,
            "score": null, "photo": null, "day": null, "seen_at": null, "status": null,
            "mail": null, "author_id": null,
        });
        assert_eq!(doc, expected, "{}", probe.name);
        assert_eq!(probe.done(get("posts", &doc["id"])).await, doc, "{}", probe.name);
    }
}

#[tokio::test]
async fn d5_update_changes_what_it_names_and_moves_updated_at() {
    let host = project().serve().await;
    for probe in probes(&host) {
        probe.clear().await;
        let old = probe.created("posts", json!({"title": "T", "slug": "s", "tags": [1]})).await;
        let other = probe.created("posts", json!({"title": "other"})).await;
        let new =
            probe.done(update("posts", &old["id"], json!({"title": "U", "slug": null}))).await;
        let mut expected = old.clone();
        for (field, value) in [
            ("title", json!("U")),
            ("slug", json!(null)),
            ("updated_at", new["updated_at"].clone()),
        ] {
            expected[field] = value;
        }
        assert_eq!(new, expected, "{}", probe.name);
        assert!(new["updated_at"].as_str() > old["updated_at"].as_str(), "{}: {new}", probe.name);
        // A whole document can be given back.
        let again = probe.done(update("posts", &old["id"], new.clone())).await;
        assert!(again["updated_at"].as_str() > new["updated_at"].as_str(), "{}", probe.name);
        assert_eq!(probe.done(get("posts", &other["id"])).await, other, "{}", probe.name);
        let moved = update("posts", &old["id"], json!({"id": NOBODY}));
        assert_eq!(probe.refused("VALIDATION_ERROR", moved).await["field"], "id");
    }
}

#[tokio::test]
async fn d5_a_missing_document_is_null_to_get_and_not_found_to_the_others() {
    let host = project().serve().await;
    for probe in probes(&host) {
        probe.clear().await;
        let doc = probe.created("posts", json!({"title": "T"})).await;
        assert_eq!(probe.make(delete("posts", &doc["id"])).await, Value::Null, "{}", probe.name);
        for id in [&doc["id"], &json!("post-id-here"), &json!("")] {
            assert_eq!(probe.make(get("posts", id)).await, Value::Null, "{}: {id}", probe.name);
            for call in [update("posts", id, json!({"title": "U"})), delete("posts", id)] {
                let error = probe.refused("NOT_FOUND", call.clone()).await;
                let message = error["message"].as_str().unwrap();
                assert!(message.contains("posts"), "{}: {call}: {message}", probe.name);
            }
        }
        assert_eq!(probe.make(get("posts", &Value::Null)).await, Value::Null, "{}", probe.name);
        let answer = host.call(probe.name, uncaught(delete("posts", &json!("p9")))).await;
        let expected = json!({
            "code": "NOT_FOUND", "message": "no document 'p9' in 'posts'", "collection": "posts",
            "id": "p9",
        });
        assert_eq!(answer.error(404, "NOT_FOUND"), expected, "{}", probe.name);
    }
}

#[tokio::test]
async fn d5_raw_sql_gives_ids_and_times_and_moves_updated_at() {
    let host = project().serve().await;
    for probe in probes(&host) {
        probe.clear().await;
        let insert = "INSERT INTO posts (title) VALUES (?), (?)";
        let done = probe.done(exec(insert, json!(["a", "b"]))).await;
        assert_eq!(done["rows_affected"], 2, "{}", probe.name);
        let page = probe.done(list("posts", json!({"sort": "title"}))).await;
        let (a, b) = (&page["docs"][0], &page["docs"][1]);
        assert!(
            a["id"].as_str().unwrap().len() == 36 && a["id"] != b["id"],
            "{}: {page}",
            probe.name
        );
        assert_eq!(a["created_at"], a["updated_at"], "{}", probe.name);
        assert_eq!((&a["published"], &a["views"]), (&json!(false), &json!(0)), "{}", probe.name);
        let change = "UPDATE posts SET views = views + 1 WHERE id = ?";
        for _ in 0..2 {
            let before = probe.done(get("posts", &a["id"])).await;
            let done = probe.done(exec(change, json!([a["id"]]))).await;
            assert_eq!(done["rows_affected"], 1, "{}", probe.name);
            let after = probe.done(get("posts", &a["id"])).await;
            let moved = after["updated_at"].as_str() > before["updated_at"].as_str();
            assert!(moved && after["created_at"] == a["created_at"], "{}: {after}", probe.name);
        }
        assert_eq!(probe.done(get("posts", &b["id"])).await, *b, "{}", probe.name);
        check_times_and_types(&probe, b).await;
        let nothing = exec("UPDATE posts SET title = NULL WHERE id = ?", json!([b["id"]]));
        let error = probe.refused("VALIDATION_ERROR", nothing).await;
        assert_eq!(error["field"], "title", "{}", probe.name);
    }
}

/// The host keeps the times and the types, whatever a statement says.
async fn check_times_and_types(probe: &Probe<'_>, doc: &Value) {
    let long_ago = "1999-01-01T00:00:00.000Z";
    let insert = "INSERT INTO posts (title, created_at, updated_at) VALUES ('c', :at, :at)";
    probe.done(exec(insert, json!({"at": long_ago}))).await;
    let page = probe.done(list("posts", json!({"filter": {"title": "c"}}))).await;
    let made = &page["docs"][0];
    assert!(made["created_at"].as_str() >= doc["created_at"].as_str(), "{}: {made}", probe.name);
    assert_eq!(made["created_at"], made["updated_at"], "{}", probe.name);
    let change = "UPDATE posts SET created_at = :at, updated_at = :at WHERE title = 'c'";
    probe.done(exec(change, json!({"at": long_ago}))).await;
    let moved = probe.done(get("posts", &made["id"])).await;
    assert_eq!(moved["created_at"], made["created_at"], "{}", probe.name);
    assert!(moved["updated_at"].as_str() > made["updated_at"].as_str(), "{}: {moved}", probe.name);
    for (change, field) in [("published = 7", "published"), ("views = 'many'", "views")] {
        let change = exec(&format!("UPDATE posts SET {change}"), json!([]));
        let error = probe.refused("VALIDATION_ERROR", change).await;
        assert_eq!((&error["field"], &error["rule"]), (&json!(field), &json!("type")), "{error}");
    }
    probe.done(exec("DELETE FROM posts WHERE title = 'c'", json!([]))).await;
}

/// As the guide and the contract write them.
#[tokio::test]
async fn d5_every_style_of_a_call_means_the_same_in_every_language() {
    let host = project().with_all("dbstyles").serve().await;
    let expected = json!({
        "options": ["b", "a", 2], "nothing": ["a", "b", 2], "sorts": ["b", "a", 2],
        "missing": null, "updated": "c", "rows": [{"title": "c"}], "named": [{"title": "b"}],
        "written": {"rows_affected": 1, "last_insert_id": null}, "batch": 1,
        "caught": [true, "NOT_FOUND", "posts"], "deleted": null, "left": 0,
    });
    for runtime in RUNTIMES {
        let seen = host.call(&runtime.function("dbstyles"), json!({})).await.value();
        assert_eq!(seen, expected, "{runtime}");
    }
}

/// Who may do what is decided in the code of functions.
#[tokio::test]
async fn d10_functions_have_full_rights_on_every_collection() {
    let host = project().serve().await;
    for probe in probes(&host) {
        probe.clear().await;
        let user = probe.created("users", json!({"email": "A@example.com", "role": "admin"})).await;
        let whole = json!({
            "id": user["id"], "created_at": user["created_at"], "updated_at": user["updated_at"],
            "email": user["email"], "name": null, "role": "admin", "verified": false,
            "metadata": {},
        });
        assert_eq!(user, whole, "{}", probe.name);
        let changed = update("users", &user["id"], json!({"verified": true, "metadata": {"a": 1}}));
        let changed = probe.done(changed).await;
        assert_eq!((&changed["verified"], &changed["metadata"]), (&json!(true), &json!({"a": 1})));
        assert_eq!(user["email"], "a@example.com", "{}", probe.name);
        let again = create("users", json!({"email": "a@EXAMPLE.com"}));
        assert_eq!(probe.refused("UNIQUE_VIOLATION", again).await["field"], "email");
        probe.done(delete("users", &user["id"])).await;
    }
}
