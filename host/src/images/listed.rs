//! What an engine has under an image's name, and whether that fits this program.
//!
//! Knows nothing of how it is shown.

use std::fmt;
use std::time::Duration;

use alyx_protocol::version::SUPPORTED;

use crate::engine::Engine;
use crate::engine::error::EngineError;
use crate::images::Target;

/// What an image made here says of the sources it was made from.
pub const SHIM_LABEL: &str = "dev.alyx.shim";
/// The protocol that the shim in an image speaks.
const PROTOCOL_LABEL: &str = "dev.alyx.protocol";
/// Longest wait for what an engine knows of an image.
const PATIENCE: Duration = Duration::from_secs(30);

/// An image that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// Without the name of the hash.
    pub id: String,
    /// Bytes, with its base.
    pub size: u64,
    /// What it was made from, if it says so.
    pub shim: Option<String>,
    protocol: Option<String>,
}

/// Whether this program can use an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fit {
    /// Made from the very sources in this program.
    Same,
    /// Another version of the shim, which speaks our protocol.
    Speaks,
    /// The protocol it speaks is none of ours.
    Foreign { protocol: String },
    /// It says nothing of itself; a worker's first words will tell.
    Unknown,
}

impl fmt::Display for Fit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fit::Same => f.write_str("ready"),
            Fit::Speaks => f.write_str("ready, made by another version"),
            Fit::Foreign { protocol } => write!(f, "does not fit: it speaks protocol {protocol}"),
            Fit::Unknown => f.write_str("there, and does not say what it speaks"),
        }
    }
}

impl Image {
    /// Whether this program can use it, as the image of `target` or of another party's runtime.
    #[must_use]
    pub fn fit(&self, target: Option<Target>) -> Fit {
        let ours =
            |protocol: &str| protocol.parse().is_ok_and(|version| SUPPORTED.contains(&version));
        match (&self.protocol, &self.shim) {
            (Some(protocol), _) if !ours(protocol) => Fit::Foreign { protocol: protocol.clone() },
            (_, Some(shim)) if target.is_some_and(|target| *shim == target.digest()) => Fit::Same,
            (Some(_), _) => Fit::Speaks,
            (None, _) => Fit::Unknown,
        }
    }
}

/// Looks whether the engine has an image, without fetching it.
///
/// # Errors
/// [`EngineError`]
pub async fn look(engine: &Engine, name: &str) -> Result<Option<Image>, EngineError> {
    let question = engine.client().inspect_image(name);
    let told = match engine.ask(&format!("inspect image '{name}'"), PATIENCE, question).await {
        Ok(told) => told,
        Err(error) if error.is_missing() => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut labels = told.config.and_then(|config| config.labels).unwrap_or_default();
    let id = told.id.unwrap_or_default();
    Ok(Some(Image {
        id: id.strip_prefix("sha256:").map(str::to_owned).unwrap_or(id),
        size: u64::try_from(told.size.unwrap_or_default()).unwrap_or_default(),
        shim: labels.remove(SHIM_LABEL),
        protocol: labels.remove(PROTOCOL_LABEL),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(shim: Option<&str>, protocol: Option<&str>) -> Image {
        let owned = |text: Option<&str>| text.map(str::to_owned);
        Image { id: String::new(), size: 0, shim: owned(shim), protocol: owned(protocol) }
    }

    #[test]
    fn an_image_fits_by_what_it_says_of_itself() {
        let ours = Target::Node.digest();
        let foreign = Fit::Foreign { protocol: "99".into() };
        for (image, fit) in [
            (image(Some(&ours), Some("1")), Fit::Same),
            (image(Some("other"), Some("1")), Fit::Speaks),
            (image(None, Some("1")), Fit::Speaks),
            (image(Some(&ours), Some("99")), foreign),
            (image(None, None), Fit::Unknown),
        ] {
            assert_eq!(image.fit(Some(Target::Node)), fit, "{image:?}");
        }
        let third = image(None, Some("1"));
        assert_eq!(third.fit(None), Fit::Speaks);
    }
}
