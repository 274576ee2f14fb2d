//! Loads a new revision ahead of its calls, and says what came of it.
//!
//! Knows nothing of what served before.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::task::{AbortHandle, JoinSet, spawn_blocking};

use crate::pool::RuntimePool;
use crate::pool::error::Refusal;
use crate::registry::content::Stamp;
use crate::registry::function::Function;
use crate::registry::scan::unchanged;

/// Revisions of one runtime that are loaded at the same time.
const AT_ONCE: usize = 3;
/// How long to wait for a worker when all are busy.
const ROOM: Duration = Duration::from_secs(1);

/// What came of it.
#[derive(Debug)]
pub(crate) enum Loaded {
    /// A worker has it.
    Yes,
    No(Refusal),
    /// Files changed while they were loaded: nobody can tell what the worker has read.
    Outdated,
}

#[derive(Debug)]
pub(crate) struct Done {
    pub(crate) function: Arc<Function>,
    pub(crate) loaded: Loaded,
}

/// The revisions that are being loaded: at most one of each function.
#[derive(Debug, Default)]
pub(crate) struct Loads {
    jobs: JoinSet<Done>,
    of: HashMap<String, (Arc<Function>, AbortHandle)>,
    turns: HashMap<String, Arc<Semaphore>>,
}

impl Loads {
    /// `sources` are the files of this revision, as they were.
    pub(crate) fn begin(
        &mut self,
        pool: Arc<RuntimePool>,
        function: &Arc<Function>,
        sources: Vec<(PathBuf, Stamp)>,
    ) {
        let turns = self.turns.entry(function.runtime.clone());
        let turns = turns.or_insert_with(|| Arc::new(Semaphore::new(AT_ONCE))).clone();
        let loaded = function.clone();
        let job = self.jobs.spawn(async move {
            // Who waits for packages keeps nobody else waiting.
            let installed = pool.packages(&loaded).await;
            let _turn = turns.acquire_owned().await;
            let tried = match installed {
                Ok(()) => pool.load_ahead(&loaded, ROOM).await,
                Err(missing) => Err(missing),
            };
            let same = spawn_blocking(move || unchanged(&sources)).await.unwrap_or(false);
            let loaded_well = match tried {
                _ if !same => Loaded::Outdated,
                Ok(()) => Loaded::Yes,
                Err(refusal) => Loaded::No(refusal),
            };
            Done { function: loaded, loaded: loaded_well }
        });
        self.of.insert(function.name.clone(), (function.clone(), job));
    }

    /// Gives up what is being loaded for the function, and returns it.
    pub(crate) fn give_up(&mut self, name: &str) -> Option<Arc<Function>> {
        let (function, job) = self.of.remove(name)?;
        job.abort();
        Some(function)
    }

    /// The next load that ends; waits for ever when none is under way.
    pub(crate) async fn next(&mut self) -> Done {
        loop {
            match self.jobs.join_next().await {
                Some(Ok(done)) => {
                    let current = self.of.get(&done.function.name);
                    // One that was given up may have ended all the same.
                    if current.is_some_and(|(function, _)| Arc::ptr_eq(function, &done.function)) {
                        self.of.remove(&done.function.name);
                        return done;
                    }
                }
                Some(Err(_given_up)) => {}
                None => std::future::pending().await,
            }
        }
    }
}
