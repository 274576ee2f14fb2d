//! How a call comes to a worker: at once, after a wait, or not at all.
//!
//! The waiting itself is here; who is next is the state's to say.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::{Instant, timeout_at};

use crate::pool::RuntimePool;
use crate::pool::clock;
use crate::pool::error::Refusal;
use crate::pool::lease::{Lease, Waited};
use crate::pool::rules::Asking;
use crate::pool::rules::{Class, Key, Terms};
use crate::registry::function::{Function, Isolation};

impl RuntimePool {
    /// A worker for one call of `function`, waiting for one if need be.
    ///
    /// # Errors
    /// [`Refusal`].
    pub async fn checkout(
        self: &Arc<Self>,
        function: &Arc<Function>,
        deadline: Instant,
    ) -> Result<(Lease, Waited), Refusal> {
        let key = &function.revision;
        let now = clock::now();
        let ready = self.state.lock().try_acquire(key, now);
        if let Some(worker) = ready {
            return Ok((Lease { pool: self.clone(), worker }, Waited::default()));
        }
        self.shared.deps.ready(function).await?;
        let asked = Instant::now();
        let until = deadline.min(asked + self.shared.queue_timeout);
        let (call, granted) = oneshot::channel();
        let patience = until.saturating_duration_since(asked);
        let ticket = self.act(|state, now| {
            let terms = self.terms(function);
            let outcome = state.acquire(Asking { key, function, terms, call, patience }, now);
            self.nudge.notify_one();
            outcome
        })?;
        // A caller who leaves gives up the place in line; so does one whose time is over.
        let mut place = Place { pool: self, key, ticket: Some(ticket) };
        let lease = match timeout_at(until, granted).await {
            Ok(granted) => {
                place.ticket = None;
                granted.unwrap_or(Err(Refusal::Stopping))?
            }
            Err(_) => return Err(self.over_time(key, asked.elapsed(), until == deadline)),
        };
        let waited = lease.waited(asked);
        Ok((lease, waited))
    }

    /// What the function asks of its workers.
    fn terms(&self, function: &Function) -> Terms {
        Terms {
            name: function.name.as_str().into(),
            concurrency: function.concurrency,
            class: Class::new(function.memory, function.cpu),
            strict: function.isolation == Isolation::Strict,
            packages: self.shared.deps.packages(function).paths,
        }
    }

    /// Why a call has waited in vain, as far as the call itself (`deadline`) or its place in line
    /// would let it.
    fn over_time(&self, key: &Key, waited: Duration, deadline: bool) -> Refusal {
        let state = self.state.lock();
        let (loading, trouble) = (state.is_loading(key), state.start_trouble(key));
        drop(state);
        match (loading, deadline) {
            (true, true) => Refusal::DeadlineLoading,
            (true, false) => trouble.unwrap_or(Refusal::StillLoading { waited }),
            (false, true) => Refusal::Deadline,
            (false, false) => self.exhausted(waited),
        }
    }

    pub(crate) fn exhausted(&self, waited: Duration) -> Refusal {
        let (runtime, max) = (self.runtime.name.clone(), self.rules.max_instances);
        Refusal::Exhausted { runtime, waited, max }
    }
}

/// A place in the line of a function.
struct Place<'a> {
    pool: &'a Arc<RuntimePool>,
    key: &'a Key,
    ticket: Option<u64>,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket {
            self.pool.state.lock().abandon(self.key, ticket);
        }
    }
}
