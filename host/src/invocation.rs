//! One invocation as plain data: what is run, for whom, until when.
//!
//! Knows nothing of workers or of how the call came in; the trigger is JSON that was made at the
//! edge.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use alyx_protocol::limits::LOG_BYTES;
use alyx_protocol::worker::Auth;
use serde_json::value::RawValue;
use tokio::time::Instant;

use crate::registry::function::Function;

/// One call of one revision of one function.
#[derive(Debug)]
pub struct Invocation {
    pub request_id: String,
    pub function: Arc<Function>,
    /// When the caller gets an answer at the latest.
    pub deadline: Instant,
    /// The `trigger` member of `invoke`.
    pub trigger: Box<RawValue>,
    pub auth: Option<Auth>,
    pub trace: Option<TraceContext>,
    /// Bytes its functions have logged.
    pub logged: AtomicUsize,
}

/// W3C trace context as it came in.
#[derive(Debug, Clone)]
pub struct TraceContext {
    pub traceparent: String,
    pub tracestate: Option<String>,
}

impl Invocation {
    /// Takes `bytes` out of the invocation's log budget; false when it is spent.
    pub(crate) fn may_log(&self, bytes: usize) -> bool {
        let before = self.logged.fetch_add(bytes, Ordering::Relaxed);
        // The shim counts as well and stops first; this bound is for one that does not.
        before + bytes <= LOG_BYTES + LOG_BYTES / 8
    }
}
