//! A small shim of our own: what the harness is tested with.
//!
//! It does what the smoke cases, most of the wire cases and those of the database ask for; it runs
//! no user code. A mutant does one thing wrong, and the case that is about it must fail.

mod start;
mod line;
mod values;
mod database;
mod collection;
mod probe;

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use alyx_protocol::limits::{FRAME_BEFORE_HELLO, FRAME_DEFAULT};
use alyx_protocol::{Decoded, ErrorCode, FrameCodec, Limits, Message};
use bytes::BytesMut;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};
use tokio_util::codec::Decoder;

use line::Line;
use probe::Probe;
use start::{Input, Mutant, connect};
use values::{Thrown, thrown};

pub use start::RefshimArgs;

/// Serves one connection; the code is the process's.
#[must_use]
pub fn run(args: &RefshimArgs) -> ExitCode {
    if args.mutate == Some(Mutant::ExitsAtOnce) {
        return ExitCode::from(9);
    }
    let served = connect(&args.address).and_then(|(input, output)| {
        let limit =
            if args.mutate == Some(Mutant::NoLimit) { usize::MAX } else { FRAME_BEFORE_HELLO };
        let codec = FrameCodec::new(limit);
        let line = Arc::new(Line::new(output, args.mutate));
        let probe = Probe::new(line.clone());
        let buffer = BytesMut::new();
        let mut shim = Refshim { input, line, probe, codec, buffer, bad: 0 };
        shim.serve(&args.token)
    });
    match served {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "refshim: {error}");
            ExitCode::from(1)
        }
    }
}

struct Refshim {
    input: Input,
    line: Arc<Line>,
    probe: Arc<Probe>,
    codec: FrameCodec,
    buffer: BytesMut,
    /// Frames of bad JSON in a row.
    bad: u32,
}

/// The next payload, a frame over the limit, or the end.
enum Next {
    Payload(bytes::Bytes),
    Oversize(usize),
    End,
}

impl Refshim {
    fn is(&self, mutant: Mutant) -> bool {
        self.line.is(mutant)
    }

    fn serve(&mut self, token: &str) -> std::io::Result<u8> {
        if !self.is(Mutant::SaysNothing) {
            self.line.send(&hello(if self.is(Mutant::WrongToken) { "guess" } else { token }))?;
        }
        if let Some(code) = self.greeted()? {
            return Ok(code);
        }
        if !self.is(Mutant::NoLimit) {
            self.codec.set_max_frame(FRAME_DEFAULT);
        }
        loop {
            match self.next()? {
                Next::End if self.is(Mutant::IgnoresTheEnd) => loop {
                    std::thread::park();
                },
                Next::End => return Ok(0),
                Next::Oversize(length) => {
                    self.line.refuse(None, ErrorCode::FrameTooLarge, length)?;
                }
                Next::Payload(payload) => {
                    if let Some(code) = self.payload(&payload)? {
                        return Ok(code);
                    }
                }
            }
        }
    }

    /// Reads until `hello` is answered; a code when the shim has to go.
    fn greeted(&mut self) -> std::io::Result<Option<u8>> {
        loop {
            match self.next()? {
                Next::End => return Ok(Some(0)),
                Next::Oversize(length) => {
                    self.line.refuse(None, ErrorCode::FrameTooLarge, length)?;
                }
                Next::Payload(payload) => match Message::parse(&payload) {
                    Ok(Message::Result { id: 1, members }) => {
                        let version = members.get("protocolVersion").map(RawValue::get);
                        let known = version == Some("1") || self.is(Mutant::TriesUnknownVersions);
                        if !known {
                            return Err(std::io::Error::other("the host speaks another version"));
                        }
                        let offered = read::<Map<String, Value>>(members.get("capabilities"));
                        let names = offered.into_iter().map(|(name, _)| name);
                        let limits = read::<Limits>(members.get("limits"));
                        self.probe.database.greeted(names.collect::<BTreeSet<_>>(), limits);
                        return Ok(None);
                    }
                    Ok(Message::Error { error, .. }) => return Err(std::io::Error::other(error)),
                    Ok(Message::Request { id, .. }) => {
                        self.line.refuse(Some(id), ErrorCode::NotReady, "before the handshake")?;
                    }
                    _ => {}
                },
            }
        }
    }

    fn next(&mut self) -> std::io::Result<Next> {
        let mut chunk = [0; 64 * 1024];
        loop {
            match self.codec.decode(&mut self.buffer).map_err(std::io::Error::other)? {
                Some(Decoded::Frame(payload)) => {
                    if self.is(Mutant::OneFramePerRead) {
                        self.buffer.clear();
                    }
                    return Ok(Next::Payload(payload));
                }
                Some(Decoded::Oversize { length }) => return Ok(Next::Oversize(length)),
                None => match self.input.read(&mut chunk)? {
                    0 => return Ok(Next::End),
                    count => self.buffer.extend_from_slice(&chunk[..count]),
                },
            }
        }
    }

    fn payload(&mut self, payload: &[u8]) -> std::io::Result<Option<u8>> {
        match Message::parse(payload) {
            Ok(Message::Request { id, method, params }) => {
                self.bad = 0;
                return self.request(id, &method, &read(params));
            }
            Ok(Message::Notification { .. }) if self.is(Mutant::AnswersNotifications) => {
                self.line.refuse(None, ErrorCode::MethodNotFound, "unknown notification")?;
            }
            Ok(Message::Notification { method, params }) if method == "cancel" => {
                let params: Value = read(params);
                self.probe.database.cancel(params["id"].as_u64().unwrap_or_default());
            }
            Ok(Message::Error { .. }) if self.is(Mutant::AnswersAnswers) => {
                self.line.refuse(None, ErrorCode::InvalidRequest, "no such call")?;
            }
            Ok(Message::Result { id, members }) => {
                let result = members.iter().map(|(name, raw)| (name.to_owned(), read(Some(raw))));
                return Ok(self.answered(id, Ok(Value::Object(result.collect()))));
            }
            Ok(Message::Error { id: Some(id), error }) => {
                return Ok(self.answered(id, Err(Box::new(error))));
            }
            Ok(_) => self.bad = 0,
            Err(_) if self.is(Mutant::ExitsOnBadJson) => return Ok(Some(1)),
            Err(error) if error.answer => {
                let broken = thrown(ErrorCode::InternalError, &error.message);
                return Ok(error.id.and_then(|id| self.answered(id, Err(broken))));
            }
            Err(error) => {
                self.bad = if error.code == ErrorCode::ParseError { self.bad + 1 } else { 0 };
                self.line.refuse(error.id, error.code, error.message)?;
                if self.bad == alyx_protocol::limits::BAD_FRAMES {
                    return Ok(Some(1));
                }
            }
        }
        Ok(None)
    }

    fn answered(&mut self, id: u64, answer: Result<Value, Thrown>) -> Option<u8> {
        self.bad = 0;
        let known = self.probe.database.answered(id, answer);
        (!known && self.is(Mutant::ExitsOnStrayAnswers)).then_some(1)
    }

    fn request(&mut self, id: u64, method: &str, params: &Value) -> std::io::Result<Option<u8>> {
        match method {
            "load" if self.is(Mutant::LowersTooLate) => {
                self.line.answer(id, &json!({}))?;
                let params = json!({"max": 8});
                let lower = json!({"jsonrpc": "2.0", "method": "concurrency", "params": params});
                self.line.send(&lower)?;
            }
            "ping" | "load" => self.line.answer(id, &json!({}))?,
            "invoke" => {
                self.probe.database.began(id);
                let (probe, input) = (self.probe.clone(), params["input"].clone());
                std::thread::spawn(move || probe.invoke(id, &input));
            }
            "shutdown" => return self.shutdown(id, params),
            _ => {
                let what = format!("no method '{method}'");
                self.line.refuse(Some(id), ErrorCode::MethodNotFound, what)?;
            }
        }
        Ok(None)
    }

    /// Leaves when nothing runs any more. Until then answers to what still runs have to be read.
    fn shutdown(&mut self, id: u64, params: &Value) -> std::io::Result<Option<u8>> {
        let grace = Duration::from_millis(params["graceMs"].as_u64().unwrap_or(1000));
        let (line, probe) = (self.line.clone(), self.probe.clone());
        let stays = self.is(Mutant::WaitsAfterShutdown);
        probe.database.drain();
        std::thread::spawn(move || {
            probe.database.drained(grace);
            let answered = line.answer(id, &json!({}));
            if !stays {
                leave(i32::from(answered.is_err()));
            }
        });
        Ok(None)
    }
}

#[expect(clippy::exit, reason = "the thread that reads is blocked, and nothing is left to do")]
fn leave(code: i32) {
    std::process::exit(code);
}

/// A part of a message that was checked to be JSON; what is of another type reads as its default.
fn read<T: Default + serde::de::DeserializeOwned>(raw: Option<&RawValue>) -> T {
    let Some(raw) = raw else { return T::default() };
    let mut reader = serde_json::Deserializer::from_str(raw.get());
    // The parser of the message has bounded the depth.
    reader.disable_recursion_limit();
    T::deserialize(&mut reader).unwrap_or_default()
}

fn hello(token: &str) -> Value {
    json!({"jsonrpc": "2.0", "id": 1, "method": "hello", "params": {
        "protocolVersions": [1],
        "token": token,
        "runtime": {"name": "refshim", "version": env!("CARGO_PKG_VERSION"), "language": "rust"},
        "pid": std::process::id(),
        "concurrency": {"max": 64},
        "capabilities": {"load": {}},
    }})
}
