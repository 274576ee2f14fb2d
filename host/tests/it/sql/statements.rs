//! Statements that no function may run: each ends in an error with a code, and afterwards the file
//! is what it was.

use serde_json::{Value, json};

use super::hostile::{check_refused, host_with_a_secret};
use crate::db::{batch, exec, probes, query};

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

/// Nor these, and in a batch they undo what came before.
const WRITES: [&str; 45] = [
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
];

#[tokio::test]
async fn d7_no_write_changes_what_is_the_hosts() {
    let host = host_with_a_secret().await;
    let mut attempts: Vec<(Value, &[&str])> = Vec::new();
    for sql in WRITES {
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
