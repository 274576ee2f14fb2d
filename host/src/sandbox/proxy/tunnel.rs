//! Bytes both ways between a worker and a server, for as long as any come.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::timeout;

/// Longest silence in one direction while the other is silent too.
const SILENCE: Duration = Duration::from_secs(300);
/// Longest wait for one side to take what the other has sent.
const WRITE: Duration = Duration::from_secs(60);
const BUFFER: usize = 16 * 1024;

/// Ends when both sides have ended, or either breaks or falls silent.
pub(super) async fn join(worker: UnixStream, server: TcpStream) -> io::Result<()> {
    let (from_worker, to_worker) = worker.into_split();
    let (from_server, to_server) = server.into_split();
    let moved = tokio::sync::watch::Sender::new(());
    tokio::try_join!(pour(from_worker, to_server, &moved), pour(from_server, to_worker, &moved))?;
    Ok(())
}

async fn pour(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    moved: &tokio::sync::watch::Sender<()>,
) -> io::Result<()> {
    let mut buffer = vec![0; BUFFER];
    let mut other = moved.subscribe();
    loop {
        let read = loop {
            let read = from.read(&mut buffer);
            match timeout(SILENCE, read).await {
                Ok(read) => break read?,
                // Something went the other way meanwhile, such as a long download.
                Err(_) if other.has_changed().is_ok_and(|changed| changed) => {
                    other.mark_unchanged();
                }
                Err(_) => return Err(io::ErrorKind::TimedOut.into()),
            }
        };
        if read == 0 {
            return to.shutdown().await;
        }
        moved.send_replace(());
        let written = timeout(WRITE, to.write_all(&buffer[..read])).await;
        written.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
    }
}

/// An answer of the proxy's own, which ends the connection.
pub(super) async fn answer(stream: &mut UnixStream, status: u16, why: &str) -> io::Result<()> {
    let reason = match status {
        400 => "Bad Request",
        403 => "Forbidden",
        408 => "Request Timeout",
        504 => "Gateway Timeout",
        _ => "Bad Gateway",
    };
    let body = format!("alyx: {why}\n");
    let text = format!(
        "HTTP/1.1 {status} {reason}\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    let written = timeout(WRITE, stream.write_all(text.as_bytes())).await;
    written.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
    stream.shutdown().await
}
