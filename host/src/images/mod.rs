//! The images that workers run in: whether an engine has them and they fit this program, how it
//! fetches them, and how it builds those of the three runtimes.
//!
//! Knows images; knows nothing of workers that run in them, nor of how progress is shown.

pub mod build;
pub mod error;
pub mod listed;
pub mod pull;
pub mod source;
mod tar;

use std::fmt;

use crate::config::model::RuntimeConfig;

/// An image that is made from the sources in this program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Target {
    Node,
    Python,
    /// What Go functions run in.
    Go,
    /// What Go functions are built in.
    GoBuild,
}

impl Target {
    pub const ALL: [Target; 4] = [Target::Node, Target::Python, Target::Go, Target::GoBuild];

    /// The target of that name; the names of runtimes are names of targets.
    #[must_use]
    pub fn of(name: &str) -> Option<Target> {
        Self::ALL.into_iter().find(|target| target.name() == name)
    }

    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Target::Node => "node",
            Target::Python => "python",
            Target::Go => "go",
            Target::GoBuild => "go-build",
        }
    }

    /// The runtime that needs it.
    #[must_use]
    pub fn runtime(self) -> &'static str {
        match self {
            Target::GoBuild => Target::Go.name(),
            other => other.name(),
        }
    }

    /// The name of this image where the runtime is configured so; none when it has no image.
    #[must_use]
    pub fn image(self, runtime: &RuntimeConfig) -> Option<String> {
        let image = runtime.image.as_deref()?;
        Some(match self {
            Target::GoBuild => beside(image, "-build"),
            _ => image.to_owned(),
        })
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// `host:5000/name:tag` becomes `host:5000/name-build:tag`.
fn beside(image: &str, suffix: &str) -> String {
    let image = image.split_once('@').map_or(image, |(name, _digest)| name);
    let name = image.rfind('/').map_or(0, |slash| slash + 1);
    match image[name..].find(':') {
        Some(colon) => {
            let (path, tag) = image.split_at(name + colon);
            format!("{path}{suffix}{tag}")
        }
        None => format!("{image}{suffix}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_image_for_builds_stands_beside_the_other() {
        for (image, wanted) in [
            ("ghcr.io/a/go:latest", "ghcr.io/a/go-build:latest"),
            ("localhost:5000/go", "localhost:5000/go-build"),
            ("localhost:5000/go:1", "localhost:5000/go-build:1"),
            ("go@sha256:00", "go-build"),
        ] {
            assert_eq!(beside(image, "-build"), wanted);
        }
    }

    #[test]
    fn every_target_has_a_name_of_its_own() {
        for target in Target::ALL {
            assert_eq!(Target::of(target.name()), Some(target));
        }
        assert_eq!(Target::of("ruby"), None);
    }
}
