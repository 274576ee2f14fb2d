//! The database as functions see it: the rows D1 to D11 of the contract, in every runtime.
//!
//! Here are the project of these tests and [`Probe`], a function that makes the calls that a test
//! describes. See the fixture `dbprobe`.

mod lists;
mod filters;
mod values;
mod documents;
mod violations;
mod tables;
mod calls;
mod changes;

use serde_json::{Value, json};

use crate::harness::{Host, Project, Runtime};

/// A function that calls the database as it is told: one for each way to write a handler.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Probe<'a> {
    pub(crate) host: &'a Host,
    pub(crate) name: &'static str,
    pub(crate) runtime: Runtime,
}

/// All of them. In Python there are two, for the client of the other kind of handler differs.
pub(crate) fn probes(host: &Host) -> [Probe<'_>; 4] {
    [
        Probe { host, name: "dbprobe_node", runtime: Runtime::Node },
        Probe { host, name: "dbprobe_python", runtime: Runtime::Python },
        Probe { host, name: "dbprobe_sync", runtime: Runtime::Python },
        Probe { host, name: "dbprobe_go", runtime: Runtime::Go },
    ]
}

/// A project with the probes, and no collection but `users`.
pub(crate) fn bare_project() -> Project {
    let shared = Runtime::Python.fixture("_dbcalls");
    let project = Project::new().with_all("dbprobe").file("functions/_dbcalls.py", &shared);
    project.with_own(Runtime::Python, "dbprobe_sync")
}

/// The same with the collections of [`blog`].
pub(crate) fn project() -> Project {
    bare_project().config(blog())
}

/// Every type of field and most of the rules.
pub(crate) fn blog() -> Value {
    json!({"collections": {
        "posts": {
            "fields": {
                "title": {"type": "string", "required": true, "max_length": 200},
                "slug": {"type": "string", "unique": true},
                "published": {"type": "bool", "default": false},
                "tags": {"type": "json"},
                "views": {"type": "int", "default": 0, "min": 0},
                "score": {"type": "float"},
                "photo": {"type": "blob"},
                "day": {"type": "date"},
                "seen_at": {"type": "timestamp"},
                "status": {"type": "string", "enum": ["draft", "live"]},
                "mail": {"type": "string", "format": "email"},
                "author_id": {
                    "type": "uuid", "references": "users.id", "on_delete": "cascade", "index": true,
                },
            },
            "indexes": [{"fields": ["published", "created_at"]}],
        },
        "notes": {"fields": {
            "post_id": {"type": "uuid", "references": "posts.id", "on_delete": "restrict"},
            "body": {"type": "text", "pattern": "^[a-z ]*$"},
        }},
        "numbers": {"fields": {"n": {"type": "int"}}},
    }})
}

impl Probe<'_> {
    /// Makes a call, and returns what the function caught where it fails.
    pub(crate) async fn make(&self, call: Value) -> Value {
        self.host.call(self.name, call).await.value()
    }

    /// Makes calls one after the other, all in one invocation: many are quick that way.
    pub(crate) async fn make_all(&self, calls: impl IntoIterator<Item = Value>) -> Vec<Value> {
        let calls: Vec<_> = calls.into_iter().collect();
        let results = self.done(json!({"do": "sequence", "calls": calls})).await;
        let results = results.as_array().expect("a result for each call").clone();
        assert_eq!(results.len(), calls.len(), "{}", self.name);
        results
    }

    /// Makes a call that works.
    pub(crate) async fn done(&self, call: Value) -> Value {
        let result = self.make(call.clone()).await;
        assert!(result.get("error").is_none(), "{}: {call}: {result}", self.name);
        result
    }

    /// Makes a call that is refused with that code, and returns what the function caught.
    pub(crate) async fn refused(&self, code: &str, call: Value) -> Value {
        let result = self.make(call.clone()).await;
        assert_eq!(result["error"]["code"], code, "{}: {call}: {result}", self.name);
        assert!(result["error"]["message"].as_str().is_some_and(|m| !m.is_empty()), "{result}");
        result["error"].clone()
    }

    /// A new document, whole.
    pub(crate) async fn created(&self, collection: &str, data: Value) -> Value {
        self.done(create(collection, data)).await
    }

    /// Rows of a statement that reads.
    pub(crate) async fn rows(&self, sql: &str, params: Value) -> Value {
        self.done(query(sql, params)).await
    }

    /// Leaves nothing of what another probe did.
    pub(crate) async fn clear(&self) {
        for table in ["notes", "posts", "numbers", "users"] {
            self.done(exec(&format!("DELETE FROM {table}"), json!([]))).await;
        }
    }
}

pub(crate) fn list(collection: &str, options: Value) -> Value {
    json!({"do": "list", "collection": collection, "options": options})
}

pub(crate) fn get(collection: &str, id: &Value) -> Value {
    json!({"do": "get", "collection": collection, "id": id})
}

pub(crate) fn create(collection: &str, data: Value) -> Value {
    json!({"do": "create", "collection": collection, "data": data})
}

pub(crate) fn update(collection: &str, id: &Value, data: Value) -> Value {
    json!({"do": "update", "collection": collection, "id": id, "data": data})
}

pub(crate) fn delete(collection: &str, id: &Value) -> Value {
    json!({"do": "delete", "collection": collection, "id": id})
}

pub(crate) fn query(sql: &str, params: Value) -> Value {
    json!({"do": "query", "sql": sql, "params": params})
}

pub(crate) fn exec(sql: &str, params: Value) -> Value {
    json!({"do": "exec", "sql": sql, "params": params})
}

pub(crate) fn batch(statements: &[(&str, Value)]) -> Value {
    let statements = statements.iter().map(|(sql, params)| json!({"sql": sql, "params": params}));
    json!({"do": "batch", "statements": statements.collect::<Vec<_>>()})
}

/// The same call, whose error the function does not catch.
pub(crate) fn uncaught(mut call: Value) -> Value {
    call["uncaught"] = true.into();
    call
}
