//! What shims ask of the host, served: logs and the database.
//!
//! Turns wire parameters into calls of the layers below. Never touches sockets: requests come in
//! through [`Service`], answers leave through its responder.

pub mod db;
mod members;
pub mod log;

use std::fmt;
use std::sync::Arc;

use alyx_protocol::worker::{Capabilities, Concurrency, GoawayParams, method};
use alyx_protocol::{ErrorCode, RpcError, syscall};
use serde::de::DeserializeOwned;
use serde_json::Map;
use serde_json::value::RawValue;

use crate::db::Store;
use crate::invocation::Invocation;
use crate::metrics::PoolMetrics;
use crate::rpc::peer::{Responder, Service};
use crate::rpc::pending::Pending;
use crate::syscalls::db::Database;

/// What a shim says about itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Note {
    /// How many calls it takes from now on.
    Concurrency(u32),
    /// It wants to be replaced.
    Goaway,
}

/// What a shim is told that it may ask for.
#[must_use]
pub fn offered() -> Capabilities {
    ["db", "batch"].map(|name| (name.to_owned(), Map::new())).into()
}

/// Serves one worker.
pub struct Syscalls<N> {
    worker: Arc<str>,
    database: Database,
    metrics: PoolMetrics,
    note: N,
}

impl<N> fmt::Debug for Syscalls<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Syscalls").field("worker", &self.worker).finish_non_exhaustive()
    }
}

impl<N: Fn(Note) + Send + Sync + 'static> Syscalls<N> {
    /// `note` is called from the connection's reader: it must not block.
    pub fn new(worker: Arc<str>, store: Store, metrics: PoolMetrics, note: N) -> Self {
        let database = Database::new(store, metrics.clone());
        Syscalls { worker, database, metrics, note }
    }

    fn read<T: DeserializeOwned>(&self, method: &str, params: Option<&RawValue>) -> Option<T> {
        let read = alyx_protocol::json::read(params.map_or("{}", RawValue::get));
        read.inspect_err(|e| self.broken(&format!("bad params of '{method}': {e}"))).ok()
    }

    fn broken(&self, what: &str) {
        self.metrics.protocol_error();
        tracing::warn!(worker = %self.worker, "protocol: {what}");
    }
}

type Calls = Pending<Option<Arc<Invocation>>>;

impl<N: Fn(Note) + Send + Sync + 'static> Service<Option<Arc<Invocation>>> for Syscalls<N> {
    fn request(&self, method: &str, params: Option<&RawValue>, calls: &Calls, reply: Responder) {
        if let Some(method) = syscall::method::DATABASE.iter().find(|known| **known == method) {
            return self.database.serve(method, params, calls, reply);
        }
        match method {
            method::PING => reply.result(serde_json::json!({})),
            other => {
                let what = format!("the host does not serve '{other}'");
                reply.error(&RpcError::new(ErrorCode::MethodNotFound, what));
            }
        }
    }

    fn notification(&self, method: &str, params: Option<&RawValue>, calls: &Calls) {
        match method {
            syscall::method::LOG => {
                if let Some(params) = self.read(method, params) {
                    log::write(&self.worker, &params, calls, &self.metrics);
                }
            }
            method::CONCURRENCY => {
                if let Some(Concurrency { max }) = self.read(method, params) {
                    (self.note)(Note::Concurrency(max));
                }
            }
            method::GOAWAY => {
                if let Some(GoawayParams { reason }) = self.read(method, params) {
                    tracing::info!(worker = %self.worker, "worker asks to be replaced: {reason}");
                    (self.note)(Note::Goaway);
                }
            }
            // Unknown notifications are ignored, so that newer shims work with this host.
            _ => {}
        }
    }

    fn violation(&self, what: &str) {
        self.broken(what);
    }
}
