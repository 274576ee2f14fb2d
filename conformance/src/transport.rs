//! The three ways a shim and a host are connected, as one pair of byte streams.
//!
//! Knows nothing of frames.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};

/// How a shim reaches its host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Transport {
    Unix,
    Tcp,
    Stdio,
}

impl Transport {
    pub const ALL: &[Transport] = &[Transport::Unix, Transport::Tcp, Transport::Stdio];

    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Transport::Unix => "unix",
            Transport::Tcp => "tcp",
            Transport::Stdio => "stdio",
        }
    }
}

/// Bytes from the shim.
pub type FromShim = Box<dyn AsyncRead + Send + Unpin>;
/// Bytes to the shim. Shutting it down ends the host's direction alone.
pub type ToShim = Box<dyn AsyncWrite + Send + Unpin>;

/// Where one shim will dial.
#[derive(Debug)]
pub enum Door {
    Unix { listener: UnixListener, path: PathBuf, _folder: tempfile::TempDir },
    Tcp(TcpListener),
    Stdio,
}

impl Door {
    /// Opens a fresh address.
    ///
    /// # Errors
    /// The operating system's.
    pub async fn open(transport: Transport) -> std::io::Result<Self> {
        match transport {
            Transport::Unix => {
                let folder = tempfile::Builder::new().prefix("alyx-conf-").tempdir()?;
                let path = folder.path().join("host.sock");
                Ok(Door::Unix { listener: UnixListener::bind(&path)?, path, _folder: folder })
            }
            Transport::Tcp => Ok(Door::Tcp(TcpListener::bind("127.0.0.1:0").await?)),
            Transport::Stdio => Ok(Door::Stdio),
        }
    }

    /// The value of `ALYX_ADDR`.
    ///
    /// # Errors
    /// The operating system's.
    pub fn address(&self) -> std::io::Result<String> {
        match self {
            Door::Unix { path, .. } => Ok(format!("unix:{}", path.display())),
            Door::Tcp(listener) => Ok(format!("tcp:{}", listener.local_addr()?)),
            Door::Stdio => Ok("stdio".into()),
        }
    }

    /// The shim's connection; none for stdio, whose streams come with the process.
    ///
    /// # Errors
    /// The operating system's.
    pub async fn accept(&self) -> std::io::Result<Option<(FromShim, ToShim)>> {
        match self {
            Door::Unix { listener, .. } => {
                let (read, write) = listener.accept().await?.0.into_split();
                Ok(Some((Box::new(read), Box::new(write))))
            }
            Door::Tcp(listener) => {
                let (stream, _) = listener.accept().await?;
                stream.set_nodelay(true)?;
                let (read, write) = stream.into_split();
                Ok(Some((Box::new(read), Box::new(write))))
            }
            Door::Stdio => Ok(None),
        }
    }
}
