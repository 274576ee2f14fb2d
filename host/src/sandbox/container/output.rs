//! What a container prints, from the engine's log, as bounded lines.
//!
//! Lines that the shim has already sent to the host are left out: they are in the engine's log for
//! people, and marked by their time.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use bollard::container::LogOutput;
use bollard::query_parameters::LogsOptionsBuilder;
use futures_util::StreamExt;
use tokio::io::AsyncWriteExt;
use tokio::sync::mpsc;

use crate::engine::Engine;
use crate::sandbox::output::{Line, Stream, lines};

/// Bytes that may wait to be cut into lines.
const BUFFER: usize = 64 * 1024;

/// Reads until the container has ended. `memory_words` is set when it says that memory ran out.
pub(crate) async fn follow(
    engine: Engine,
    id: String,
    to: mpsc::Sender<Line>,
    memory_words: Arc<AtomicBool>,
) {
    let options = LogsOptionsBuilder::new().follow(true).stdout(true).stderr(true).build();
    let mut pieces = engine.client().logs(&id, Some(options));
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
    while let Some(Ok(piece)) = pieces.next().await {
        let written = match &piece {
            LogOutput::StdErr { message } => stderr.write_all(message).await,
            LogOutput::StdOut { message } | LogOutput::Console { message } => {
                stdout.write_all(message).await
            }
            LogOutput::StdIn { .. } => Ok(()),
        };
        if written.is_err() {
            break;
        }
    }
    drop((stdout, stderr));
    let _all_read = tokio::join!(out, err, told);
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
