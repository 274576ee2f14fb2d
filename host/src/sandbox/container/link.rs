//! The way to the engine: looked for when it is first needed, and again while it is not there.
//!
//! Once found it may be stopped and started: each question makes a connection of its own.

use tokio::sync::Mutex;

use crate::engine::error::EngineError;
use crate::engine::places::Places;
use crate::engine::{Engine, Kind};
use crate::sandbox::container::hosts::Identity;
use crate::sandbox::container::leftovers;

#[derive(Debug)]
pub(crate) struct Link {
    wanted: Option<Kind>,
    places: Places,
    identity: Identity,
    found: Mutex<Option<Engine>>,
}

impl Link {
    pub(crate) fn new(wanted: Option<Kind>, places: Places, identity: Identity) -> Self {
        Link { wanted, places, identity, found: Mutex::default() }
    }

    /// The engine; what dead hosts of this project left on it has then been removed.
    pub(crate) async fn engine(&self) -> Result<Engine, EngineError> {
        let mut found = self.found.lock().await;
        if let Some(engine) = &*found {
            return Ok(engine.clone());
        }
        let engine = Engine::find(self.wanted, &self.places).await?;
        leftovers::remove_of_dead(&engine, &self.identity).await;
        *found = Some(engine.clone());
        Ok(engine)
    }

    /// The engine, if it was ever needed.
    pub(crate) async fn known(&self) -> Option<Engine> {
        self.found.lock().await.clone()
    }
}
