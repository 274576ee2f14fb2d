//! The project that the guide's functions are tried in: the sample project's collections, people
//! with accounts, and a way into the database.
//!
//! Knows nothing of the blocks.

use std::path::{Path, PathBuf};

use rusqlite::Connection;
use serde_json::{Value, json};

use super::blocks::Block;
use crate::harness::{Answer, Host, Project};

/// Has `ctx.db` do what the input says; the tests set up and look with it.
pub(super) const DATABASE: &str = "export default (ctx) => {
  const { what, args } = ctx.input;
  const [first, method] = what.split('.');
  return method ? ctx.db[first][method](...args) : ctx.db[first](...args);
};
";

/// A folder of the sample project, from the top of the repository.
pub(super) fn sample(inner: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(inner)
}

/// A project with the collections of the sample project and a secret for tokens.
pub(super) fn project() -> Project {
    let text = std::fs::read_to_string(sample("alyx.yaml")).expect("the sample has an alyx.yaml");
    let config: Value = serde_yaml::from_str(&text).expect("it is YAML");
    project_with(config["collections"].clone())
}

/// The same with other collections.
pub(super) fn project_with(collections: Value) -> Project {
    let config = json!({
        "auth": {"jwt": {"secret": "a secret of the tests, long enough to sign"}},
        "collections": collections,
    });
    Project::new().config(config).file("functions/database.js", DATABASE)
}

/// The project with this block as a file, under the name that the block gives itself.
pub(super) fn with(project: Project, block: &Block) -> Project {
    let file = block.file().unwrap_or_else(|| panic!("'{}' names no file", block.heading));
    project.file(file, &block.text)
}

/// Someone with an account.
#[derive(Debug)]
pub(super) struct Person {
    pub(super) id: String,
    pub(super) email: String,
    pub(super) token: String,
}

impl Person {
    /// `<name>@example.com` registers.
    pub(super) async fn register(host: &Host, name: &str) -> Person {
        let email = format!("{name}@example.com").to_lowercase();
        let account = json!({"email": email, "password": "correct horse", "name": name});
        let answer = host.request("POST", "/api/auth/register").json(&account).send().await;
        assert_eq!(answer.status, 201, "{}", answer.text());
        let text = |value: &Value| value.as_str().expect("a text").to_owned();
        let body = answer.json();
        let (id, token) = (text(&body["user"]["id"]), text(&body["tokens"]["access_token"]));
        Person { id, email, token }
    }

    /// Calls a function as this person.
    pub(super) async fn call(&self, host: &Host, function: &str, input: Value) -> Answer {
        let bearer = format!("Bearer {}", self.token);
        host.post(function).header("Authorization", &bearer).json(&input).send().await
    }
}

/// What `ctx.db` answers: `database(&host, "posts.get", json!(["id"]))`.
pub(super) async fn database(host: &Host, what: &str, args: Value) -> Value {
    host.call("database", json!({"what": what, "args": args})).await.value()
}

/// A post with an id of the guide's, which no uuid of the host's ever is: by raw SQL.
pub(super) async fn post(host: &Host, id: &str, author: &Person) {
    let sql =
        "INSERT INTO posts (id, title, content, author_id) VALUES (?, 'Old Title', 'Text', ?)";
    database(host, "exec", json!([sql, [id, author.id]])).await;
}

/// So many posts, each called by its number and a second newer than the one before.
pub(super) async fn posts(host: &Host, count: usize, author: &Person, published: bool) {
    let sql = "WITH RECURSIVE number (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM number) \
               INSERT INTO posts (title, content, author_id, published) \
               SELECT 'Post ' || n, '', ?, ? FROM number LIMIT ?";
    let done = database(host, "exec", json!([sql, [author.id, published, count]])).await;
    assert_eq!(done["rows_affected"], count);
    let second = "printf('2020-01-01T00:00:%02d.000Z', substr(title, 6)) WHERE title LIKE 'Post %'";
    created_at(host, "posts", second);
}

/// Gives documents another time, which no statement of a function can: from outside, and without
/// the trigger that keeps it. `time` may go on with a condition.
pub(super) fn created_at(host: &Host, table: &str, time: &str) {
    let mut file = Connection::open(host.project.path("alyx.db")).expect("the database is there");
    let change = file.transaction().expect("nobody writes for long");
    let name = format!("_alyx_touch:{table}");
    let sql = "SELECT sql FROM sqlite_schema WHERE name = ?";
    let trigger: String = change.query_row(sql, [&name], |row| row.get(0)).expect(&name);
    let update = format!("UPDATE {table} SET created_at = {time}");
    let all = format!("DROP TRIGGER \"{name}\"; {update}; {trigger}");
    change.execute_batch(&all).expect(&update);
    change.commit().expect(&update);
}

/// Whether a text is a time as JavaScript and the database write it.
pub(super) fn is_time(text: &Value) -> bool {
    let shape = |text: &str| text.replace(|c: char| c.is_ascii_digit(), "0");
    text.as_str().is_some_and(|text| shape(text) == "0000-00-00T00:00:00.000Z")
}

/// Whether a text is an id of the host's.
pub(super) fn is_id(text: &Value) -> bool {
    let lengths = |text: &str| text.split('-').map(str::len).collect::<Vec<_>>();
    text.as_str().is_some_and(|text| lengths(text) == [8, 4, 4, 4, 12])
}
