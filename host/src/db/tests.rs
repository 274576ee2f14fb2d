//! The store as its users see it: JSON in, JSON text out, on a file in a temporary folder.

mod documents;
mod lists;
mod sql;
mod guard;
mod change;
mod declared;
mod group;
mod kept;
mod accounts;

use crate::config::Config;
use crate::db::Store;
use crate::db::error::{DbError, StoreError};
use crate::db::request::{Args, List, Request, Scope, Sql};
use serde_json::{Map, Value, json};
use std::path::Path;
use std::time::{Duration, Instant};
use tempfile::TempDir;

const BLOG: &str = "
collections:
  posts:
    fields:
      title: {type: string, required: true, max_length: 20}
      slug: {type: string, unique: true}
      published: {type: bool, default: false}
      tags: {type: json}
      views: {type: int, default: 0, min: 0}
      score: {type: float}
      photo: {type: blob}
      day: {type: date}
      seen_at: {type: timestamp, default: now}
      status: {type: string, enum: [draft, live], default: draft}
      author_id: {type: uuid, references: users.id, on_delete: cascade, index: true}
    indexes: [{fields: [published, created_at]}]
  notes:
    fields:
      post_id: {type: uuid, references: posts.id, on_delete: restrict}
      body: {type: text, pattern: '^[a-z ]*$'}
";

#[derive(Debug)]
struct Database {
    store: Store,
    folder: TempDir,
}

fn open(folder: &Path, yaml: &str) -> Result<Store, StoreError> {
    std::fs::write(folder.join("alyx.yaml"), yaml).unwrap();
    let config = Config::load(None, folder, []).unwrap();
    let mut database = config.database.clone();
    database.path = folder.join("data.db");
    Store::open(&database, &config.collections)
}

fn blog() -> Database {
    let folder = TempDir::new().unwrap();
    let store = open(folder.path(), BLOG).unwrap();
    Database { store, folder }
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(object) => object,
        other => panic!("{other} is no object"),
    }
}

fn soon(limit: Duration) -> Scope {
    Scope { deadline: Instant::now() + limit, invocation: "test".into(), call: 1 }
}

impl Database {
    async fn call(&self, request: Request) -> Result<Value, DbError> {
        let text = self.store.call(request, soon(Duration::from_secs(30))).await?;
        Ok(serde_json::from_slice(&text).unwrap())
    }

    async fn create(&self, collection: &str, data: Value) -> Result<Value, DbError> {
        let (collection, data) = (collection.to_owned(), object(data));
        let mut answer = self.call(Request::Create { collection, data }).await?;
        Ok(answer["doc"].take())
    }

    async fn update(&self, collection: &str, id: &Value, data: Value) -> Result<Value, DbError> {
        let (collection, data) = (collection.to_owned(), object(data));
        let id = id.as_str().map(str::to_owned);
        let mut answer = self.call(Request::Update { collection, id, data }).await?;
        Ok(answer["doc"].take())
    }

    async fn get(&self, collection: &str, id: &Value) -> Result<Value, DbError> {
        let id = id.as_str().map(str::to_owned);
        let mut answer = self.call(Request::Get { collection: collection.to_owned(), id }).await?;
        Ok(answer["doc"].take())
    }

    async fn delete(&self, collection: &str, id: &Value) -> Result<Value, DbError> {
        let id = id.as_str().map(str::to_owned);
        self.call(Request::Delete { collection: collection.to_owned(), id }).await
    }

    async fn list(&self, collection: &str, filter: Value, sort: &str) -> Result<Value, DbError> {
        let (collection, filter) = (collection.to_owned(), object(filter));
        let sort = Some(sort.to_owned());
        self.call(Request::List(List { collection, filter, sort, ..List::default() })).await
    }

    async fn query(&self, sql: &str, args: Value) -> Result<Value, DbError> {
        self.call(Request::Query(statement(sql, args))).await
    }

    async fn exec(&self, sql: &str, args: Value) -> Result<Value, DbError> {
        self.call(Request::Exec(statement(sql, args))).await
    }

    async fn user(&self, email: &str) -> Value {
        self.create("users", json!({"email": email})).await.unwrap()["id"].take()
    }

    /// Closes the file and lets another program change it.
    async fn edited(self, sql: &str) -> Database {
        self.store.close().await;
        let file = self.folder.path().join("data.db");
        rusqlite::Connection::open(file).unwrap().execute_batch(sql).unwrap();
        self
    }

    /// Closes the file and opens it again with other declarations.
    async fn reopened(self, yaml: &str) -> Result<Database, StoreError> {
        self.store.close().await;
        let store = open(self.folder.path(), yaml)?;
        Ok(Database { store, folder: self.folder })
    }
}

fn statement(sql: &str, args: Value) -> Sql {
    let args = match args {
        Value::Array(values) => Args::Positional(values),
        other => Args::Named(object(other)),
    };
    Sql { text: sql.to_owned(), args }
}

fn check_error(result: Result<Value, DbError>, code: &str, field: Option<&str>) -> DbError {
    let error = result.expect_err(code);
    assert_eq!((error.code, error.field.as_deref()), (code, field), "{error}");
    error
}
