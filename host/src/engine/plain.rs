//! Questions to the engine whose answers are taken as they are.
//!
//! The client knows the words of one engine and takes no others: to Podman a container may be
//! `stopped`, for which it would lose the whole list that the container is in. And it asks nothing
//! that only Podman answers.

use std::io;
use std::path::Path;
use std::time::Duration;

use http::header::HOST;
use http::response::Parts;
use http::{Method, Request};
use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio::net::UnixStream;
use tokio::time::timeout;
use tokio_util::task::AbortOnDropHandle;

use crate::engine::Engine;
use crate::engine::error::EngineError;

/// Longest answer: a list of thousands of containers.
const ANSWER: usize = 32 << 20;
/// Only Podman says this of itself.
const PODMAN: &str = "libpod-api-version";

#[derive(Debug, Deserialize)]
struct Refusal {
    message: String,
}

impl Engine {
    /// What the engine tells at `path`, a query and all. `doing` and `patience` as in
    /// [`Engine::ask`].
    ///
    /// # Errors
    /// [`EngineError`]
    pub async fn told<T: DeserializeOwned>(
        &self,
        doing: &str,
        patience: Duration,
        (method, path): (Method, &str),
    ) -> Result<T, EngineError> {
        let (kind, doing) = (self.kind(), doing.to_owned());
        let told = match timeout(patience, exchange(self.socket(), method, path)).await {
            Ok(told) => told,
            Err(_) => return Err(EngineError::Slow { kind, doing, patience }),
        };
        let broken = |doing, why: String| EngineError::Broken { kind, doing, why };
        let (head, body) = match told {
            Ok(told) => told,
            Err(Fault::Connect(error)) => {
                let (socket, why) = (self.socket().to_owned(), error.to_string());
                return Err(EngineError::Gone { kind, socket, why });
            }
            Err(Fault::Exchange(why)) => return Err(broken(doing, why)),
        };
        if head.status.is_success() {
            return serde_json::from_slice(&body).map_err(|error| broken(doing, error.to_string()));
        }
        let told = serde_json::from_slice(&body).map(|Refusal { message }| message);
        let message = told.unwrap_or_else(|_| head.status.to_string());
        Err(EngineError::Refused { kind, doing, status: head.status.as_u16(), message })
    }
}

/// The version of the Podman behind a socket; None for anything else. Podman takes its time to tell
/// its version when it is asked for it, and tells it with every answer.
pub(crate) async fn podman(socket: &Path) -> Option<String> {
    let (head, _) = exchange(socket, Method::GET, "/_ping").await.ok()?;
    head.headers.get(PODMAN)?.to_str().map(str::to_owned).ok()
}

enum Fault {
    Connect(io::Error),
    Exchange(String),
}

async fn exchange(socket: &Path, method: Method, path: &str) -> Result<(Parts, Bytes), Fault> {
    let stream = UnixStream::connect(socket).await.map_err(Fault::Connect)?;
    converse(stream, method, path).await.map_err(|error| Fault::Exchange(error.to_string()))
}

async fn converse(
    stream: UnixStream,
    method: Method,
    path: &str,
) -> Result<(Parts, Bytes), Box<dyn std::error::Error + Send + Sync>> {
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let _connection = AbortOnDropHandle::new(tokio::spawn(connection));
    let request = Request::builder().method(method).uri(path).header(HOST, "engine");
    let answer = sender.send_request(request.body(Empty::<Bytes>::new())?).await?;
    let (head, body) = answer.into_parts();
    Ok((head, Limited::new(body, ANSWER).collect().await?.to_bytes()))
}
