//! The pool: gives each call a worker, and makes and ends workers as that needs.
//!
//! [`state`] decides, this module does: it holds each runtime's state behind one short lock (the
//! actor's mailbox), and takes the actions that come out. Knows nothing of HTTP or
//! files; the database is only passed on.

pub mod checkout;
pub mod lease;
pub mod start;
pub mod load;
pub mod packages;
pub mod clock;
pub mod state;
pub mod queue;
pub mod lives;
pub mod health;
pub mod balance;
pub mod sharing;
pub mod replace;
pub mod slot;
pub mod rules;
pub mod pace;
pub mod error;
pub mod worker;
pub mod circuit;
pub mod schemas;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant as StdInstant};

use alyx_protocol::Limits;
use parking_lot::Mutex;
use tokio::sync::{Notify, oneshot};
use tokio::time::{Instant, timeout_at};
use tokio_util::task::TaskTracker;

use crate::db::Store;
use crate::deps::Deps;
use crate::invocation::Invocation;
use crate::metrics::PoolMetrics;
use crate::pool::error::{KillReason, Refusal};
use crate::pool::lease::{Lease, Waited};
use crate::pool::rules::Rules;
use crate::pool::schemas::Schemas;
use crate::pool::slot::{Action, Census};
use crate::pool::state::State;
use crate::pool::worker::Worker;
use crate::registry::function::Function;
use crate::runtime::Runtime;
use crate::sandbox::Launch;
use crate::schema::FunctionSchema;

/// How long a worker that is asked to leave may take.
const RETIRE_GRACE: Duration = Duration::from_secs(1);

/// What all runtimes' pools share.
#[derive(Debug, Clone)]
pub struct Shared {
    pub launcher: Arc<dyn Launch>,
    /// The folder for the workers' sockets.
    pub sockets: PathBuf,
    /// The folder workers start in.
    pub directory: PathBuf,
    /// What workers of every runtime read: functions and their dependencies.
    pub readable: Vec<PathBuf>,
    pub limits: Limits,
    /// What workers are served from.
    pub store: Store,
    pub schemas: Arc<Schemas>,
    pub deps: Deps,
    pub queue_timeout: Duration,
}

/// All workers of the host.
#[derive(Debug, Default)]
pub struct Pool {
    runtimes: HashMap<String, Result<Arc<RuntimePool>, Refusal>>,
}

impl Pool {
    /// Adds a runtime that can start workers.
    pub fn add(&mut self, pool: Arc<RuntimePool>) {
        self.runtimes.insert(pool.runtime.name.clone(), Ok(pool));
    }

    /// Adds a runtime that cannot, and what callers are told.
    pub fn add_refused(&mut self, runtime: &str, why: Refusal) {
        self.runtimes.insert(runtime.to_owned(), Err(why));
    }

    /// Gets a worker for the invocation.
    ///
    /// # Errors
    /// [`Refusal`]; nothing of the call has then reached a worker.
    pub async fn checkout(&self, invocation: &Invocation) -> Result<(Lease, Waited), Refusal> {
        self.runtime(&invocation.function.runtime)?
            .checkout(&invocation.function, invocation.deadline)
            .await
    }

    /// What the function says of its input and output; none while it has not been loaded.
    #[must_use]
    pub fn schema(&self, function: &Function) -> Option<Arc<FunctionSchema>> {
        self.runtime(&function.runtime).ok()?.shared.schemas.get(function)
    }

    /// The pool of one runtime.
    ///
    /// # Errors
    /// [`Refusal::Disabled`] and [`Refusal::Unavailable`].
    pub fn runtime(&self, name: &str) -> Result<&Arc<RuntimePool>, Refusal> {
        let unknown = || Refusal::Unavailable {
            runtime: name.to_owned(),
            why: "it is not configured".into(),
        };
        self.runtimes.get(name).ok_or_else(unknown)?.as_ref().map_err(Clone::clone)
    }

    /// Each runtime with its pool, or why it has none.
    pub fn runtimes(&self) -> impl Iterator<Item = (&str, &Result<Arc<RuntimePool>, Refusal>)> {
        self.runtimes.iter().map(|(name, pool)| (name.as_str(), pool))
    }

    /// Refuses new calls, lets those under way end until `until`, then ends all workers.
    pub async fn stop(&self, until: Instant) {
        let pools: Vec<_> = self.runtimes.values().flatten().collect();
        for pool in &pools {
            pool.act(|state, _| state.stop());
            pool.tasks.close();
        }
        for pool in &pools {
            if timeout_at(until, pool.tasks.wait()).await.is_err() {
                pool.kill_all();
                let _last_moment =
                    timeout_at(Instant::now() + RETIRE_GRACE, pool.tasks.wait()).await;
            }
        }
    }
}

/// The workers of one runtime.
#[derive(Debug)]
pub struct RuntimePool {
    pub(crate) runtime: Runtime,
    pub(crate) shared: Shared,
    pub(crate) metrics: PoolMetrics,
    pub(crate) tasks: TaskTracker,
    rules: Rules,
    nudge: Notify,
    state: Mutex<State<Arc<Worker>, Arc<Function>, Waiter>>,
    live: Mutex<HashMap<u64, Arc<Worker>>>,
}

type Waiter = oneshot::Sender<Result<Lease, Refusal>>;

impl RuntimePool {
    /// A pool without workers. [`RuntimePool::warm`] makes the first ones.
    #[must_use]
    pub fn new(runtime: Runtime, shared: Shared, rules: Rules, metrics: PoolMetrics) -> Arc<Self> {
        let pool = Arc::new(RuntimePool {
            state: Mutex::new(State::new(Rules { min_warm: 0, ..rules.clone() }, clock::now())),
            runtime,
            shared,
            metrics,
            tasks: TaskTracker::new(),
            rules,
            nudge: Notify::new(),
            live: Mutex::default(),
        });
        tokio::spawn(clock::keep_time(Arc::downgrade(&pool)));
        pool
    }

    /// Keeps blank workers ready from now on.
    pub fn warm(self: &Arc<Self>) {
        self.act(|state, now| state.want_blanks(self.rules.min_warm, now));
    }

    /// True when `min_warm` workers are up, or it is known that they do not start, and no packages
    /// are being installed.
    #[must_use]
    pub fn ready(&self) -> bool {
        if self.shared.deps.installing(&self.runtime.name) {
            return false;
        }
        let state = self.state.lock();
        let census = state.census();
        census.blank + census.idle + census.busy >= self.rules.min_warm || state.is_broken()
    }

    #[must_use]
    pub fn census(&self) -> Census {
        self.state.lock().census()
    }

    pub(crate) fn release(self: &Arc<Self>, number: u64) {
        let now = clock::now();
        let actions = self.state.lock().release(number, now);
        self.take(actions);
    }

    pub(crate) fn suspend(self: &Arc<Self>, number: u64, suspended: bool) {
        self.act(|state, now| state.suspend(number, suspended, now));
    }

    /// Changes the state and takes the actions that follow.
    pub(crate) fn act<R: Outcome>(
        self: &Arc<Self>,
        event: impl FnOnce(&mut PoolState, StdInstant) -> R,
    ) -> R::Value {
        let now = clock::now();
        let outcome = event(&mut self.state.lock(), now);
        let (value, actions) = outcome.split();
        self.take(actions);
        value
    }

    fn take(self: &Arc<Self>, actions: Vec<PoolAction>) {
        for action in actions {
            match action {
                Action::Start(number, class) => {
                    self.tasks.spawn(start::run(self.clone(), number, class));
                }
                Action::Load(number, worker, function) => {
                    self.tasks.spawn(load::run(self.clone(), number, worker, function));
                }
                Action::Retire(worker) => {
                    self.tasks.spawn(async move { worker.retire("idle", RETIRE_GRACE).await });
                }
                Action::Ping(number, worker) => {
                    // Not one of the tasks that a stop waits for.
                    tokio::spawn(clock::ping(self.clone(), number, worker));
                }
                Action::Kill(worker) => worker.kill(KillReason::Silent),
                Action::Grant(waiter, worker) => {
                    // A caller who has left drops the lease, which gives the credit back.
                    let _caller_left = waiter.send(Ok(Lease { pool: self.clone(), worker }));
                }
                Action::Refuse(waiter, refusal) => {
                    let _caller_left = waiter.send(Err(refusal));
                }
            }
        }
    }

    pub(crate) fn enter(&self, worker: &Arc<Worker>) {
        self.live.lock().insert(worker.number, worker.clone());
    }

    pub(crate) fn leave(&self, worker: &Worker) {
        self.live.lock().remove(&worker.number);
    }

    /// The workers that have said hello and have not ended.
    pub(crate) fn live(&self) -> Vec<Arc<Worker>> {
        self.live.lock().values().cloned().collect()
    }

    fn kill_all(&self) {
        for worker in self.live.lock().values() {
            worker.kill(KillReason::Retired);
        }
    }
}

pub(crate) type PoolState = State<Arc<Worker>, Arc<Function>, Waiter>;
pub(crate) type PoolAction = Action<Arc<Worker>, Arc<Function>, Waiter>;

/// What an event of the state returns: actions alone, or a value beside them.
pub(crate) trait Outcome {
    type Value;
    fn split(self) -> (Self::Value, Vec<PoolAction>);
}

impl Outcome for Vec<PoolAction> {
    type Value = ();
    fn split(self) -> ((), Vec<PoolAction>) {
        ((), self)
    }
}

impl<V> Outcome for (V, Vec<PoolAction>) {
    type Value = V;
    fn split(self) -> (V, Vec<PoolAction>) {
        self
    }
}

#[cfg(test)]
mod simulation;
