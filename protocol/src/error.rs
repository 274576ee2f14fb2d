//! The error object and the registry of its codes (spec section "Errors").
//!
//! Knows nothing of HTTP: which status a code becomes is the host's business.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// The registry: number on the wire, string in `data.code`, and whether a retry may help.
macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $number:literal, $text:literal, $retryable:literal;)*) => {
        /// A code of the protocol. Users see [`ErrorCode::text`], never the number.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum ErrorCode { $($(#[$doc])* $name),* }

        impl ErrorCode {
            /// Every code, in the order of the registry.
            pub const ALL: &[ErrorCode] = &[$(ErrorCode::$name),*];

            /// The number on the wire.
            #[must_use]
            pub fn number(self) -> i32 { match self { $(ErrorCode::$name => $number),* } }

            /// The string in `data.code`, unless a more exact one is known.
            #[must_use]
            pub fn text(self) -> &'static str { match self { $(ErrorCode::$name => $text),* } }

            /// Whether the same call may succeed a little later.
            #[must_use]
            pub fn retryable(self) -> bool { match self { $(ErrorCode::$name => $retryable),* } }

            /// The code of a number, if this version knows it.
            #[must_use]
            pub fn from_number(number: i32) -> Option<Self> {
                match number { $($number => Some(ErrorCode::$name),)* _ => None }
            }
        }
    };
}

codes! {
    /// The payload is not JSON.
    ParseError = -32700, "PARSE_ERROR", false;
    /// JSON, but no message of this protocol.
    InvalidRequest = -32600, "INVALID_REQUEST", false;
    /// The receiver does not serve this method.
    MethodNotFound = -32601, "METHOD_NOT_FOUND", false;
    /// A member of `params` is missing or of the wrong type.
    InvalidParams = -32602, "INVALID_PARAMS", false;
    /// The receiver failed; not the caller's fault.
    InternalError = -32603, "INTERNAL_ERROR", false;
    /// The handler threw. `data.code` is the user's own string where there is one.
    FunctionError = -32020, "FUNCTION_ERROR", false;
    /// No such (function, revision) is loaded here.
    FunctionNotFound = -32021, "FUNCTION_NOT_FOUND", false;
    /// A request before the handshake was done.
    NotReady = -32022, "NOT_READY", false;
    /// The function's code could not be loaded.
    LoadFailed = -32023, "LOAD_FAILED", false;
    /// The handler stopped because it was cancelled.
    Cancelled = -32024, "CANCELLED", false;
    /// The deadline passed.
    DeadlineExceeded = -32025, "DEADLINE_EXCEEDED", false;
    /// More calls at once than were agreed on.
    Overloaded = -32026, "OVERLOADED", true;
    /// The handler returned something that JSON cannot hold.
    ResultNotSerializable = -32027, "RESULT_NOT_SERIALIZABLE", false;
    /// A frame over the agreed size.
    FrameTooLarge = -32028, "FRAME_TOO_LARGE", false;
    /// A call for an invocation that is unknown or has been answered.
    InvocationEnded = -32029, "INVOCATION_ENDED", false;
    /// No common protocol version.
    UnsupportedVersion = -32030, "UNSUPPORTED_VERSION", false;
    /// The token is wrong or was used before.
    Unauthenticated = -32031, "UNAUTHENTICATED", false;
    /// No such document.
    DbNotFound = -32040, "DB_NOT_FOUND", false;
    /// A unique or foreign key would be violated.
    DbConflict = -32041, "DB_CONFLICT", false;
    /// A value does not fit its field, or a filter is wrong.
    DbValidation = -32042, "DB_VALIDATION", false;
    /// The function may not touch this.
    DbForbidden = -32043, "DB_FORBIDDEN", false;
    /// The statement is wrong.
    DbSql = -32044, "DB_SQL", false;
    /// The database is busy.
    DbBusy = -32045, "DB_BUSY", true;
    /// The transaction is over.
    TxEnded = -32046, "TX_ENDED", false;
    /// The transaction lasted too long and was rolled back.
    TxTimeout = -32047, "TX_TIMEOUT", false;
    /// The connection to the database broke while a write was under way. Reserved.
    DbOutcomeUnknown = -32048, "DB_OUTCOME_UNKNOWN", false;
}

/// The error member of an answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, thiserror::Error)]
#[error("{}: {message}", self.text_code())]
pub struct RpcError {
    /// A number of the registry, or one that a later version added.
    pub code: i32,
    /// For people; at most 4 KiB.
    #[serde(default)]
    pub message: String,
    /// The string code and whatever else is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<ErrorData>,
}

/// What an error says beyond its message. Unknown members are ignored.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ErrorData {
    /// The code users see: the registry's, the user's own, or a more exact one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// Whether the same call may succeed a little later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retryable: Option<bool>,
    /// Extra fields of the user's error; never override `code` and `message`.
    #[serde(
        default,
        deserialize_with = "crate::json::shallow",
        skip_serializing_if = "Map::is_empty"
    )]
    pub details: Map<String, Value>,
    /// Where it was thrown; for logs, never for the caller of a function.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stack: Option<String>,
}

impl RpcError {
    /// An error of the registry with its own string code.
    pub fn new(code: ErrorCode, message: impl fmt::Display) -> Self {
        let retryable = code.retryable().then_some(true);
        let data = ErrorData { code: Some(code.text().into()), retryable, ..ErrorData::default() };
        RpcError { code: code.number(), message: message.to_string(), data: Some(data) }
    }

    /// Adds one member to `data.details`.
    #[must_use]
    pub fn with(mut self, key: &str, value: impl Into<Value>) -> Self {
        let data = self.data.get_or_insert_default();
        data.details.insert(key.into(), value.into());
        self
    }

    /// Whether this is an error of that code.
    #[must_use]
    pub fn is(&self, code: ErrorCode) -> bool {
        self.code == code.number()
    }

    /// The string a user sees: `data.code`, else the registry's word for the number.
    #[must_use]
    pub fn text_code(&self) -> &str {
        let own = self.data.as_ref().and_then(|d| d.code.as_deref());
        own.or(ErrorCode::from_number(self.code).map(ErrorCode::text)).unwrap_or("UNKNOWN")
    }
}
