//! `query`, `exec` and `batch`.

use super::{blog, check_error, soon, statement};
use crate::db::request::{Request, Sql};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

#[tokio::test]
async fn rows_carry_the_types_of_their_columns() {
    let db = blog();
    db.create("posts", json!({"title": "T", "tags": [1], "published": true})).await.unwrap();
    let answer = db
        .query(
            "SELECT title, published, p.tags AS t, count(*) n, 1.5, x'00', 9007199254740993 \
             FROM posts p WHERE published = ? AND title = ?",
            json!([true, "T"]),
        )
        .await
        .unwrap();
    assert_eq!(
        answer["columns"],
        json!(["title", "published", "t", "n", "1.5", "x'00'", "9007199254740993"])
    );
    let row = json!(["T", true, [1], 1, 1.5, {"$bytes": "AA=="}, {"$int": "9007199254740993"}]);
    assert_eq!(answer["rows"], json!([row]));
}

#[tokio::test]
async fn parameters_are_counted_and_named() {
    let db = blog();
    let named = db.query("SELECT :a AS a, @b AS b", json!({"a": 1, "b": null})).await.unwrap();
    assert_eq!(named["rows"], json!([[1, null]]));
    for (sql, args, message) in [
        ("SELECT ?", json!([]), "the statement has 1 parameter, 0 given"),
        ("SELECT 1", json!([1]), "the statement has 0 parameters, 1 given"),
        ("SELECT :a", json!({"b": 1}), "the parameter ':a' is not given"),
        ("SELECT :a", json!({"a": 1, "b": 1}), "the statement has no parameter ':b'"),
        ("SELECT 1", json!({"b": 1}), "the statement has no parameter ':b'"),
    ] {
        let error = check_error(db.query(sql, args).await, "VALIDATION_ERROR", None);
        assert_eq!(error.message, message);
    }
    check_error(db.query("SELECT ?", json!([[1]])).await, "VALIDATION_ERROR", None);
    check_error(db.query("SELECT ?", json!({"a": 1})).await, "VALIDATION_ERROR", None);
    assert_eq!(db.query("SELECT 1", json!({})).await.unwrap()["rows"], json!([[1]]));
}

#[tokio::test]
async fn exec_tells_rows_and_keys() {
    let db = blog();
    assert_eq!(db.exec("CREATE TABLE a (x)", json!([])).await.unwrap(), json!({"changes": 0}));
    let inserted = db.exec("INSERT INTO a VALUES (1), (2)", json!([])).await.unwrap();
    assert_eq!(inserted, json!({"changes": 2, "lastInsertId": 2}));
    let updated = db.exec("UPDATE a SET x = 3 WHERE x = ?", json!([9])).await.unwrap();
    assert_eq!(updated, json!({"changes": 0}));
    assert_eq!(db.exec("DELETE FROM a", json!([])).await.unwrap(), json!({"changes": 2}));
    assert_eq!(db.exec("SELECT 1", json!([])).await.unwrap(), json!({"changes": 0}));
}

#[tokio::test]
async fn raw_rows_have_ids_and_times() {
    let db = blog();
    db.exec("INSERT INTO posts (title) VALUES ('a'), ('b')", json!([])).await.unwrap();
    let docs = db.list("posts", json!({}), "title").await.unwrap()["docs"].take();
    let id = docs[0]["id"].as_str().unwrap();
    assert_eq!(uuid::Uuid::parse_str(id).unwrap().get_version_num(), 7, "{id}");
    assert_ne!(docs[0]["id"], docs[1]["id"]);
    assert_eq!(docs[0]["status"], "draft");
    assert_eq!(docs[0]["created_at"].as_str().unwrap().len(), 24);
    db.exec("UPDATE posts SET views = views + 1 WHERE title = 'a'", json!([])).await.unwrap();
    let moved = db.get("posts", &docs[0]["id"]).await.unwrap();
    assert!(moved["updated_at"].as_str() > docs[0]["updated_at"].as_str(), "{moved}");
    let bare = db.exec("UPDATE posts SET title = NULL", json!([])).await;
    check_error(bare, "VALIDATION_ERROR", Some("title"));
    let bare = db.exec("INSERT INTO posts (slug) VALUES ('x')", json!([])).await;
    check_error(bare, "VALIDATION_ERROR", Some("title"));
}

#[tokio::test]
async fn wrong_statements_are_told_apart() {
    let db = blog();
    let error = check_error(db.query("SELEC 1", json!([])).await, "DB_SQL", None);
    assert_eq!(error.details["offset"], 0);
    check_error(db.query("SELECT nope FROM posts", json!([])).await, "DB_SQL", None);
    check_error(db.query("", json!([])).await, "DB_SQL", None);
    check_error(db.exec(" -- nothing", json!([])).await, "DB_SQL", None);
    check_error(db.query("SELECT 1; SELECT 2", json!([])).await, "DB_SQL", None);
    check_error(db.exec("DELETE FROM posts; DELETE FROM posts", json!([])).await, "DB_SQL", None);
    check_error(db.exec(&"SELECT 1;".repeat(100_000), json!([])).await, "DB_SQL", None);
    check_error(db.query("SELECT 'a\0'", json!([])).await, "VALIDATION_ERROR", None);
    assert_eq!(db.query("SELECT ';' ; -- end", json!([])).await.unwrap()["rows"], json!([[";"]]));
    let large = "SELECT hex(zeroblob(20000000))";
    check_error(db.query(large, json!([])).await, "RESULT_TOO_LARGE", None);
}

#[tokio::test]
async fn what_is_too_large_is_told_with_its_limit() {
    let db = blog();
    let longest = |bytes: usize| format!("SELECT 1 --{}", "x".repeat(bytes - 11));
    assert_eq!(db.query(&longest(1 << 20), json!([])).await.unwrap()["rows"], json!([[1]]));
    let error = db.query(&longest((1 << 20) + 1), json!([])).await;
    let error = check_error(error, "VALIDATION_ERROR", None);
    assert_eq!(
        error.message,
        "the statement has 1048577 bytes, 1048576 at most; give values as parameters"
    );
    let error = db.query("SELECT length(zeroblob(70000000))", json!([])).await;
    let error = check_error(error, "VALIDATION_ERROR", None);
    assert_eq!(error.message, "a value or a row is over 64 MiB, the most that the database takes");
    let big = json!([{"$int": "-9223372036854775809"}]);
    let error = check_error(db.query("SELECT ?", big).await, "VALIDATION_ERROR", None);
    assert_eq!(error.message, "parameter 1 is -9223372036854775809, beyond 64 bits");
}

#[tokio::test]
async fn a_batch_is_all_or_nothing() {
    let db = blog();
    let exec = |sql: &str| Request::Exec(statement(sql, json!([])));
    let ops = vec![
        exec("CREATE TABLE a (id TEXT PRIMARY KEY)"),
        Request::Create { collection: "a".into(), data: super::object(json!({"id": "1"})) },
        Request::Query(statement("SELECT count(*) AS n FROM a", json!([]))),
    ];
    let answer = db.call(Request::Batch(ops)).await.unwrap();
    assert_eq!(answer["results"][1], json!({"doc": {"id": "1"}}));
    assert_eq!(answer["results"][2], json!({"columns": ["n"], "rows": [[1]]}));
    let ops =
        vec![exec("DELETE FROM a"), exec("CREATE TABLE b (id TEXT PRIMARY KEY)"), exec("NOPE")];
    let error = check_error(db.call(Request::Batch(ops)).await, "DB_SQL", None);
    assert_eq!(error.details["op"], 2);
    assert_eq!(db.list("a", json!({}), "").await.unwrap()["total"], 1);
    check_error(db.list("b", json!({}), "").await, "COLLECTION_NOT_FOUND", None);
    assert_eq!(db.call(Request::Batch(vec![])).await.unwrap(), json!({"results": []}));
    let ops = vec![exec("SELECT 1"), Request::Query(statement("DELETE FROM a", json!([])))];
    check_error(db.call(Request::Batch(ops)).await, "READ_ONLY", None);
}

const ENDLESS: &str =
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT sum(i) FROM n";

#[tokio::test]
async fn a_runaway_statement_ends_at_the_deadline() {
    let db = blog();
    let endless: [fn(Sql) -> Request; 2] = [Request::Query, Request::Exec];
    for request in endless {
        let began = Instant::now();
        let request = request(statement(ENDLESS, json!([])));
        let scope = soon(Duration::from_millis(50));
        let error = db.store.call(request, scope).await.unwrap_err();
        assert_eq!(error.code, "DEADLINE_EXCEEDED");
        assert!(began.elapsed() < Duration::from_secs(5));
    }
    // The threads are free again.
    db.create("posts", json!({"title": "T"})).await.unwrap();
    for _ in 0..8 {
        assert_eq!(db.list("posts", json!({}), "").await.unwrap()["total"], 1);
    }
}

#[tokio::test]
async fn json_that_raw_sql_broke_is_shown_as_text() {
    let db = blog();
    let deep = "[".repeat(100_000);
    for broken in ["{", "1 2", deep.as_str()] {
        db.exec("DELETE FROM posts", json!([])).await.unwrap();
        db.exec("INSERT INTO posts (title, tags) VALUES ('T', ?)", json!([broken])).await.unwrap();
        let docs = db.list("posts", json!({}), "").await.unwrap()["docs"].take();
        assert_eq!(docs[0]["tags"], Value::from(broken));
        assert_eq!(db.list("posts", json!({"tags": 1}), "").await.unwrap()["total"], 0);
    }
}
