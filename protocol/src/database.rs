//! The calls of a function to its host's database (spec section "Database").
//!
//! Plain data in the shape of the wire. What a filter means, whether a statement is sound and
//! how `$int`, `$bytes` and `$lit` are read is the business of the two ends.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// On whose behalf a call is made and in which transaction: part of all `db.*` params.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scope {
    /// The id of the `invoke` request. Absent only inside `db.batch`, whose own one holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inv: Option<u64>,
    /// What `tx.begin` answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tx: Option<u64>,
}

/// `db.list`: a page of a collection.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ListParams {
    /// For whom.
    #[serde(flatten)]
    pub scope: Scope,
    /// The collection's name.
    pub collection: String,
    /// Conditions, all of which hold; `{}` matches everything.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub filter: Map<String, Value>,
    /// Field names with commas between, `-` before one for descending.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sort: Option<String>,
    /// The most documents to answer with; signed, so that the host can refuse a negative one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<i64>,
    /// How many to skip.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offset: Option<i64>,
    /// Only these fields of each document.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fields: Option<Vec<String>>,
    /// Whether `total` is wanted.
    #[serde(default = "yes", skip_serializing_if = "is_yes")]
    pub count: bool,
}

fn yes() -> bool {
    true
}

fn is_yes(value: &bool) -> bool {
    *value
}

/// The answer to `db.list`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ListResult {
    /// The page.
    pub docs: Vec<Map<String, Value>>,
    /// How many match without limit and offset.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total: Option<u64>,
}

/// `db.get`, and `db.delete` likewise: one document by its id.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DocumentParams {
    /// For whom.
    #[serde(flatten)]
    pub scope: Scope,
    /// The collection's name.
    pub collection: String,
    /// The document; null names none.
    pub id: Option<String>,
}

/// `db.create` without, `db.update` with the id of a document.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WriteParams {
    /// For whom.
    #[serde(flatten)]
    pub scope: Scope,
    /// The collection's name.
    pub collection: String,
    /// The document to update.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The fields to write.
    pub data: Map<String, Value>,
}

/// The answer to `db.get` (null when there is none), `db.create` and `db.update`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DocumentResult {
    /// The whole document as stored.
    pub doc: Option<Map<String, Value>>,
}

/// The answer to `db.delete`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeleteResult {
    /// Always true in version 1: a missing document is an error.
    pub deleted: bool,
}

/// `db.query` and `db.exec`: one statement.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SqlParams {
    /// For whom.
    #[serde(flatten)]
    pub scope: Scope,
    /// The statement.
    pub sql: String,
    /// Its parameters.
    #[serde(default, skip_serializing_if = "SqlArgs::is_empty")]
    pub args: SqlArgs,
}

/// Parameters of a statement: by position for `?`, by name for `:name`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum SqlArgs {
    /// For `?`.
    Positional(Vec<Value>),
    /// For `:name`, without the colon.
    Named(Map<String, Value>),
}

impl SqlArgs {
    fn is_empty(&self) -> bool {
        match self {
            SqlArgs::Positional(args) => args.is_empty(),
            SqlArgs::Named(args) => args.is_empty(),
        }
    }
}

impl Default for SqlArgs {
    fn default() -> Self {
        SqlArgs::Positional(Vec::new())
    }
}

/// The answer to `db.query`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct QueryResult {
    /// The names of the columns.
    pub columns: Vec<String>,
    /// Each row as long as `columns`.
    pub rows: Vec<Vec<Value>>,
    /// Whether there were more rows than the host sends.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub truncated: bool,
}

/// The answer to `db.exec`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ExecResult {
    /// Rows written.
    pub changes: u64,
    /// The integer key of the last inserted row, where there is one: an integer or `$int`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_insert_id: Option<Value>,
}

/// `db.batch`: several calls, all or nothing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BatchParams {
    /// The id of the `invoke` request.
    pub inv: u64,
    /// The calls in order.
    pub ops: Vec<BatchOp>,
}

/// One call of a batch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BatchOp {
    /// A `db.*` method other than `db.batch`.
    pub method: String,
    /// Its params without `inv` and `tx`.
    pub params: Map<String, Value>,
}

/// The answer to `db.batch`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BatchResult {
    /// What each call would have answered, in order.
    pub results: Vec<Map<String, Value>>,
}

/// `tx.begin`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BeginParams {
    /// The id of the `invoke` request.
    pub inv: u64,
    /// Whether it will write.
    #[serde(default)]
    pub mode: TxMode,
    /// How long it may last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<u64>,
}

/// An open enum: an unknown mode is read as one that writes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TxMode {
    /// Reads only, from one snapshot.
    Read,
    /// Takes the writer at once.
    #[default]
    #[serde(other)]
    Write,
}

/// The answer to `tx.begin`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct BeginResult {
    /// Names the transaction in further calls of this invocation.
    pub tx: u64,
}

/// `tx.commit` and `tx.rollback`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndParams {
    /// The id of the `invoke` request.
    pub inv: u64,
    /// What `tx.begin` answered.
    pub tx: u64,
}
