//! What a container prints, from the engine's log, as bounded lines.
//!
//! Lines that the shim has already sent to the host are left out: they are in the engine's log for
//! people, and marked by their time.

use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bollard::container::LogOutput;
use bollard::errors::Error as ClientError;
use bollard::query_parameters::LogsOptionsBuilder;
use futures_util::StreamExt;
use tokio::io::{AsyncWriteExt, DuplexStream};
use tokio::sync::mpsc;

use crate::engine::Engine;
use crate::sandbox::output::{Line, Stream, lines};

/// Bytes that may wait to be cut into lines.
pub(crate) const BUFFER: usize = 64 * 1024;
/// Between attempts at an engine that is away.
const AWAY: Duration = Duration::from_millis(500);

/// Reads until the container has ended, or the task is aborted while its engine is away.
/// `memory_words` is set when it says that memory ran out.
pub(crate) async fn follow(
    engine: Engine,
    id: String,
    to: mpsc::Sender<Line>,
    memory_words: Arc<AtomicBool>,
) {
    let (mut stdout, out) = tokio::io::duplex(BUFFER);
    let (mut stderr, err) = tokio::io::duplex(BUFFER);
    let (printed, mut told) = mpsc::channel(1);
    let out = tokio::spawn(lines(Stream::Stdout, out, printed, Arc::default()));
    let (unknown, err_to) = (to.clone(), to);
    let told = tokio::spawn(async move {
        while let Some(line) = told.recv().await {
            if !is_echo(&line.text) && unknown.send(line).await.is_err() {
                break;
            }
        }
    });
    let err = tokio::spawn(lines(Stream::Stderr, err, err_to, memory_words));
    // The container may outlive an engine that is stopped or killed, and the next one knows it.
    let mut since = 0;
    while let Err(error) = copy(&engine, &id, since, &mut stdout, &mut stderr).await {
        if engine.fault("read a log", &error).is_missing() {
            break;
        }
        since = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_secs());
        tokio::time::sleep(AWAY).await;
    }
    drop((stdout, stderr));
    let _all_read = tokio::join!(out, err, told);
}

/// Copies what it prints from a second on, until it has ended or nobody reads any more.
async fn copy(
    engine: &Engine,
    id: &str,
    since: u64,
    stdout: &mut DuplexStream,
    stderr: &mut DuplexStream,
) -> Result<(), ClientError> {
    let since = i32::try_from(since).unwrap_or_default();
    let options = LogsOptionsBuilder::new().follow(true).stdout(true).stderr(true).since(since);
    let mut pieces = engine.client().logs(id, Some(options.build()));
    while let Some(piece) = pieces.next().await {
        if pour(&piece?, stdout, stderr).await.is_err() {
            break;
        }
    }
    Ok(())
}

/// Puts a piece of what a container prints where it belongs.
///
/// # Errors
/// When nobody reads any more.
pub(crate) async fn pour(
    piece: &LogOutput,
    stdout: &mut DuplexStream,
    stderr: &mut DuplexStream,
) -> io::Result<()> {
    match piece {
        LogOutput::StdErr { message } => stderr.write_all(message).await,
        LogOutput::StdOut { message } | LogOutput::Console { message } => {
            stdout.write_all(message).await
        }
        LogOutput::StdIn { .. } => Ok(()),
    }
}

/// `2026-01-02T03:04:05.678Z INFO …`: the host has got it from the shim.
fn is_echo(line: &str) -> bool {
    let shape = "0000-00-00T00:00:00.000Z ";
    let has_shape = |(is, like): (u8, u8)| is == like || (like == b'0' && is.is_ascii_digit());
    line.len() > shape.len() && line.bytes().zip(shape.bytes()).all(has_shape)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_that_the_shim_has_sent_are_known_by_their_time() {
        assert!(is_echo("2026-11-22T16:36:01.250Z INFO hello"));
        assert!(!is_echo("hello") && !is_echo("2026-11-22 16:36 hello, and more of this"));
    }
}
