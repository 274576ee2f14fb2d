//! The methods by which a host and a shim run functions (spec section "Methods").
//!
//! Plain data in the shape of the wire. Absent optional members take the documented default;
//! unknown members are ignored.

use std::borrow::Cow;
use std::collections::BTreeMap;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::codec::{CodecError, OutFrame};
use crate::limits::Limits;

/// Method names, as they stand on the wire.
pub mod method {
    pub const HELLO: &str = "hello";
    pub const PING: &str = "ping";
    pub const LOAD: &str = "load";
    pub const UNLOAD: &str = "unload";
    pub const INVOKE: &str = "invoke";
    pub const CANCEL: &str = "cancel";
    pub const CONCURRENCY: &str = "concurrency";
    pub const GOAWAY: &str = "goaway";
    pub const SHUTDOWN: &str = "shutdown";
}

/// Capabilities by name; the value is an object, `{}` for a plain yes.
pub type Capabilities = BTreeMap<String, Map<String, Value>>;

/// `hello`, shim to host: the first message of a connection.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HelloParams {
    pub protocol_versions: Vec<u32>,
    pub token: String,
    pub runtime: RuntimeInfo,
    pub pid: u32,
    pub concurrency: Concurrency,
    #[serde(default)]
    pub capabilities: Capabilities,
    #[serde(default)]
    pub limits: ShimLimits,
    /// Functions that are compiled into a shim without the `load` capability.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub functions: Vec<FunctionKey>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RuntimeInfo {
    pub name: String,
    #[serde(default)]
    pub version: String,
    #[serde(default)]
    pub language: String,
    #[serde(default)]
    pub language_version: String,
}

/// Unanswered invocations a shim takes: in `hello`, and as the `concurrency` notification.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Concurrency {
    pub max: u32,
}

/// What the shim can receive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ShimLimits {
    pub max_frame: usize,
}

impl Default for ShimLimits {
    fn default() -> Self {
        ShimLimits { max_frame: crate::limits::FRAME_DEFAULT }
    }
}

/// Names one loaded piece of code.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct FunctionKey {
    pub function: String,
    pub revision: String,
}

/// The answer to `hello`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HelloResult {
    pub protocol_version: u32,
    pub session: String,
    pub host: HostInfo,
    #[serde(default)]
    pub limits: Limits,
    #[serde(default)]
    pub heartbeat: Heartbeat,
    #[serde(default)]
    pub capabilities: Capabilities,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostInfo {
    pub name: String,
    pub version: String,
}

/// How often a host pings an idle connection and how long it waits for the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Heartbeat {
    pub interval_ms: u64,
    pub timeout_ms: u64,
}

impl Default for Heartbeat {
    fn default() -> Self {
        Heartbeat { interval_ms: 5_000, timeout_ms: 15_000 }
    }
}

/// `load`, host to shim: take in one revision of a function.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LoadParams {
    pub function: String,
    pub revision: String,
    /// Where the worker finds the code: a path in its own view of the file system.
    pub path: String,
    /// The functions folder in the same view.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub root: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entry: Option<String>,
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<u64>,
}

/// The answer to `load`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct LoadResult {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema: Option<Value>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}

/// The answer to `unload`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnloadResult {
    #[serde(default)]
    pub reclaimed: bool,
}

/// `invoke`, host to shim, without its `input`, which is spliced in verbatim.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct InvokeParams<'a> {
    pub function: &'a str,
    pub revision: &'a str,
    pub request_id: &'a str,
    pub deadline_ms: u64,
    pub attempt: u32,
    pub trigger: Trigger<'a>,
    pub auth: Option<Auth>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trace: Option<Trace<'a>>,
}

/// What caused an invocation. An open enum: a shim treats an unknown `type` as no request.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum Trigger<'a> {
    Http {
        method: &'a str,
        headers: BTreeMap<&'a str, Cow<'a, str>>,
        #[serde(skip_serializing_if = "BTreeMap::is_empty")]
        query: BTreeMap<Cow<'a, str>, Vec<Cow<'a, str>>>,
        ip: &'a str,
    },
    Cli,
}

/// The user on whose behalf a function runs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Auth {
    pub id: String,
    #[serde(default)]
    pub email: Option<String>,
    pub role: String,
    #[serde(default)]
    pub verified: bool,
    #[serde(default)]
    pub metadata: Value,
}

/// W3C trace context, passed through.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Trace<'a> {
    pub traceparent: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tracestate: Option<&'a str>,
}

/// An `invoke` request as a frame. `input` must have passed [`crate::json::check`].
///
/// # Errors
/// [`CodecError::TooLarge`] over 16 MiB - 1.
pub fn invoke_frame(
    id: u64,
    params: &InvokeParams<'_>,
    input: Bytes,
) -> Result<OutFrame, CodecError> {
    use std::io::Write;
    let mut json = Vec::with_capacity(512);
    write!(json, r#"{{"jsonrpc":"2.0","id":{id},"method":"invoke","params":"#)?;
    serde_json::to_writer(&mut json, params).map_err(std::io::Error::from)?;
    // The payload goes last, inside the object that was just closed.
    json.pop();
    json.extend_from_slice(br#","input":"#);
    OutFrame::spliced(&json, input, b"}}")
}

/// `cancel`, host to shim.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct CancelParams {
    pub id: u64,
    pub reason: CancelReason,
}

/// Why an invocation is no longer wanted. An open enum.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CancelReason {
    Deadline,
    Client,
    Admin,
    #[serde(other)]
    Shutdown,
}

/// `goaway`, shim to host: replace me when you can.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GoawayParams {
    #[serde(default)]
    pub reason: String,
}

/// `shutdown`, host to shim.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ShutdownParams {
    pub grace_ms: u64,
    pub reason: String,
}
