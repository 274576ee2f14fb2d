//! The way out for workers without a network: an HTTP proxy on a socket of their own.
//!
//! Each worker has one, so that what it asks for is known to be its own. Names are resolved here,
//! and what is dialled is the very address that was judged. Knows nothing of what is sent.

pub mod policy;
mod head;
mod tunnel;

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::net::{TcpStream, UnixListener, UnixStream};
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_util::task::AbortOnDropHandle;

use crate::sandbox::proxy::head::{Asked, Head, Target};
use crate::sandbox::proxy::policy::Policy;
use crate::sandbox::proxy::tunnel::{answer, join};

/// Name of the socket in its folder.
pub(crate) const SOCKET: &str = "p";
/// Connections of one worker at a time.
const CONNECTIONS: usize = 128;
/// Longest wait for a request's head, for a name, and for a connection.
const HEAD: Duration = Duration::from_secs(10);
const LOOKUP: Duration = Duration::from_secs(5);
const DIAL: Duration = Duration::from_secs(10);
/// Addresses of one name that are tried.
const TRIES: usize = 4;
/// Refusals that are logged of one worker in a while; the rest are counted.
const LOGGED: u32 = 60;
const WHILE: Duration = Duration::from_secs(60);

/// A worker's proxy; ends when it is dropped.
#[derive(Debug)]
pub(crate) struct Proxy(#[expect(dead_code, reason = "held for its drop")] AbortOnDropHandle<()>);

/// What all connections of a worker share.
#[derive(Debug)]
struct Worker {
    name: String,
    policy: Policy,
    refusals: Mutex<(Instant, u32)>,
}

impl Proxy {
    /// Listens in `folder`, which must be there.
    pub(crate) fn start(name: &str, folder: &Path, policy: Policy) -> io::Result<Self> {
        let listener = UnixListener::bind(folder.join(SOCKET))?;
        let refusals = Mutex::new((Instant::now(), 0));
        let worker = Arc::new(Worker { name: name.to_owned(), policy, refusals });
        Ok(Proxy(AbortOnDropHandle::new(tokio::spawn(accept(listener, worker)))))
    }
}

async fn accept(listener: UnixListener, worker: Arc<Worker>) {
    let free = Arc::new(Semaphore::new(CONNECTIONS));
    // Dropped with this future, and with them every connection.
    let mut connections = tokio::task::JoinSet::new();
    loop {
        let Ok(permit) = free.clone().acquire_owned().await else { return };
        let Ok((stream, _)) = listener.accept().await else { continue };
        let worker = worker.clone();
        connections.spawn(async move {
            let _hung_up = worker.serve(stream).await;
            drop(permit);
        });
        while connections.try_join_next().is_some() {}
    }
}

/// Why a request was not carried out: the status, and a sentence for whoever wrote the function.
struct Refused(u16, String);

impl Worker {
    async fn serve(&self, mut stream: UnixStream) -> io::Result<()> {
        let head = match timeout(HEAD, Head::read(&mut stream)).await {
            Ok(read) => read?,
            Err(_) => return answer(&mut stream, 408, "the request did not come in time").await,
        };
        let outcome = match head.asked() {
            Ok(asked) => self.dial(&asked.target).await.map(|server| (asked, server)),
            Err(why) => Err(Refused(400, why)),
        };
        match outcome {
            Ok((asked, server)) => self.carry(stream, server, &asked, &head).await,
            Err(Refused(status, why)) => answer(&mut stream, status, &why).await,
        }
    }

    /// A connection to an address that may be reached.
    async fn dial(&self, target: &Target) -> Result<TcpStream, Refused> {
        let (host, port) = (target.host.as_str(), target.port);
        let found = timeout(LOOKUP, tokio::net::lookup_host((host, port))).await;
        let found: Vec<SocketAddr> = match found {
            Ok(Ok(found)) => found.collect(),
            Ok(Err(error)) => {
                return Err(Refused(502, format!("cannot resolve '{host}': {error}")));
            }
            Err(_) => {
                return Err(Refused(504, format!("no address of '{host}' within {LOOKUP:?}")));
            }
        };
        let mut why = Refused(502, format!("'{host}' has no address"));
        let mut tried = 0;
        for address in found {
            if let Err(kind) = self.policy.judge(address.ip()) {
                self.log_refusal(target, address, kind);
                let sentence = format!(
                    "'{host}' is {kind}; with 'network: proxy' functions reach public addresses only"
                );
                why = Refused(403, sentence);
                continue;
            }
            tried += 1;
            if tried > TRIES {
                break;
            }
            match timeout(DIAL, TcpStream::connect(address)).await {
                Ok(Ok(server)) => {
                    let (worker, address) = (&self.name, address.ip());
                    tracing::debug!(%worker, %host, port, %address, "network reached");
                    return Ok(server);
                }
                Ok(Err(error)) => {
                    why = Refused(502, format!("cannot reach '{host}:{port}': {error}"))
                }
                Err(_) => {
                    why = Refused(504, format!("no answer of '{host}:{port}' within {DIAL:?}"))
                }
            }
        }
        Err(why)
    }

    async fn carry(
        &self,
        mut stream: UnixStream,
        mut server: TcpStream,
        asked: &Asked,
        head: &Head,
    ) -> io::Result<()> {
        use tokio::io::AsyncWriteExt;
        match &asked.forward {
            // A request of plain HTTP goes on in the server's own terms.
            Some(request) => server.write_all(request.as_bytes()).await?,
            None => stream.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await?,
        }
        server.write_all(head.rest()).await?;
        join(stream, server).await
    }

    fn log_refusal(&self, target: &Target, address: SocketAddr, kind: &str) {
        let (worker, host, port, address) = (&self.name, &target.host, target.port, address.ip());
        let mut refusals = self.refusals.lock();
        if refusals.0.elapsed() > WHILE {
            *refusals = (Instant::now(), 0);
        }
        refusals.1 += 1;
        match refusals.1 {
            ..LOGGED => {
                tracing::warn!(%worker, %host, port, %address, "network refused: the address is {kind}");
            }
            LOGGED => tracing::warn!(%worker, "network refused more often than is logged"),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests;
