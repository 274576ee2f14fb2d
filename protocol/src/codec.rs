//! Bytes to frames and back (spec section "Framing").
//!
//! A frame is `kind: u8`, `length: u24be`, then `length` bytes. Kind 0 holds one JSON object.
//! The codec checks the length before it makes room, and knows nothing of what a payload means.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use tokio_util::codec::{Decoder, Encoder};

use crate::limits::FRAME_CAP;

/// The kind of a frame that holds one UTF-8 JSON-RPC object.
pub const KIND_JSON: u8 = 0;
/// Bytes before each payload.
pub const HEADER: usize = 4;

/// What the decoder found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decoded {
    /// The payload of one frame of kind 0, sharing the receive buffer.
    Frame(Bytes),
    /// A frame over the limit. Its payload is being thrown away; the stream stays usable.
    Oversize {
        /// The length its header names.
        length: usize,
    },
}

/// Why a stream of frames cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum CodecError {
    /// A kind nobody negotiated. Fatal: skipping it would turn garbage into a silent hang.
    #[error("frame kind {kind} ({shown}) was not negotiated; is something else writing to the protocol stream?", shown = printable(*.kind))]
    UnknownKind {
        /// The first byte of the header.
        kind: u8,
    },
    /// The stream ended inside a frame.
    #[error("stream ended {missing} bytes before the end of a frame")]
    Truncated {
        /// Bytes of header or payload that did not come.
        missing: usize,
    },
    /// A frame that must not be written.
    #[error("frame of {length} bytes is over the limit of {limit}")]
    TooLarge {
        /// Bytes of its payload.
        length: usize,
        /// The most there may be.
        limit: usize,
    },
    /// The transport failed.
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

fn printable(kind: u8) -> String {
    if kind.is_ascii_graphic() { format!("{:?}", kind as char) } else { format!("{kind:#04x}") }
}

/// Splits a byte stream into frames, each at most `max_frame` bytes of payload.
#[derive(Debug)]
pub struct FrameCodec {
    max_frame: usize,
    discarding: usize,
}

impl FrameCodec {
    /// A codec at the start of a stream.
    #[must_use]
    pub fn new(max_frame: usize) -> Self {
        FrameCodec { max_frame: max_frame.min(FRAME_CAP), discarding: 0 }
    }

    /// The limit may change once, when the handshake has agreed on one.
    pub fn set_max_frame(&mut self, max_frame: usize) {
        self.max_frame = max_frame.min(FRAME_CAP);
    }

    fn discard(&mut self, src: &mut BytesMut) {
        let now = self.discarding.min(src.len());
        src.advance(now);
        self.discarding -= now;
    }
}

impl Decoder for FrameCodec {
    type Item = Decoded;
    type Error = CodecError;

    fn decode(&mut self, src: &mut BytesMut) -> Result<Option<Decoded>, CodecError> {
        self.discard(src);
        if self.discarding > 0 {
            return Ok(None);
        }
        let Some(&kind) = src.first() else { return Ok(None) };
        // Looked at before the length is complete, so that stray text is found at once.
        if kind != KIND_JSON {
            return Err(CodecError::UnknownKind { kind });
        }
        if src.len() < HEADER {
            return Ok(None);
        }
        let length = u32::from_be_bytes([0, src[1], src[2], src[3]]) as usize;
        if length > self.max_frame {
            src.advance(HEADER);
            self.discarding = length;
            self.discard(src);
            return Ok(Some(Decoded::Oversize { length }));
        }
        if src.len() < HEADER + length {
            src.reserve(HEADER + length - src.len());
            return Ok(None);
        }
        src.advance(HEADER);
        Ok(Some(Decoded::Frame(src.split_to(length).freeze())))
    }

    fn decode_eof(&mut self, src: &mut BytesMut) -> Result<Option<Decoded>, CodecError> {
        if let Some(decoded) = self.decode(src)? {
            return Ok(Some(decoded));
        }
        let missing = match src.len() {
            0 => self.discarding,
            n if n < HEADER => HEADER - n,
            n => HEADER + u32::from_be_bytes([0, src[1], src[2], src[3]]) as usize - n,
        };
        if missing > 0 { Err(CodecError::Truncated { missing }) } else { Ok(None) }
    }
}

/// A frame ready to be written: `head`, then an optional foreign `body` with its `tail`.
///
/// The body is spliced by reference so that a large input is never copied. It must be one JSON
/// value that [`crate::json::check`] accepted, else its bytes could close the object early and
/// forge members of the frame.
#[derive(Debug, Clone)]
pub struct OutFrame {
    head: Bytes,
    body: Bytes,
    tail: &'static [u8],
}

impl OutFrame {
    /// A frame of which all bytes are in `json`.
    ///
    /// # Errors
    /// [`CodecError::TooLarge`] when the payload is over 16 MiB - 1.
    pub fn whole(json: &[u8]) -> Result<Self, CodecError> {
        Self::spliced(json, Bytes::new(), b"")
    }

    /// A frame of `json`, then `body` verbatim, then `tail`.
    ///
    /// # Errors
    /// [`CodecError::TooLarge`] when the payload is over 16 MiB - 1.
    pub fn spliced(json: &[u8], body: Bytes, tail: &'static [u8]) -> Result<Self, CodecError> {
        let length = json.len() + body.len() + tail.len();
        if length > FRAME_CAP {
            return Err(CodecError::TooLarge { length, limit: FRAME_CAP });
        }
        let mut head = BytesMut::with_capacity(HEADER + json.len());
        head.put_u32(length as u32);
        head.put_slice(json);
        Ok(OutFrame { head: head.freeze(), body, tail })
    }

    /// The pieces in the order they go on the wire, the header included.
    #[must_use]
    pub fn pieces(&self) -> [&[u8]; 3] {
        [&self.head, &self.body, self.tail]
    }

    /// Bytes on the wire, the header included.
    #[must_use]
    pub fn len(&self) -> usize {
        self.head.len() + self.body.len() + self.tail.len()
    }

    /// Never: a frame has a header at least.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        false
    }

    /// Bytes of payload: what is compared with a frame limit.
    #[must_use]
    pub fn payload_len(&self) -> usize {
        self.len() - HEADER
    }
}

impl Encoder<OutFrame> for FrameCodec {
    type Error = CodecError;

    fn encode(&mut self, frame: OutFrame, dst: &mut BytesMut) -> Result<(), CodecError> {
        dst.reserve(frame.len());
        for piece in frame.pieces() {
            dst.put_slice(piece);
        }
        Ok(())
    }
}
