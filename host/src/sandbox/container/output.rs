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
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::engine::{Engine, Kind};
use crate::sandbox::output::{Line, Stream, lines};

/// Bytes that may wait to be cut into lines.
const BUFFER: usize = 64 * 1024;
/// Between attempts at an engine that is away.
const AWAY: Duration = Duration::from_millis(500);
/// How much longer than its container a log may take to end.
const GRACE: Duration = Duration::from_millis(300);

/// Reads until the container has ended, which `over` tells, or the task is aborted while its engine
/// is away. `memory_words` is set when it says that memory ran out.
pub(crate) async fn follow(
    engine: Engine,
    id: String,
    to: mpsc::Sender<Line>,
    memory_words: Arc<AtomicBool>,
    over: CancellationToken,
) {
    let (mut pipes, [out, err]) = Pipes::new();
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
    let long_over = async {
        over.cancelled().await;
        sleep(GRACE).await;
    };
    tokio::select! {
        () = as_it_comes(&engine, &id, &mut pipes) => {}
        () = long_over => {}
    }
    if engine.kind() == Kind::Podman {
        // It may stop following before the last words, or never stop.
        over.cancelled().await;
        let _as_far_as_it_goes = copy(&engine, &id, Since::Start, &mut pipes).await;
    }
    drop(pipes);
    let _all_read = tokio::join!(out, err, told);
}

async fn as_it_comes(engine: &Engine, id: &str, pipes: &mut Pipes) {
    // The container may outlive an engine that is stopped or killed, and the next one knows it.
    let mut since = 0;
    while let Err(error) = copy(engine, id, Since::Second(since), pipes).await {
        if engine.fault("read a log", &error).is_missing() {
            break;
        }
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        since = now.map_or(0, |now| i32::try_from(now.as_secs()).unwrap_or_default());
        sleep(AWAY).await;
    }
}

/// What is copied of a log.
#[derive(Debug, Clone, Copy)]
enum Since {
    /// All that comes after that second, until the end of the container.
    Second(i32),
    /// What there is, but for what was copied before.
    Start,
}

/// Copies what a container prints, while anybody reads it.
async fn copy(
    engine: &Engine,
    id: &str,
    from: Since,
    pipes: &mut Pipes,
) -> Result<(), ClientError> {
    let options = LogsOptionsBuilder::new().stdout(true).stderr(true);
    let (options, mut known) = match from {
        Since::Second(since) => (options.follow(true).since(since), [0, 0]),
        Since::Start => (options.follow(false), pipes.passed),
    };
    let mut pieces = engine.client().logs(id, Some(options.build()));
    while let Some(piece) = pieces.next().await {
        if pipes.pour(&piece?, &mut known).await.is_err() {
            break;
        }
    }
    Ok(())
}

/// Where the two streams of a container go.
#[derive(Debug)]
pub(crate) struct Pipes {
    ends: [DuplexStream; 2],
    /// Bytes of each so far.
    passed: [usize; 2],
}

impl Pipes {
    /// With the ends to read standard output and standard error from.
    pub(crate) fn new() -> (Self, [DuplexStream; 2]) {
        let (stdout, out) = tokio::io::duplex(BUFFER);
        let (stderr, err) = tokio::io::duplex(BUFFER);
        (Pipes { ends: [stdout, stderr], passed: [0, 0] }, [out, err])
    }

    /// Puts a piece of what a container prints where it belongs, without the first bytes of each
    /// stream that are `known`.
    ///
    /// # Errors
    /// When nobody reads any more.
    pub(crate) async fn pour(
        &mut self,
        piece: &LogOutput,
        known: &mut [usize; 2],
    ) -> io::Result<()> {
        let (stream, message) = match piece {
            LogOutput::StdOut { message } | LogOutput::Console { message } => (0, message),
            LogOutput::StdErr { message } => (1, message),
            LogOutput::StdIn { .. } => return Ok(()),
        };
        let skipped = known[stream].min(message.len());
        known[stream] -= skipped;
        self.passed[stream] += message.len() - skipped;
        self.ends[stream].write_all(&message[skipped..]).await
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
    use tokio::io::AsyncReadExt;

    use super::*;

    #[tokio::test]
    async fn what_was_passed_on_is_not_passed_on_again() {
        let (mut pipes, [mut out, mut err]) = Pipes::new();
        let printed = |text: &'static str| LogOutput::StdOut { message: text.into() };
        let told = |text: &'static str| LogOutput::StdErr { message: text.into() };
        pipes.pour(&printed("one"), &mut [0, 0]).await.unwrap();
        let mut known = pipes.passed;
        for piece in [printed("o"), told("words"), printed("ne and"), printed(" two")] {
            pipes.pour(&piece, &mut known).await.unwrap();
        }
        drop(pipes);
        let (mut printed, mut told) = (String::new(), String::new());
        out.read_to_string(&mut printed).await.unwrap();
        err.read_to_string(&mut told).await.unwrap();
        assert_eq!((&*printed, &*told), ("one and two", "words"));
    }

    #[test]
    fn lines_that_the_shim_has_sent_are_known_by_their_time() {
        assert!(is_echo("2026-11-22T16:36:01.250Z INFO hello"));
        assert!(!is_echo("hello") && !is_echo("2026-11-22 16:36 hello, and more of this"));
    }
}
