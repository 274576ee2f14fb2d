//! Waits for the end of a container.
//!
//! Knows how to ask each engine so that asking costs nothing.

use std::time::Duration;

use bollard::errors::Error as ClientError;
use futures_util::StreamExt;
use http::Method;
use tokio::time::sleep;

use crate::engine::error::EngineError;
use crate::engine::{Engine, Kind};

/// Between attempts at an engine that is away.
const AWAY: Duration = Duration::from_millis(500);
/// What an engine says of a container whose process was ended by SIGKILL.
pub(crate) const KILLED: i64 = 128 + 9;

/// How soon the end is noticed where the engine has to look for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Notice {
    /// It may come at any time, or never.
    Whenever,
    /// It is coming.
    Soon,
}

impl Notice {
    fn every(self) -> &'static str {
        match self {
            Notice::Whenever => "250ms",
            Notice::Soon => "10ms",
        }
    }
}

/// The exit code of a container, however often the engine goes away meanwhile.
pub(crate) async fn exit_code(engine: &Engine, id: &str, notice: Notice) -> i64 {
    loop {
        let code = match engine.kind() {
            Kind::Docker => told(engine, id).await,
            Kind::Podman => looked_for(engine, id, notice).await,
        };
        match code {
            // Podman's word for one that was removed while it was waited for.
            Ok(..0) => return KILLED,
            Ok(code) => return code,
            Err(error) if error.is_missing() => return KILLED,
            // The engine was stopped, and the container with it or not.
            Err(_) => sleep(AWAY).await,
        }
    }
}

async fn told(engine: &Engine, id: &str) -> Result<i64, EngineError> {
    match std::pin::pin!(engine.client().wait_container(id, None)).next().await {
        // Of a container that somebody has removed an engine may say just that, and 0.
        Some(Ok(ended)) if ended.status_code == 0 && ended.error.is_some() => Ok(KILLED),
        Some(Ok(ended)) => Ok(ended.status_code),
        Some(Err(ClientError::DockerContainerWaitError { code, .. })) => Ok(code),
        Some(Err(error)) => Err(engine.fault("wait for a container", &error)),
        None => Err(engine.broke_off("wait for a container")),
    }
}

/// Asked in Docker's way, Podman looks for the end without a pause: half a processor for each
/// container. In its own way it can be told how often.
async fn looked_for(engine: &Engine, id: &str, notice: Notice) -> Result<i64, EngineError> {
    let every = notice.every();
    let path = format!("/v4.0.0/libpod/containers/{id}/wait?condition=stopped&interval={every}");
    engine.told("wait for a container", Duration::MAX, (Method::POST, &path)).await
}
