//! Writes what functions log to the host's own log, with the invocation they belong to.
//!
//! Holds each invocation to its budget, whatever the shim does: a long message is cut, and what
//! is over the budget is counted.

use std::sync::Arc;

use alyx_protocol::limits::{LOG_BYTES, LOG_ENTRY};
use alyx_protocol::syscall::{LogEntry, LogLevel, LogParams, LogSource};

use crate::invocation::Invocation;
use crate::metrics::PoolMetrics;
use crate::rpc::pending::Pending;

/// Where log events of functions go: a name that a filter can select.
pub const TARGET: &str = "function";

/// Writes one `log` notification of `worker`.
pub(crate) fn write(
    worker: &str,
    params: &LogParams,
    calls: &Pending<Option<Arc<Invocation>>>,
    metrics: &PoolMetrics,
) {
    let invocation = params.inv.and_then(|id| calls.context(id)).flatten();
    let mut dropped = params.dropped;
    for entry in &params.entries {
        if invocation.as_ref().is_some_and(|invocation| !invocation.may_log(size(entry))) {
            dropped += 1;
        } else {
            write_entry(worker, invocation.as_deref(), entry);
        }
    }
    if dropped > 0 {
        metrics.log_dropped(dropped);
        let (function, request_id) = names(invocation.as_deref());
        tracing::warn!(target: "function", function, request_id, worker, "{dropped} log lines dropped: over {LOG_BYTES} bytes in one invocation");
    }
}

fn size(entry: &LogEntry) -> usize {
    let fields = entry.fields.as_ref().map_or(0, |fields| fields.len() * 16);
    entry.msg.len().min(LOG_ENTRY) + fields
}

fn names(invocation: Option<&Invocation>) -> (&str, &str) {
    invocation.map_or(("", ""), |i| (&*i.function.name, &*i.request_id))
}

fn write_entry(worker: &str, invocation: Option<&Invocation>, entry: &LogEntry) {
    let (function, request_id) = names(invocation);
    let fields =
        entry.fields.as_ref().map(|fields| serde_json::Value::Object(fields.clone()).to_string());
    let fields = fields.as_deref();
    let source = match entry.source {
        LogSource::Ctx => None,
        LogSource::Stdout => Some("stdout"),
        LogSource::Stderr => Some("stderr"),
    };
    let message = cut(&entry.msg);
    // The level of an event is part of its call site, hence four of them.
    macro_rules! event {
        ($level:ident) => {
            tracing::$level!(target: "function", function, request_id, worker, source, fields, "{message}")
        };
    }
    match entry.level {
        LogLevel::Debug => event!(debug),
        LogLevel::Info => event!(info),
        LogLevel::Warn => event!(warn),
        LogLevel::Error => event!(error),
    }
}

fn cut(message: &str) -> std::borrow::Cow<'_, str> {
    // Shims cut to the limit and add a marker of their own, which may pass.
    if message.len() <= LOG_ENTRY + 64 {
        return message.into();
    }
    let end = message.floor_char_boundary(LOG_ENTRY);
    format!("{} …[cut, {} bytes]", &message[..end], message.len() - end).into()
}
