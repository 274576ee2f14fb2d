//! Feeding bytes to the codec in pieces, as both targets do.

use alyx_protocol::{CodecError, Decoded, FrameCodec};
use bytes::BytesMut;
use tokio_util::codec::Decoder;

/// What came out of a stream: frames, and the error that ended it.
#[derive(Debug, PartialEq)]
pub(crate) struct Stream {
    pub(crate) found: Vec<Decoded>,
    pub(crate) fault: Option<String>,
}

/// Decodes `bytes` in pieces of the given sizes, the rest at once.
pub(crate) fn decode(bytes: &[u8], sizes: impl Iterator<Item = usize>, limit: usize) -> Stream {
    let mut codec = FrameCodec::new(limit);
    let mut buffer = BytesMut::new();
    let mut stream = Stream { found: Vec::new(), fault: None };
    let mut rest = bytes;
    for size in sizes.chain([usize::MAX]) {
        let (piece, later) = rest.split_at(size.min(rest.len()));
        rest = later;
        buffer.extend_from_slice(piece);
        if let Err(error) = drain(|b| codec.decode(b), &mut buffer, &mut stream) {
            stream.fault = Some(error.to_string());
            return stream;
        }
        // What was announced must not decide over what is set aside, beyond the limit.
        assert!(buffer.capacity() <= 8 * (limit + 4) + 2 * bytes.len());
    }
    let end = drain(|b| codec.decode_eof(b), &mut buffer, &mut stream);
    stream.fault = end.err().map(|error| error.to_string());
    stream
}

fn drain(
    mut decode: impl FnMut(&mut BytesMut) -> Result<Option<Decoded>, CodecError>,
    buffer: &mut BytesMut,
    stream: &mut Stream,
) -> Result<(), CodecError> {
    while let Some(decoded) = decode(buffer)? {
        stream.found.push(decoded);
    }
    Ok(())
}
