//! One live connection to a shim: sends calls, hands answers back, serves what the shim asks.
//!
//! Generic over its transport and over the context `C` that a call carries. Invariant: knows
//! nothing of functions, pools or databases; the [`Service`] is passed in. The reader never
//! waits for anything but bytes, as the protocol's deadlock rule asks.

use std::sync::Arc;
use std::time::Duration;

use alyx_protocol::limits::BAD_FRAMES;
use alyx_protocol::{
    CodecError, Decoded, ErrorCode, FrameCodec, Message, OutFrame, ParseError, RpcError, message,
};
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use serde_json::value::RawValue;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::oneshot;
use tokio_util::codec::FramedRead;

use crate::rpc::outbox::{self, NotSent, Outbox};
use crate::rpc::pending::{Call, Pending, Reply};

/// First size of the receive buffer; it grows to what a frame needs.
const RECEIVE: usize = 64 * 1024;

/// How long the answers to a shim that broke the protocol may take to leave.
const LAST_WORDS: Duration = Duration::from_millis(100);

/// Serves what a shim sends on its own account.
pub trait Service<C>: Send + Sync + 'static {
    /// One request. It must not block; the answer goes through `reply`, now or later.
    fn request(
        &self,
        method: &str,
        params: Option<&RawValue>,
        calls: &Pending<C>,
        reply: Responder,
    );

    /// One notification; an unknown one is ignored.
    fn notification(&self, method: &str, params: Option<&RawValue>, calls: &Pending<C>);

    /// The shim broke a rule of the protocol; the connection goes on or `PeerClosed` follows.
    fn violation(&self, what: &str);
}

/// Answers one request of the shim, once.
#[derive(Debug)]
pub struct Responder {
    id: u64,
    outbox: Outbox,
    max_frame: usize,
}

impl Responder {
    /// The request's number on its connection.
    #[must_use]
    pub fn id(&self) -> u64 {
        self.id
    }

    pub fn result(self, result: impl serde::Serialize) {
        let frame = message::result(self.id, result).or_else(|e| {
            message::error(Some(self.id), &RpcError::new(ErrorCode::FrameTooLarge, e))
        });
        self.send(frame);
    }

    /// Answers with an object that was written before.
    ///
    /// # Errors
    /// Gives itself back with the frame limit when the answer is over it; nothing was sent.
    pub fn written(self, result: Bytes) -> Result<(), (Self, usize)> {
        match message::written_result(self.id, result) {
            Ok(frame) if frame.payload_len() <= self.max_frame => {
                self.send(Ok(frame));
                Ok(())
            }
            _ => {
                let limit = self.max_frame;
                Err((self, limit))
            }
        }
    }

    pub fn error(self, error: &RpcError) {
        let frame = message::error(Some(self.id), error);
        self.send(frame);
    }

    fn send(self, frame: Result<OutFrame, CodecError>) {
        if let Ok(frame) = frame {
            let _connection_ended = self.outbox.send(frame);
        }
    }
}

/// Why a connection ended.
#[derive(Debug, thiserror::Error)]
pub enum PeerClosed {
    #[error("the worker closed the connection")]
    Eof,
    #[error("protocol error: {0}")]
    Protocol(String),
    #[error("connection broke: {0}")]
    Io(#[from] std::io::Error),
}

/// Why a call was not made.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// Nothing of the call has reached the shim.
    #[error("the connection to the worker has ended")]
    Closed,
    #[error("{size} bytes are over the worker's frame limit of {limit} bytes")]
    TooLarge { size: usize, limit: usize },
}

/// A handle on the connection; clones share it.
#[derive(Debug)]
pub struct Peer<C> {
    pending: Arc<Pending<C>>,
    outbox: Outbox,
    max_frame: usize,
}

impl<C> Clone for Peer<C> {
    fn clone(&self) -> Self {
        Peer {
            pending: self.pending.clone(),
            outbox: self.outbox.clone(),
            max_frame: self.max_frame,
        }
    }
}

/// What was agreed on in the handshake and read beyond it.
#[derive(Debug)]
pub struct Agreed {
    /// Payload bytes the shim can receive.
    pub send_max: usize,
    /// Payload bytes the host receives.
    pub receive_max: usize,
    pub already_read: BytesMut,
}

impl<C: Clone + Send + 'static> Peer<C> {
    /// Takes over a connection after its handshake. The receiver tells why it ended.
    pub fn start(
        (read, write): (
            impl AsyncRead + Send + Unpin + 'static,
            impl AsyncWrite + Send + Unpin + 'static,
        ),
        agreed: Agreed,
        service: impl Service<C>,
    ) -> (Self, oneshot::Receiver<PeerClosed>) {
        let (outbox, frames) = Outbox::channel();
        let pending = Arc::new(Pending::new());
        let (closed, why) = oneshot::channel();
        let reader = Reader {
            pending: pending.clone(),
            outbox: outbox.clone(),
            max_frame: agreed.send_max,
            service,
            bad: 0,
        };
        let mut framed =
            FramedRead::with_capacity(read, FrameCodec::new(agreed.receive_max), RECEIVE);
        framed.read_buffer_mut().unsplit(agreed.already_read);
        tokio::spawn(async move {
            let mut writer = std::pin::pin!(outbox::write_all(write, frames));
            let ended = tokio::select! {
                ended = reader.run(framed) => ended,
                Err(broken) = &mut writer => PeerClosed::Io(broken),
            };
            if let PeerClosed::Protocol(_) = ended {
                // The shim is told what it did wrong before the connection closes.
                let _not_all = tokio::time::timeout(LAST_WORDS, writer).await;
            }
            let _owner_left = closed.send(ended);
        });
        (Peer { pending, outbox, max_frame: agreed.send_max }, why)
    }

    /// Sends a request. `frame` gets the call's id.
    ///
    /// # Errors
    /// [`CallError`]; the shim has then seen nothing of the call.
    pub fn call(
        &self,
        context: C,
        frame: impl FnOnce(u64) -> Result<OutFrame, CodecError>,
    ) -> Result<Call, CallError> {
        let call = self.pending.begin(context).ok_or(CallError::Closed)?;
        let sent = match frame(call.id) {
            Ok(frame) if frame.payload_len() > self.max_frame => {
                Err(CallError::TooLarge { size: frame.payload_len(), limit: self.max_frame })
            }
            Ok(frame) => self.outbox.send(frame).map_err(|NotSent| CallError::Closed),
            Err(CodecError::TooLarge { length, limit }) => {
                Err(CallError::TooLarge { size: length, limit: limit.min(self.max_frame) })
            }
            Err(_) => Err(CallError::Closed),
        };
        sent.inspect_err(|_| self.pending.withdraw(call.id)).map(|()| call)
    }

    /// Sends a notification; lost without a trace when the connection has ended.
    pub fn notify(&self, method: &str, params: impl serde::Serialize) {
        if let Ok(frame) = message::notification(method, params) {
            let _connection_ended = self.outbox.send(frame);
        }
    }

    /// Fails all calls under way and refuses new ones.
    pub fn close(&self) {
        self.pending.close();
    }

    /// How many calls have no answer yet.
    #[must_use]
    pub fn unanswered(&self) -> usize {
        self.pending.len()
    }
}

struct Reader<C, S> {
    pending: Arc<Pending<C>>,
    outbox: Outbox,
    max_frame: usize,
    service: S,
    bad: u32,
}

impl<C: Clone, S: Service<C>> Reader<C, S> {
    async fn run(
        mut self,
        mut framed: FramedRead<impl AsyncRead + Unpin, FrameCodec>,
    ) -> PeerClosed {
        while let Some(decoded) = framed.next().await {
            let taken = match decoded {
                Ok(Decoded::Frame(frame)) => self.take(&frame),
                Ok(Decoded::Oversize { length }) => self.refuse(ParseError {
                    code: ErrorCode::FrameTooLarge,
                    id: None,
                    message: format!("frame of {length} bytes is over the limit"),
                    answer: false,
                }),
                // A process that is killed stops in the middle of what it writes.
                Err(CodecError::Truncated { .. }) => return PeerClosed::Eof,
                Err(CodecError::Io(e)) if is_hang_up(&e) => return PeerClosed::Eof,
                Err(CodecError::Io(e)) => return PeerClosed::Io(e),
                Err(e) => return PeerClosed::Protocol(e.to_string()),
            };
            if let Err(closed) = taken {
                return closed;
            }
        }
        PeerClosed::Eof
    }

    fn take(&mut self, frame: &Bytes) -> Result<(), PeerClosed> {
        let parsed = match Message::parse(frame) {
            Ok(message) => message,
            Err(error) => return self.refuse(error),
        };
        self.bad = 0;
        match parsed {
            Message::Result { id, members } => self.answer(id, Ok(Reply::slice(frame, &members))),
            Message::Error { id: Some(id), error } => self.answer(id, Err(error)),
            Message::Error { id: None, error } => {
                self.service.violation(&format!("the shim could not read a frame: {error}"));
                Ok(())
            }
            Message::Request { id, method, params } => {
                let reply =
                    Responder { id, outbox: self.outbox.clone(), max_frame: self.max_frame };
                self.service.request(&method, params, &self.pending, reply);
                Ok(())
            }
            Message::Notification { method, params } => {
                self.service.notification(&method, params, &self.pending);
                Ok(())
            }
        }
    }

    fn answer(&self, id: u64, answer: Result<Reply, RpcError>) -> Result<(), PeerClosed> {
        let Err(stray) = self.pending.answer(id, answer) else { return Ok(()) };
        let what =
            if stray.never_asked { "an answer to a call never made" } else { "a second answer" };
        let what = format!("{what} (id {})", stray.id);
        self.service.violation(&what);
        if stray.fatal { Err(PeerClosed::Protocol(what)) } else { Ok(()) }
    }

    fn refuse(&mut self, fault: ParseError) -> Result<(), PeerClosed> {
        self.service.violation(&fault.message);
        self.bad += 1;
        if self.bad >= BAD_FRAMES {
            return Err(PeerClosed::Protocol(fault.message));
        }
        let error = RpcError::new(fault.code, &fault.message);
        if fault.answer {
            // Nobody answers an answer; the call it was meant for has failed.
            return fault.id.map_or(Ok(()), |id| self.answer(id, Err(error)));
        }
        if let Ok(frame) = message::error(fault.id, &error) {
            let _connection_ended = self.outbox.send(frame);
        }
        Ok(())
    }
}

fn is_hang_up(e: &std::io::Error) -> bool {
    matches!(e.kind(), std::io::ErrorKind::ConnectionReset | std::io::ErrorKind::BrokenPipe)
}

#[cfg(test)]
mod tests;
