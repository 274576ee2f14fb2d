//! Fetches an image, and reads what an engine says while it works for long.
//!
//! Knows nothing of what the image is for, nor of how progress is shown.

use std::pin::pin;
use std::time::Duration;

use bollard::errors::Error as ClientError;
use bollard::models::CreateImageInfo;
use bollard::query_parameters::CreateImageOptionsBuilder;
use futures_util::{Stream, StreamExt};

use crate::engine::Engine;
use crate::engine::error::EngineError;

/// Longest silence of an engine that builds or fetches.
const SILENCE: Duration = Duration::from_secs(300);

/// Fetches an image, whether the engine has it or not. `told` hears how far it has come.
///
/// # Errors
/// [`EngineError`]
pub async fn pull(
    engine: &Engine,
    image: &str,
    mut told: impl FnMut(&str),
) -> Result<(), EngineError> {
    let doing = format!("pull the image '{image}'");
    let options = CreateImageOptionsBuilder::new().from_image(&with_tag(image)).build();
    let news = engine.client().create_image(Some(options), None, None);
    each(engine, &doing, news, |news: CreateImageInfo| {
        let parts = news.progress_detail.and_then(|detail| Some((detail.current?, detail.total?)));
        let far = parts.map(|(now, all)| format!(" {} of {} MB", now >> 20, all >> 20));
        if let Some(status) = news.status {
            told(&(status + &far.unwrap_or_default()));
        }
        news.error_detail.and_then(|error| error.message)
    })
    .await
}

/// Reads all news of an engine, which end well, end with a fault, or say one.
pub(super) async fn each<T>(
    engine: &Engine,
    doing: &str,
    news: impl Stream<Item = Result<T, ClientError>>,
    mut fault_in: impl FnMut(T) -> Option<String>,
) -> Result<(), EngineError> {
    let mut news = pin!(news);
    while let Some(item) =
        engine.ask(doing, SILENCE, async { news.next().await.transpose() }).await?
    {
        if let Some(error) = fault_in(item) {
            return Err(engine.fault(doing, &ClientError::DockerStreamError { error }));
        }
    }
    Ok(())
}

/// Without a tag, all images of a name would be pulled.
fn with_tag(image: &str) -> String {
    let last = image.rsplit('/').next().unwrap_or_default();
    if last.contains([':', '@']) { image.to_owned() } else { format!("{image}:latest") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_image_is_pulled_and_not_all_of_its_name() {
        assert_eq!(with_tag("localhost:5000/a"), "localhost:5000/a:latest");
        assert_eq!(with_tag("a/b:1"), "a/b:1");
        assert_eq!(with_tag("a@sha256:00"), "a@sha256:00");
    }
}
