//! What a function may ask of the database: plain data, close to the wire's params.
//!
//! Knows nothing of invocations or of whether a call may be made: that was decided before.

use serde_json::{Map, Value};
use std::time::Instant;

/// One call.
#[derive(Debug, Clone, PartialEq)]
pub enum Request {
    /// A page of a collection.
    List(List),
    /// One document.
    Get {
        /// The collection's name.
        collection: String,
        /// None finds none.
        id: Option<String>,
    },
    /// A new document.
    Create {
        /// The collection's name.
        collection: String,
        /// Its fields.
        data: Map<String, Value>,
    },
    /// Some fields of a document.
    Update {
        /// The collection's name.
        collection: String,
        /// None finds none.
        id: Option<String>,
        /// The fields to change.
        data: Map<String, Value>,
    },
    /// The end of a document.
    Delete {
        /// The collection's name.
        collection: String,
        /// None finds none.
        id: Option<String>,
    },
    /// A statement that reads.
    Query(Sql),
    /// A statement that may write.
    Exec(Sql),
    /// Several of the others, all or nothing.
    Batch(Vec<Request>),
}

/// Which documents, in which order, and how much of them.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct List {
    /// The collection's name.
    pub collection: String,
    /// Conditions, all of which hold.
    pub filter: Map<String, Value>,
    /// Field names with commas between, `-` before a descending one.
    pub sort: Option<String>,
    /// At most 1000; 100 when absent.
    pub limit: Option<i64>,
    /// How many to skip.
    pub offset: Option<i64>,
    /// Only these fields.
    pub fields: Option<Vec<String>>,
    /// Leaves out `total`.
    pub uncounted: bool,
}

/// One statement and its parameters.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Sql {
    /// The statement.
    pub text: String,
    /// Its parameters.
    pub args: Args,
}

/// Parameters by position for `?`, by name for `:name`.
#[derive(Debug, Clone, PartialEq)]
pub enum Args {
    /// For `?`.
    Positional(Vec<Value>),
    /// For `:name`, without the colon.
    Named(Map<String, Value>),
}

impl Default for Args {
    fn default() -> Args {
        Args::Positional(Vec::new())
    }
}

impl Request {
    /// Whether a reader can serve it.
    #[must_use]
    pub fn only_reads(&self) -> bool {
        match self {
            Request::List(_) | Request::Get { .. } | Request::Query(_) => true,
            Request::Batch(requests) => requests.iter().all(Request::only_reads),
            _ => false,
        }
    }
}

/// On whose behalf a call is made and how long it may take.
#[derive(Debug, Clone)]
pub struct Scope {
    /// The call is interrupted then.
    pub deadline: Instant,
    /// With `call` it names the call, so that a retry could be recognised.
    pub invocation: String,
    /// The number of the call within its connection.
    pub call: u64,
}
