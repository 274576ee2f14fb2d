//! Why an image was not built, and what to do about it.

use crate::engine::error::EngineError;
use crate::images::Target;

/// What went wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ImageError {
    #[error(transparent)]
    Engine(#[from] EngineError),
    #[error(
        "the base image '{base}' of '{target}' is not there and cannot be pulled: {why}; name one that the engine has: alyx runtimes build {target} --base IMAGE"
    )]
    Base { target: Target, base: String, why: String },
    #[error("image '{image}' does not build: {why}")]
    Build { image: String, why: String },
    #[error("image '{image}' was built, and is not there")]
    Lost { image: String },
}
