//! Has an engine build an image from the sources in this program.
//!
//! The base image is fetched first when the engine lacks it: what a builder says of a missing one
//! differs from engine to engine. Knows nothing of how progress is shown.

use std::collections::HashMap;
use std::time::Duration;

use bollard::models::BuildInfo;
use bollard::query_parameters::BuildImageOptionsBuilder;

use crate::engine::Engine;
use crate::engine::error::EngineError;
use crate::images::Target;
use crate::images::error::ImageError;
use crate::images::listed::{Image, SHIM_LABEL, look};
use crate::images::pull::{each, pull};

/// What to build.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    pub target: Target,
    /// Its name once it is built.
    pub image: String,
    pub base: String,
}

/// Told how builds go.
pub trait Progress {
    fn begins(&self, order: &Order, engine: &Engine);
    /// A step of the builder, or how far the base image has come.
    fn says(&self, order: &Order, line: &str);
    fn ends(&self, order: &Order, took: Duration, fault: Option<&ImageError>);
}

/// Builds one image.
///
/// # Errors
/// [`ImageError`]
pub async fn build(
    engine: &Engine,
    order: &Order,
    progress: &dyn Progress,
) -> Result<Image, ImageError> {
    if look(engine, &order.base).await?.is_none() {
        let fetched = pull(engine, &order.base, |news| progress.says(order, news)).await;
        fetched.map_err(|why| unavailable(order, why))?;
    }
    make(engine, order, progress).await?;
    let image = look(engine, &order.image).await?;
    image.ok_or_else(|| ImageError::Lost { image: order.image.clone() })
}

async fn make(engine: &Engine, order: &Order, progress: &dyn Progress) -> Result<(), ImageError> {
    let broken = |why: String| ImageError::Build { image: order.image.clone(), why };
    let archive = order.target.archive().map_err(|error| broken(error.to_string()))?;
    let digest = order.target.digest();
    let options = BuildImageOptionsBuilder::new()
        .dockerfile(&order.target.dockerfile())
        .t(&order.image)
        .buildargs(&HashMap::from([("BASE", order.base.as_str())]))
        .labels(&HashMap::from([(SHIM_LABEL, digest.as_str())]))
        .rm(true)
        .forcerm(true)
        .build();
    let body = bollard::body_full(archive);
    let news = engine.client().build_image(options, None, Some(body));
    each(engine, &format!("build '{}'", order.image), news, |news: BuildInfo| {
        let said = news.stream.or(news.status).unwrap_or_default();
        for line in said.lines().map(str::trim).filter(|line| !line.is_empty()) {
            progress.says(order, line);
        }
        news.error_detail.and_then(|error| error.message)
    })
    .await
    .map_err(|error| match error {
        EngineError::Refused { message, .. } => broken(message),
        other => other.into(),
    })
}

fn unavailable(order: &Order, error: EngineError) -> ImageError {
    match error {
        EngineError::Refused { message, .. } => {
            ImageError::Base { target: order.target, base: order.base.clone(), why: message }
        }
        other => other.into(),
    }
}
