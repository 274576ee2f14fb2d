//! Whether an engine holds workers to their limits.
//!
//! One that is an ordinary user's cannot where cgroups are of version 1: it leaves the limits out,
//! without a word to whoever asked for them, and counts the memory of the whole machine. Knows
//! nothing of what the limits are.

use std::time::Duration;

use tokio::sync::OnceCell;

use crate::engine::Engine;

/// Longest wait for the look at a container.
const LOOK: Duration = Duration::from_secs(5);

/// What is known of one engine.
#[derive(Debug, Default)]
pub(crate) struct Limits(OnceCell<bool>);

impl Limits {
    /// True when a container that was made with limits has them. The first one is looked at, and if
    /// it has none, that is said once; an engine that does not answer is taken to be as most are.
    pub(crate) async fn are_held(&self, engine: &Engine, id: &str) -> bool {
        self.0.get_or_try_init(|| look(engine, id)).await.copied().unwrap_or(true)
    }
}

async fn look(engine: &Engine, id: &str) -> Result<bool, ()> {
    let looked = engine.client().inspect_container(id, None);
    let looked = engine.ask("look at a container", LOOK, looked).await.map_err(drop)?;
    let memory = looked.host_config.ok_or(())?.memory;
    let held = memory.is_some_and(|bytes| bytes > 0);
    if !held {
        tracing::warn!(
            "{engine} does not limit memory, processors and tasks of workers (without root it needs version 2 of cgroups); boot with systemd.unified_cgroup_hierarchy=1, run the engine as root, or set functions.backend to 'process'"
        );
    }
    Ok(held)
}
