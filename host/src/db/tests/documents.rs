//! One document: whole after every write, refused with code and field.

use super::{blog, check_error};
use serde_json::{Value, json};

#[tokio::test]
async fn a_new_document_is_whole() {
    let db = blog();
    let doc =
        db.create("posts", json!({"title": "T", "tags": ["a", {"$lit": {"$int": "x"}}]})).await;
    let doc = doc.unwrap();
    let names: Vec<_> = doc.as_object().unwrap().keys().cloned().collect();
    assert_eq!(names.len(), 14, "{names:?}");
    assert_eq!(doc["published"], json!(false));
    assert_eq!(doc["views"], json!(0));
    assert_eq!(doc["status"], json!("draft"));
    assert_eq!(doc["tags"], json!(["a", {"$lit": {"$int": "x"}}]));
    assert_eq!(doc["slug"], Value::Null);
    assert_eq!(doc["created_at"], doc["updated_at"]);
    assert_eq!(doc["id"].as_str().unwrap().as_bytes()[14], b'7');
    assert_eq!(db.get("posts", &doc["id"]).await.unwrap(), doc);
}

#[tokio::test]
async fn values_survive() {
    let db = blog();
    let data = json!({
        "title": "ü\u{1F600}\"\\\u{1}", "views": {"$int": "9223372036854775807"}, "score": 0.1,
        "photo": {"$bytes": "AAEC/w=="}, "day": "2026-01-24T23:00:00-02:00",
        "seen_at": "2026-01-24T10:30:00+02:00", "tags": {"n": {"$int": "9007199254740993"}},
    });
    let doc = db.create("posts", data.clone()).await.unwrap();
    for same in ["title", "views", "score", "photo", "tags"] {
        assert_eq!(doc[same], data[same]);
    }
    assert_eq!(doc["day"], json!("2026-01-25"));
    assert_eq!(doc["seen_at"], json!("2026-01-24T08:30:00.000Z"));
}

#[tokio::test]
async fn an_update_touches_what_it_names() {
    let db = blog();
    let old = db.create("posts", json!({"title": "T", "slug": "s"})).await.unwrap();
    let new = db.update("posts", &old["id"], json!({"title": "U"})).await.unwrap();
    assert_eq!((&new["title"], &new["slug"]), (&json!("U"), &json!("s")));
    assert!(new["updated_at"].as_str() > old["updated_at"].as_str(), "{new} {old}");
    assert_eq!(new["created_at"], old["created_at"]);
    let again = db.update("posts", &new["id"], new.clone()).await.unwrap();
    assert!(again["updated_at"].as_str() > new["updated_at"].as_str(), "{again} {new}");
    let other = db.update("posts", &old["id"], json!({"id": "x"})).await;
    check_error(other, "VALIDATION_ERROR", Some("id"));
}

#[tokio::test]
async fn what_is_missing_is_null_or_an_error() {
    let db = blog();
    assert_eq!(db.get("posts", &json!("post-id-here")).await.unwrap(), Value::Null);
    assert_eq!(db.get("posts", &Value::Null).await.unwrap(), Value::Null);
    for id in [json!("p9"), Value::Null] {
        check_error(db.update("posts", &id, json!({"title": "T"})).await, "NOT_FOUND", None);
        check_error(db.delete("posts", &id).await, "NOT_FOUND", None);
    }
    let doc = db.create("posts", json!({"title": "T"})).await.unwrap();
    assert_eq!(db.delete("posts", &doc["id"]).await.unwrap(), json!({"deleted": true}));
    assert_eq!(db.get("posts", &doc["id"]).await.unwrap(), Value::Null);
    let error = check_error(db.get("post", &json!("x")).await, "COLLECTION_NOT_FOUND", None);
    assert_eq!(error.details["known"], json!(["notes", "posts", "users"]));
    assert_eq!(error.details["did_you_mean"], "posts");
    assert_eq!(error.message, "no collection 'post'");
}

#[tokio::test]
async fn bad_fields_are_named() {
    let db = blog();
    let cases = [
        (json!({}), "title"),
        (json!({"title": null}), "title"),
        (json!({"title": 5}), "title"),
        (json!({"title": "t".repeat(21)}), "title"),
        (json!({"title": "a\u{0}b"}), "title"),
        (json!({"title": "T", "titel": "T"}), "titel"),
        (json!({"title": "T", "views": 1.5}), "views"),
        (json!({"title": "T", "views": -1}), "views"),
        (json!({"title": "T", "published": 1}), "published"),
        (json!({"title": "T", "day": "today"}), "day"),
        (json!({"title": "T", "photo": "AA=="}), "photo"),
        (json!({"title": "T", "status": "gone"}), "status"),
        (json!({"title": "T", "author_id": "u1"}), "author_id"),
        (json!({"title": "T", "tags": {"x": {"$bytes": "AA=="}}}), "tags"),
        (json!({"title": "T", "id": "mine"}), "id"),
        (json!({"title": "T", "\"; DROP TABLE posts; --": 1}), "\"; DROP TABLE posts; --"),
    ];
    for (data, field) in cases {
        check_error(db.create("posts", data).await, "VALIDATION_ERROR", Some(field));
    }
    let bad = db.create("posts", json!({"title": "T", "titel": "T"})).await;
    let error = check_error(bad, "VALIDATION_ERROR", Some("titel"));
    assert_eq!(error.message, "'posts' has no field 'titel'");
    assert_eq!(
        (&error.details["did_you_mean"], &error.details["known"][3]),
        (&json!("title"), &json!("title"))
    );
    let bad =
        db.create("posts", json!({"title": "T", "views": {"$int": "9223372036854775808"}})).await;
    let error = check_error(bad, "VALIDATION_ERROR", Some("views"));
    assert_eq!(error.message, "views is 9223372036854775808, beyond 64 bits");
    let bad = db.create("notes", json!({"body": "A"})).await;
    assert_eq!(check_error(bad, "VALIDATION_ERROR", Some("body")).details["rule"], "pattern");
    assert_eq!(db.list("posts", json!({}), "").await.unwrap(), json!({"docs": [], "total": 0}));
}

#[tokio::test]
async fn keys_are_kept() {
    let db = blog();
    db.create("posts", json!({"title": "T", "slug": "s"})).await.unwrap();
    let twice = db.create("posts", json!({"title": "U", "slug": "s"})).await;
    let error = check_error(twice, "UNIQUE_VIOLATION", Some("slug"));
    assert_eq!(error.message, "posts.slug 's' exists already");
    let nobody = "0190a1b2-0000-7000-8000-000000000001";
    let orphan = db.create("posts", json!({"title": "T", "author_id": nobody})).await;
    check_error(orphan, "FOREIGN_KEY_VIOLATION", Some("author_id"));
    let author = db.user("a@example.com").await;
    let post = db.create("posts", json!({"title": "T", "author_id": author})).await.unwrap();
    let note = db.create("notes", json!({"post_id": post["id"], "body": "b"})).await.unwrap();
    let error = check_error(
        db.delete("posts", &post["id"]).await,
        "FOREIGN_KEY_VIOLATION",
        Some("post_id"),
    );
    assert_eq!(error.message, "notes.post_id refers to this document");
    db.delete("notes", &note["id"]).await.unwrap();
    db.delete("users", &author).await.unwrap();
    assert_eq!(db.get("posts", &post["id"]).await.unwrap(), Value::Null);
}

#[tokio::test]
async fn users_are_always_there() {
    let db = blog();
    let user = db.create("users", json!({"email": "A@example.com"})).await.unwrap();
    assert_eq!(user["role"], json!("user"));
    assert_eq!(user["verified"], json!(false));
    assert_eq!(user["metadata"], json!({}));
    let same = db.create("users", json!({"email": "a@EXAMPLE.com"})).await;
    check_error(same, "UNIQUE_VIOLATION", Some("email"));
    check_error(
        db.create("users", json!({"email": "me"})).await,
        "VALIDATION_ERROR",
        Some("email"),
    );
}

#[tokio::test]
async fn a_table_of_somebody_else_is_a_collection() {
    let db = blog();
    db.exec(
        "CREATE TABLE \"odd \"\"name\" (id INTEGER PRIMARY KEY, a, b TEXT NOT NULL)",
        json!([]),
    )
    .await
    .unwrap();
    db.exec("CREATE TABLE keyless (a)", json!([])).await.unwrap();
    let name = "odd \"name";
    let doc = db.create(name, json!({"a": true, "b": "x"})).await.unwrap();
    assert_eq!(doc, json!({"id": 1, "a": 1, "b": "x"}));
    check_error(db.create(name, json!({"a": 1})).await, "VALIDATION_ERROR", Some("b"));
    let doc = db.update(name, &json!("1"), json!({"a": {"$bytes": "AA=="}})).await.unwrap();
    assert_eq!(doc["a"], json!({"$bytes": "AA=="}));
    assert_eq!(db.list(name, json!({"b": "x"}), "-b").await.unwrap()["total"], 1);
    check_error(db.list("keyless", json!({}), "").await, "COLLECTION_NOT_FOUND", None);
    db.exec("ALTER TABLE \"odd \"\"name\" ADD COLUMN c", json!([])).await.unwrap();
    assert_eq!(db.get(name, &json!("1")).await.unwrap()["c"], Value::Null);
    db.exec("DROP TABLE \"odd \"\"name\"", json!([])).await.unwrap();
    check_error(db.get(name, &json!("1")).await, "COLLECTION_NOT_FOUND", None);
}

#[tokio::test]
async fn the_address_of_a_user_is_kept_in_lower_case() {
    let db = blog();
    let user = db.create("users", json!({"email": "Bob@X.de"})).await.unwrap();
    assert_eq!(user["email"], "bob@x.de");
    let again = db.create("users", json!({"email": "bOB@x.DE"})).await;
    let error = check_error(again, "UNIQUE_VIOLATION", Some("email"));
    assert_eq!(error.message, "users.email 'bob@x.de' exists already");
    let user = db.update("users", &user["id"], json!({"email": "JÖRG@münchen.DE"})).await.unwrap();
    assert_eq!(user["email"], "jörg@münchen.de");
    check_error(
        db.create("users", json!({"email": "JÖRG@MÜNCHEN.DE"})).await,
        "UNIQUE_VIOLATION",
        Some("email"),
    );
}

/// One implementation judges what schemas and collections call by the same name.
#[tokio::test]
async fn formats_are_those_of_schemas() {
    let yaml = "  a:
    fields: {mail: {type: string, format: email}, page: {type: string, format: url}, \
      key: {type: string, format: uuid}, ref: {type: uuid}}";
    let db = blog().reopened(&format!("{}{yaml}\n", super::BLOG)).await.unwrap();
    for (field, bad) in [
        ("mail", "a..b@c.de"),
        ("page", "ftp://x"),
        ("key", "0190b5c06f2e7c3a8a430f1e2d3c4b5a"),
        ("ref", "0190b5c06f2e7c3a8a430f1e2d3c4b5a"),
        ("id", "{0190b5c0-6f2e-7c3a-8a43-0f1e2d3c4b5a}"),
    ] {
        let error = db.create("a", json!({field: bad})).await;
        check_error(error, "VALIDATION_ERROR", Some(field));
    }
    let upper = "0190B5C0-6F2E-7C3A-8A43-0F1E2D3C4B5A";
    let doc = db.create("a", json!({"ref": upper, "key": upper})).await.unwrap();
    assert_eq!((&doc["ref"], &doc["key"]), (&json!(upper.to_lowercase()), &json!(upper)));
}

#[tokio::test]
async fn a_tree_may_be_the_default_of_json() {
    let yaml = "  a:
    fields: {bag: {type: json, default: {$int: x, n: [9007199254740993]}}, list: {type: json, default: []}}";
    let db = blog().reopened(&format!("{}{yaml}\n", super::BLOG)).await.unwrap();
    let bag = json!({"$int": "x", "n": [{"$int": "9007199254740993"}]});
    let made = db.create("a", json!({})).await.unwrap();
    assert_eq!((&made["bag"], &made["list"]), (&bag, &json!([])));
    db.exec("DELETE FROM a", json!([])).await.unwrap();
    db.exec("INSERT INTO a DEFAULT VALUES", json!([])).await.unwrap();
    let raw = db.list("a", json!({}), "").await.unwrap()["docs"][0].take();
    assert_eq!((&raw["bag"], &raw["list"]), (&bag, &json!([])));
}
