//! Starts a shim as a host would, and ends it.
//!
//! The environment carries `ALYX_ADDR` and `ALYX_TOKEN`; nothing else is asked of the command.
//! Knows nothing of frames.

use std::collections::VecDeque;
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::{Child, Command};
use tokio::time::timeout;

use crate::transport::{Door, FromShim, ToShim, Transport};

/// Bytes of a shim's own output that are kept for failures.
const TAIL: usize = 16 * 1024;

/// How a shim is started.
#[derive(Debug, Clone)]
pub struct Starter {
    /// Program and arguments.
    pub command: Vec<String>,
    /// How long it may take to connect.
    pub patience: Duration,
}

/// A running shim. Dropped, it is killed.
#[derive(Debug)]
pub struct Process {
    child: Child,
    output: Tail,
}

/// The streams of a shim that has connected.
pub struct Streams {
    pub from_shim: FromShim,
    pub to_shim: ToShim,
}

impl Streams {
    /// The streams beside a process that was started without a host.
    #[must_use]
    pub fn none(process: Process) -> (Process, Self) {
        let streams = Streams {
            from_shim: Box::new(tokio::io::empty()),
            to_shim: Box::new(tokio::io::sink()),
        };
        (process, streams)
    }
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("cannot run '{program}': {source}")]
    Spawn { program: String, source: std::io::Error },
    #[error("cannot open an address for the shim: {0}")]
    Door(std::io::Error),
    #[error("'{program}' ended with {status} before it connected to {address}{output}")]
    Exited { program: String, status: String, address: String, output: String },
    #[error("'{program}' did not connect to {address} within {patience:?}{output}")]
    Silent { program: String, address: String, patience: Duration, output: String },
}

impl Starter {
    /// Starts the command and waits for its connection.
    ///
    /// # Errors
    /// [`StartError`], with the end of what the command wrote.
    pub async fn start(
        &self,
        transport: Transport,
        token: &str,
    ) -> Result<(Process, Streams), StartError> {
        let door = Door::open(transport).await.map_err(StartError::Door)?;
        let address = door.address().map_err(StartError::Door)?;
        let stdin = if transport == Transport::Stdio { Stdio::piped() } else { Stdio::null() };
        let (mut child, output) = self.spawn(stdin, Some(&address), token)?;
        let streams = match (child.stdin.take(), child.stdout.take()) {
            (Some(stdin), Some(stdout)) => {
                Streams { from_shim: Box::new(stdout), to_shim: Box::new(stdin) }
            }
            (_, stdout) => {
                output.follow(stdout);
                self.accept(&door, &mut child, &output, &address).await?
            }
        };
        Ok((Process { child, output }, streams))
    }

    /// Starts the command with an address that nobody answers at, or with none.
    ///
    /// # Errors
    /// [`StartError::Spawn`].
    pub fn start_alone(&self, address: Option<&str>) -> Result<Process, StartError> {
        let (mut child, output) = self.spawn(Stdio::null(), address, "conformance-token")?;
        output.follow(child.stdout.take());
        Ok(Process { child, output })
    }

    fn program(&self) -> &str {
        self.command.first().map_or("", String::as_str)
    }

    fn spawn(
        &self,
        stdin: Stdio,
        address: Option<&str>,
        token: &str,
    ) -> Result<(Child, Tail), StartError> {
        let mut command = Command::new(self.program());
        command.args(self.command.get(1..).unwrap_or_default()).env("ALYX_TOKEN", token);
        match address {
            Some(address) => command.env("ALYX_ADDR", address),
            None => command.env_remove("ALYX_ADDR"),
        };
        let mut child = command
            .stdin(stdin)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(|source| StartError::Spawn { program: self.program().into(), source })?;
        let output = Tail::default();
        output.follow(child.stderr.take());
        Ok((child, output))
    }

    async fn accept(
        &self,
        door: &Door,
        child: &mut Child,
        output: &Tail,
        address: &str,
    ) -> Result<Streams, StartError> {
        let (program, address) = (self.program().to_owned(), address.to_owned());
        tokio::select! {
            accepted = timeout(self.patience, door.accept()) => match accepted {
                Ok(Ok(Some((from_shim, to_shim)))) => Ok(Streams { from_shim, to_shim }),
                Ok(Ok(None)) => Err(StartError::Door(std::io::ErrorKind::Unsupported.into())),
                Ok(Err(error)) => Err(StartError::Door(error)),
                Err(_) => {
                    let (patience, output) = (self.patience, output.shown());
                    Err(StartError::Silent { program, address, patience, output })
                }
            },
            status = child.wait() => {
                output.settle().await;
                let status = status.map_or_else(|e| e.to_string(), |status| status.to_string());
                Err(StartError::Exited { program, status, address, output: output.shown() })
            }
        }
    }
}

impl Process {
    /// `{code, signal}` of the ended process; none when it still runs after `within`.
    pub async fn exit(&mut self, within: Duration) -> Option<Value> {
        let status = timeout(within, self.child.wait()).await.ok()?.ok()?;
        self.output.settle().await;
        Some(exit_value(status))
    }

    /// Ends the process, whatever it does.
    pub async fn kill(&mut self) {
        // An error here means that it has ended already.
        let _ = self.child.kill().await;
    }

    /// The end of what the process wrote beside the protocol.
    #[must_use]
    pub fn output(&self) -> String {
        self.output.text()
    }
}

fn exit_value(status: ExitStatus) -> Value {
    use std::os::unix::process::ExitStatusExt;
    json!({"code": status.code(), "signal": status.signal()})
}

/// The last bytes of a process's output.
#[derive(Debug, Clone, Default)]
struct Tail {
    bytes: Arc<Mutex<VecDeque<u8>>>,
    readers: Arc<tokio::sync::RwLock<()>>,
}

impl Tail {
    fn follow(&self, stream: Option<impl AsyncRead + Send + Unpin + 'static>) {
        let Some(mut stream) = stream else { return };
        let tail = self.clone();
        let Ok(reading) = self.readers.clone().try_read_owned() else { return };
        tokio::spawn(async move {
            let mut chunk = vec![0; 8192];
            while let Ok(count @ 1..) = stream.read(&mut chunk).await {
                let mut bytes = tail.bytes.lock().unwrap_or_else(PoisonError::into_inner);
                bytes.extend(&chunk[..count]);
                let excess = bytes.len().saturating_sub(TAIL);
                bytes.drain(..excess);
            }
            drop(reading);
        });
    }

    /// Waits until all was read, but not long: a grandchild may hold the stream open.
    async fn settle(&self) {
        let _ = timeout(Duration::from_millis(500), self.readers.write()).await;
    }

    fn text(&self) -> String {
        let mut bytes = self.bytes.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(bytes.make_contiguous()).into_owned()
    }

    fn shown(&self) -> String {
        let text = self.text();
        let text = text.trim_end();
        if text.is_empty() { "; it wrote nothing".into() } else { format!("; it wrote:\n{text}") }
    }
}

impl std::fmt::Debug for Streams {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Streams")
    }
}
