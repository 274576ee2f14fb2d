//! Raw SQL of functions: `query`, `exec` and `batch`, rows D7 and D8 of the contract.

mod hostile;
mod injection;
mod statements;
mod views;

use serde_json::{Value, json};

use crate::db::{Probe, batch, exec, list, probes, project, query, uncaught};

#[tokio::test]
async fn d7_query_returns_rows_as_objects_with_the_types_of_their_columns() {
    let host = project().serve().await;
    for probe in probes(&host) {
        probe.clear().await;
        for title in ["a", "b"] {
            let tags = json!({"by": title});
            probe.created("posts", json!({"title": title, "published": true, "tags": tags})).await;
        }
        let sql = "SELECT title, published, p.tags AS t, count(*) OVER () AS n, 1.5 AS f \
            FROM posts p WHERE title >= ? AND published = ? ORDER BY title";
        let expected = json!([
            {"title": "a", "published": true, "t": {"by": "a"}, "n": 2, "f": 1.5},
            {"title": "b", "published": true, "t": {"by": "b"}, "n": 2, "f": 1.5},
        ]);
        assert_eq!(probe.rows(sql, json!(["a", true])).await, expected, "{}", probe.name);
        let named = "SELECT title FROM posts WHERE title = :title AND published = :live";
        let rows = probe.rows(named, json!({"title": "b", "live": true})).await;
        assert_eq!(rows, json!([{"title": "b"}]), "{}", probe.name);
        let none = probe.rows("SELECT * FROM posts WHERE 0", json!([])).await;
        assert_eq!(none, json!([]), "{}", probe.name);
        assert_eq!(probe.rows("SELECT 1 AS a, 2 AS a", json!(null)).await, json!([{"a": 2}]));
        let booleans = probe.rows("SELECT ? AS yes, ? AS no", json!([true, false])).await;
        assert_eq!(booleans, json!([{"yes": 1, "no": 0}]), "{}", probe.name);
    }
}

#[tokio::test]
async fn d7_parameters_are_counted_and_their_names_known() {
    let host = project().serve().await;
    for probe in probes(&host) {
        for (sql, params, says) in [
            ("SELECT ? + ?", json!([1]), "the statement has 2 parameters, 1 given"),
            ("SELECT ?", json!([1, 2]), "the statement has 1 parameter, 2 given"),
            ("SELECT ?", json!([]), "the statement has 1 parameter, 0 given"),
            ("SELECT 1", json!([1]), "the statement has 0 parameters, 1 given"),
            ("SELECT :a + :b", json!({"a": 1}), "':b' is not given"),
            ("SELECT :a", json!({"a": 1, "b": 2}), "no parameter ':b'"),
            ("SELECT ?", json!({"a": 1}), "parameter 1 of the statement has no name"),
            ("SELECT ?", json!([[1]]), "parameter 1"),
            ("SELECT ?", json!([{"a": 1, "b": 2}, 3]), "parameter"),
        ] {
            for call in [query(sql, params.clone()), exec(sql, params.clone())] {
                let error = probe.refused("VALIDATION_ERROR", call).await;
                let message = error["message"].as_str().unwrap();
                assert!(message.contains(says), "{}: {sql} {params}: {message}", probe.name);
            }
        }
    }
}

#[tokio::test]
async fn d7_exec_tells_how_many_rows_and_which_key() {
    let host = project().serve().await;
    for probe in probes(&host) {
        let told = |rows: i64, id: Value| json!({"rows_affected": rows, "last_insert_id": id});
        for (sql, params, expected) in [
            ("CREATE TABLE counted (id INTEGER PRIMARY KEY, x)", json!([]), told(0, json!(null))),
            ("INSERT INTO counted (x) VALUES (?), (?)", json!([1, true]), told(2, json!(2))),
            ("UPDATE counted SET x = x + 1", json!([]), told(2, json!(null))),
            ("UPDATE counted SET x = 0 WHERE id = :id", json!({"id": 9}), told(0, json!(null))),
            (
                "INSERT INTO counted VALUES (?, 0)",
                json!([{"@int": "9007199254740993"}]),
                told(1, json!({"@int": "9007199254740993"})),
            ),
            ("DELETE FROM counted WHERE id > 1", json!([]), told(2, json!(null))),
            ("SELECT * FROM counted", json!([]), told(0, json!(null))),
            ("DROP TABLE counted", json!([]), told(0, json!(null))),
        ] {
            let done = probe.done(exec(sql, params)).await;
            assert_eq!(done, expected, "{}: {sql}", probe.name);
        }
    }
}

#[tokio::test]
async fn d7_a_query_that_writes_is_read_only_and_changes_nothing() {
    let host = project().serve().await;
    for probe in probes(&host) {
        probe.clear().await;
        let doc = probe.created("posts", json!({"title": "T"})).await;
        let writes = [
            "DELETE FROM posts",
            "INSERT INTO posts (title) VALUES ('x')",
            "INSERT INTO posts (title) VALUES ('x') RETURNING id",
            "REPLACE INTO posts (title) VALUES ('x')",
            "UPDATE posts SET title = 'x' RETURNING *",
            "WITH d AS (SELECT 1) DELETE FROM posts WHERE (SELECT 1 FROM d)",
            "WITH d AS (SELECT id FROM posts) UPDATE posts SET title = 'x' WHERE id IN d",
            "CREATE TABLE x (a)",
            "CREATE VIEW x AS SELECT 1",
            "CREATE INDEX x ON posts (title)",
            "DROP TABLE notes",
            "ALTER TABLE numbers ADD COLUMN x",
            "REINDEX",
            "ANALYZE posts",
            "VACUUM",
        ];
        let results = probe.make_all(writes.map(|sql| query(sql, json!([])))).await;
        for (sql, result) in writes.iter().zip(results) {
            assert_eq!(result["error"]["code"], "READ_ONLY", "{}: {sql}: {result}", probe.name);
        }
        let page = probe.done(list("posts", json!({}))).await;
        assert_eq!(page, json!({"docs": [doc], "total": 1}), "{}", probe.name);
        let answer = host.call(probe.name, uncaught(query("DELETE FROM posts", json!([])))).await;
        let message = answer.error_message(403, "READ_ONLY");
        assert!(message.contains("exec"), "{}: {message}", probe.name);
    }
}

#[tokio::test]
async fn d7_a_wrong_statement_says_what_is_wrong() {
    let host = project().serve().await;
    for probe in probes(&host) {
        for (sql, says) in [
            ("SELEKT 1", "SELEKT"),
            ("SELECT * FROM nowhere", "nowhere"),
            ("SELECT titel FROM posts", "titel"),
            ("SELECT \"titel\" FROM posts", "titel"),
            ("SELECT nonsense(1)", "nonsense"),
            ("", "no statement"),
            ("-- nothing", "no statement"),
        ] {
            let error = probe.refused("DB_SQL", query(sql, json!([]))).await;
            let message = error["message"].as_str().unwrap();
            assert!(message.contains(says), "{}: {sql}: {message}", probe.name);
        }
        let answer = host.call(probe.name, uncaught(query("SELEKT 1", json!([])))).await;
        answer.error(500, "DB_SQL");
    }
}

#[tokio::test]
async fn d7_a_result_over_the_limit_is_an_error_and_the_worker_serves_on() {
    let host = project().serve().await;
    let rows = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?) \
        SELECT i, hex(zeroblob(50000)) AS x FROM n";
    let probes = probes(&host);
    let check = async |probe: &Probe<'_>| {
        let pid = probe.make(json!({"do": "pid"})).await;
        // Over what fits into a frame; one of them over what the host gathers at all.
        let count = if probe.name == "dbprobe_go" { 340 } else { 170 };
        let error = probe.refused("RESULT_TOO_LARGE", query(rows, json!([count]))).await;
        let message = error["message"].as_str().unwrap();
        assert!(message.contains("fewer"), "{}: {message}", probe.name);
        let sums = format!("SELECT count(*) AS n, sum(length(x)) AS l FROM ({rows})");
        let sums = probe.rows(&sums, json!([100])).await;
        assert_eq!(sums, json!([{"n": 100, "l": 10_000_000}]), "{}", probe.name);
        assert_eq!(probe.make(json!({"do": "pid"})).await, pid, "{}", probe.name);
    };
    futures_util::future::join_all(probes.iter().map(check)).await;
}

#[tokio::test]
async fn d8_a_batch_is_done_whole_and_in_order() {
    let host = project().serve().await;
    for probe in probes(&host) {
        probe.clear().await;
        let done = probe.done(batch(&[
            ("INSERT INTO numbers (n) VALUES (?), (?)", json!([1, 2])),
            ("UPDATE numbers SET n = n * 10 WHERE n = :n", json!({"n": 2})),
            ("DELETE FROM numbers WHERE n = 20", json!([])),
        ]));
        let done = done.await;
        let rows: Vec<_> =
            done.as_array().unwrap().iter().map(|one| &one["rows_affected"]).collect();
        assert_eq!(rows, [2, 1, 1], "{}: {done}", probe.name);
        assert_eq!(numbers(&probe).await, json!([1]), "{}", probe.name);
        assert_eq!(probe.done(batch(&[])).await, json!([]), "{}", probe.name);
    }
}

#[tokio::test]
async fn d8_a_batch_that_fails_leaves_nothing_and_names_the_statement() {
    let host = project().serve().await;
    for probe in probes(&host) {
        probe.clear().await;
        probe.created("numbers", json!({"n": 1})).await;
        let insert = ("INSERT INTO numbers (n) VALUES (?)", json!([7]));
        for (bad, params, code) in [
            ("SELEKT 1", json!([]), "DB_SQL"),
            ("INSERT INTO posts (title) VALUES (NULL)", json!([]), "VALIDATION_ERROR"),
            ("INSERT INTO notes (post_id) VALUES ('x')", json!([]), "FOREIGN_KEY_VIOLATION"),
            ("DELETE FROM _alyx_meta", json!([]), "DB_FORBIDDEN"),
            ("UPDATE numbers SET n = ?", json!([]), "VALIDATION_ERROR"),
            ("COMMIT", json!([]), "DB_FORBIDDEN"),
        ] {
            let call = batch(&[insert.clone(), ("DELETE FROM numbers", json!([])), (bad, params)]);
            let error = probe.refused(code, call).await;
            assert_eq!(error["op"], 2, "{}: {bad}: {error}", probe.name);
            assert_eq!(numbers(&probe).await, json!([1]), "{}: {bad}", probe.name);
        }
    }
}

/// Transfers between two accounts, many at once: nobody sees one half done.
#[tokio::test]
async fn d8_batches_are_serialisable() {
    let host = project().serve().await;
    for probe in probes(&host) {
        probe.clear().await;
        for n in [1_000, 0] {
            probe.created("numbers", json!({"n": n})).await;
        }
        let calls = (0..30).map(|_| async move {
            probe
                .done(batch(&[
                    (
                        "UPDATE numbers SET n = n - 1 WHERE id = (SELECT min(id) FROM numbers)",
                        json!([]),
                    ),
                    (
                        "UPDATE numbers SET n = n + 1 WHERE id = (SELECT max(id) FROM numbers)",
                        json!([]),
                    ),
                ]))
                .await;
            let sum = probe.rows("SELECT sum(n) AS n FROM numbers", json!([])).await;
            assert_eq!(sum, json!([{"n": 1_000}]), "{}", probe.name);
        });
        futures_util::future::join_all(calls).await;
        assert_eq!(numbers(&probe).await, json!([970, 30]), "{}", probe.name);
    }
}

async fn numbers(probe: &Probe<'_>) -> Value {
    let rows = probe.rows("SELECT n FROM numbers ORDER BY id", json!([])).await;
    rows.as_array().expect("rows").iter().map(|row| row["n"].clone()).collect()
}
