//! What happens to a pool because time passes: its state is told, its workers are pinged, and the
//! memory they use is looked at.
//!
//! Knows when to look; what follows is the state's to say.

use std::sync::{Arc, Weak};
use std::time::{Duration, Instant as StdInstant};

use tokio::time::Instant;

use crate::pool::RuntimePool;
use crate::pool::worker::Worker;

/// How often a pool looks at the clock: while calls wait, and else.
const TICK_WAITING: Duration = Duration::from_millis(5);
const TICK: Duration = Duration::from_millis(250);
/// Longest wait for the answer to one ping before another is sent.
const PING_PATIENCE: Duration = Duration::from_secs(30);
/// How often the memory of workers is looked at, and the part of the limit that is too much.
const MEMORY_INTERVAL: Duration = Duration::from_secs(1);
const TOO_MUCH: f64 = 0.8;

/// The moment as the state counts it: that of the timers, which a test may move.
pub(crate) fn now() -> StdInstant {
    Instant::now().into_std()
}

/// Tells the state that time passes, for as long as the pool exists.
pub(crate) async fn keep_time(pool: Weak<RuntimePool>) {
    let mut looked = Instant::now();
    while let Some(pool) = pool.upgrade() {
        pool.act(|state, now| state.tick(now));
        let census = pool.census();
        pool.metrics.set(&census.by_state(), census.queued);
        if looked.elapsed() >= MEMORY_INTERVAL {
            looked = Instant::now();
            look_at_memory(&pool);
        }
        if census.queued == 0 {
            // The first call that has to wait ends the pause.
            let _nudged = tokio::time::timeout(TICK, pool.nudge.notified()).await;
        }
        drop(pool);
        tokio::time::sleep(TICK_WAITING).await;
    }
}

/// Asks a worker whether it listens. One that has ended is told to the state by who watches it.
pub(crate) async fn ping(pool: Arc<RuntimePool>, number: u64, worker: Arc<Worker>) {
    let answered = worker.ping(PING_PATIENCE).await;
    pool.act(|state, now| state.pong(number, answered, now));
}

/// Workers that use most of the memory they may use are replaced before they are ended for it.
fn look_at_memory(pool: &Arc<RuntimePool>) {
    for worker in pool.live() {
        let (Some(used), limit) = (worker.memory(), worker.class.memory) else { continue };
        if used as f64 > limit as f64 * TOO_MUCH
            && pool.act(|state, now| (state.swollen(worker.number, now), Vec::new()))
        {
            let (used, limit) = (used >> 20, limit >> 20);
            tracing::warn!(worker = %worker.name, "worker uses {used} of {limit} MiB and is replaced");
        }
    }
}
