//! One invocation, start to finish: the policy of a call on one screen.
//!
//! Knows no HTTP and no JSON-RPC: it is asked with a name and an input, and answers with a value
//! or an [`InvokeError`].

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use alyx_protocol::worker::Auth;
use bytes::Bytes;
use parking_lot::RwLock;
use serde_json::value::RawValue;
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout_at};

use crate::config::model::FunctionsConfig;
use crate::config::secret::Variables;
use crate::invocation::{Invocation, TraceContext};
use crate::metrics::Metrics;
use crate::pool::Pool;
use crate::pool::error::{CallError, Refusal};
use crate::pool::lease::Waited;
use crate::registry::Registry;
use crate::registry::function::{Function, Problem};
use crate::schema::FunctionSchema;
use crate::schema::violation::Violations;

/// How often a call is tried again when workers end before it reaches them.
const DELIVERIES: u32 = 2;
/// How often a call goes on with a newer revision of its function.
const REPLACEMENTS: u32 = 3;

/// What a caller brings.
#[derive(Debug)]
pub struct Request {
    pub request_id: String,
    pub trigger: Box<RawValue>,
    pub auth: Option<Arc<Auth>>,
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
    /// Why the code that ran is not the one on disk, if so.
    pub stale: Option<Arc<str>>,
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
    #[error("the input breaks the schema of function '{}': {violations}", .function.name)]
    InputInvalid { function: Arc<Function>, violations: Violations },
    #[error("the result breaks the schema of function '{}': {violations}", .function.name)]
    OutputInvalid { function: Arc<Function>, violations: Violations },
}

fn did_you_mean(suggestion: Option<&str>) -> String {
    suggestion.map_or_else(String::new, |name| format!("; did you mean '{name}'?"))
}

/// Where the registry was read from, to look again at a function that did not load, and how
/// strictly functions are taken at their word.
#[derive(Debug)]
pub struct Source {
    pub functions: FunctionsConfig,
    pub variables: Variables,
    /// A result that breaks the function's schema is an error; else it is a line in the log.
    pub strict_output: bool,
    /// Somebody watches the files and says what has changed.
    pub watched: bool,
}

fn checked(
    schema: Option<&FunctionSchema>,
    input: Bytes,
    function: &Arc<Function>,
) -> Result<Bytes, InvokeError> {
    let Some(schema) = schema else { return Ok(input) };
    schema
        .check_input(&input)
        .map_err(|violations| InvokeError::InputInvalid { function: function.clone(), violations })
}

/// Runs functions.
#[derive(Debug)]
pub struct Invoker {
    registry: RwLock<Arc<Registry>>,
    source: Arc<Source>,
    /// Held while one function is read anew.
    looking: Mutex<()>,
    /// Held while schemas are learned: the revisions that were loaded for that alone.
    learning: Mutex<HashSet<Arc<str>>>,
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
            learning: Mutex::default(),
            pool,
            metrics,
        }
    }

    /// The functions as they are now.
    #[must_use]
    pub fn registry(&self) -> Arc<Registry> {
        self.registry.read().clone()
    }

    /// From now on the function is as given, or gone. Only one at a time may do this.
    pub fn replace(&self, name: &str, function: Option<Function>) {
        let fresh = Arc::new(self.registry().replacing(name, function));
        *self.registry.write() = fresh;
    }

    #[must_use]
    pub fn pool(&self) -> &Pool {
        &self.pool
    }

    /// Loads the functions whose schemas are not known yet, one after the other and each at most
    /// once, for as long as `patience` lasts. One that does not load tells when it is called.
    pub async fn learn_schemas(&self, patience: Duration) {
        let until = Instant::now() + patience;
        let Ok(mut learned) = timeout_at(until, self.learning.lock()).await else { return };
        let registry = self.registry();
        for function in registry.iter().filter(|function| function.problem.is_none()) {
            if Instant::now() >= until {
                return;
            }
            if self.pool.schema(function).is_none() && learned.insert(function.revision.clone()) {
                let Ok(pool) = self.pool.runtime(&function.runtime) else { continue };
                let _told_when_called = pool.checkout(function, until).await;
            }
        }
    }

    /// Finds a function that can be called. One with a problem is looked at again first.
    ///
    /// # Errors
    /// [`InvokeError::NotFound`] and [`InvokeError::Disabled`].
    pub async fn find(&self, name: &str) -> Result<Arc<Function>, InvokeError> {
        let registry = self.registry();
        let Some(function) = registry.get(name) else {
            return Err(self.not_found(name));
        };
        let Some(problem) = &function.problem else { return Ok(function.clone()) };
        let disabled = || InvokeError::Disabled { name: name.to_owned(), problem: problem.clone() };
        self.look_again(function).await.ok_or_else(disabled)
    }

    fn not_found(&self, name: &str) -> InvokeError {
        let suggestion = self.registry().suggest(name).map(str::to_owned);
        InvokeError::NotFound { name: name.to_owned(), suggestion }
    }

    /// A request may have taken its time since the function was found.
    fn newest(&self, function: Arc<Function>) -> Arc<Function> {
        self.registry().get(&function.name).cloned().unwrap_or(function)
    }

    /// Runs one call of `function`. Dropping the future cancels the call.
    ///
    /// What a worker has taken is never tried again; what reached none is.
    pub async fn invoke(&self, function: Arc<Function>, request: Request) -> Outcome {
        let metrics = self.metrics.function(&function.name, &function.runtime);
        let Request { request_id, trigger, auth, trace, input } = request;
        let function = if self.source.watched { self.newest(function) } else { function };
        let mut invocation = Invocation::begin(function, request_id, trigger, auth, trace);
        let (mut undelivered, mut outdated) = (0, 0);
        let outcome = loop {
            let outcome = self.run(&invocation, input.clone()).await;
            match &outcome.result {
                Err(InvokeError::Refused { reason: Refusal::Replaced, .. })
                    if outdated < REPLACEMENTS =>
                {
                    outdated += 1;
                    let name = &invocation.function.name;
                    let Some(newest) = self.registry().get(name).cloned() else {
                        break Outcome { result: Err(self.not_found(name)), ..outcome };
                    };
                    invocation = invocation.with(newest);
                }
                Err(InvokeError::Failed { reason: CallError::NotDelivered, .. })
                    if undelivered < DELIVERIES =>
                {
                    undelivered += 1;
                }
                Err(InvokeError::Refused { reason: Refusal::Load(_), .. }) => {
                    let Some(mended) = self.look_again(&invocation.function).await else {
                        break outcome;
                    };
                    invocation = invocation.with(mended);
                }
                _ => break outcome,
            }
        };
        metrics.record(outcome.result.is_ok(), outcome.timing.phases());
        outcome
    }

    async fn run(&self, invocation: &Arc<Invocation>, input: Bytes) -> Outcome {
        let mut timing = Timing::default();
        let result = self.attempt(invocation, input, &mut timing).await;
        Outcome { result, timing, stale: invocation.function.stale.clone() }
    }

    async fn attempt(
        &self,
        invocation: &Arc<Invocation>,
        input: Bytes,
        timing: &mut Timing,
    ) -> Result<Bytes, InvokeError> {
        let function = &invocation.function;
        let known = self.pool.schema(function);
        let input = checked(known.as_deref(), input, function)?;
        let asked = Instant::now();
        let (lease, waited) = self.pool.checkout(invocation).await.map_err(|reason| {
            timing.waited.queue = asked.elapsed();
            InvokeError::Refused { function: function.clone(), reason }
        })?;
        timing.waited = waited;
        let (schema, input) = match known {
            Some(schema) => (Some(schema), input),
            // The first call learns the schema from the worker that has just loaded it.
            None => {
                let learned = self.pool.schema(function);
                let input = checked(learned.as_deref(), input, function)?;
                (learned, input)
            }
        };
        let began = Instant::now();
        let result = lease.invoke(invocation, input).await;
        timing.run = began.elapsed();
        let failed = |reason| InvokeError::Failed { function: function.clone(), reason };
        self.promised(schema.as_deref(), result.map_err(failed)?, invocation)
    }

    /// Holds a result to the function's schema.
    fn promised(
        &self,
        schema: Option<&FunctionSchema>,
        output: Bytes,
        invocation: &Invocation,
    ) -> Result<Bytes, InvokeError> {
        let Some(Err(violations)) = schema.map(|schema| schema.check_output(&output)) else {
            return Ok(output);
        };
        let function = &invocation.function;
        if self.source.strict_output {
            return Err(InvokeError::OutputInvalid { function: function.clone(), violations });
        }
        let request_id = &invocation.request_id;
        tracing::warn!(target: "function", function = %function.name, request_id, "the result breaks the function's output schema: {violations}");
        Ok(output)
    }

    /// A function that could not be served, as it is on disk now; none if it is as it was.
    async fn look_again(&self, function: &Function) -> Option<Arc<Function>> {
        if self.source.watched {
            return None;
        }
        // One look at a time: a function that fails at a high rate is not read at that rate.
        let _looking = self.looking.try_lock().ok()?;
        let (source, name) = (self.source.clone(), function.name.clone());
        let read = move || Registry::rescan_one(&source.functions, &source.variables, &name);
        let now = tokio::task::spawn_blocking(read).await.ok()??;
        if now.revision == function.revision || now.problem.is_some() {
            return None;
        }
        tracing::info!(function = %function.name, "function changed on disk; trying its new revision");
        self.replace(&function.name, Some(now));
        self.registry().get(&function.name).cloned()
    }
}

impl Timing {
    /// In the order of [`crate::metrics::PHASES`].
    #[must_use]
    pub fn phases(&self) -> [Duration; 4] {
        [self.waited.queue, self.waited.cold, self.waited.load, self.run]
    }
}
