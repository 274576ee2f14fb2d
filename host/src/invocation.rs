//! One invocation as plain data: what is run, for whom, until when.
//!
//! Knows nothing of workers or of how the call came in; the trigger is JSON that was made at the
//! edge.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use alyx_protocol::limits::{CALLS_PER_INVOCATION, LOG_BYTES};
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
    pub auth: Option<Arc<Auth>>,
    pub trace: Option<TraceContext>,
    /// Bytes it has logged.
    logged: AtomicUsize,
    /// Its calls of the host that have no answer yet.
    asking: AtomicUsize,
}

/// W3C trace context as it came in.
#[derive(Debug, Clone)]
pub struct TraceContext {
    pub traceparent: String,
    pub tracestate: Option<String>,
}

impl Invocation {
    /// Begins now: the function's timeout runs from here.
    #[must_use]
    pub fn begin(
        function: Arc<Function>,
        request_id: String,
        trigger: Box<RawValue>,
        auth: Option<Arc<Auth>>,
        trace: Option<TraceContext>,
    ) -> Arc<Self> {
        Arc::new(Invocation {
            request_id,
            deadline: Instant::now() + function.timeout,
            function,
            trigger,
            auth,
            trace,
            logged: AtomicUsize::new(0),
            asking: AtomicUsize::new(0),
        })
    }

    /// The same call of another revision, none of which has begun.
    #[must_use]
    pub fn with(&self, function: Arc<Function>) -> Arc<Self> {
        let (trigger, auth, trace) = (self.trigger.clone(), self.auth.clone(), self.trace.clone());
        Invocation::begin(function, self.request_id.clone(), trigger, auth, trace)
    }

    /// Takes a place for one more call of the host; false when too many have no answer yet.
    pub(crate) fn may_ask(&self) -> bool {
        let before = self.asking.fetch_add(1, Ordering::Relaxed);
        if before >= CALLS_PER_INVOCATION {
            self.asked();
        }
        before < CALLS_PER_INVOCATION
    }

    /// Gives the place of an answered call back.
    pub(crate) fn asked(&self) {
        self.asking.fetch_sub(1, Ordering::Relaxed);
    }

    /// Takes `bytes` out of the invocation's log budget; false when it is spent.
    pub(crate) fn may_log(&self, bytes: usize) -> bool {
        let before = self.logged.fetch_add(bytes, Ordering::Relaxed);
        // The shim counts as well and stops first; this bound is for one that does not.
        before + bytes <= LOG_BYTES + LOG_BYTES / 8
    }
}
