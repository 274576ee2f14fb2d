//! What the shim has sent: a task reads without pause, the player takes frames by address.
//!
//! The reader never waits for the player, so a shim that floods cannot block on us; a shim that
//! sends more than a case can need is cut off. Knows nothing of what a frame should say.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use alyx_protocol::{CodecError, Decoded, FrameCodec};
use bytes::{Bytes, BytesMut};
use serde_json::Value;
use tokio::io::AsyncReadExt;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout_at};
use tokio_util::codec::Decoder;

use crate::transport::FromShim;
use crate::wire_check;

/// Bytes one shim may send in one case.
const FLOOD: usize = 256 * 1024 * 1024;
/// Frames one shim may have unread; with [`FLOOD`] a bound on memory.
const QUEUE: usize = 200_000;

/// One frame of the shim, in the order of arrival.
#[derive(Debug)]
pub struct Received {
    /// Counts from 0 over the whole connection.
    pub index: usize,
    pub value: Value,
    pub text: String,
}

/// What the player is told of the stream.
#[derive(Debug)]
pub enum Event {
    Frame(Received),
    /// A frame that breaks the protocol by its form alone.
    Illegal(String),
    Closed,
}

/// Which frames a step is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Address {
    /// The answer to a request; none for `"id": null`.
    Answer(Option<u64>),
    /// A request or a notification of this method.
    Call(String),
    /// Whatever comes.
    Anything,
}

impl Address {
    /// The address a pattern for a message means; `$any` alone means any message.
    #[must_use]
    pub fn of(pattern: &Value) -> Self {
        match pattern.get("method").and_then(Value::as_str) {
            _ if pattern == "$any" => Address::Anything,
            Some(method) => Address::Call(method.to_owned()),
            None => Address::Answer(pattern.get("id").and_then(Value::as_u64)),
        }
    }
}

/// Frames that have come and have not been asked for.
#[derive(Debug)]
pub struct Inbox {
    events: mpsc::Receiver<Raw>,
    reader: JoinHandle<()>,
    waiting: BTreeMap<Address, VecDeque<Received>>,
    answers: BTreeMap<u64, usize>,
    count: usize,
    closed: bool,
}

#[derive(Debug)]
enum Raw {
    Frame(Bytes),
    Fault(String),
}

impl Inbox {
    /// Reads `stream` until it ends; frames may have up to `max_frame` bytes.
    #[must_use]
    pub fn new(stream: FromShim, max_frame: usize) -> Self {
        let (sender, events) = mpsc::channel(QUEUE);
        let reader = tokio::spawn(read_frames(stream, max_frame, sender));
        Inbox {
            events,
            reader,
            waiting: BTreeMap::new(),
            answers: BTreeMap::new(),
            count: 0,
            closed: false,
        }
    }

    /// The next thing that comes before `deadline`; none when nothing does.
    pub async fn next(&mut self, deadline: Instant) -> Option<Event> {
        if self.closed {
            return Some(Event::Closed);
        }
        let raw = timeout_at(deadline, self.events.recv()).await.ok()?;
        Some(match raw {
            None => {
                self.closed = true;
                Event::Closed
            }
            Some(Raw::Fault(fault)) => Event::Illegal(fault),
            Some(Raw::Frame(payload)) => match wire_check::parse(&payload) {
                Ok((value, text)) => Event::Frame(self.number(value, text)),
                Err(fault) => Event::Illegal(fault),
            },
        })
    }

    /// Gives a frame its place in the order. Also for answers that come from `prepare`.
    pub fn number(&mut self, value: Value, text: String) -> Received {
        self.count += 1;
        Received { index: self.count - 1, value, text }
    }

    /// Keeps a frame until a step asks for it.
    pub fn keep(&mut self, frame: Received) {
        let address = Address::of(&frame.value);
        if let Address::Answer(Some(id)) = address {
            self.answers.entry(id).or_insert(frame.index);
        }
        self.waiting.entry(address).or_default().push_back(frame);
    }

    /// Takes the oldest kept frame with this address.
    pub fn take(&mut self, address: &Address) -> Option<Received> {
        if *address != Address::Anything {
            return self.waiting.get_mut(address)?.pop_front();
        }
        let oldest = |queue: &&mut VecDeque<Received>| queue.front().map(|frame| frame.index);
        let queues = self.waiting.values_mut().filter(|queue| !queue.is_empty());
        queues.min_by_key(oldest)?.pop_front()
    }

    /// Takes the kept frames with this address that `wanted` picks, oldest first.
    pub fn take_all(
        &mut self,
        address: &Address,
        wanted: impl Fn(&Received) -> bool,
    ) -> Vec<Received> {
        let Some(queue) = self.waiting.get_mut(address) else { return Vec::new() };
        let (taken, left) = std::mem::take(queue).into_iter().partition(|frame| wanted(frame));
        *queue = left;
        Vec::from_iter::<VecDeque<Received>>(taken)
    }

    /// Place of the answer to `id` in the order of arrival, once it has come.
    #[must_use]
    pub fn answer_index(&self, id: u64) -> Option<usize> {
        self.answers.get(&id).copied()
    }

    /// The kept frames by address.
    pub fn waiting(&self) -> impl Iterator<Item = &Received> {
        self.waiting.values().flatten()
    }

    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.closed
    }

    /// Stops reading and lets go of the stream.
    pub fn close(&mut self) {
        self.reader.abort();
    }
}

impl Drop for Inbox {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

async fn read_frames(mut stream: FromShim, max_frame: usize, sender: mpsc::Sender<Raw>) {
    let mut codec = FrameCodec::new(max_frame);
    let mut buffer = BytesMut::with_capacity(64 * 1024);
    let mut total = 0;
    loop {
        let fault = match codec.decode(&mut buffer) {
            Ok(Some(Decoded::Frame(payload))) => {
                // A full queue means a flood: the reader must not wait for the player.
                if sender.try_send(Raw::Frame(payload)).is_err() {
                    return;
                }
                continue;
            }
            Ok(Some(Decoded::Oversize { length })) => {
                let fault = format!("a frame of {length} bytes; {max_frame} were agreed");
                if sender.try_send(Raw::Fault(fault)).is_err() {
                    return;
                }
                continue;
            }
            Ok(None) => match stream.read_buf(&mut buffer).await {
                Ok(0) | Err(_) => end_of_stream(&mut codec, &mut buffer),
                Ok(count) => {
                    total += count;
                    if total < FLOOD {
                        continue;
                    }
                    Some(format!("more than {FLOOD} bytes in one case"))
                }
            },
            Err(error) => Some(error.to_string()),
        };
        if let Some(fault) = fault {
            // No room means that the player has far more to read than this.
            let _ = sender.try_send(Raw::Fault(fault));
        }
        return;
    }
}

fn end_of_stream(codec: &mut FrameCodec, buffer: &mut BytesMut) -> Option<String> {
    match codec.decode_eof(buffer) {
        Err(error @ CodecError::Truncated { .. }) => Some(error.to_string()),
        _ => None,
    }
}

/// The deadline `within` from now.
#[must_use]
pub fn after(within: Duration) -> Instant {
    Instant::now() + within
}
