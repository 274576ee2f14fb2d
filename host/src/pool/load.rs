//! Loads one function into one worker.
//!
//! Knows what a load can bring: a schema, warnings, or a fault. What follows from it is the
//! state's to say.

use std::sync::Arc;
use std::time::Duration;

use alyx_protocol::worker::LoadResult;

use crate::pool::RuntimePool;
use crate::pool::error::{Fault, KILLED, without_root};
use crate::pool::worker::Worker;
use crate::registry::function::Function;
use crate::schema::FunctionSchema;

/// How long a function may take to load; who waits for it is bound by the call's own deadline.
const PATIENCE: Duration = Duration::from_secs(30);

/// Has worker `number` take in the function, and tells the state how that went.
pub(crate) async fn run(
    pool: Arc<RuntimePool>,
    number: u64,
    worker: Arc<Worker>,
    function: Arc<Function>,
) {
    let loaded = match pool.loadable(&function).await {
        Ok(loadable) => match worker.load(&function, &loadable, PATIENCE).await {
            Ok(told) => learned(&pool, &function, told).map_err(|fault| *fault),
            Err(fault) => Err(fault),
        },
        Err(fault) => Err(Fault::from_build(fault, &function)),
    };
    match loaded {
        Ok(()) => {
            tracing::debug!(function = %function.name, worker = %worker.name, "function loaded");
            pool.act(|state, now| state.loaded(number, now));
        }
        // The end of the worker is told to the state by who watches over it.
        Err(fault) if fault.kind == KILLED => {}
        Err(fault) => {
            let fault = fault.framed(&function);
            tell(&function, &fault);
            let fault = Arc::new(fault);
            pool.act(|state, now| state.load_failed(number, fault, now));
        }
    }
}

/// Logs why a function does not load.
pub(crate) fn tell(function: &Function, fault: &Fault) {
    let place = fault.place().unwrap_or_default();
    let frame = fault.frame.as_deref();
    tracing::error!(function = %function.name, %place, kind = %fault.kind, frame, detail = %fault.detail, "function does not load: {}", fault.message);
}

/// Takes in what a function told when it was loaded; a schema that makes no sense is a fault.
fn learned(pool: &RuntimePool, function: &Function, told: LoadResult) -> Result<(), Box<Fault>> {
    for warning in told.warnings {
        tracing::warn!(function = %function.name, "{warning}");
    }
    if pool.shared.schemas.get(function).is_some() {
        return Ok(());
    }
    let schema = match told.schema.map(|schema| schema.to_string()) {
        None => FunctionSchema::default(),
        Some(text) => FunctionSchema::read(&text).map_err(|wrong| {
            Box::new(Fault {
                kind: "schema".into(),
                file: Some(without_root(&function.entry.to_string_lossy(), function)),
                message: wrong.to_string(),
                ..Fault::default()
            })
        })?,
    };
    pool.shared.schemas.put(function, schema);
    Ok(())
}
