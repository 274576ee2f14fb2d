//! The way to the host's proxy for programs in a sandbox: a port of their own loopback interface.
//!
//! Only passes bytes on; what may be reached is for the host to say.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;

use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::sync::Semaphore;

/// Where programs find the proxy.
pub(crate) const ADDRESS: (Ipv4Addr, u16) = (Ipv4Addr::LOCALHOST, 3128);
/// Connections at a time; the host takes as many.
const CONNECTIONS: usize = 128;
/// Enough for a loop that only copies.
const STACK: usize = 256 * 1024;

/// The environment that tells programs of it, by every name that one of them reads.
pub(crate) fn environment() -> Vec<(&'static str, String)> {
    let proxy = format!("http://{}", SocketAddr::from(ADDRESS));
    let local = "localhost,127.0.0.1,::1".to_owned();
    let mut env = vec![("NODE_USE_ENV_PROXY", "1".to_owned())];
    env.extend(
        ["HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"]
            .map(|name| (name, proxy.clone())),
    );
    env.extend(["NO_PROXY", "no_proxy"].map(|name| (name, local.clone())));
    env
}

/// Listens and passes on, on a thread of its own, for as long as the process lives.
pub(crate) fn start(socket: PathBuf) -> io::Result<()> {
    let listener = std::net::TcpListener::bind(ADDRESS)?;
    listener.set_nonblocking(true)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    std::thread::Builder::new()
        .stack_size(STACK)
        .spawn(move || runtime.block_on(pass_on(listener, socket)))?;
    Ok(())
}

async fn pass_on(listener: std::net::TcpListener, socket: PathBuf) {
    let Ok(listener) = TcpListener::from_std(listener) else { return };
    let (free, socket) = (Arc::new(Semaphore::new(CONNECTIONS)), Arc::new(socket));
    loop {
        let Ok(permit) = free.clone().acquire_owned().await else { return };
        let Ok((program, _)) = listener.accept().await else { continue };
        let socket = socket.clone();
        tokio::spawn(async move {
            let _hung_up = join(program, &socket).await;
            drop(permit);
        });
    }
}

async fn join(mut program: TcpStream, socket: &PathBuf) -> io::Result<()> {
    let mut proxy = UnixStream::connect(socket).await?;
    tokio::io::copy_bidirectional(&mut program, &mut proxy).await?;
    Ok(())
}
