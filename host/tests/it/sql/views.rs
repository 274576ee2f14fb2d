//! Views, triggers and references that functions make, and where they lead: nowhere.

use serde_json::json;

use super::hostile::{PASSWORD, check_secret, dump, hash, host_with_a_secret};
use crate::db::{Probe, create, exec, list, probes, query};

/// These are a function's own to make. What they lead to is refused when it is used, also when
/// it is the host that runs into it.
#[tokio::test]
async fn d7_views_and_triggers_of_functions_lead_nowhere() {
    let host = host_with_a_secret().await;
    let before = dump(&host.project);
    let secret = hash(&before).to_owned();
    for probe in probes(&host) {
        let run = async |sql: &str| probe.done(exec(sql, json!([]))).await;
        run("CREATE TABLE leak (id TEXT PRIMARY KEY, a)").await;
        for select in [
            "SELECT user_id, password_hash FROM _alyx_credentials",
            "WITH _alyx_x AS (SELECT * FROM _alyx_credentials) SELECT user_id, password_hash FROM _alyx_x",
            "WITH \"_alyx_farewell:users\" AS (SELECT user_id AS u FROM _alyx_credentials) SELECT u, u FROM \"_alyx_farewell:users\"",
        ] {
            run(&format!("CREATE VIEW peek AS {select}")).await;
            for sql in
                ["SELECT * FROM peek", "SELECT count(*) FROM peek", "SELECT 1 FROM posts, peek"]
            {
                probe.refused("DB_FORBIDDEN", query(sql, json!([]))).await;
            }
            let copy = "INSERT INTO leak SELECT * FROM peek";
            probe.refused("DB_FORBIDDEN", exec(copy, json!([]))).await;
            probe.refused("COLLECTION_NOT_FOUND", list("peek", json!({}))).await;
            for (event, table) in [("INSERT", "posts"), ("INSERT", "users"), ("UPDATE", "users")] {
                run(&format!(
                    "CREATE TRIGGER spy AFTER {event} ON {table} BEGIN \
                     INSERT INTO leak SELECT * FROM ({select}); END"
                ))
                .await;
                check_spy(&probe, event, table).await;
                run("DROP TRIGGER spy").await;
            }
            run("DROP VIEW peek").await;
        }
        // The new name of a table could be one of the host's.
        for to in ["_alyx_mine", "other"] {
            let rename = exec(&format!("ALTER TABLE leak RENAME TO {to}"), json!([]));
            probe.refused("DB_FORBIDDEN", rename).await;
        }
        // Nor does a reference tell what is there.
        run("CREATE TABLE oracle (id TEXT PRIMARY KEY REFERENCES _alyx_credentials (user_id))")
            .await;
        let users = probe.done(list("users", json!({}))).await;
        let id = &users["docs"][0]["id"];
        probe.refused("DB_FORBIDDEN", exec("INSERT INTO oracle VALUES (?)", json!([id]))).await;
        probe.refused("DB_FORBIDDEN", create("oracle", json!({"id": id}))).await;
        run("DROP TABLE oracle").await;
        let leaked = probe.rows("SELECT count(*) AS n FROM leak", json!([])).await;
        assert_eq!(leaked, json!([{"n": 0}]), "{}", probe.name);
        run("DROP TABLE leak").await;
        check_secret(&probe, &secret).await;
        assert_eq!(dump(&host.project), before, "{}", probe.name);
    }
}

/// A trigger that would copy passwords makes the write fail, whoever writes.
async fn check_spy(probe: &Probe<'_>, event: &str, table: &str) {
    let calls = match (event, table) {
        ("INSERT", "posts") => vec![
            create("posts", json!({"title": "x"})),
            exec("INSERT INTO posts (title) VALUES ('x')", json!([])),
        ],
        ("INSERT", _) => vec![
            create("users", json!({"email": "b@example.com"})),
            exec("INSERT INTO users (email) VALUES ('b@example.com')", json!([])),
        ],
        _ => vec![exec("UPDATE users SET name = 'x'", json!([]))],
    };
    for call in calls {
        probe.refused("DB_FORBIDDEN", call).await;
    }
    if event == "INSERT" && table == "users" {
        let body = json!({"email": "c@example.com", "password": PASSWORD});
        let answer = probe.host.request("POST", "/api/auth/register").json(&body).send().await;
        assert!(answer.status >= 500, "{}: {}", answer.status, answer.text());
    }
}
