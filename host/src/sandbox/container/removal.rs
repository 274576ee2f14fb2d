//! Takes a container away, running or not.

use std::time::Duration;

use bollard::query_parameters::RemoveContainerOptionsBuilder;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::engine::Engine;
use crate::engine::error::EngineError;

/// Longest wait for one answer.
const PATIENCE: Duration = Duration::from_secs(20);
/// Podman stumbles over a container that is just ending, and soon no more.
const STUMBLES: usize = 50;
const AGAIN: Duration = Duration::from_millis(20);
/// Between attempts at an engine that is away.
const AWAY: Duration = Duration::from_secs(1);

/// # Errors
/// [`EngineError`] when it is still there.
pub(crate) async fn remove(engine: &Engine, id: &str) -> Result<(), EngineError> {
    let mut stumbles = 0;
    loop {
        let options = RemoveContainerOptionsBuilder::new().force(true).v(true).build();
        let removed = engine.client().remove_container(id, Some(options));
        match engine.ask("remove a container", PATIENCE, removed).await {
            Ok(()) => return Ok(()),
            Err(error) if error.is_missing() => return Ok(()),
            Err(error) if error.is_away() || stumbles == STUMBLES => return Err(error),
            Err(_) => stumbles += 1,
        }
        sleep(AGAIN).await;
    }
}

/// The same, however long the engine is away, until the host stops.
pub(crate) async fn remove_in_time(engine: &Engine, id: &str, closed: &CancellationToken) {
    while let Err(error) = remove(engine, id).await {
        tracing::debug!("a container is not removed yet: {error}");
        tokio::select! {
            () = sleep(AWAY) => {}
            () = closed.cancelled() => return,
        }
    }
}
