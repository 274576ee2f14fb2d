//! Removes containers that nobody looks after any more.

use std::time::{Duration, SystemTime};

use crate::engine::Engine;
use crate::engine::error::EngineError;
use crate::engine::list::Listed;
use crate::sandbox::container::hosts::{INSTANCE, Identity, Owner};
use crate::sandbox::container::removal::remove;

/// Longest wait for a list.
const LIST: Duration = Duration::from_secs(20);
/// After so long nobody asks how a container ended.
const FORGOTTEN: Duration = Duration::from_secs(120);

/// Removes what hosts of this project have left that are dead, and nothing else.
pub(crate) async fn remove_of_dead(engine: &Engine, host: &Identity) {
    let is_left = |container: &Listed| match host.owner(&container.labels()) {
        Owner::Dead => true,
        Owner::Unknown => is_forgotten(container),
        Owner::Ours | Owner::Somebody => false,
    };
    match remove_all(engine, INSTANCE, is_left).await {
        Ok(0) => {}
        Ok(count) => tracing::info!("removed {count} containers of a host that had ended"),
        Err(error) => tracing::warn!("containers of ended hosts may be left: {error}"),
    }
}

/// Removes all containers of this host.
pub(crate) async fn remove_own(engine: &Engine, host: &Identity) {
    let label = format!("{INSTANCE}={}", host.instance);
    if let Err(error) = remove_all(engine, &label, |_| true).await {
        tracing::warn!("containers may be left: {error}");
    }
}

async fn remove_all(
    engine: &Engine,
    label: &str,
    is_left: impl Fn(&Listed) -> bool,
) -> Result<usize, EngineError> {
    let listed = engine.containers(label, LIST).await?;
    let left = listed.into_iter().filter(is_left).map(|container| container.id);
    let removals = left.map(|id| async move { remove(engine, &id).await });
    let outcomes = futures_util::future::join_all(removals).await;
    let removed = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
    outcomes.into_iter().find_map(Result::err).map_or(Ok(removed), Err)
}

/// Made long ago, and not running: whoever it belonged to has left it.
fn is_forgotten(container: &Listed) -> bool {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let age = now.saturating_sub(Duration::from_secs(container.created));
    container.state != "running" && age > FORGOTTEN
}
