//! The container engine of this machine: finds it, tells which one and which version it is, and
//! bounds every question to it.
//!
//! Docker and Podman speak the same interface; what differs is said by [`Kind`]. Knows nothing of
//! workers, images and functions.

pub mod error;
pub mod list;
pub mod places;
mod plain;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bollard::{API_DEFAULT_VERSION, Docker};
use tokio::time::timeout;

use crate::engine::error::EngineError;
use crate::engine::places::Places;

/// Longest wait for the first word of an engine; one that starts with the first question is slow.
const HELLO: Duration = Duration::from_secs(10);
/// The client's own bound, which cannot tell a long wait from a hanging engine: ours can.
const UNBOUNDED: u64 = 10 * 365 * 24 * 3600;

/// Which engine it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Docker,
    Podman,
}

impl Kind {
    /// The oldest version that is known to work.
    fn least(self) -> (u32, u32) {
        match self {
            Kind::Docker => (20, 10),
            Kind::Podman => (4, 3),
        }
    }

    /// How it is started where systemd is.
    pub(crate) fn start(self) -> &'static str {
        match self {
            Kind::Docker => "systemctl start docker",
            Kind::Podman => "systemctl start podman.socket",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Kind::Docker => "Docker",
            Kind::Podman => "Podman",
        })
    }
}

/// An engine that has answered. Clones share it; it may be stopped and started meanwhile.
#[derive(Debug, Clone)]
pub struct Engine(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    kind: Kind,
    version: String,
    socket: PathBuf,
    owner: u32,
    client: Docker,
}

impl Engine {
    /// The first engine of the wanted kind, or of any, that answers at one of the places.
    ///
    /// # Errors
    /// [`EngineError`], with all that was tried and what to do.
    pub async fn find(wanted: Option<Kind>, places: &Places) -> Result<Self, EngineError> {
        let mut tried = Vec::new();
        for socket in places.of(wanted)? {
            match Self::at(&socket).await {
                Ok(engine) if wanted.is_none_or(|wanted| wanted == engine.kind()) => {
                    return Ok(engine);
                }
                Ok(engine) => tried.push(format!("'{}' is {}", socket.display(), engine.kind())),
                Err(EngineError::Absent { .. }) => {
                    tried.push(format!("no '{}'", socket.display()));
                }
                // Somebody is there: that is to be mended, not passed over.
                Err(error @ (EngineError::Denied { .. } | EngineError::TooOld { .. })) => {
                    return Err(error);
                }
                Err(error) => tried.push(error.to_string()),
            }
        }
        Err(EngineError::none(wanted, &tried))
    }

    /// The engine behind one socket.
    ///
    /// # Errors
    /// [`EngineError`]
    pub async fn at(socket: &Path) -> Result<Self, EngineError> {
        if !socket.exists() {
            return Err(EngineError::Absent { socket: socket.to_owned() });
        }
        let broken = |why: String| EngineError::NoEngine { socket: socket.to_owned(), why };
        let path = socket.to_string_lossy();
        let client = Docker::connect_with_unix(&path, UNBOUNDED, API_DEFAULT_VERSION)
            .map_err(|e| broken(e.to_string()))?;
        let (kind, version) = match timeout(HELLO, hello(socket, &client)).await {
            Ok(Ok(told)) => told,
            Ok(Err(e)) if error::is_denied(&e) => {
                return Err(EngineError::Denied { socket: socket.to_owned() });
            }
            Ok(Err(e)) => return Err(broken(error::cause(&e))),
            Err(_) => return Err(broken(format!("no answer within {HELLO:?}"))),
        };
        if number(&version) < kind.least() {
            return Err(EngineError::TooOld { kind, version, socket: socket.to_owned() });
        }
        let owner = owner(socket).map_err(|e| broken(e.to_string()))?;
        Ok(Engine(Arc::new(Shared { kind, version, socket: socket.to_owned(), owner, client })))
    }

    #[must_use]
    pub fn kind(&self) -> Kind {
        self.0.kind
    }

    /// The version that it told.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.0.version
    }

    #[must_use]
    pub fn socket(&self) -> &Path {
        &self.0.socket
    }

    /// True when it is an ordinary user's: root in its containers is that user outside.
    #[must_use]
    pub fn is_rootless(&self) -> bool {
        self.0.owner != 0
    }

    /// The client, for questions whose answers come bit by bit. Nothing bounds them: the caller
    /// has to, or ask through [`Engine::ask`].
    #[must_use]
    pub fn client(&self) -> &Docker {
        &self.0.client
    }

    /// Waits for an answer within `patience`. `doing` completes the sentence "Docker refused to …".
    ///
    /// # Errors
    /// [`EngineError`]
    pub async fn ask<T>(
        &self,
        doing: &str,
        patience: Duration,
        question: impl Future<Output = Result<T, bollard::errors::Error>>,
    ) -> Result<T, EngineError> {
        match timeout(patience, question).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => Err(self.fault(doing, &error)),
            Err(_) => Err(EngineError::Slow { kind: self.kind(), doing: doing.into(), patience }),
        }
    }

    pub(crate) fn broke_off(&self, doing: &str) -> EngineError {
        let why = "no answer".into();
        EngineError::Broken { kind: self.kind(), doing: doing.into(), why }
    }

    /// What a fault of the client means.
    #[must_use]
    pub fn fault(&self, doing: &str, error: &bollard::errors::Error) -> EngineError {
        EngineError::of(self, doing, error)
    }
}

/// The user who listens there, which engines themselves do not all tell.
fn owner(socket: &Path) -> std::io::Result<u32> {
    let peer = std::os::unix::net::UnixStream::connect(socket)?;
    Ok(rustix::net::sockopt::socket_peercred(peer)?.uid.as_raw())
}

/// Who answers, and its version.
async fn hello(socket: &Path, client: &Docker) -> Result<(Kind, String), bollard::errors::Error> {
    if let Some(version) = plain::podman(socket).await {
        return Ok((Kind::Podman, version));
    }
    let told = client.version().await?;
    let components = told.components.unwrap_or_default();
    let podman = components.into_iter().find(|part| part.name.starts_with("Podman"));
    let kind = if podman.is_some() { Kind::Podman } else { Kind::Docker };
    let version = podman.map(|part| part.version).or(told.version).unwrap_or_default();
    Ok((kind, version))
}

impl fmt::Display for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.0.kind, self.0.version)
    }
}

/// `20.10.24+dfsg1` is (20, 10).
fn number(version: &str) -> (u32, u32) {
    let mut parts = version.split(|c: char| !c.is_ascii_digit()).map(|n| n.parse().unwrap_or(0));
    (parts.next().unwrap_or(0), parts.next().unwrap_or(0))
}

#[cfg(test)]
mod tests;
