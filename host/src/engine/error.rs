//! Why the container engine did not do what it was asked, and what would mend it.
//!
//! Knows nothing of what it was asked for.

use std::error::Error;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use bollard::errors::Error as ClientError;

use crate::engine::{Engine, Kind};

/// What went wrong with the engine.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EngineError {
    #[error(
        "{variable} is '{value}', which is no socket of this machine; workers share files with the host: set it to 'unix:///path/to/the/socket'"
    )]
    Address { variable: &'static str, value: String },
    #[error("no {wanted} answers ({tried}); {mend}")]
    None { wanted: &'static str, tried: String, mend: &'static str },
    #[error("there is no socket '{}'", socket.display())]
    Absent { socket: PathBuf },
    #[error(
        "the socket '{}' may not be used by this user; add the user to the group that owns it, or use an engine of the user's own",
        socket.display()
    )]
    Denied { socket: PathBuf },
    #[error("'{}' does not answer as a container engine: {why}", socket.display())]
    NoEngine { socket: PathBuf, why: String },
    #[error(
        "{kind} {version} at '{}' is too old; install {kind} {}.{} or newer",
        socket.display(), kind.least().0, kind.least().1
    )]
    TooOld { kind: Kind, version: String, socket: PathBuf },
    #[error("{kind} does not answer at '{}' ({why}); start it again: {}", socket.display(), kind.start())]
    Gone { kind: Kind, socket: PathBuf, why: String },
    #[error("{kind} did not {doing} within {patience:?}; its log may say why")]
    Slow { kind: Kind, doing: String, patience: Duration },
    #[error("{kind} refused to {doing}: {message}")]
    Refused { kind: Kind, doing: String, status: u16, message: String },
    #[error("{kind} broke off when it was to {doing}: {why}")]
    Broken { kind: Kind, doing: String, why: String },
}

impl EngineError {
    pub(crate) fn none(wanted: Option<Kind>, tried: &[String]) -> Self {
        let (wanted, mend) = match wanted {
            Some(Kind::Docker) => {
                ("Docker", "install and start it (systemctl start docker), or set DOCKER_HOST")
            }
            Some(Kind::Podman) => (
                "Podman",
                "install it and start its service (systemctl start podman.socket), or set CONTAINER_HOST",
            ),
            None => ("container engine", "install and start Docker or Podman, or set DOCKER_HOST"),
        };
        EngineError::None { wanted, tried: tried.join(", "), mend }
    }

    pub(crate) fn of(engine: &Engine, doing: &str, error: &ClientError) -> Self {
        let (kind, doing) = (engine.kind(), doing.to_owned());
        let socket = engine.socket().to_owned();
        match error {
            ClientError::DockerResponseServerError { status_code, message } => {
                let message = message.trim().to_owned();
                EngineError::Refused { kind, doing, status: *status_code, message }
            }
            ClientError::DockerStreamError { error } => {
                EngineError::Refused { kind, doing, status: 500, message: error.trim().to_owned() }
            }
            error if is_denied(error) => EngineError::Denied { socket },
            ClientError::HyperLegacyError { err } if err.is_connect() => {
                EngineError::Gone { kind, socket, why: cause(error) }
            }
            error => EngineError::Broken { kind, doing, why: cause(error) },
        }
    }

    /// What those are told who may not know of this machine.
    #[must_use]
    pub fn public(&self) -> &'static str {
        match self {
            EngineError::Denied { .. }
            | EngineError::TooOld { .. }
            | EngineError::Address { .. } => {
                "the container engine cannot be used; 'alyx doctor' says why"
            }
            EngineError::Refused { .. } => {
                "the container engine does not make workers; the host's log says why"
            }
            _ => "no container engine answers; start Docker or Podman",
        }
    }

    /// True when what was asked about is not there.
    #[must_use]
    pub fn is_missing(&self) -> bool {
        matches!(self, EngineError::Refused { status: 404, .. })
    }

    /// True when a name is taken; the engines disagree on how to say it.
    #[must_use]
    pub fn is_taken(&self) -> bool {
        match self {
            EngineError::Refused { status: 409, .. } => true,
            EngineError::Refused { message, .. } => message.contains("in use"),
            _ => false,
        }
    }

    /// True when the engine itself is away, and not just unwilling.
    #[must_use]
    pub fn is_away(&self) -> bool {
        matches!(
            self,
            EngineError::Gone { .. } | EngineError::Broken { .. } | EngineError::Slow { .. }
        )
    }
}

/// True when the socket is not for this user.
pub(crate) fn is_denied(error: &ClientError) -> bool {
    chain(error).any(|e| {
        let io = e.downcast_ref::<io::Error>();
        io.is_some_and(|io| io.kind() == io::ErrorKind::PermissionDenied)
    })
}

/// The innermost reason, which is the one that says something.
pub(crate) fn cause(error: &ClientError) -> String {
    chain(error).last().map(ToString::to_string).unwrap_or_default()
}

fn chain(error: &ClientError) -> impl Iterator<Item = &(dyn Error + 'static)> {
    std::iter::successors(Some(error as &(dyn Error + 'static)), |&error| error.source())
}
