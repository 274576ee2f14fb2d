//! What hostile functions try: every road to what is not theirs ends in an error with a code.
//!
//! Each attempt is made from a function. Afterwards the file is what it was before, read here
//! without the host's help, and no answer has ever held the hash of a password.

use rusqlite::types::Value as Sql;
use rusqlite::{Connection, OpenFlags};
use serde_json::{Value, json};

use crate::db::{
    Probe, batch, create, delete, exec, get, list, probes, project, query, uncaught, update,
};
use crate::harness::{Host, Project};

const PASSWORD: &str = "correct horse battery staple";

/// The collections of the blog, a user with a password, and a post.
async fn host_with_a_secret() -> Host {
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
fn dump(project: &Project) -> Vec<String> {
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
fn hash(before: &[String]) -> &str {
    let line = before.iter().find(|line| line.starts_with("_alyx_credentials: "));
    let start = line.and_then(|line| line.split_once("$argon2id$")).expect("a hash of argon2id").1;
    start.split('"').next().expect("a text ends with a quote")
}

/// Makes each attempt from each probe; the code is one of those given with it.
async fn check_refused(host: &Host, attempts: &[(Value, &[&str])]) {
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
async fn check_secret(probe: &Probe<'_>, secret: &str) {
    for name in ["_alyx_credentials", "_alyx_refresh_families", "_alyx_meta", "_alyx_throttles"] {
        probe.refused("COLLECTION_NOT_FOUND", list(name, json!({}))).await;
        let read = query(&format!("SELECT * FROM {name}"), json!([]));
        let error = probe.refused("DB_FORBIDDEN", read.clone()).await;
        assert!(error["message"].as_str().unwrap().contains(name), "{}: {error}", probe.name);
        let answer = probe.host.call(probe.name, uncaught(read)).await;
        answer.error(403, "DB_FORBIDDEN");
    }
    for call in [query("SELECT * FROM sqlite_schema", json!([])), list("users", json!({}))] {
        let all = probe.done(call).await;
        assert!(!all.to_string().contains(secret), "{}", probe.name);
    }
}

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

/// Neither `query` nor `exec` does these.
const FORBIDDEN: [&str; 58] = [
    // By its name in every spelling.
    "SELECT password_hash FROM _alyx_credentials",
    "SELECT * FROM \"_ALYX_credentials\"",
    "SELECT * FROM [_alyx_credentials]",
    "SELECT * FROM `_alyx_credentials`",
    "SELECT * FROM '_alyx_credentials'",
    "SELECT * FROM main._alyx_credentials",
    "SELECT * FROM \"main\".\"_Alyx_Credentials\" AS posts",
    "SELECT count(*) FROM _alyx_credentials",
    "SELECT 1 FROM _alyx_credentials",
    // By the inside of another statement.
    "SELECT (SELECT password_hash FROM _alyx_credentials)",
    "SELECT * FROM (SELECT * FROM _alyx_credentials)",
    "SELECT * FROM posts JOIN _alyx_credentials",
    "SELECT title FROM posts UNION SELECT password_hash FROM _alyx_credentials",
    "SELECT * FROM posts WHERE EXISTS (SELECT 1 FROM _alyx_credentials)",
    "SELECT * FROM posts ORDER BY (SELECT password_hash FROM _alyx_credentials)",
    "SELECT * FROM posts WHERE title IN _alyx_credentials",
    "WITH x AS (SELECT * FROM _alyx_credentials) SELECT * FROM x",
    "WITH x AS MATERIALIZED (SELECT * FROM _alyx_credentials) SELECT * FROM x",
    "WITH RECURSIVE x (a) AS (SELECT password_hash FROM _alyx_credentials UNION SELECT a FROM x) SELECT * FROM x",
    // By names that the host's own triggers have.
    "WITH _alyx_x AS (SELECT * FROM _alyx_credentials) SELECT * FROM _alyx_x",
    "WITH \"_alyx_farewell:users\" AS (SELECT user_id FROM _alyx_credentials) SELECT * FROM \"_alyx_farewell:users\"",
    "WITH \"_alyx_touch:posts\" AS (SELECT count(*) FROM _alyx_credentials) SELECT * FROM \"_alyx_touch:posts\"",
    "EXPLAIN SELECT * FROM _alyx_credentials",
    "EXPLAIN QUERY PLAN SELECT * FROM _alyx_credentials",
    // PRAGMA, also as functions.
    "PRAGMA user_version",
    "PRAGMA user_version = 5",
    "PRAGMA writable_schema = ON",
    "PRAGMA table_info(_alyx_credentials)",
    "PRAGMA main.table_xinfo('posts')",
    "PRAGMA foreign_keys = OFF",
    "PRAGMA journal_mode = DELETE",
    "PRAGMA synchronous = OFF",
    "PRAGMA query_only = OFF",
    "PRAGMA trusted_schema = ON",
    "PRAGMA temp_store_directory = '/tmp'",
    "PRAGMA integrity_check",
    "SELECT * FROM pragma_table_info('_alyx_credentials')",
    "SELECT * FROM pragma_database_list",
    "SELECT * FROM pragma_user_version",
    "SELECT 1 FROM pragma_function_list",
    // Other files and other code.
    "ATTACH 'other.db' AS other",
    "ATTACH DATABASE 'file:alyx.db?mode=rw' AS \"main2\"",
    "ATTACH ':memory:' AS _alyx_mine",
    "DETACH main",
    "SELECT load_extension('evil')",
    "SELECT load_extension('evil', 'main')",
    "SELECT fts3_tokenizer('simple')",
    "SELECT fts3_tokenizer('simple', x'00')",
    "SELECT readfile('/etc/passwd')",
    "SELECT writefile('evil', 'x')",
    // The inside of the database.
    "SELECT * FROM dbstat",
    "SELECT * FROM sqlite_dbpage",
    // The host's transactions.
    "BEGIN IMMEDIATE",
    "COMMIT",
    "ROLLBACK",
    "SAVEPOINT job",
    "RELEASE job",
    "ROLLBACK TO job",
];

#[tokio::test]
async fn d7_no_statement_reaches_what_is_the_hosts() {
    let host = host_with_a_secret().await;
    let mut attempts: Vec<(Value, &[&str])> = Vec::new();
    for sql in FORBIDDEN {
        // A function of that name may not exist at all.
        let codes: &[&str] = if sql.contains("file(") || sql.contains("dbpage") {
            &["DB_FORBIDDEN", "DB_SQL"]
        } else {
            &["DB_FORBIDDEN"]
        };
        attempts.push((query(sql, json!([])), codes));
        attempts.push((exec(sql, json!([])), codes));
        attempts.push((batch(&[("SELECT 1", json!([])), (sql, json!([]))]), codes));
    }
    check_refused(&host, &attempts).await;
    for file in ["other.db", "evil", "main2"] {
        assert!(!host.project.path(file).exists(), "{file}");
    }
}

#[tokio::test]
async fn d7_no_write_changes_what_is_the_hosts() {
    let host = host_with_a_secret().await;
    let mut attempts: Vec<(Value, &[&str])> = Vec::new();
    for sql in [
        "INSERT INTO _alyx_meta VALUES ('a', 1)",
        "INSERT INTO posts (title) SELECT password_hash FROM _alyx_credentials",
        "INSERT INTO posts (title) VALUES ((SELECT password_hash FROM _alyx_credentials))",
        "INSERT INTO posts (title) VALUES ('x') RETURNING (SELECT password_hash FROM _alyx_credentials)",
        "INSERT INTO posts (title, slug) VALUES ('x', 's') ON CONFLICT (slug) DO UPDATE SET title = (SELECT password_hash FROM _alyx_credentials)",
        "INSERT INTO posts (title) WITH _alyx_x AS (SELECT password_hash FROM _alyx_credentials) SELECT * FROM _alyx_x",
        "UPDATE posts SET title = (SELECT password_hash FROM _alyx_credentials)",
        "UPDATE posts SET title = c.password_hash FROM _alyx_credentials c",
        "UPDATE _alyx_credentials SET password_hash = 'x'",
        "UPDATE \"_ALYX_CREDENTIALS\" SET password_hash = 'x'",
        "DELETE FROM _alyx_credentials",
        "DELETE FROM posts WHERE EXISTS (SELECT 1 FROM _alyx_credentials)",
        "DELETE FROM users RETURNING (WITH \"_alyx_farewell:users\" AS (SELECT user_id AS u FROM _alyx_credentials) SELECT u FROM \"_alyx_farewell:users\")",
        "REPLACE INTO _alyx_credentials VALUES ('u', 'h', 0)",
        "DROP TABLE _alyx_credentials",
        "DROP TABLE IF EXISTS main._alyx_meta",
        "ALTER TABLE _alyx_credentials RENAME TO mine",
        "ALTER TABLE _alyx_credentials RENAME COLUMN password_hash TO x",
        "ALTER TABLE _alyx_credentials ADD COLUMN x",
        "ALTER TABLE _alyx_credentials DROP COLUMN changed_at",
        "CREATE TABLE _alyx_mine (a)",
        "CREATE VIEW _Alyx_mine AS SELECT 1",
        "CREATE TABLE copy AS SELECT * FROM _alyx_credentials",
        "CREATE INDEX mine ON _alyx_credentials (password_hash)",
        "CREATE INDEX _alyx_mine ON posts (title)",
        "CREATE TRIGGER mine AFTER INSERT ON _alyx_credentials BEGIN SELECT 1; END",
        "CREATE TRIGGER _alyx_mine AFTER INSERT ON posts BEGIN SELECT 1; END",
        "DROP TRIGGER \"_alyx_farewell:users\"",
        "DROP TRIGGER \"_alyx_touch:posts\"",
        "DROP INDEX _alyx_refresh_user",
        "DROP INDEX \"_alyx_unique:posts:slug\"",
        "REINDEX _alyx_credentials",
        "ANALYZE _alyx_credentials",
        "ANALYZE",
        // The shape of what alyx.yaml declares.
        "DROP TABLE posts",
        "DROP TABLE users",
        "ALTER TABLE posts ADD COLUMN x",
        "ALTER TABLE posts RENAME TO x",
        "ALTER TABLE Users DROP COLUMN role",
        // What would stand before the real one.
        "CREATE TEMP TABLE posts (id)",
        "CREATE TEMP VIEW users AS SELECT 1",
        "CREATE TEMP TRIGGER t AFTER INSERT ON posts BEGIN SELECT 1; END",
        "CREATE TABLE temp.x (a)",
        "CREATE VIRTUAL TABLE v USING fts5 (x, content = '_alyx_credentials')",
        "CREATE VIRTUAL TABLE v USING rtree (id, a, b)",
    ] {
        attempts.push((exec(sql, json!([])), &["DB_FORBIDDEN"]));
        attempts.push((query(sql, json!([])), &["DB_FORBIDDEN", "READ_ONLY"]));
        let both = batch(&[("DELETE FROM posts", json!([])), (sql, json!([]))]);
        attempts.push((both, &["DB_FORBIDDEN"]));
    }
    for sql in [
        "UPDATE sqlite_schema SET sql = 'x'",
        "UPDATE sqlite_master SET tbl_name = 'mine' WHERE name = '_alyx_credentials'",
        "INSERT INTO sqlite_schema VALUES ('table', 'x', 'x', 2, 'CREATE TABLE x (a)')",
        "DELETE FROM sqlite_schema WHERE name LIKE '_alyx%'",
        "ALTER TABLE sqlite_schema RENAME TO x",
        "VACUUM INTO 'stolen.db'",
        "VACUUM",
    ] {
        attempts.push((exec(sql, json!([])), &["DB_FORBIDDEN", "DB_SQL"]));
        attempts.push((query(sql, json!([])), &["DB_FORBIDDEN", "READ_ONLY", "DB_SQL"]));
    }
    check_refused(&host, &attempts).await;
    assert!(!host.project.path("stolen.db").exists());
}

#[tokio::test]
async fn d7_several_statements_in_one_call_are_refused_whole() {
    let host = host_with_a_secret().await;
    let mut attempts: Vec<(Value, &[&str])> = Vec::new();
    for sql in [
        "SELECT 1; SELECT 2",
        "SELECT 1; DELETE FROM posts",
        "DELETE FROM posts; SELECT 1",
        "DELETE FROM posts;;DELETE FROM users;",
        "SELECT 1;\n\t-- and\nSELECT 2",
        "DELETE FROM posts; nonsense",
    ] {
        attempts.push((query(sql, json!([])), &["DB_SQL", "READ_ONLY"]));
        attempts.push((exec(sql, json!([])), &["DB_SQL"]));
        attempts.push((batch(&[(sql, json!([]))]), &["DB_SQL"]));
    }
    // It may be the second one that is refused.
    for sql in [
        "SELECT 1; SELECT * FROM _alyx_credentials",
        "SELECT 1; ATTACH 'x' AS y",
        "UPDATE posts SET title = 'x' /* ; */ ; DROP TABLE notes -- ;",
    ] {
        attempts.push((query(sql, json!([])), &["DB_SQL", "DB_FORBIDDEN", "READ_ONLY"]));
        attempts.push((exec(sql, json!([])), &["DB_SQL", "DB_FORBIDDEN"]));
    }
    check_refused(&host, &attempts).await;
    for probe in probes(&host) {
        // One statement, whatever is in its text.
        let rows = probe.rows("SELECT ';' AS a /* ; */ ; -- ;", json!([])).await;
        assert_eq!(rows, json!([{"a": ";"}]), "{}", probe.name);
    }
}

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
