//! What functions may not touch, tried by every road.

use super::{blog, check_error};
use serde_json::json;

#[tokio::test]
async fn a_query_cannot_write() {
    let db = blog();
    db.create("posts", json!({"title": "T"})).await.unwrap();
    for sql in [
        "DELETE FROM posts",
        "INSERT INTO posts (title) VALUES ('x') RETURNING id",
        "WITH d AS (SELECT 1) DELETE FROM posts WHERE (SELECT 1 FROM d)",
        "WITH d AS (SELECT 1) UPDATE posts SET title = 'x'",
        "CREATE TABLE x (a)",
        "DROP TABLE notes",
        "REPLACE INTO posts (title) VALUES ('x')",
        "REINDEX",
        "ANALYZE",
        "VACUUM",
    ] {
        check_error(db.query(sql, json!([])).await, "READ_ONLY", None);
    }
    assert_eq!(db.list("posts", json!({"title": "T"}), "").await.unwrap()["total"], 1);
}

#[tokio::test]
async fn the_inside_is_out_of_reach() {
    let db = blog();
    let file = db.folder.path().join("stolen.db");
    let vacuum = format!("VACUUM INTO '{}'", file.display());
    for sql in [
        "SELECT * FROM _alyx_credentials",
        "SELECT * FROM \"_ALYX_credentials\"",
        "SELECT * FROM main.[_alyx_credentials]",
        "SELECT * FROM (SELECT count(*) FROM _alyx_meta)",
        "WITH x AS (SELECT * FROM _alyx_meta) SELECT * FROM x",
        "SELECT 1 WHERE EXISTS (SELECT 1 FROM `_alyx_meta`)",
        "PRAGMA user_version",
        "PRAGMA writable_schema = 1",
        "SELECT * FROM pragma_table_info('posts')",
        "SELECT * FROM pragma_database_list",
        "SELECT * FROM dbstat",
        "ATTACH 'other.db' AS other",
        "DETACH main",
        "SELECT load_extension('x')",
        "SELECT fts3_tokenizer('simple')",
        "BEGIN",
        "COMMIT",
        "ROLLBACK",
        "SAVEPOINT job",
        "RELEASE job",
        "SELECT * FROM sqlite_temp_schema",
    ] {
        for answer in [db.query(sql, json!([])).await, db.exec(sql, json!([])).await] {
            check_error(answer, "DB_FORBIDDEN", None);
        }
    }
    assert!(db.exec(&vacuum, json!([])).await.is_err());
    assert!(db.query(&vacuum, json!([])).await.is_err());
    assert!(!file.exists());
}

#[tokio::test]
async fn nothing_of_the_hosts_can_be_changed() {
    let db = blog();
    for sql in [
        "INSERT INTO _alyx_meta VALUES ('a', 1)",
        "UPDATE _alyx_meta SET value = 1",
        "DELETE FROM _alyx_credentials",
        "DROP TABLE _alyx_meta",
        "ALTER TABLE _alyx_meta RENAME TO mine",
        "CREATE TABLE _alyx_mine (a)",
        "CREATE VIEW _Alyx_mine AS SELECT 1",
        "CREATE INDEX mine ON _alyx_meta (value)",
        "CREATE TRIGGER mine AFTER INSERT ON _alyx_meta BEGIN SELECT 1; END",
        "CREATE TRIGGER _alyx_mine AFTER INSERT ON posts BEGIN SELECT 1; END",
        "CREATE TABLE copy AS SELECT * FROM _alyx_meta",
        "REINDEX _alyx_meta",
        "REINDEX sqlite_autoindex__alyx_meta_1",
        "ANALYZE",
        "ANALYZE _alyx_meta",
        "DROP TRIGGER \"_alyx_touch:posts\"",
        "DROP INDEX \"_alyx_unique:posts:slug\"",
        "DROP TABLE posts",
        "ALTER TABLE posts ADD COLUMN x",
        "ALTER TABLE Posts RENAME TO x",
        "ALTER TABLE users DROP COLUMN role",
        "CREATE TEMP TABLE posts (id)",
        "CREATE TEMP VIEW posts AS SELECT 1",
        "CREATE TEMP TRIGGER t AFTER INSERT ON posts BEGIN SELECT 1; END",
        "CREATE VIRTUAL TABLE v USING fts5(x, content = '_alyx_meta')",
    ] {
        check_error(db.exec(sql, json!([])).await, "DB_FORBIDDEN", None);
    }
    // Not ours to name, but refused all the same.
    assert!(db.exec("UPDATE sqlite_schema SET sql = 'x'", json!([])).await.is_err());
}

#[tokio::test]
async fn views_and_triggers_lead_nowhere_new() {
    let db = blog();
    let run = async |sql: &str| db.exec(sql, json!([])).await;
    run("CREATE TABLE leak (id TEXT PRIMARY KEY, a)").await.unwrap();
    // SQLite looks into them when they are used.
    run("CREATE VIEW peek AS SELECT * FROM _alyx_meta").await.unwrap();
    check_error(db.query("SELECT * FROM peek", json!([])).await, "DB_FORBIDDEN", None);
    let trigger = "CREATE TRIGGER spy AFTER INSERT ON users BEGIN \
                   INSERT INTO leak SELECT key, value FROM _alyx_meta; END";
    run(trigger).await.unwrap();
    let by_hand = run("INSERT INTO users (email) VALUES ('a@b.de')").await;
    check_error(by_hand, "DB_FORBIDDEN", None);
    let by_host = db.create("users", json!({"email": "a@b.de"})).await;
    check_error(by_host, "DB_FORBIDDEN", None);
    let inner = db
        .store
        .write(super::soon(std::time::Duration::from_secs(5)).deadline, |session| {
            session.run("INSERT INTO users (email) VALUES ('a@b.de')", &[])
        })
        .await;
    assert_eq!(inner.unwrap_err().code, "DB_FORBIDDEN");
    run("DROP TRIGGER spy").await.unwrap();
    // The new name could be anything.
    for sql in ["leak RENAME TO _alyx_mine", "leak RENAME COLUMN a TO b", "leak DROP COLUMN a"] {
        let refusal = run(&format!("ALTER TABLE {sql}")).await;
        let message = check_error(refusal, "DB_FORBIDDEN", None).message;
        assert!(message.starts_with("functions can add columns"), "{sql}: {message}");
    }
    run("ALTER TABLE leak ADD COLUMN b").await.unwrap();
    // Nor does a reference tell what is there.
    let oracle = "CREATE TABLE oracle (id TEXT PRIMARY KEY REFERENCES _alyx_credentials (user_id))";
    run(oracle).await.unwrap();
    check_error(run("INSERT INTO oracle VALUES ('u')").await, "DB_FORBIDDEN", None);
    db.user("a@b.de").await;
}

#[tokio::test]
async fn with_a_user_goes_what_the_host_keeps_of_them() {
    let db = blog();
    let id = db.user("a@b.de").await;
    let deadline = super::soon(std::time::Duration::from_secs(5)).deadline;
    let user = id.as_str().unwrap().to_owned();
    let kept = db.store.write(deadline, move |session| {
        let args = [crate::db::datum::Datum::Text(user.clone())];
        session.run("INSERT INTO _alyx_credentials VALUES (?, 'hash', 0)", &args)
    });
    assert_eq!(kept.await, Ok(1));
    db.exec("DELETE FROM users", json!([])).await.unwrap();
    let left =
        db.store.read(deadline, |session| session.rows("SELECT * FROM _alyx_credentials", &[]));
    assert_eq!(left.await, Ok(vec![]));
}

/// Inside of a WITH, SQLite tells the authorizer its name, just as it tells that of a trigger.
#[tokio::test]
async fn a_name_of_the_hosts_opens_nothing() {
    let db = blog();
    db.user("a@b.de").await;
    let run = async |sql: &str| db.exec(sql, json!([])).await;
    for name in ["_alyx_x", "_alyx_farewell:users", "_alyx_touch:posts"] {
        let with = format!("WITH \"{name}\" AS (SELECT user_id AS id FROM _alyx_credentials)");
        let read = format!("{with} SELECT id FROM \"{name}\"");
        check_error(db.query(&read, json!([])).await, "DB_FORBIDDEN", None);
        let counted = read.replace("user_id AS id", "count(*) AS id");
        check_error(db.query(&counted, json!([])).await, "DB_FORBIDDEN", None);
        for sql in [
            format!("INSERT INTO posts (title) {read}"),
            format!("DELETE FROM users WHERE id IN ({read})"),
            format!("DELETE FROM users RETURNING ({read})"),
            format!("{with} DELETE FROM users WHERE id IN (SELECT id FROM \"{name}\")"),
            format!("CREATE TABLE copy AS {read}"),
        ] {
            check_error(run(&sql).await, "DB_FORBIDDEN", None);
        }
        // Nor by way of a trigger that a statement of the host runs into.
        let trigger = format!(
            "CREATE TRIGGER spy AFTER INSERT ON users BEGIN \
             INSERT INTO posts (title) SELECT id FROM ({read}); END"
        );
        run(&trigger).await.unwrap();
        let inner = db.store.write(super::soon(std::time::Duration::from_secs(5)).deadline, |s| {
            s.run("INSERT INTO users (email) VALUES ('b@b.de')", &[])
        });
        assert_eq!(inner.await.unwrap_err().code, "DB_FORBIDDEN");
        run("DROP TRIGGER spy").await.unwrap();
    }
    assert_eq!(db.list("posts", json!({}), "").await.unwrap()["total"], 0);
    assert_eq!(db.list("users", json!({}), "").await.unwrap()["total"], 1);
}

#[tokio::test]
async fn a_refusal_names_what_is_refused() {
    let db = blog();
    for (sql, says) in [
        ("ATTACH 'other.db' AS other", "functions cannot attach, detach or copy databases"),
        ("ATTACH ? AS other", "functions cannot attach, detach or copy databases"),
        ("ATTACH 'a' || 'b' AS other", "functions cannot attach, detach or copy databases"),
        ("DETACH main", "functions cannot attach, detach or copy databases"),
        ("PRAGMA user_version", "PRAGMA user_version is not for functions"),
    ] {
        let args = if sql.contains('?') { json!(["other.db"]) } else { json!([]) };
        for answer in [db.query(sql, args.clone()).await, db.exec(sql, args.clone()).await] {
            assert_eq!(check_error(answer, "DB_FORBIDDEN", None).message, says, "{sql}");
        }
    }
}
