//! What a running function asks of its host (spec sections "Log" and "Database").
//!
//! Plain data in the shape of the wire; `inv` is the id of the `invoke` request on whose behalf
//! the shim speaks.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Method names, as they stand on the wire.
pub mod method {
    pub const LOG: &str = "log";
    pub const DB_LIST: &str = "db.list";
    pub const DB_GET: &str = "db.get";
    pub const DB_CREATE: &str = "db.create";
    pub const DB_UPDATE: &str = "db.update";
    pub const DB_DELETE: &str = "db.delete";
    pub const DB_QUERY: &str = "db.query";
    pub const DB_EXEC: &str = "db.exec";
    pub const DB_BATCH: &str = "db.batch";
    pub const TX_BEGIN: &str = "tx.begin";
    pub const TX_COMMIT: &str = "tx.commit";
    pub const TX_ROLLBACK: &str = "tx.rollback";
}

/// `log`, a notification: entries in order, before the answer of their invocation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LogParams {
    /// Absent for output outside of any invocation, such as while a function loads.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inv: Option<u64>,
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
    #[serde(default)]
    pub ts: f64,
    #[serde(default)]
    pub level: LogLevel,
    #[serde(default)]
    pub msg: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fields: Option<Map<String, Value>>,
    #[serde(default)]
    pub source: LogSource,
}

/// An open enum: an unknown level is read as info.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    Debug,
    Warn,
    Error,
    #[default]
    #[serde(other)]
    Info,
}

/// Where a line came from: the logger, or what user code printed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogSource {
    Stdout,
    Stderr,
    #[default]
    #[serde(other)]
    Ctx,
}
