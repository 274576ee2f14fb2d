//! One invocation, start to finish: the policy of a call on one screen.
//!
//! Knows no HTTP and no JSON-RPC: it is asked with a name and an input, and answers with a value
//! or an [`InvokeError`].

use std::sync::Arc;
use std::time::Duration;

use alyx_protocol::worker::Auth;
use bytes::Bytes;
use parking_lot::RwLock;
use serde_json::value::RawValue;
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::config::model::FunctionsConfig;
use crate::config::secret::Variables;
use crate::invocation::{Invocation, TraceContext};
use crate::metrics::Metrics;
use crate::pool::Pool;
use crate::pool::error::{CallError, Refusal};
use crate::pool::lease::Waited;
use crate::registry::Registry;
use crate::registry::function::{Function, Problem};

/// How often a call is tried again when workers end before it reaches them.
const DELIVERIES: u32 = 2;

/// What a caller brings.
#[derive(Debug)]
pub struct Request {
    pub request_id: String,
    pub trigger: Box<RawValue>,
    pub auth: Option<Auth>,
    pub trace: Option<TraceContext>,
    /// One JSON object that [`alyx_protocol::json::check`] accepted.
    pub input: Bytes,
}

/// How a call went.
#[derive(Debug)]
pub struct Outcome {
    /// The handler's result as JSON.
    pub result: Result<Bytes, InvokeError>,
    pub timing: Timing,
}

/// Where the time of a call went.
#[derive(Debug, Clone, Copy, Default)]
pub struct Timing {
    pub waited: Waited,
    pub run: Duration,
}

/// Why a call brought no result.
#[derive(Debug, thiserror::Error)]
pub enum InvokeError {
    #[error("function '{name}' not found{}", did_you_mean(.suggestion.as_deref()))]
    NotFound { name: String, suggestion: Option<String> },
    #[error("function '{name}' is disabled: {problem}")]
    Disabled { name: String, problem: Problem },
    #[error("{reason}")]
    Refused { function: Arc<Function>, reason: Refusal },
    #[error("{reason}")]
    Failed { function: Arc<Function>, reason: CallError },
}

fn did_you_mean(suggestion: Option<&str>) -> String {
    suggestion.map_or_else(String::new, |name| format!("; did you mean '{name}'?"))
}

/// Where the registry was read from, to look again at a function that did not load.
#[derive(Debug)]
pub struct Source {
    pub functions: FunctionsConfig,
    pub variables: Variables,
}

/// Runs functions.
#[derive(Debug)]
pub struct Invoker {
    registry: RwLock<Arc<Registry>>,
    source: Arc<Source>,
    /// Held while one function is read anew.
    looking: Mutex<()>,
    pool: Pool,
    metrics: Arc<Metrics>,
}

impl Invoker {
    #[must_use]
    pub fn new(registry: Registry, source: Source, pool: Pool, metrics: Arc<Metrics>) -> Self {
        Invoker {
            registry: RwLock::new(Arc::new(registry)),
            source: Arc::new(source),
            looking: Mutex::default(),
            pool,
            metrics,
        }
    }

    /// The functions as they are now.
    #[must_use]
    pub fn registry(&self) -> Arc<Registry> {
        self.registry.read().clone()
    }

    #[must_use]
    pub fn pool(&self) -> &Pool {
        &self.pool
    }

    /// Finds a function that can be called. One with a problem is looked at again first.
    ///
    /// # Errors
    /// [`InvokeError::NotFound`] and [`InvokeError::Disabled`].
    pub async fn find(&self, name: &str) -> Result<Arc<Function>, InvokeError> {
        let registry = self.registry();
        let Some(function) = registry.get(name) else {
            let suggestion = registry.suggest(name).map(str::to_owned);
            return Err(InvokeError::NotFound { name: name.to_owned(), suggestion });
        };
        let Some(problem) = &function.problem else { return Ok(function.clone()) };
        let disabled = || InvokeError::Disabled { name: name.to_owned(), problem: problem.clone() };
        self.look_again(function).await.ok_or_else(disabled)
    }

    /// Runs one call of `function`. Dropping the future cancels the call.
    ///
    /// What a worker has taken is never tried again; what reached none is.
    pub async fn invoke(&self, function: Arc<Function>, request: Request) -> Outcome {
        let metrics = self.metrics.function(&function.name, &function.runtime);
        let Request { request_id, trigger, auth, trace, input } = request;
        let mut invocation = Invocation::begin(function, request_id, trigger, auth, trace);
        let mut undelivered = 0;
        let outcome = loop {
            let outcome = self.run(&invocation, input.clone()).await;
            match &outcome.result {
                Err(InvokeError::Failed { reason: CallError::NotDelivered, .. })
                    if undelivered < DELIVERIES =>
                {
                    undelivered += 1;
                }
                Err(InvokeError::Refused { reason: Refusal::Load(_), .. }) => {
                    let Some(mended) = self.mended(&invocation).await else { break outcome };
                    invocation = mended;
                }
                _ => break outcome,
            }
        };
        metrics.record(outcome.result.is_ok(), outcome.timing.phases());
        outcome
    }

    async fn run(&self, invocation: &Arc<Invocation>, input: Bytes) -> Outcome {
        let function = &invocation.function;
        let (lease, waited) = match self.pool.checkout(invocation).await {
            Ok(checkout) => checkout,
            Err(reason) => {
                let refused = InvokeError::Refused { function: function.clone(), reason };
                return Outcome { result: Err(refused), timing: Timing::default() };
            }
        };
        let began = Instant::now();
        let result = lease.invoke(invocation, input).await;
        let timing = Timing { waited, run: began.elapsed() };
        let failed = |reason| InvokeError::Failed { function: function.clone(), reason };
        Outcome { result: result.map_err(failed), timing }
    }

    /// The same call on the function as it is on disk now, if that has changed.
    async fn mended(&self, invocation: &Invocation) -> Option<Arc<Invocation>> {
        let now = self.look_again(&invocation.function).await?;
        Some(Invocation::begin(
            now,
            invocation.request_id.clone(),
            invocation.trigger.clone(),
            invocation.auth.clone(),
            invocation.trace.clone(),
        ))
    }

    /// A function that could not be served, as it is on disk now; none if it is as it was.
    async fn look_again(&self, function: &Function) -> Option<Arc<Function>> {
        // One look at a time: a function that fails at a high rate is not read at that rate.
        let _looking = self.looking.try_lock().ok()?;
        let (source, name) = (self.source.clone(), function.name.clone());
        let read = move || Registry::rescan_one(&source.functions, &source.variables, &name);
        let now = tokio::task::spawn_blocking(read).await.ok()??;
        if now.revision == function.revision || now.problem.is_some() {
            return None;
        }
        tracing::info!(function = %function.name, "function changed on disk; trying its new revision");
        let fresh = self.registry().replacing(&function.name, Some(now));
        let now = fresh.get(&function.name)?.clone();
        *self.registry.write() = Arc::new(fresh);
        Some(now)
    }
}

impl Timing {
    /// In the order of [`crate::metrics::PHASES`].
    #[must_use]
    pub fn phases(&self) -> [Duration; 4] {
        [self.waited.queue, self.waited.cold, self.waited.load, self.run]
    }
}
