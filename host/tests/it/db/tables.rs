//! Tables that alyx.yaml does not declare: collections as well, if they have a primary key `id`.

use serde_json::{Value, json};

use super::{Probe, bare_project, create, delete, exec, get, list, probes, update};

#[tokio::test]
async fn d6_a_table_with_a_primary_key_id_is_a_collection_at_once() {
    let host = bare_project().serve().await;
    for probe in probes(&host) {
        let name = format!("made_by_{}", probe.name);
        let early = probe.refused("COLLECTION_NOT_FOUND", list(&name, json!({}))).await;
        assert_eq!(early["known"], json!(["users"]), "{}", probe.name);
        let sql = format!(
            "CREATE TABLE {name} (id TEXT PRIMARY KEY, kind TEXT NOT NULL, n INTEGER, part BLOB, \
             at TEXT DEFAULT 'now', twice INTEGER GENERATED ALWAYS AS (n * 2))"
        );
        assert_eq!(probe.done(exec(&sql, json!([]))).await["rows_affected"], 0);
        let part = json!({"@bytes": "AAEC"});
        let doc = probe.created(&name, json!({"kind": "a", "n": 5, "part": part})).await;
        let id = &doc["id"];
        assert_eq!(id.as_str().map(str::len), Some(36), "{}: {doc}", probe.name);
        let n = |n: i64| json!({"id": id, "kind": "a", "n": n, "part": part, "at": null, "twice": 2 * n});
        let expected =
            json!({"id": id, "kind": "a", "n": 5, "part": part, "at": doc["at"], "twice": 10});
        assert_eq!(doc, expected, "{}", probe.name);
        let mut changed = n(6);
        changed["at"] = doc["at"].clone();
        let call = update(&name, id, json!({"n": 6}));
        assert_eq!(probe.done(call).await, changed, "{}", probe.name);
        let found = json!({"filter": {"n": {"$gt": 5}, "kind": "a"}, "sort": "-n"});
        let page = probe.done(list(&name, found)).await;
        assert_eq!(page, json!({"docs": [changed], "total": 1}), "{}", probe.name);
        let lacking = probe.refused("VALIDATION_ERROR", create(&name, json!({"n": 1}))).await;
        assert_eq!(lacking["field"], "kind", "{}", probe.name);
        let computed = create(&name, json!({"kind": "b", "twice": 1}));
        assert_eq!(probe.refused("VALIDATION_ERROR", computed).await["field"], "twice");
        let twice = create(&name, json!({"id": id, "kind": "b"}));
        assert_eq!(probe.refused("UNIQUE_VIOLATION", twice).await["field"], "id");
        check_gone(&probe, &name, id).await;
    }
}

async fn check_gone(probe: &Probe<'_>, name: &str, id: &Value) {
    assert_eq!(probe.done(delete(name, id)).await, Value::Null);
    assert_eq!(probe.make(get(name, id)).await, Value::Null);
    probe.done(exec(&format!("DROP TABLE {name}"), json!([]))).await;
    probe.refused("COLLECTION_NOT_FOUND", get(name, id)).await;
}

#[tokio::test]
async fn d6_tables_without_such_a_key_and_odd_names_do_no_harm() {
    let host = bare_project().serve().await;
    for probe in probes(&host) {
        for sql in [
            "CREATE TABLE keyless (a)",
            "CREATE TABLE paired (id TEXT, b TEXT, PRIMARY KEY (id, b))",
            "CREATE TABLE \"odd \"\"; DROP TABLE users; --\" (id INTEGER PRIMARY KEY, \"a \"\" b\" TEXT)",
        ] {
            probe.done(exec(sql, json!([]))).await;
        }
        for name in ["keyless", "paired"] {
            probe.refused("COLLECTION_NOT_FOUND", list(name, json!({}))).await;
        }
        let name = "odd \"; DROP TABLE users; --";
        let doc = probe.created(name, json!({"a \" b": "x"})).await;
        assert_eq!(doc, json!({"id": 1, "a \" b": "x"}), "{}", probe.name);
        let found = json!({"filter": {"a \" b": {"$like": "X"}}, "sort": "-a \" b"});
        assert_eq!(probe.done(list(name, found)).await["total"], 1, "{}", probe.name);
        assert_eq!(probe.done(get(name, &json!("1"))).await, doc, "{}", probe.name);
        for table in ["keyless", "paired", "\"odd \"\"; DROP TABLE users; --\""] {
            probe.done(exec(&format!("DROP TABLE {table}"), json!([]))).await;
        }
        assert_eq!(probe.done(list("users", json!({}))).await["total"], 0, "{}", probe.name);
    }
}
