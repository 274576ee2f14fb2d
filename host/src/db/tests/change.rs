//! A start with other declarations than the last.

use super::{BLOG, blog, check_error, open};
use crate::db::error::StoreError;
use serde_json::{Value, json};
use tempfile::TempDir;

async fn refused(yaml: &str) -> Vec<String> {
    let db = blog();
    db.create("posts", json!({"title": "T", "slug": "a", "views": 7})).await.unwrap();
    db.create("posts", json!({"title": "T", "slug": "b"})).await.unwrap();
    match db.reopened(yaml).await {
        Err(StoreError::Destructive { differences, .. }) => differences,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn additions_are_made() {
    let db = blog();
    let old = db.create("posts", json!({"title": "T"})).await.unwrap();
    let more = "slug: {type: string, unique: true}
      stars: {type: int, required: true, default: 3}
      ref: {type: uuid, references: users.id}
      at: {type: timestamp, default: now}";
    let yaml = BLOG.replace("slug: {type: string, unique: true}", more)
        + "  tags:\n    fields: {name: {type: string, unique: true}}\n";
    let db = db.reopened(&yaml).await.unwrap();
    let new = db.get("posts", &old["id"]).await.unwrap();
    assert_eq!((&new["stars"], &new["ref"]), (&json!(3), &Value::Null));
    assert_eq!(new["at"].as_str().unwrap().len(), 24);
    assert_eq!(new["updated_at"], old["updated_at"]);
    db.create("tags", json!({"name": "x"})).await.unwrap();
    check_error(db.create("tags", json!({"name": "x"})).await, "UNIQUE_VIOLATION", Some("name"));
    let raw = db.exec("UPDATE posts SET stars = NULL", json!([])).await;
    check_error(raw, "VALIDATION_ERROR", Some("stars"));
}

#[tokio::test]
async fn relaxing_is_no_loss() {
    let yaml = BLOG.replace("required: true, ", "").replace(", unique: true", "");
    let db = blog().reopened(&yaml).await.unwrap();
    for _ in 0..2 {
        db.create("posts", json!({"slug": "s"})).await.unwrap();
    }
    db.exec("INSERT INTO posts (slug) VALUES ('s')", json!([])).await.unwrap();
}

#[tokio::test]
async fn an_ordinary_start_changes_nothing() {
    let db = blog();
    let read = "SELECT * FROM sqlite_schema";
    let before = db.query(read, json!([])).await.unwrap();
    let db = db.reopened(BLOG).await.unwrap();
    assert_eq!(db.query(read, json!([])).await.unwrap(), before);
}

#[tokio::test]
async fn losses_are_refused_with_the_difference() {
    let gone = BLOG.replace("      views: {type: int, default: 0, min: 0}\n", "");
    assert_eq!(
        refused(&gone).await,
        ["posts.views: in the file, with a value in 2 documents, but not declared"]
    );
    let other = BLOG.replace("views: {type: int, default: 0, min: 0}", "views: {type: bool}");
    assert_eq!(refused(&other).await, ["posts.views: INTEGER in the file, BOOLEAN as declared"]);
    let required = BLOG.replace("tags: {type: json}", "tags: {type: json, required: true}");
    assert_eq!(
        refused(&required).await,
        ["posts.tags: declared required, but 2 documents lack it"]
    );
    let unique = BLOG.replace("max_length: 20", "unique: true");
    assert_eq!(
        refused(&unique).await,
        ["posts.title: declared unique, but 1 values occur more than once"]
    );
    let cascade = BLOG.replace("on_delete: restrict", "on_delete: cascade");
    assert_eq!(
        refused(&cascade).await,
        [
            "notes.post_id: refers to posts.id (on delete restrict) in the file, to posts.id (on delete cascade) as declared"
        ]
    );
}

#[tokio::test]
async fn a_refused_start_leaves_the_file_alone() {
    let db = blog();
    let read = "SELECT * FROM sqlite_schema";
    let before = db.query(read, json!([])).await.unwrap();
    db.store.close().await;
    let worse = BLOG.replace("score: {type: float}", "extra: {type: int}");
    let refusal = open(db.folder.path(), &worse).unwrap_err().to_string();
    assert!(
        refusal.contains("posts.score") && refusal.contains("nothing was changed"),
        "{refusal}"
    );
    let store = open(db.folder.path(), BLOG).unwrap();
    let db = super::Database { store, folder: db.folder };
    assert_eq!(db.query(read, json!([])).await.unwrap(), before);
}

#[tokio::test]
async fn a_table_of_somebody_else_can_be_declared() {
    let db = blog();
    db.exec("CREATE TABLE old (id TEXT PRIMARY KEY, name VARCHAR(20), n INT)", json!([]))
        .await
        .unwrap();
    db.exec("INSERT INTO old VALUES ('1', 'x', 5)", json!([])).await.unwrap();
    let yaml = format!("{BLOG}  old:\n    fields: {{name: {{type: string}}, n: {{type: int}}}}\n");
    let db = db.reopened(&yaml).await.unwrap();
    let doc = db.update("old", &json!("1"), json!({"n": 6})).await.unwrap();
    assert_eq!((&doc["name"], &doc["n"]), (&json!("x"), &json!(6)));
    assert!(doc["updated_at"].as_str() > doc["created_at"].as_str(), "{doc}");
}

#[test]
fn nonsense_is_refused_before_the_file_is_touched() {
    let folder = TempDir::new().unwrap();
    for field in
        ["{type: int, default: x}", "{type: string, pattern: '('}", "{type: int, enum: [a]}"]
    {
        let yaml = format!("collections: {{a: {{fields: {{b: {field}}}}}}}");
        let refusal = open(folder.path(), &yaml).unwrap_err();
        assert!(matches!(refusal, StoreError::Declaration(_)), "{refusal}");
    }
    assert!(!folder.path().join("data.db").exists());
}
