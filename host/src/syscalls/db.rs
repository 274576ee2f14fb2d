//! `db.*`: the params of a shim become a request of the store, its answer or error the shim's.
//!
//! Knows the shapes of the wire and whose call it is. What a filter or a statement means, and
//! whether it is allowed, is the store's business alone.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use alyx_protocol::database::{
    BatchParams, DocumentParams, ListParams, Scope as WireScope, SqlArgs, SqlParams, WriteParams,
};
use alyx_protocol::limits::{CALLS, CALLS_PER_INVOCATION};
use alyx_protocol::syscall::method;
use alyx_protocol::{ErrorCode, RpcError, json};
use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::db::Store;
use crate::db::error::{DbError, DbErrorKind};
use crate::db::request::{Args, List, Request, Scope, Sql};
use crate::invocation::Invocation;
use crate::metrics::PoolMetrics;
use crate::rpc::peer::Responder;
use crate::syscalls::Calls;
use crate::syscalls::members::mistyped;

/// Why a call does not reach the store.
type Refusal = Box<RpcError>;

/// The database as one worker sees it.
#[derive(Debug)]
pub(crate) struct Database {
    store: Store,
    metrics: PoolMetrics,
    /// Calls of this worker that have no answer yet.
    asking: Arc<AtomicUsize>,
}

impl Database {
    pub(crate) fn new(store: Store, metrics: PoolMetrics) -> Self {
        Database { store, metrics, asking: Arc::default() }
    }

    /// Serves one request of the shim, in the background.
    pub(crate) fn serve(
        &self,
        method: &'static str,
        params: Option<&RawValue>,
        calls: &Calls,
        reply: Responder,
    ) {
        match self.prepared(method, params.map_or("{}", RawValue::get), calls) {
            Ok((request, asking)) => self.run(method, request, asking, reply),
            Err(error) => reply.error(&error),
        }
    }

    fn prepared(
        &self,
        method: &str,
        params: &str,
        calls: &Calls,
    ) -> Result<(Request, Asking), Refusal> {
        let (scope, request) = read(method, params)?;
        if scope.tx.is_some() {
            let what = "this host offers no transactions; use a batch";
            return Err(Box::new(RpcError::new(ErrorCode::TxEnded, what)));
        }
        let invocation = scope.inv.and_then(|id| calls.context(id)).flatten();
        let invocation = invocation.ok_or_else(|| {
            let what = "the handler has returned; await every call of ctx.db before it does";
            Box::new(RpcError::new(ErrorCode::InvocationEnded, what))
        })?;
        Ok((request, Asking::begin(invocation, &self.asking)?))
    }

    fn run(&self, method: &'static str, request: Request, asking: Asking, reply: Responder) {
        let scope = Scope {
            deadline: asking.invocation.deadline.into_std(),
            invocation: asking.invocation.request_id.clone(),
            call: reply.id(),
        };
        let (store, metrics) = (self.store.clone(), self.metrics.clone());
        tokio::spawn(async move {
            let began = Instant::now();
            let answer = store.call(request, scope).await;
            metrics.database(method.trim_start_matches("db."), began.elapsed());
            // Before the answer, which may bring the next call at once.
            drop(asking);
            answered(reply, answer);
        });
    }
}

fn answered(reply: Responder, answer: Result<Bytes, DbError>) {
    let error = match answer {
        Ok(result) => match reply.written(result) {
            Ok(()) => return,
            Err((reply, limit)) => {
                let what = format!(
                    "the result is over the {limit} bytes that the worker takes at once; ask for fewer rows or columns"
                );
                let error = DbError::new(DbErrorKind::Validation, "RESULT_TOO_LARGE", what);
                return reply.error(&on_the_wire(error));
            }
        },
        Err(error) => error,
    };
    reply.error(&on_the_wire(error));
}

/// A call's place among those without an answer.
struct Asking {
    invocation: Arc<Invocation>,
    of_worker: Arc<AtomicUsize>,
}

impl Asking {
    fn begin(invocation: Arc<Invocation>, of_worker: &Arc<AtomicUsize>) -> Result<Self, Refusal> {
        let overloaded = |limit| {
            let what = format!("more than {limit} calls without an answer; wait for some");
            Box::new(RpcError::new(ErrorCode::Overloaded, what))
        };
        if !invocation.may_ask() {
            return Err(overloaded(CALLS_PER_INVOCATION));
        }
        let before = of_worker.fetch_add(1, Ordering::Relaxed);
        let asking = Asking { invocation, of_worker: of_worker.clone() };
        if before < CALLS { Ok(asking) } else { Err(overloaded(CALLS)) }
    }
}

impl Drop for Asking {
    fn drop(&mut self) {
        self.invocation.asked();
        self.of_worker.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Params as they came: a request's own text, or one call of a batch.
enum Params<'a> {
    Text(&'a str),
    Value(Value),
}

impl Params<'_> {
    fn read<T: DeserializeOwned>(self, method: &str) -> Result<T, Refusal> {
        let (read, params) = match self {
            Params::Text(text) => {
                let read = json::read(text);
                // Only what cannot be read is looked at a second time.
                let params = if read.is_err() { json::read(text).ok() } else { None };
                (read, params)
            }
            Params::Value(value) => (T::deserialize(&value), Some(value)),
        };
        read.map_err(|error| match params.and_then(|params| mistyped(method, &params)) {
            Some(error) => Box::new(on_the_wire(error)),
            None => invalid(method, error),
        })
    }
}

fn invalid(method: &str, what: impl std::fmt::Display) -> Refusal {
    let what = format!("bad params of '{method}': {what}");
    Box::new(RpcError::new(ErrorCode::InvalidParams, what))
}

fn read(method: &str, params: &str) -> Result<(WireScope, Request), Refusal> {
    let params = Params::Text(params);
    if method != method::DB_BATCH {
        return single(method, params);
    }
    let BatchParams { inv, ops } = params.read(method)?;
    let requests = ops.into_iter().enumerate().map(|(at, op)| {
        let request = single(&op.method, Params::Value(op.params.into()));
        request.map(|(_, request)| request).map_err(|error| Box::new(error.with("op", at)))
    });
    let requests = requests.collect::<Result<_, _>>()?;
    Ok((WireScope { inv: Some(inv), tx: None }, Request::Batch(requests)))
}

fn single(method: &str, params: Params<'_>) -> Result<(WireScope, Request), Refusal> {
    match method {
        method::DB_LIST => params.read(method).map(list),
        method::DB_GET => params.read(method).map(|DocumentParams { scope, collection, id }| {
            (scope, Request::Get { collection, id })
        }),
        method::DB_CREATE => {
            params.read(method).map(|WriteParams { scope, collection, data, .. }| {
                (scope, Request::Create { collection, data })
            })
        }
        method::DB_UPDATE => {
            params.read(method).map(|WriteParams { scope, collection, id, data }| {
                (scope, Request::Update { collection, id, data })
            })
        }
        method::DB_DELETE => params.read(method).map(|DocumentParams { scope, collection, id }| {
            (scope, Request::Delete { collection, id })
        }),
        method::DB_QUERY => {
            params.read(method).map(sql).map(|(scope, sql)| (scope, Request::Query(sql)))
        }
        method::DB_EXEC => {
            params.read(method).map(sql).map(|(scope, sql)| (scope, Request::Exec(sql)))
        }
        other => Err(invalid(method::DB_BATCH, format!("'{other}' cannot stand in a batch"))),
    }
}

fn list(params: ListParams) -> (WireScope, Request) {
    let ListParams { scope, collection, filter, sort, limit, offset, fields, count } = params;
    let list = List { collection, filter, sort, limit, offset, fields, uncounted: !count };
    (scope, Request::List(list))
}

fn sql(SqlParams { scope, sql, args }: SqlParams) -> (WireScope, Sql) {
    let args = match args {
        SqlArgs::Positional(values) => Args::Positional(values),
        SqlArgs::Named(values) => Args::Named(values),
    };
    (scope, Sql { text: sql, args })
}

/// A failure in the words of the protocol's registry.
fn on_the_wire(error: DbError) -> RpcError {
    let number = match error.kind {
        DbErrorKind::NotFound => ErrorCode::DbNotFound,
        DbErrorKind::Conflict => ErrorCode::DbConflict,
        DbErrorKind::Validation => ErrorCode::DbValidation,
        DbErrorKind::Forbidden => ErrorCode::DbForbidden,
        DbErrorKind::Sql => ErrorCode::DbSql,
        DbErrorKind::Busy => ErrorCode::DbBusy,
        DbErrorKind::Deadline => ErrorCode::DeadlineExceeded,
        DbErrorKind::OutcomeUnknown => ErrorCode::DbOutcomeUnknown,
        DbErrorKind::Internal => ErrorCode::InternalError,
    };
    let mut wire = RpcError::new(number, error.message);
    let data = wire.data.get_or_insert_default();
    data.code = Some(error.code.to_owned());
    data.details = *error.details;
    if let Some(field) = error.field {
        data.details.insert("field".to_owned(), field.into());
    }
    wire
}

#[cfg(test)]
mod tests;
