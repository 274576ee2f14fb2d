//! What the tests of hostile functions share: a host with a secret, and proof that it was kept.
//!
//! The file is read without the host's help.

use rusqlite::types::Value as Sql;
use rusqlite::{Connection, OpenFlags};
use serde_json::{Value, json};

use crate::db::{Probe, list, probes, project, query, uncaught};
use crate::harness::{Host, Project};

pub(super) const PASSWORD: &str = "correct horse battery staple";

/// The collections of the blog, a user with a password, and a post.
pub(super) async fn host_with_a_secret() -> Host {
    let secret = json!({"auth": {"jwt": {"secret": "uPq7vN3xW9zR5tK1mB8yD4sF6hJ2gLcA"}}});
    let host = project().config(secret).serve().await;
    let body = json!({"email": "a@example.com", "password": PASSWORD});
    let registered = host.request("POST", "/api/auth/register").json(&body).send().await;
    assert_eq!(registered.status, 201, "{}", registered.text());
    let post = json!({"title": "T", "slug": "s", "tags": [1], "views": 7});
    probes(&host)[0].created("posts", post).await;
    host
}

/// Everything in the file but the pages themselves: each table, index, view and row.
pub(super) fn dump(project: &Project) -> Vec<String> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY;
    let file = Connection::open_with_flags(project.path("alyx.db"), flags).expect("it is there");
    let rows = |sql: &str| {
        let mut statement = file.prepare(sql).expect("a statement of this file");
        let width = statement.column_count();
        let read = |row: &rusqlite::Row<'_>| -> rusqlite::Result<Vec<Sql>> {
            (0..width).map(|at| row.get(at)).collect()
        };
        let rows = statement.query_map([], read).expect("it runs");
        rows.collect::<Result<Vec<_>, _>>().expect("its rows are readable")
    };
    let schema = rows("SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY name");
    let mut lines: Vec<String> = schema.iter().map(|row| format!("{row:?}")).collect();
    for table in rows("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name") {
        let Sql::Text(name) = &table[0] else { panic!("a table without a name: {table:?}") };
        // How often somebody registers or logs in is nothing that a function does.
        if name == "_alyx_throttles" {
            continue;
        }
        let all = rows(&format!("SELECT * FROM \"{}\" ORDER BY 1", name.replace('"', "\"\"")));
        lines.extend(all.iter().map(|row| format!("{name}: {row:?}")));
    }
    lines
}

/// The hash of the password as it is in the file.
pub(super) fn hash(before: &[String]) -> &str {
    let line = before.iter().find(|line| line.starts_with("_alyx_credentials: "));
    let start = line.and_then(|line| line.split_once("$argon2id$")).expect("a hash of argon2id").1;
    start.split('"').next().expect("a text ends with a quote")
}

/// Makes each attempt from each probe; the code is one of those given with it.
pub(super) async fn check_refused(host: &Host, attempts: &[(Value, &[&str])]) {
    let before = dump(&host.project);
    let secret = hash(&before);
    for probe in probes(host) {
        let results = probe.make_all(attempts.iter().map(|(call, _)| call.clone())).await;
        for ((call, codes), result) in attempts.iter().zip(results) {
            let code = result["error"]["code"].as_str().unwrap_or_default();
            assert!(codes.contains(&code), "{}: {call}: {codes:?}: {result}", probe.name);
            let message = result["error"]["message"].as_str().unwrap_or_default();
            assert!(message.len() > 5, "{}: {call}: {result}", probe.name);
            assert!(!result.to_string().contains(secret), "{}: {call}", probe.name);
        }
        check_secret(&probe, secret).await;
        assert_eq!(dump(&host.project), before, "{}", probe.name);
    }
    let body = json!({"email": "a@example.com", "password": PASSWORD});
    let login = host.request("POST", "/api/auth/login").json(&body).send().await;
    assert_eq!(login.status, 200, "{}", login.text());
}

/// What a function can read at all does not hold the hash.
pub(super) async fn check_secret(probe: &Probe<'_>, secret: &str) {
    for name in ["_alyx_credentials", "_alyx_refresh_families", "_alyx_meta", "_alyx_throttles"] {
        probe.refused("COLLECTION_NOT_FOUND", list(name, json!({}))).await;
        let read = query(&format!("SELECT * FROM {name}"), json!([]));
        let error = probe.refused("DB_FORBIDDEN", read.clone()).await;
        assert!(
            error["message"].as_str().is_some_and(|m| m.contains(name)),
            "{}: {error}",
            probe.name
        );
        let answer = probe.host.call(probe.name, uncaught(read)).await;
        answer.error(403, "DB_FORBIDDEN");
    }
    for call in [query("SELECT * FROM sqlite_schema", json!([])), list("users", json!({}))] {
        let all = probe.done(call).await;
        assert!(!all.to_string().contains(secret), "{}", probe.name);
    }
}
