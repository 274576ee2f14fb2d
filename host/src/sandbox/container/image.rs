//! The image of a runtime's workers: brought here when it is wanted and not there, and not too
//! often.

use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::engine::Engine;
use crate::images::listed::look;
use crate::images::pull::pull;
use crate::sandbox::LaunchError;

/// Longest pull.
const PULL: Duration = Duration::from_secs(900);
/// An image that could not be brought is asked for again after so long.
const AGAIN: Duration = Duration::from_secs(60);

/// One image, by its name.
#[derive(Debug)]
pub struct Image {
    name: String,
    /// What `alyx runtimes build` calls it; nothing for all.
    target: String,
    refused: Mutex<Option<(Instant, String)>>,
}

impl Image {
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self::built_as(name, "")
    }

    /// One that is made by itself.
    #[must_use]
    pub fn built_as(name: &str, target: &str) -> Self {
        Image { name: name.to_owned(), target: target.to_owned(), refused: Mutex::default() }
    }

    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Pulls the image unless it is there.
    ///
    /// # Errors
    /// [`LaunchError`] with the image's name, when it is not there afterwards.
    pub async fn provide(&self, engine: &Engine) -> Result<(), LaunchError> {
        if look(engine, &self.name).await?.is_some() {
            return Ok(());
        }
        tracing::info!("pulling the image '{}'", self.name);
        match tokio::time::timeout(PULL, pull(engine, &self.name, |_| {})).await {
            Ok(Ok(())) => {
                tracing::info!("the image '{}' is here", self.name);
                *self.refused.lock() = None;
                return Ok(());
            }
            Ok(Err(why)) => *self.refused.lock() = Some((Instant::now(), why.to_string())),
            Err(_) => {
                let why = format!("not within {PULL:?}");
                *self.refused.lock() = Some((Instant::now(), why));
            }
        }
        Err(self.missing(engine))
    }

    /// True when nobody has tried to bring it for a while.
    pub(crate) fn may_be_asked_for(&self) -> bool {
        self.refused.lock().as_ref().is_none_or(|(at, _)| at.elapsed() > AGAIN)
    }

    /// What is said of an image that is not there.
    pub(crate) fn missing(&self, engine: &Engine) -> LaunchError {
        let build = ["alyx runtimes build", &self.target].join(" ");
        let public = format!(
            "there is no image '{}'; run '{}', or have {} pull it",
            self.name,
            build.trim_end(),
            engine.kind()
        );
        let refused = self.refused.lock();
        let why = refused.as_ref().map(|(_, why)| format!("; it cannot be pulled: {why}"));
        LaunchError::Missing { why: public.clone() + &why.unwrap_or_default(), public }
    }
}
