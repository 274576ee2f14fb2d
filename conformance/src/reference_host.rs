//! The host that a shim meets here: greets, asks, and answers what `syscalls` decides.
//!
//! One connection to one process. It sends exactly what it is told and judges nothing but the
//! form of frames; knows nothing of steps.

use std::time::Duration;

use alyx_protocol::limits::FRAME_CAP;
use alyx_protocol::{Decoded, FrameCodec};
use bytes::BytesMut;
use serde_json::{Map, Value, json};
use tokio::io::AsyncWriteExt;
use tokio::time::{sleep, timeout};
use tokio_util::codec::Decoder;

use crate::case::Script;
use crate::inbox::{Event, Inbox, Received, after};
use crate::matcher;
use crate::outgoing::{Split, frame};
use crate::starter::{Process, Streams};
use crate::syscalls::Syscalls;
use crate::transcript::Transcript;
use crate::transport::ToShim;
use crate::wire_check::{self, Ledger};

/// Largest frame the shim may send: what the usual answer to `hello` says.
pub const MAX_FRAME: usize = 8 * 1024 * 1024;
/// A write that takes longer means a shim that does not read: the deadlock rule is broken.
const WRITE_PATIENCE: Duration = Duration::from_secs(10);
/// Between the writes of a split message, so that they arrive as several reads.
const BETWEEN_WRITES: Duration = Duration::from_millis(1);

/// One connection, seen from the host.
pub struct ReferenceHost {
    pub process: Process,
    pub inbox: Inbox,
    pub ledger: Ledger,
    pub transcript: Transcript,
    writer: Option<ToShim>,
    syscalls: Syscalls,
    token: String,
}

impl ReferenceHost {
    #[must_use]
    pub fn new(process: Process, streams: Streams, token: String, scripts: Vec<Script>) -> Self {
        ReferenceHost {
            process,
            inbox: Inbox::new(streams.from_shim, MAX_FRAME),
            ledger: Ledger::default(),
            transcript: Transcript::default(),
            writer: Some(streams.to_shim),
            syscalls: Syscalls::new(scripts),
            token,
        }
    }

    /// The usual answer to `hello` with the capabilities `offers`, and `overrides` put over it.
    #[must_use]
    pub fn hello_result(offers: &[String], overrides: Option<&Value>) -> Value {
        let yes = |name: &String| (name.clone(), json!({}));
        let capabilities: Map<String, Value> = offers.iter().map(yes).collect();
        let mut result = json!({
            "protocolVersion": 1,
            "session": "s-conformance",
            "host": {"name": "alyx-conformance", "version": env!("CARGO_PKG_VERSION")},
            "limits": alyx_protocol::Limits::default(),
            "heartbeat": {"intervalMs": 5000, "timeoutMs": 15000},
            "capabilities": capabilities,
        });
        for (name, value) in overrides.and_then(Value::as_object).into_iter().flatten() {
            match (name.as_str(), value) {
                ("limits", Value::Object(limits)) => {
                    for (limit, value) in limits {
                        result["limits"][limit] = value.clone();
                    }
                }
                _ => result[name] = value.clone(),
            }
        }
        result
    }

    /// Whether `hello` carries the token that this process was given.
    #[must_use]
    pub fn is_token_of(&self, hello: &Value) -> bool {
        hello.pointer("/params/token").and_then(Value::as_str) == Some(&self.token)
    }

    /// Sends messages in one write, or as `split` says.
    ///
    /// # Errors
    /// Why the bytes could not be written.
    pub async fn send(&mut self, messages: &[Value], split: &Split) -> Result<(), String> {
        let mut bytes = Vec::new();
        for message in messages {
            let text = message.to_string();
            self.transcript.sent(&text);
            bytes.extend(frame(text.as_bytes()));
            self.ledger.sent(message);
            self.syscalls.sent(message);
        }
        self.write(&bytes, split).await
    }

    /// Sends answers of the host to requests of the shim, in one write.
    ///
    /// # Errors
    /// Why the bytes could not be written.
    pub async fn answer(&mut self, answers: &[Value], split: &Split) -> Result<(), String> {
        let mut bytes = Vec::new();
        for answer in answers {
            let text = answer.to_string();
            self.transcript.sent(&text);
            bytes.extend(frame(text.as_bytes()));
            self.syscalls.sent(answer);
        }
        self.write(&bytes, split).await
    }

    /// Where unanswered requests of the shim differ from what the case is ready to answer.
    #[must_use]
    pub fn misfits(&self) -> Vec<String> {
        self.syscalls.misfits()
    }

    /// Answers `hello` with this result.
    ///
    /// # Errors
    /// Why the bytes could not be written.
    pub async fn greet(&mut self, id: &Value, result: &Value) -> Result<(), String> {
        self.syscalls.greeted(result);
        let answer = json!({"jsonrpc": "2.0", "id": id, "result": result});
        self.answer(&[answer], &Split::default()).await
    }

    /// Writes bytes as they are, and finds out which requests they hold.
    ///
    /// # Errors
    /// Why the bytes could not be written.
    pub async fn send_raw(&mut self, bytes: &[u8], split: &Split) -> Result<(), String> {
        self.transcript.sent(&format!("{} raw bytes: {}", bytes.len(), preview(bytes)));
        let mut codec = FrameCodec::new(FRAME_CAP);
        let mut buffer = BytesMut::from(bytes);
        while let Ok(Some(Decoded::Frame(payload))) = codec.decode(&mut buffer) {
            if let Ok((message, _)) = wire_check::parse(&payload) {
                self.ledger.sent(&message);
                self.syscalls.sent(&message);
            }
        }
        self.write(bytes, split).await
    }

    /// Writes bytes.
    ///
    ///
    /// # Errors
    /// Why the bytes could not be written.
    async fn write(&mut self, bytes: &[u8], split: &Split) -> Result<(), String> {
        let writer = self.writer.as_mut().ok_or("the case has closed the stream before")?;
        for (count, chunk) in split.chunks(bytes).into_iter().enumerate() {
            if count > 0 {
                sleep(BETWEEN_WRITES).await;
            }
            let written = async {
                writer.write_all(chunk).await?;
                writer.flush().await
            };
            match timeout(WRITE_PATIENCE, written).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => return Err(format!("the shim took no more bytes: {error}")),
                Err(_) => return Err(format!("the shim has not read for {WRITE_PATIENCE:?}")),
            }
        }
        Ok(())
    }

    /// Takes in the next event before `deadline`: keeps frames, answers what is scripted.
    ///
    /// False when nothing came, or nothing can come any more.
    pub async fn pump(&mut self, deadline: tokio::time::Instant) -> bool {
        match self.inbox.next(deadline).await {
            None => false,
            Some(Event::Closed) => {
                self.transcript.note("the shim closed the connection");
                false
            }
            Some(Event::Illegal(fault)) => {
                self.transcript.note(&fault);
                self.ledger.finding(fault);
                true
            }
            Some(Event::Frame(frame)) => {
                self.take_in(frame).await;
                true
            }
        }
    }

    /// A frame that did not come over the wire: `prepare` has answered for the shim.
    pub fn pretend(&mut self, message: Value) {
        let text = message.to_string();
        self.transcript.note(&format!("prepare answered: {text}"));
        let frame = self.inbox.number(message, text);
        self.inbox.keep(frame);
    }

    async fn take_in(&mut self, frame: Received) {
        self.transcript.received(&frame.text);
        self.ledger.received(&frame.value, &frame.text);
        let verdict = self.syscalls.received(&frame.value);
        if let Some(finding) = verdict.finding {
            self.ledger.finding(format!("{finding}: {}", matcher::shown(&frame.value)));
        }
        match verdict.answer {
            Some(answer) => {
                // A shim that is gone by now shows in the steps.
                let _ = self.answer(&[answer], &Split::default()).await;
            }
            None => self.inbox.keep(frame),
        }
    }

    /// Ends the host's direction of the stream; the shim sees the end of its input.
    pub async fn close_write(&mut self) {
        self.transcript.note("the host closed its side");
        if let Some(mut writer) = self.writer.take() {
            // The shim may be gone already, which is just as closed.
            let _ = writer.shutdown().await;
        }
    }

    /// Drops the connection.
    pub async fn close(&mut self) {
        self.close_write().await;
        self.inbox.close();
    }

    /// Waits for the shim to close; true when it did.
    pub async fn closed(&mut self, within: Duration) -> bool {
        let deadline = after(within);
        while self.pump(deadline).await {}
        self.inbox.is_closed()
    }
}

fn preview(bytes: &[u8]) -> String {
    bytes[..bytes.len().min(64)].escape_ascii().to_string()
}

impl std::fmt::Debug for ReferenceHost {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ReferenceHost").field("process", &self.process).finish_non_exhaustive()
    }
}
