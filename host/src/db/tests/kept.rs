//! What the host keeps whatever raw SQL says: times, types, and defaults of fields that came later.

use super::{BLOG, Database, blog, check_error};
use serde_json::{Value, json};

const LONG_AGO: &str = "1999-01-01T00:00:00.000Z";

async fn only(db: &Database) -> Value {
    db.list("posts", json!({}), "").await.unwrap()["docs"][0].take()
}

async fn raw(db: &Database, sql: &str) {
    let done = db.exec(sql, json!([])).await.unwrap();
    assert_eq!(done["changes"], 1, "{sql}");
}

fn is_recent(time: &Value) -> bool {
    let text = time.as_str().unwrap();
    text.len() == 24 && text > "2020"
}

#[tokio::test]
async fn an_insert_does_not_choose_its_times() {
    let db = blog();
    for columns in ["created_at", "updated_at", "created_at, updated_at"] {
        raw(&db, "INSERT INTO posts (title) VALUES ('other')").await;
        db.exec("DELETE FROM posts", json!([])).await.unwrap();
        let given = columns.split(", ").map(|_| format!("'{LONG_AGO}'")).collect::<Vec<_>>();
        let given = given.join(", ");
        raw(&db, &format!("INSERT INTO posts (title, {columns}) VALUES ('T', {given})")).await;
        let doc = only(&db).await;
        assert!(is_recent(&doc["created_at"]), "{columns}: {doc}");
        assert_eq!(doc["created_at"], doc["updated_at"], "{columns}");
    }
    let left = db.query("SELECT 1 FROM posts WHERE created_at < '2020'", json!([])).await.unwrap();
    assert_eq!(left["rows"], json!([]));
}

#[tokio::test]
async fn an_update_does_not_choose_its_times() {
    let db = blog();
    let old = db.create("posts", json!({"title": "T", "slug": "s"})).await.unwrap();
    let now = "strftime('%Y-%m-%dT%H:%M:%fZ', 'now')";
    let upsert = "INSERT INTO posts (title, slug) VALUES ('U', 's') ON CONFLICT (slug) DO UPDATE \
        SET title = excluded.title, created_at = excluded.created_at, updated_at = excluded.updated_at";
    let mut before = old.clone();
    for sql in [
        format!("UPDATE posts SET created_at = '{LONG_AGO}'"),
        format!("UPDATE posts SET updated_at = '{LONG_AGO}'"),
        "UPDATE posts SET updated_at = '9999'".to_owned(),
        format!("UPDATE posts SET created_at = {now}, updated_at = {now}"),
        "UPDATE posts SET views = 1".to_owned(),
        upsert.to_owned(),
    ] {
        raw(&db, &sql).await;
        let after = only(&db).await;
        assert_eq!(after["created_at"], old["created_at"], "{sql}");
        assert!(is_recent(&after["updated_at"]), "{sql}: {after}");
        assert!(after["updated_at"].as_str() > before["updated_at"].as_str(), "{sql}: {after}");
        assert!(after["updated_at"].as_str() < Some("9"), "{sql}: {after}");
        before = after;
    }
}

#[tokio::test]
async fn times_of_documents_are_those_that_are_answered() {
    let db = blog();
    let doc = db.create("posts", json!({"title": "T", "created_at": LONG_AGO})).await.unwrap();
    assert_eq!(only(&db).await, doc);
    let doc = db.update("posts", &doc["id"], json!({"created_at": LONG_AGO})).await.unwrap();
    assert_eq!(only(&db).await, doc);
    assert!(is_recent(&doc["created_at"]));
}

/// A table that somebody else made has no default for its times.
#[tokio::test]
async fn a_declared_table_of_somebody_else_keeps_its_times_too() {
    let db = blog();
    db.exec("CREATE TABLE old (id TEXT PRIMARY KEY, n INT)", json!([])).await.unwrap();
    let yaml = format!("{BLOG}  old:\n    fields: {{n: {{type: int}}}}\n");
    let db = db.reopened(&yaml).await.unwrap();
    db.exec("INSERT INTO old (id) VALUES ('1')", json!([])).await.unwrap();
    let doc = db.get("old", &json!("1")).await.unwrap();
    assert!(is_recent(&doc["created_at"]) && is_recent(&doc["updated_at"]), "{doc}");
    let doc = db.create("old", json!({"n": 1})).await.unwrap();
    assert_eq!(db.get("old", &doc["id"]).await.unwrap(), doc);
}

#[tokio::test]
async fn a_file_of_before_gets_the_triggers_of_today() {
    let db = blog();
    db.create("posts", json!({"title": "T"})).await.unwrap();
    let db = db.edited(
        "DROP TRIGGER \"_alyx_touch:posts\"; DROP TRIGGER \"_alyx_born:posts\"; \
         DROP TRIGGER \"_alyx_held:posts:update\"; UPDATE posts SET published = 7",
    );
    let db = db.await.reopened(BLOG).await.unwrap();
    let before = only(&db).await;
    raw(&db, &format!("UPDATE posts SET created_at = '{LONG_AGO}', views = 2")).await;
    assert_eq!(only(&db).await["created_at"], before["created_at"]);
}

#[tokio::test]
async fn what_raw_sql_left_stops_no_start_and_is_read_as_what_it_is() {
    let db = blog();
    db.create("posts", json!({"title": "T"})).await.unwrap();
    let strange = "DROP TRIGGER IF EXISTS \"_alyx_held:posts:update\"; \
        UPDATE posts SET published = 7, views = 'x', score = 'y', tags = '{'";
    let db = db.edited(strange).await.reopened(BLOG).await.unwrap();
    let doc = only(&db).await;
    assert_eq!(doc["published"], json!(true));
    // What is not named stays writable around it.
    let doc = db.update("posts", &doc["id"], json!({"title": "U"})).await.unwrap();
    assert_eq!((&doc["title"], &doc["published"]), (&json!("U"), &json!(true)));
    let rows = db.query("SELECT published FROM posts", json!([])).await.unwrap();
    assert_eq!(rows["rows"], json!([[true]]));
    raw(&db, "UPDATE posts SET published = 0.0").await;
    assert_eq!(only(&db).await["published"], json!(false));
}

#[tokio::test]
async fn types_hold_for_raw_sql() {
    let db = blog();
    db.create("posts", json!({"title": "T"})).await.unwrap();
    for (field, value, says) in [
        ("published", "7", "true or false"),
        ("published", "'yes'", "true or false"),
        ("views", "'x'", "an integer"),
        ("views", "1.5", "an integer"),
        ("score", "'x'", "a number"),
        ("title", "x'00'", "a string"),
        ("tags", "x'00'", "a JSON value"),
        ("photo", "'x'", "bytes"),
        ("seen_at", "x'00'", "a timestamp"),
    ] {
        for sql in [
            format!("UPDATE posts SET {field} = {value}"),
            format!("INSERT INTO posts (id, {field}) VALUES ('x', {value})"),
        ] {
            let error = db.exec(&sql, json!([])).await.expect_err(&sql);
            if !sql.starts_with("INSERT") || field == "title" {
                assert_eq!(error.field.as_deref(), Some(field), "{sql}: {error}");
                assert!(error.message.starts_with(&format!("{field} must be {says}")), "{error}");
                assert_eq!(error.details["rule"], "type", "{sql}");
                assert_eq!(error.details["collection"], "posts", "{sql}");
            }
            assert_eq!(error.code, "VALIDATION_ERROR", "{sql}");
        }
    }
    raw(&db, "UPDATE posts SET published = '1', views = '3', score = 1, title = 5").await;
    let doc = only(&db).await;
    let seen = [&doc["published"], &doc["views"], &doc["score"], &doc["title"]];
    assert_eq!(seen, [&json!(true), &json!(3), &json!(1.0), &json!("5")]);
}

/// `more` stands among the fields of posts.
fn with(more: &str) -> String {
    BLOG.replace("      score: {type: float}", &format!("      score: {{type: float}}\n{more}"))
}

#[tokio::test]
async fn a_default_that_came_later_is_that_of_raw_rows_too() {
    let later = "      stars: {type: int, default: -3}
      ratio: {type: float, default: 0.5}
      word: {type: string, default: \"it's\"}
      on_air: {type: bool, default: true}
      bag: {type: json, default: {a: [1]}}
      at: {type: timestamp, default: now}
      born: {type: date, default: now, required: true}
      ref: {type: uuid, default: auto, unique: true}";
    for documents in [0, 2] {
        let db = blog();
        for _ in 0..documents {
            db.create("posts", json!({"title": "old"})).await.unwrap();
        }
        let before = db.list("posts", json!({}), "").await.unwrap();
        let db = db.reopened(&with(later)).await.unwrap();
        for title in ["new", "newer"] {
            raw(&db, &format!("INSERT INTO posts (title) VALUES ('{title}')")).await;
        }
        let docs = db.list("posts", json!({}), "").await.unwrap()["docs"].take();
        for doc in docs.as_array().unwrap() {
            assert_eq!(
                (&doc["stars"], &doc["ratio"], &doc["word"], &doc["on_air"], &doc["bag"]),
                (&json!(-3), &json!(0.5), &json!("it's"), &json!(true), &json!({"a": [1]})),
                "{doc}"
            );
            assert!(is_recent(&doc["at"]) && doc["born"].as_str().unwrap().len() == 10, "{doc}");
            assert_eq!(doc["ref"].as_str().unwrap().as_bytes()[14], b'7', "{doc}");
            assert_eq!(doc["created_at"], doc["updated_at"], "{doc}");
        }
        for (at, old) in before["docs"].as_array().unwrap().iter().enumerate() {
            assert_eq!(docs[at]["updated_at"], old["updated_at"]);
        }
        // Null is not absence.
        raw(&db, "INSERT INTO posts (title, at, ref, stars) VALUES ('none', NULL, NULL, NULL)")
            .await;
        let none = db.list("posts", json!({"title": "none"}), "").await.unwrap()["docs"][0].take();
        assert_eq!([&none["at"], &none["ref"], &none["stars"]], [&Value::Null; 3]);
        let none = db.create("posts", json!({"title": "T", "at": null})).await.unwrap();
        assert_eq!(db.get("posts", &none["id"]).await.unwrap()["at"], Value::Null);
    }
}

#[tokio::test]
async fn a_later_default_that_went_leaves_no_trace() {
    let db = blog();
    db.create("posts", json!({"title": "old"})).await.unwrap();
    let db = db.reopened(&with("      at: {type: timestamp, default: now}")).await.unwrap();
    let db = db.reopened(&with("      at: {type: timestamp}")).await.unwrap();
    raw(&db, "INSERT INTO posts (title) VALUES ('new')").await;
    let doc = db.list("posts", json!({"title": "new"}), "").await.unwrap()["docs"][0].take();
    assert_eq!(doc["at"], Value::Null);
    let db = db.reopened(&with("      at: {type: timestamp, required: true, default: now}")).await;
    assert!(db.is_err(), "a document lacks it");
}

/// The mark of a new document is the host's, and gone when the statement is over.
#[tokio::test]
async fn no_function_reaches_the_marks_of_new_documents() {
    let db = blog();
    raw(&db, &format!("INSERT INTO posts (title, created_at) VALUES ('T', '{LONG_AGO}')")).await;
    for sql in [
        "INSERT INTO _alyx_newborn VALUES ('x')",
        "DELETE FROM _alyx_newborn",
        "WITH \"_alyx_born:posts\" AS (SELECT 1) INSERT INTO _alyx_newborn SELECT * FROM \"_alyx_born:posts\"",
    ] {
        check_error(db.exec(sql, json!([])).await, "DB_FORBIDDEN", None);
    }
    check_error(db.query("SELECT * FROM _alyx_newborn", json!([])).await, "DB_FORBIDDEN", None);
    let deadline = super::soon(std::time::Duration::from_secs(9)).deadline;
    let marks = db.store.read(deadline, |session| session.rows("SELECT * FROM _alyx_newborn", &[]));
    assert_eq!(marks.await.unwrap().len(), 0);
}
