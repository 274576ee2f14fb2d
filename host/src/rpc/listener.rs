//! Where one worker dials in: a socket in a directory of its own, and the handshake.
//!
//! The directory can be mounted into a container by itself; it holds nothing else and is removed
//! as soon as the worker has said hello, so that nobody can dial in a second time. Knows nothing
//! of what the worker is for.

use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use alyx_protocol::limits::FRAME_BEFORE_HELLO;
use alyx_protocol::worker::{Capabilities, HelloParams, HelloResult, HostInfo, method};
use alyx_protocol::{
    CodecError, Decoded, ErrorCode, FrameCodec, Limits, Message, RpcError, message, version,
};
use futures_util::{SinkExt, StreamExt};
use subtle::ConstantTimeEq;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{UnixListener, UnixStream};
use tokio_util::codec::Framed;

use crate::rpc::peer::Agreed;

/// Longest path that a unix socket address holds on Linux, without the final zero.
const SOCKET_PATH: usize = 107;

/// Why no worker came to be connected.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    #[error("cannot make the socket '{path}': {source}")]
    Bind { path: PathBuf, source: io::Error },
    #[error(
        "the socket path '{0}' is longer than {SOCKET_PATH} bytes; set TMPDIR to a shorter folder"
    )]
    PathTooLong(PathBuf),
    #[error("the worker closed the connection before it said hello")]
    NoHello,
    #[error("the worker's hello was refused: {0}")]
    Refused(Box<RpcError>),
    #[error("the worker broke the protocol before it said hello: {0}")]
    Codec(#[from] CodecError),
    #[error("accepting the worker's connection failed: {0}")]
    Accept(io::Error),
}

/// A bound socket for one worker. Dropping it removes the socket and its directory.
#[derive(Debug)]
pub struct WorkerSocket {
    listener: UnixListener,
    directory: PathBuf,
    token: String,
}

/// A worker that has said hello.
#[derive(Debug)]
pub struct Greeted {
    pub stream: UnixStream,
    pub hello: HelloParams,
    pub agreed: Agreed,
}

impl WorkerSocket {
    /// Binds `<directory>/s`; the directory must not exist yet.
    ///
    /// # Errors
    /// [`ListenError::Bind`] and [`ListenError::PathTooLong`].
    pub fn bind(directory: PathBuf, token: String) -> Result<Self, ListenError> {
        let path = directory.join("s");
        if path.as_os_str().len() > SOCKET_PATH {
            return Err(ListenError::PathTooLong(path));
        }
        let made = std::fs::DirBuilder::new().mode(0o700).create(&directory);
        let listener = made.and_then(|()| UnixListener::bind(&path));
        let listener = listener.map_err(|source| ListenError::Bind { path, source })?;
        Ok(WorkerSocket { listener, directory, token })
    }

    /// The folder that the worker has to reach; there is nothing else in it.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// What a worker is told as `ALYX_ADDR` that finds the folder there.
    #[must_use]
    pub fn address(&self, seen_as: &Path) -> String {
        format!("unix:{}", seen_as.join("s").display())
    }

    /// What the worker is told as `ALYX_TOKEN`; good for one hello.
    #[must_use]
    pub fn token(&self) -> &str {
        &self.token
    }

    /// Waits for the worker and answers its hello with what the host offers. The caller bounds the
    /// wait.
    ///
    /// # Errors
    /// [`ListenError`], once a connection was refused or broke.
    pub async fn accept(
        self,
        limits: &Limits,
        capabilities: Capabilities,
        session: &str,
    ) -> Result<Greeted, ListenError> {
        let (stream, _) = self.listener.accept().await.map_err(ListenError::Accept)?;
        let mut framed = Framed::new(stream, FrameCodec::new(FRAME_BEFORE_HELLO));
        let Hello { id, params: hello, version } = read_hello(&mut framed, &self.token).await?;
        let answer = welcome(version, limits, capabilities, session);
        framed.send(message::result(id, answer)?).await?;
        let parts = framed.into_parts();
        let send_max = hello.limits.max_frame.min(limits.max_frame);
        let agreed =
            Agreed { send_max, receive_max: limits.max_frame, already_read: parts.read_buf };
        Ok(Greeted { stream: parts.io, hello, agreed })
    }
}

impl Drop for WorkerSocket {
    fn drop(&mut self) {
        let _already_gone = std::fs::remove_dir_all(&self.directory);
    }
}

async fn read_hello<T>(
    framed: &mut Framed<T, FrameCodec>,
    token: &str,
) -> Result<Hello, ListenError>
where
    T: AsyncRead + AsyncWrite + Unpin,
{
    let frame = match framed.next().await.ok_or(ListenError::NoHello)?? {
        Decoded::Frame(frame) => frame,
        Decoded::Oversize { length } => {
            let fault = format!("hello of {length} bytes is over {FRAME_BEFORE_HELLO}");
            let error = RpcError::new(ErrorCode::FrameTooLarge, fault);
            return refuse(framed, (None, error)).await;
        }
    };
    match checked_hello(&frame, token) {
        Ok(greeting) => Ok(greeting),
        Err(refusal) => refuse(framed, *refusal).await,
    }
}

/// A hello that is as it should be.
struct Hello {
    id: u64,
    params: HelloParams,
    version: u32,
}

/// The id to answer and what is wrong.
type Refusal = (Option<u64>, RpcError);

fn checked_hello(frame: &[u8], token: &str) -> Result<Hello, Box<Refusal>> {
    let parsed =
        Message::parse(frame).map_err(|e| Box::new((e.id, RpcError::new(e.code, &e.message))))?;
    let Message::Request { id, method: name, params: raw } = parsed else {
        let error = RpcError::new(ErrorCode::NotReady, "the first message must be 'hello'");
        return Err(Box::new((None, error)));
    };
    if name != method::HELLO {
        let error = RpcError::new(ErrorCode::NotReady, format!("'{name}' came before 'hello'"));
        return Err(Box::new((Some(id), error)));
    }
    let params: HelloParams = alyx_protocol::json::read(raw.map_or("{}", |p| p.get()))
        .map_err(|e| Box::new((Some(id), RpcError::new(ErrorCode::InvalidParams, e))))?;
    let Some(version) = version::negotiate(&params.protocol_versions) else {
        let error = RpcError::new(ErrorCode::UnsupportedVersion, "no common protocol version")
            .with("supported", version::SUPPORTED);
        return Err(Box::new((Some(id), error)));
    };
    if !bool::from(params.token.as_bytes().ct_eq(token.as_bytes())) {
        let error = RpcError::new(ErrorCode::Unauthenticated, "the token is wrong");
        return Err(Box::new((Some(id), error)));
    }
    Ok(Hello { id, params, version })
}

async fn refuse<T, R>(
    framed: &mut Framed<T, FrameCodec>,
    (id, error): Refusal,
) -> Result<R, ListenError>
where
    T: AsyncRead + AsyncWrite + Unpin,
{
    framed.send(message::error(id, &error)?).await?;
    Err(ListenError::Refused(Box::new(error)))
}

fn welcome(
    version: u32,
    limits: &Limits,
    capabilities: Capabilities,
    session: &str,
) -> HelloResult {
    HelloResult {
        protocol_version: version,
        session: session.to_owned(),
        host: HostInfo { name: "alyx".into(), version: env!("CARGO_PKG_VERSION").into() },
        limits: limits.clone(),
        heartbeat: alyx_protocol::worker::Heartbeat::default(),
        capabilities,
    }
}
