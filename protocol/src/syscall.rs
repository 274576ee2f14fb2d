//! What a running function asks of its host (spec sections "Log" and "Streams").
//!
//! Plain data in the shape of the wire; `inv` is the id of the `invoke` request on whose behalf
//! the shim speaks. The params of `db.*` and `tx.*` are in [`crate::database`].

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Method names, as they stand on the wire.
pub mod method {
    /// The method `log`.
    pub const LOG: &str = "log";
    /// The method `db.list`.
    pub const DB_LIST: &str = "db.list";
    /// The method `db.get`.
    pub const DB_GET: &str = "db.get";
    /// The method `db.create`.
    pub const DB_CREATE: &str = "db.create";
    /// The method `db.update`.
    pub const DB_UPDATE: &str = "db.update";
    /// The method `db.delete`.
    pub const DB_DELETE: &str = "db.delete";
    /// The method `db.query`.
    pub const DB_QUERY: &str = "db.query";
    /// The method `db.exec`.
    pub const DB_EXEC: &str = "db.exec";
    /// The method `db.batch`.
    pub const DB_BATCH: &str = "db.batch";
    /// The method `tx.begin`.
    pub const TX_BEGIN: &str = "tx.begin";
    /// The method `tx.commit`.
    pub const TX_COMMIT: &str = "tx.commit";
    /// The method `tx.rollback`.
    pub const TX_ROLLBACK: &str = "tx.rollback";
    /// The method `stream.open`.
    pub const STREAM_OPEN: &str = "stream.open";
    /// The method `stream.credit`.
    pub const STREAM_CREDIT: &str = "stream.credit";

    /// The calls of the database, transactions aside.
    pub const DATABASE: &[&str] =
        &[DB_LIST, DB_GET, DB_CREATE, DB_UPDATE, DB_DELETE, DB_QUERY, DB_EXEC, DB_BATCH];

    /// All of these.
    pub const ALL: &[&str] = &[
        LOG,
        DB_LIST,
        DB_GET,
        DB_CREATE,
        DB_UPDATE,
        DB_DELETE,
        DB_QUERY,
        DB_EXEC,
        DB_BATCH,
        TX_BEGIN,
        TX_COMMIT,
        TX_ROLLBACK,
        STREAM_OPEN,
        STREAM_CREDIT,
    ];
}

/// `log`, a notification: entries in order, before the answer of their invocation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LogParams {
    /// Absent for output outside of any invocation, such as while a function loads.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inv: Option<u64>,
    /// In the order they were made.
    #[serde(default)]
    pub entries: Vec<LogEntry>,
    /// Entries the shim left out because the invocation's budget was spent.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub dropped: u64,
}

fn is_zero(n: &u64) -> bool {
    *n == 0
}

/// One line of a function's log. `ts` is milliseconds since 1970.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LogEntry {
    /// When it was made.
    #[serde(default)]
    pub ts: f64,
    /// How grave it is.
    #[serde(default)]
    pub level: LogLevel,
    /// The line, without its end.
    #[serde(default)]
    pub msg: String,
    /// What belongs to it.
    #[serde(
        default,
        deserialize_with = "crate::json::shallow_if_any",
        skip_serializing_if = "Option::is_none"
    )]
    pub fields: Option<Map<String, Value>>,
    /// Where it came from.
    #[serde(default)]
    pub source: LogSource,
}

/// An open enum: an unknown level is read as info.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    /// For the author while developing.
    Debug,
    /// Odd, but it went on.
    Warn,
    /// It went wrong.
    Error,
    /// The usual.
    #[default]
    #[serde(other)]
    Info,
}

/// Where a line came from: the logger, or what user code printed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogSource {
    /// Printed.
    Stdout,
    /// Written to stderr.
    Stderr,
    /// The logger; also any source this version does not know.
    #[default]
    #[serde(other)]
    Ctx,
}

/// `stream.open`, shim to host: the answer of an invocation will come in chunks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamOpenParams {
    /// The id of the `invoke` request.
    pub inv: u64,
    /// The number that stands in each chunk.
    pub stream: u32,
    /// For the caller, where it has a use for them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
}

/// `stream.credit`, both ways: the receiver of a stream takes more bytes of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamCreditParams {
    /// Which stream.
    pub stream: u32,
    /// How many more bytes.
    pub bytes: u32,
}
