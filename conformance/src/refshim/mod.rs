//! A small shim of our own: what the harness is tested with.
//!
//! It does what the smoke cases and most of the wire cases ask for, in order and one at a time;
//! it runs no user code. A mutant does one thing wrong, and the case that is about it must fail.

mod start;

use std::io::{Read, Write};
use std::process::ExitCode;

use alyx_protocol::limits::{FRAME_BEFORE_HELLO, FRAME_DEFAULT};
use alyx_protocol::{Decoded, ErrorCode, FrameCodec, Message, RpcError, message};
use bytes::BytesMut;
use serde_json::{Value, json};
use tokio_util::codec::Decoder;

use crate::outgoing::frame;
use start::{Input, Mutant, Output, connect};

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
        let buffer = BytesMut::new();
        let mut shim = Refshim { input, output, codec, buffer, mutant: args.mutate, bad: 0 };
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
    output: Output,
    codec: FrameCodec,
    buffer: BytesMut,
    mutant: Option<Mutant>,
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
        self.mutant == Some(mutant)
    }

    fn serve(&mut self, token: &str) -> std::io::Result<u8> {
        if !self.is(Mutant::SaysNothing) {
            self.send(&hello(if self.is(Mutant::WrongToken) { "guess" } else { token }))?;
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
                Next::Oversize(length) => self.refuse(None, ErrorCode::FrameTooLarge, length)?,
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
                Next::Oversize(length) => self.refuse(None, ErrorCode::FrameTooLarge, length)?,
                Next::Payload(payload) => match Message::parse(&payload) {
                    Ok(Message::Result { id: 1, members }) => {
                        let version = members.get("protocolVersion").map(|raw| raw.get());
                        let known = version == Some("1") || self.is(Mutant::TriesUnknownVersions);
                        if known {
                            return Ok(None);
                        }
                        return Err(std::io::Error::other("the host speaks another version"));
                    }
                    Ok(Message::Error { error, .. }) => return Err(std::io::Error::other(error)),
                    Ok(Message::Request { id, .. }) => {
                        self.refuse(Some(id), ErrorCode::NotReady, "before the handshake")?;
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
                let params: Value = params
                    .map_or(Ok(json!({})), |raw| serde_json::from_str(raw.get()))
                    .unwrap_or_default();
                return self.request(id, &method, &params);
            }
            Ok(Message::Notification { .. }) if self.is(Mutant::AnswersNotifications) => {
                self.refuse(None, ErrorCode::MethodNotFound, "unknown notification")?;
            }
            Ok(Message::Error { .. }) if self.is(Mutant::AnswersAnswers) => {
                self.refuse(None, ErrorCode::InvalidRequest, "no such call")?;
            }
            Ok(_) => self.bad = 0,
            Err(_) if self.is(Mutant::ExitsOnBadJson) => return Ok(Some(1)),
            Err(error) if error.answer => {}
            Err(error) => {
                self.bad = if error.code == ErrorCode::ParseError { self.bad + 1 } else { 0 };
                self.refuse(error.id, error.code, error.message)?;
                if self.bad == alyx_protocol::limits::BAD_FRAMES {
                    return Ok(Some(1));
                }
            }
        }
        Ok(None)
    }

    fn request(&mut self, id: u64, method: &str, params: &Value) -> std::io::Result<Option<u8>> {
        match method {
            "ping" | "load" => self.answer(id, &json!({}))?,
            "invoke" => self.invoke(id, &params["input"])?,
            "shutdown" => {
                self.answer(id, &json!({}))?;
                if self.is(Mutant::WaitsAfterShutdown) {
                    while !matches!(self.next()?, Next::End) {}
                }
                return Ok(Some(0));
            }
            _ => {
                self.refuse(Some(id), ErrorCode::MethodNotFound, format!("no method '{method}'"))?
            }
        }
        Ok(None)
    }

    /// The few operations of the probe that the smoke cases use.
    fn invoke(&mut self, id: u64, input: &Value) -> std::io::Result<()> {
        let mut late = None;
        for op in input["ops"].as_array().into_iter().flatten() {
            match op["op"].as_str().unwrap_or_default() {
                "echo" => return self.answer(id, &json!({"output": input["value"]})),
                "return" => {
                    self.answer(id, &json!({"output": op["value"]}))?;
                    return late.map_or(Ok(()), |log| self.send(&log));
                }
                "returnUndefined" if self.is(Mutant::DropsUndefined) => {
                    return self.answer(id, &json!({}));
                }
                "throwPlain" => {
                    return self.refuse(Some(id), ErrorCode::FunctionError, said(op));
                }
                "log" => {
                    let entry =
                        json!({"ts": 1_769_250_600_000_u64, "level": "info", "msg": said(op)});
                    let params = json!({"inv": id, "entries": [entry]});
                    let log = json!({"jsonrpc": "2.0", "method": "log", "params": params});
                    if self.is(Mutant::LogsAfterTheAnswer) {
                        late = Some(log);
                    } else {
                        self.send(&log)?;
                    }
                }
                _ => break,
            }
        }
        self.answer(id, &json!({"output": null}))
    }

    fn answer(&mut self, id: u64, result: &Value) -> std::io::Result<()> {
        let written = if self.is(Mutant::IdAsString) { json!(id.to_string()) } else { json!(id) };
        let answer = json!({"jsonrpc": "2.0", "id": written, "result": result});
        if self.is(Mutant::AnswersTwice) {
            self.send(&answer)?;
        }
        self.send(&answer)
    }

    fn refuse(
        &mut self,
        id: Option<u64>,
        code: ErrorCode,
        message: impl std::fmt::Display,
    ) -> std::io::Result<()> {
        let error =
            message::error(id, &RpcError::new(code, message)).map_err(std::io::Error::other)?;
        error.pieces().iter().try_for_each(|piece| self.output.write_all(piece))?;
        self.output.flush()
    }

    fn send(&mut self, message: &Value) -> std::io::Result<()> {
        let mut bytes = frame(message.to_string().as_bytes());
        if self.is(Mutant::LittleEndian) {
            bytes[1..4].reverse();
        }
        self.output.write_all(&bytes)?;
        self.output.flush()
    }
}

fn said(op: &Value) -> String {
    op["message"].as_str().unwrap_or_default().to_owned()
}

fn hello(token: &str) -> Value {
    json!({"jsonrpc": "2.0", "id": 1, "method": "hello", "params": {
        "protocolVersions": [1],
        "token": token,
        "runtime": {"name": "refshim", "version": env!("CARGO_PKG_VERSION"), "language": "rust"},
        "pid": std::process::id(),
        "concurrency": {"max": 1},
        "capabilities": {"load": {}},
    }})
}
