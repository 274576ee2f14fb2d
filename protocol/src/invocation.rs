//! `invoke` as its receiver reads it (spec section "invoke").
//!
//! The host writes [`crate::worker::InvokeParams`] and splices the input in; this is the other
//! end, for shims in Rust, the conformance suite and tests. Every member but the function's key
//! may be absent.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::worker::Auth;

/// The params of an `invoke` request.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Invocation {
    /// The name of the function.
    pub function: String,
    /// Which revision of it.
    pub revision: String,
    /// A name of this call for logs and headers.
    #[serde(default)]
    pub request_id: String,
    /// Time left when this was sent.
    #[serde(default = "default_deadline")]
    pub deadline_ms: u64,
    /// 1 for the first try.
    #[serde(default = "first_attempt")]
    pub attempt: u32,
    /// What caused it.
    #[serde(default)]
    pub trigger: ReceivedTrigger,
    /// On whose behalf it runs.
    #[serde(default)]
    pub auth: Option<Auth>,
    /// Trace context to pass on.
    #[serde(default)]
    pub trace: Option<ReceivedTrace>,
    /// What the client of a host with the capability `stream` can take.
    #[serde(default)]
    pub accept: Vec<String>,
    /// The input, verbatim; `{}` where it was absent.
    #[serde(default = "empty_object")]
    pub input: Box<RawValue>,
}

fn default_deadline() -> u64 {
    30_000
}

fn first_attempt() -> u32 {
    1
}

fn empty_object() -> Box<RawValue> {
    RawValue::from_string("{}".into()).expect("an empty object is JSON")
}

/// What caused an invocation; only a trigger of type `http` has the other members.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ReceivedTrigger {
    /// `http`, `cli`, or a type this version does not know.
    #[serde(rename = "type")]
    pub kind: String,
    /// The HTTP method, upper case.
    pub method: String,
    /// The headers, names in lower case.
    pub headers: BTreeMap<String, String>,
    /// The query, each name with all its values in order.
    pub query: BTreeMap<String, Vec<String>>,
    /// The address of the client.
    pub ip: String,
}

/// W3C trace context as received.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReceivedTrace {
    /// The `traceparent` header.
    pub traceparent: String,
    /// The `tracestate` header.
    #[serde(default)]
    pub tracestate: Option<String>,
}
