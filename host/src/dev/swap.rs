//! Brings the functions in service in line with those on disk, without a failed call.
//!
//! A new revision is loaded first and serves then; until then, and for as long as it does not
//! load, the one before it serves. The only writer of the registry under `alyx dev`.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;

use tokio::time::Instant;

use crate::dev::ahead::{Done, Loaded, Loads};
use crate::dev::aim::Aims;
use crate::invoker::Invoker;
use crate::pool::RuntimePool;
use crate::pool::error::{Fault, Refusal};
use crate::registry::function::Function;
use crate::registry::scan::Scanned;

#[derive(Debug)]
pub(crate) struct Swaps {
    invoker: Arc<Invoker>,
    aims: Aims,
    loads: Loads,
    /// Functions that have just been written.
    fresh: HashSet<String>,
    /// Functions whose packages could not be installed.
    lacking: HashSet<String>,
    /// What served or might have, the latest last: it may come back with an undo.
    past: VecDeque<Arc<Function>>,
}

/// Functions without a worker that are loaded ahead when many change at once; the rest tell of
/// themselves when they are called.
const UNUSED: usize = 8;
/// Old revisions of all functions whose builds are kept.
const KEPT: usize = 5;

impl Swaps {
    pub(crate) fn new(invoker: Arc<Invoker>) -> Swaps {
        let aims = Aims::of(&invoker.registry());
        Swaps {
            invoker,
            aims,
            loads: Loads::default(),
            fresh: HashSet::new(),
            past: VecDeque::new(),
            lacking: HashSet::new(),
        }
    }

    /// Acts on what differs from what it should be. Returns when to look again, if it matters.
    pub(crate) fn consider(&mut self, scanned: &Scanned) -> Option<Instant> {
        let before = self.invoker.registry();
        let (gone, look_at) = self.aims.gone(&before, &scanned.registry, Instant::now());
        gone.iter().for_each(|name| self.remove(name));
        self.give_up_on_stale(scanned);
        let fresh = scanned.registry.iter().filter(|function| self.aims.set(function));
        let mut fresh: Vec<&Arc<Function>> = fresh.collect();
        // Those that somebody is using come first.
        let is_used = |function: &Function| {
            before.get(&function.name).is_some_and(|before| self.is_kept(before))
        };
        fresh.sort_by_cached_key(|function| !is_used(function));
        let used = fresh.iter().filter(|function| is_used(function)).count();
        for (place, function) in fresh.into_iter().enumerate() {
            match self.prepare(function) {
                Some(pool) if place < used + UNUSED => self.load(pool, function, scanned),
                Some(pool) => {
                    pool.revive(&function.revision);
                    self.swap(function);
                }
                None => {}
            }
        }
        look_at
    }

    /// A stale revision whose last worker has left has nothing to go on with.
    fn give_up_on_stale(&mut self, scanned: &Scanned) {
        let registry = self.invoker.registry();
        for before in registry.iter().filter(|before| before.stale.is_some()) {
            if let Some(function) = scanned.registry.get(&before.name)
                && !self.is_kept(before)
            {
                self.fail(function, Some(before.clone()), "");
            }
        }
    }

    /// The next load that ends.
    pub(crate) async fn done(&mut self) -> Done {
        self.loads.next().await
    }

    /// The pool that is to load the function, if anything is to be loaded.
    fn prepare(&mut self, function: &Arc<Function>) -> Option<Arc<RuntimePool>> {
        let name = &function.name;
        let before = self.invoker.registry().get(name).cloned();
        self.drop_load(name, before.as_ref());
        if let Some(problem) = &function.problem {
            tracing::error!(function = %name, "function is disabled: {problem}");
            self.fail(function, before, &problem.to_string());
            return None;
        }
        let pool = match self.invoker.pool().runtime(&function.runtime) {
            Ok(pool) => pool.clone(),
            Err(refusal) => {
                tracing::warn!("{refusal}");
                self.swap(function);
                return None;
            }
        };
        let Some(before) = before else {
            // Calls may come at once, and wait.
            self.invoker.replace(name, Some((**function).clone()));
            self.fresh.insert(name.clone());
            return Some(pool);
        };
        if before.revision == function.revision {
            // Back to what still serves.
            pool.revive(&function.revision);
            self.swap(function);
            return None;
        }
        Some(pool)
    }

    fn load(&mut self, pool: Arc<RuntimePool>, function: &Arc<Function>, scanned: &Scanned) {
        pool.warm();
        let name = &function.name;
        let sources = scanned.sources.get(name).cloned().unwrap_or_default();
        self.loads.begin(pool, function, sources);
    }

    /// Takes in what came of a load; true when the files are to be looked at again at once.
    pub(crate) fn finish(&mut self, Done { function, loaded }: Done) -> bool {
        let before = self.invoker.registry().get(&function.name).cloned();
        let is_listed = before.as_ref().is_some_and(|b| b.revision == function.revision);
        match loaded {
            Loaded::No(Refusal::Stopping) => {}
            Loaded::No(Refusal::Load(fault)) => self.broken(&function, before, &fault),
            Loaded::No(Refusal::Packages(trouble)) => {
                self.lacking.insert(function.name.clone());
                self.broken(&function, before, &Arc::new(Fault::of_packages(&trouble)));
            }
            Loaded::Yes if is_listed => self.tell(&function),
            Loaded::Yes => self.swap(&function),
            Loaded::Outdated | Loaded::No(Refusal::Replaced) => {
                self.retire(&function);
                self.discard(&function);
                if let Some(pool) = self.pool(&function).filter(|_| is_listed) {
                    pool.revive(&function.revision);
                }
                self.aims.forget(&function.name);
                return true;
            }
            // Its calls wait for what it could not wait for.
            Loaded::No(refusal) if is_listed => tracing::warn!("{refusal}"),
            Loaded::No(refusal) => {
                tracing::debug!(function = %function.name, "not loaded ahead: {refusal}");
                self.swap(&function);
            }
        }
        false
    }

    /// Packages have been installed: true when that may matter to a function.
    pub(crate) fn try_packages_again(&mut self) -> bool {
        let lacking = std::mem::take(&mut self.lacking);
        lacking.iter().for_each(|name| self.aims.forget(name));
        !lacking.is_empty()
    }

    /// The function serves; what served before leaves.
    fn swap(&mut self, function: &Function) {
        let name = &function.name;
        let before = self.invoker.registry().get(name).cloned();
        self.invoker.replace(name, Some(function.clone()));
        if let Some(before) = before.filter(|before| before.revision != function.revision) {
            self.retire(&before);
        }
        self.tell(function);
    }

    fn tell(&mut self, function: &Function) {
        let name = &function.name;
        let what = if self.fresh.remove(name) { "added" } else { "reloaded" };
        tracing::info!("Function '{name}' {what}");
    }

    fn broken(&mut self, function: &Function, before: Option<Arc<Function>>, fault: &Arc<Fault>) {
        let place = fault.place().map(|place| format!("{place}: ")).unwrap_or_default();
        if let Some(before) = before.as_ref().filter(|before| before.revision != function.revision)
            && let Some(pool) = self.pool(before)
        {
            pool.freeze(&before.revision, fault);
        }
        self.fail(function, before, &format!("{place}{}", fault.message));
    }

    /// What is on disk does not serve: what served before goes on, or else callers are told.
    fn fail(&mut self, function: &Function, before: Option<Arc<Function>>, why: &str) {
        let name = &function.name;
        self.fresh.remove(name);
        let kept =
            before.filter(|before| before.revision != function.revision && self.is_kept(before));
        match kept {
            Some(before) => {
                let stale = Some(why.into());
                self.invoker.replace(name, Some(Function { stale, ..(*before).clone() }));
                tracing::warn!("Function '{name}' not reloaded; the revision before it serves on");
            }
            None => {
                let before = self.invoker.registry().get(name).cloned();
                self.invoker.replace(name, Some(function.clone()));
                if let Some(before) = before.filter(|b| b.revision != function.revision) {
                    self.retire(&before);
                }
            }
        }
    }

    fn remove(&mut self, name: &str) {
        let before = self.invoker.registry().get(name).cloned();
        self.drop_load(name, None);
        self.invoker.replace(name, None);
        if let Some(before) = before {
            self.retire(&before);
        }
        self.aims.forget(name);
        tracing::info!("Function '{name}' removed");
    }

    /// Nobody wants any more what is being loaded.
    fn drop_load(&mut self, name: &str, serving: Option<&Arc<Function>>) {
        let Some(dropped) = self.loads.give_up(name) else { return };
        if serving.is_none_or(|serving| serving.revision != dropped.revision) {
            self.retire(&dropped);
        }
    }

    fn retire(&mut self, function: &Arc<Function>) {
        let Some(pool) = self.pool(function).filter(|_| function.problem.is_none()) else { return };
        pool.replaced(&function.revision);
        self.past.retain(|past| past.revision != function.revision);
        self.past.push_back(function.clone());
        if self.past.len() > KEPT
            && let Some(oldest) = self.past.pop_front()
        {
            let now = self.invoker.registry().get(&oldest.name).cloned();
            if now.is_none_or(|now| now.revision != oldest.revision) {
                self.discard(&oldest);
            }
        }
    }

    fn discard(&self, function: &Function) {
        if let Some(pool) = self.pool(function) {
            pool.discard(&function.revision);
        }
    }

    /// Whether calls of this revision have what they need, whatever is on disk.
    fn is_kept(&self, function: &Function) -> bool {
        if function.problem.is_some() {
            return false;
        }
        let Some(pool) = self.pool(function) else { return false };
        let has_loaded = self.invoker.pool().schema(function).is_some();
        pool.serves(&function.revision) || (pool.keeps_builds() && has_loaded)
    }

    fn pool(&self, function: &Function) -> Option<Arc<RuntimePool>> {
        self.invoker.pool().runtime(&function.runtime).ok().cloned()
    }
}
