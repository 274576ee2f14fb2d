//! The image of a runtime's workers: whether it is there, and how it is brought here.

use std::time::{Duration, Instant};

use bollard::query_parameters::CreateImageOptionsBuilder;
use futures_util::StreamExt;
use parking_lot::Mutex;

use crate::engine::Engine;
use crate::engine::error::EngineError;
use crate::sandbox::LaunchError;

/// Longest wait for a look.
const LOOK: Duration = Duration::from_secs(20);
/// Longest pull, and the longest time without a word of it.
const PULL: Duration = Duration::from_secs(900);
const SILENCE: Duration = Duration::from_secs(60);
/// An image that could not be brought is asked for again after so long.
const AGAIN: Duration = Duration::from_secs(60);

/// One image, by its name.
#[derive(Debug)]
pub struct Image {
    name: String,
    refused: Mutex<Option<(Instant, String)>>,
}

impl Image {
    #[must_use]
    pub fn new(name: &str) -> Self {
        Image { name: name.to_owned(), refused: Mutex::default() }
    }

    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// # Errors
    /// [`EngineError`] when the engine does not say.
    pub async fn is_there(&self, engine: &Engine) -> Result<bool, EngineError> {
        let looked = engine.client().inspect_image(&self.name);
        match engine.ask(&format!("look for the image '{}'", self.name), LOOK, looked).await {
            Ok(_) => Ok(true),
            Err(error) if error.is_missing() => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Pulls the image unless it is there.
    ///
    /// # Errors
    /// [`LaunchError`] with the image's name, when it is not there afterwards.
    pub async fn provide(&self, engine: &Engine) -> Result<(), LaunchError> {
        if self.is_there(engine).await? {
            return Ok(());
        }
        tracing::info!("pulling the image '{}'", self.name);
        match tokio::time::timeout(PULL, self.pull(engine)).await {
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
        let public = format!(
            "there is no image '{}'; run 'alyx runtimes build', or have {} pull it",
            self.name,
            engine.kind()
        );
        let refused = self.refused.lock();
        let why = refused.as_ref().map(|(_, why)| format!("; it cannot be pulled: {why}"));
        LaunchError::Missing { why: public.clone() + &why.unwrap_or_default(), public }
    }

    async fn pull(&self, engine: &Engine) -> Result<(), EngineError> {
        let doing = format!("pull the image '{}'", self.name);
        let options = CreateImageOptionsBuilder::new().from_image(&self.with_tag()).build();
        let mut steps = engine.client().create_image(Some(options), None, None);
        while let Some(step) =
            engine.ask(&doing, SILENCE, async { steps.next().await.transpose() }).await?
        {
            if let Some(problem) = step.error_detail.and_then(|detail| detail.message) {
                let problem = bollard::errors::Error::DockerStreamError { error: problem };
                return Err(engine.fault(&doing, &problem));
            }
        }
        Ok(())
    }

    /// Without a tag, all of a name's images would be pulled.
    fn with_tag(&self) -> String {
        let last = self.name.rsplit('/').next().unwrap_or_default();
        if last.contains([':', '@']) { self.name.clone() } else { format!("{}:latest", self.name) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_image_is_pulled_and_not_all_of_its_name() {
        let tagged = |name: &str| Image::new(name).with_tag();
        assert_eq!(tagged("localhost:5000/a"), "localhost:5000/a:latest");
        assert_eq!(tagged("a/b:1"), "a/b:1");
        assert_eq!(tagged("a@sha256:00"), "a@sha256:00");
    }
}
