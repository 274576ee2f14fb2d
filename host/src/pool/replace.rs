//! Revisions that come and go: what a newer one means for the workers and the calls of an older.
//!
//! A worker serves one revision of a function for all its life. So a new revision is loaded into a
//! blank worker first, beside the old one; then calls are sent there, and the workers of the old
//! one leave when their calls have ended. Knows nothing of why there is a new revision.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::time::Instant as TokioInstant;

use crate::pool::RuntimePool;
use crate::pool::clock;
use crate::pool::error::{Fault, Refusal};
use crate::pool::load;
use crate::pool::rules::Key;
use crate::pool::slot::{Phase, Slot};
use crate::pool::state::{Actions, State};
use crate::registry::function::Function;

/// Replaced revisions that are remembered: calls that were on their way to one are few and brief.
const REMEMBERED: usize = 256;
/// Until somebody says otherwise.
const FOR_GOOD: Duration = Duration::from_secs(u32::MAX as u64);

impl<W: Clone, F: Clone, T> State<W, F, T> {
    /// A newer revision serves, or none: who waits for this one is sent away, its workers leave
    /// as soon as they have no call, and none is made again.
    pub(crate) fn replaced(&mut self, key: &Key, now: Instant) -> Actions<W, F, T> {
        let mut actions = Vec::new();
        self.refuse_waiting(key, &Refusal::Replaced, &mut actions);
        for number in self.numbers() {
            let Some(slot) = self.workers.get(&number) else { continue };
            let (loads, serves) = (slot.loading.as_ref() == Some(key), slot.serves(key));
            if loads && slot.held.len() == 1 {
                actions.extend(self.retire(number));
            } else if loads || serves {
                // What it has taken in of the old code would be found by what it takes in next.
                actions.extend(self.spend(number));
            }
        }
        self.routes.remove(key);
        self.gone.retain(|gone| gone != key);
        if self.gone.len() == REMEMBERED {
            self.gone.pop_front();
        }
        self.gone.push_back(key.clone());
        actions.extend(self.balance(now));
        actions
    }

    /// A call comes too late for this revision.
    pub(crate) fn is_gone(&self, key: &Key) -> bool {
        !self.routes.contains_key(key) && self.gone.contains(key)
    }

    /// The revision is wanted, whatever was said of it before.
    pub(crate) fn revive(&mut self, key: &Key) {
        self.gone.retain(|gone| gone != key);
        if let Some(route) = self.routes.get_mut(key) {
            route.load_fault = None;
        }
    }

    /// The code on disk is no longer this revision's: the workers that have it stay, and no other
    /// is made. Without one, `fault` is the answer.
    pub(crate) fn freeze(&mut self, key: &Key, fault: Arc<Fault>, now: Instant) {
        if let Some(route) = self.routes.get_mut(key) {
            route.load_fault = Some((fault, now + FOR_GOOD));
        }
    }

    /// Who waits for a revision that no worker has and none will load is told why.
    pub(crate) fn refuse_without_worker(
        &mut self,
        key: &Key,
        now: Instant,
        actions: &mut Actions<W, F, T>,
    ) {
        let fault = self.routes.get(key).filter(|route| route.serving.is_empty());
        let fault = fault.and_then(|route| route.load_fault.clone());
        if let Some((fault, _)) = fault.filter(|(_, until)| now < *until) {
            self.refuse_waiting(key, &Refusal::Load(fault), actions);
            if self.is_frozen(key, now) {
                // The next call may find the code mended.
                self.routes.remove(key);
            }
        }
    }

    /// Whether a worker may be had without a call ending first.
    pub(crate) fn has_room(&self) -> bool {
        let busy = |slot: &Slot<W>| slot.phase == Phase::Active && !slot.idle();
        self.workers.len() < self.rules.max_instances || !self.workers.values().all(busy)
    }

    /// The last workers of a frozen revision, which nothing could bring back.
    pub(crate) fn is_frozen(&self, key: &Key, now: Instant) -> bool {
        let fault = self.routes.get(key).and_then(|route| route.load_fault.as_ref());
        fault.is_some_and(|(_, until)| *until > now + FOR_GOOD / 2)
    }
}

impl RuntimePool {
    /// Has a worker take the function in ahead of its first call. Waits as long as workers start
    /// and load, but when all are busy only for `patience`.
    ///
    /// # Errors
    /// [`Refusal`]; [`Refusal::Exhausted`] when there is no room for a worker.
    pub async fn load_ahead(
        self: &Arc<Self>,
        function: &Arc<Function>,
        patience: Duration,
    ) -> Result<(), Refusal> {
        self.build_ahead(function).await?;
        let key = &function.revision;
        self.state.lock().revive(key);
        loop {
            match self.checkout(function, TokioInstant::now() + patience).await {
                Ok(_) => return Ok(()),
                Err(Refusal::StillLoading { .. } | Refusal::DeadlineLoading) => {}
                Err(Refusal::Deadline) if self.serves(key) => return Ok(()),
                // A worker is on its way, or about to leave.
                Err(Refusal::Deadline) if self.state.lock().has_room() => {}
                Err(Refusal::Deadline) => return Err(self.exhausted(patience)),
                Err(refusal) => return Err(refusal),
            }
        }
    }

    /// A build needs no worker, and none waits for it.
    async fn build_ahead(&self, function: &Function) -> Result<(), Refusal> {
        let built = self.loadable(function).await;
        let Err(fault) = built else { return Ok(()) };
        let fault = Fault::from_build(fault, function).framed(function);
        load::tell(function, &fault);
        Err(Refusal::Load(Arc::new(fault)))
    }

    /// See `State::replaced`.
    pub fn replaced(self: &Arc<Self>, revision: &Key) {
        self.act(|state, now| state.replaced(revision, now));
    }

    /// See `State::freeze`. What is built stays, and can be loaded again.
    pub fn freeze(&self, revision: &Key, fault: &Arc<Fault>) {
        if !self.runtime.builds() {
            self.state.lock().freeze(revision, fault.clone(), clock::now());
        }
    }

    /// See `State::revive`.
    pub fn revive(&self, revision: &Key) {
        self.state.lock().revive(revision);
    }

    /// Removes what was built of a revision that nobody will ask for again.
    pub fn discard(&self, revision: &Key) {
        self.runtime.discard(revision);
    }

    /// Whether a revision can be loaded again when its code has changed.
    #[must_use]
    pub fn keeps_builds(&self) -> bool {
        self.runtime.builds()
    }

    /// Whether a worker has this revision.
    #[must_use]
    pub fn serves(&self, revision: &Key) -> bool {
        let state = self.state.lock();
        state.routes.get(revision).is_some_and(|route| !route.serving.is_empty())
    }
}

#[cfg(test)]
mod tests;
