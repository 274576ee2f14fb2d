//! The methods by which a host and a shim run functions (spec section "Methods").
//!
//! Plain data in the shape of the wire. Absent optional members take the documented default;
//! unknown members are ignored.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::codec::{CodecError, OutFrame};
use crate::limits::Limits;

/// Method names, as they stand on the wire.
pub mod method {
    /// The method `hello`.
    pub const HELLO: &str = "hello";
    /// The method `ping`.
    pub const PING: &str = "ping";
    /// The method `load`.
    pub const LOAD: &str = "load";
    /// The method `unload`.
    pub const UNLOAD: &str = "unload";
    /// The method `invoke`.
    pub const INVOKE: &str = "invoke";
    /// The method `cancel`.
    pub const CANCEL: &str = "cancel";
    /// The method `concurrency`.
    pub const CONCURRENCY: &str = "concurrency";
    /// The method `goaway`.
    pub const GOAWAY: &str = "goaway";
    /// The method `shutdown`.
    pub const SHUTDOWN: &str = "shutdown";

    /// All of these.
    pub const ALL: &[&str] =
        &[HELLO, PING, LOAD, UNLOAD, INVOKE, CANCEL, CONCURRENCY, GOAWAY, SHUTDOWN];
}

/// Capabilities by name; the value is an object, `{}` for a plain yes.
pub type Capabilities = BTreeMap<String, Map<String, Value>>;

/// `hello`, shim to host: the first message of a connection.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HelloParams {
    /// The versions the shim speaks, best first.
    pub protocol_versions: Vec<u32>,
    /// The one-time token it was given in its environment.
    pub token: String,
    /// What runs there.
    pub runtime: RuntimeInfo,
    /// Its process id, as it sees it.
    pub pid: u32,
    /// How many invocations it takes at once.
    pub concurrency: Concurrency,
    /// What it can do beyond the core.
    #[serde(default)]
    pub capabilities: Capabilities,
    /// What it can receive.
    #[serde(default)]
    pub limits: ShimLimits,
    /// Functions that are compiled into a shim without the `load` capability.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub functions: Vec<FunctionKey>,
}

/// What runs in a worker, for logs and for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RuntimeInfo {
    /// The runtime, such as `node`.
    pub name: String,
    /// The shim's own version.
    #[serde(default)]
    pub version: String,
    /// The language of its functions.
    #[serde(default)]
    pub language: String,
    /// Which version of the language.
    #[serde(default)]
    pub language_version: String,
}

/// Unanswered invocations a shim takes: in `hello`, and as the `concurrency` notification.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Concurrency {
    /// From 1 to 1024.
    pub max: u32,
}

/// What the shim can receive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ShimLimits {
    /// Largest payload of a frame.
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
    /// The name of the function.
    pub function: String,
    /// The hash of its code, manifest, environment and dependencies.
    pub revision: String,
}

/// The answer to `hello`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HelloResult {
    /// The version spoken from here on.
    pub protocol_version: u32,
    /// A name of this connection for logs.
    pub session: String,
    /// Who the host is.
    pub host: HostInfo,
    /// What the shim must keep to.
    #[serde(default)]
    pub limits: Limits,
    /// How the host watches the connection.
    #[serde(default)]
    pub heartbeat: Heartbeat,
    /// What the host offers beyond the core.
    #[serde(default)]
    pub capabilities: Capabilities,
}

/// The host, for logs and for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostInfo {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
}

/// How often a host pings an idle connection and how long it waits for the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Heartbeat {
    /// A connection is pinged when it was idle for this long.
    pub interval_ms: u64,
    /// It counts as dead when nothing came for this long.
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
    /// The name of the function.
    pub function: String,
    /// Which revision of it.
    pub revision: String,
    /// Where the worker finds the code: a path in its own view of the file system.
    pub path: String,
    /// The functions folder in the same view.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub root: Option<String>,
    /// The handler's name where it is not the runtime's usual one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entry: Option<String>,
    /// What the function sees as its environment.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// How long its top-level code may take.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<u64>,
    /// Folders of installed packages, the first one first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub paths: Vec<String>,
}

/// The answer to `load`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct LoadResult {
    /// `{input?, output?}` as the source has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema: Option<Value>,
    /// What its author should know.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}

/// The answer to `unload`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnloadResult {
    /// Whether its memory came back.
    #[serde(default)]
    pub reclaimed: bool,
}

/// `invoke`, host to shim, without its `input`, which is spliced in verbatim.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct InvokeParams<'a> {
    /// The name of the function.
    pub function: &'a str,
    /// Which revision of it.
    pub revision: &'a str,
    /// A name of this call for logs and headers.
    pub request_id: &'a str,
    /// Time left when this was sent.
    pub deadline_ms: u64,
    /// 1 for the first try.
    pub attempt: u32,
    /// What caused the invocation: `{"type": "http", method, headers, query, ip}` or another type
    /// of the spec's open list, as JSON.
    pub trigger: &'a RawValue,
    /// On whose behalf it runs.
    pub auth: Option<&'a Auth>,
    /// Trace context to pass on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trace: Option<Trace<'a>>,
}

/// The user on whose behalf a function runs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Auth {
    /// The user.
    pub id: String,
    /// Their address, where known.
    #[serde(default)]
    pub email: Option<String>,
    /// Their role.
    pub role: String,
    /// Whether the address is known to be theirs.
    #[serde(default)]
    pub verified: bool,
    /// What the token says beyond that: an object.
    #[serde(default)]
    pub metadata: Value,
}

/// W3C trace context, passed through.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Trace<'a> {
    /// The `traceparent` header.
    pub traceparent: &'a str,
    /// The `tracestate` header.
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
    /// Of the `invoke` request.
    pub id: u64,
    /// Why.
    #[serde(default)]
    pub reason: CancelReason,
}

/// Why an invocation is no longer wanted. An open enum.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CancelReason {
    /// Its time is over.
    Deadline,
    /// The caller hung up.
    Client,
    /// Somebody stopped it.
    Admin,
    /// The worker is being stopped; also any reason this version does not know.
    #[default]
    #[serde(other)]
    Shutdown,
}

/// `goaway`, shim to host: replace me when you can.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GoawayParams {
    /// Why, for the log.
    #[serde(default)]
    pub reason: String,
}

/// `shutdown`, host to shim.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ShutdownParams {
    /// How long running invocations may go on before they are cancelled.
    #[serde(default = "default_grace")]
    pub grace_ms: u64,
    /// Why, for the log.
    #[serde(default)]
    pub reason: String,
}

fn default_grace() -> u64 {
    1_000
}
