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
    let out = tokio::spawn(lines(Stream::Stdout, out, to.clone(), Arc::default()));
    let err = tokio::spawn(lines(Stream::Stderr, err, to, memory_words));
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
    let _all_read = tokio::join!(out, err);
}
