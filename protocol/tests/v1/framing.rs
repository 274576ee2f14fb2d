//! Every golden byte stream decodes to the same frames, however it is cut.

use alyx_protocol::limits::FRAME_DEFAULT;
use alyx_protocol::{CodecError, Decoded, FrameCodec};
use bytes::BytesMut;
use proptest::prelude::*;
use proptest::sample::Index;
use tokio_util::codec::Decoder;

use crate::golden::{Example, Schema, examples};

/// What a stream holds: payloads (none for one over the limit), and how it ends.
#[derive(Debug, PartialEq)]
struct Stream {
    frames: Vec<Option<String>>,
    end: Option<&'static str>,
}

fn decode<'a>(pieces: impl Iterator<Item = &'a [u8]>, max_frame: usize) -> Stream {
    let mut codec = FrameCodec::new(max_frame);
    let mut buffer = BytesMut::new();
    let mut stream = Stream { frames: Vec::new(), end: None };
    for piece in pieces.map(Some).chain([None]) {
        buffer.extend_from_slice(piece.unwrap_or_default());
        loop {
            let step = match piece {
                Some(_) => codec.decode(&mut buffer),
                None => codec.decode_eof(&mut buffer),
            };
            match step {
                Ok(None) => break,
                Ok(Some(Decoded::Frame(payload))) => {
                    stream.frames.push(Some(String::from_utf8(payload.to_vec()).unwrap()));
                }
                Ok(Some(Decoded::Oversize { .. })) => {
                    stream.frames.push(None);
                    stream.end = Some("oversize");
                }
                Err(CodecError::UnknownKind { .. }) => {
                    return Stream { end: Some("unknown-kind"), ..stream };
                }
                Err(CodecError::Truncated { .. }) => {
                    return Stream { end: Some("truncated"), ..stream };
                }
                Err(other) => panic!("{other}"),
            }
        }
    }
    stream
}

struct Case {
    place: String,
    bytes: Vec<u8>,
    max_frame: usize,
    expected: Stream,
}

impl Case {
    fn of(example: &Example) -> Case {
        let content = &example.content;
        let frames = content["frames"].as_array().unwrap();
        let end = match content["end"].as_str() {
            None => None,
            Some("oversize") => Some("oversize"),
            Some("unknown-kind") => Some("unknown-kind"),
            Some("truncated") => Some("truncated"),
            Some(other) => panic!("{}: unknown end {other}", example.place()),
        };
        Case {
            place: example.place(),
            bytes: hex::decode(example.text("hex")).unwrap(),
            max_frame: content["maxFrame"].as_u64().map_or(FRAME_DEFAULT, |max| max as usize),
            expected: Stream {
                frames: frames.iter().map(|frame| frame.as_str().map(str::to_owned)).collect(),
                end,
            },
        }
    }

    fn check<'a>(&'a self, pieces: impl Iterator<Item = &'a [u8]>) {
        assert_eq!(decode(pieces, self.max_frame), self.expected, "{}", self.place);
    }
}

fn cases() -> Vec<Case> {
    examples(true).iter().map(Case::of).collect()
}

#[test]
fn whole_and_byte_by_byte() {
    for case in cases() {
        case.check([&case.bytes[..]].into_iter());
        case.check(case.bytes.chunks(1));
    }
}

#[test]
fn cut_in_two_at_every_place() {
    for case in cases() {
        for at in 0..=case.bytes.len() {
            let (front, back) = case.bytes.split_at(at);
            case.check([front, back].into_iter());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn cut_anywhere(cuts in prop::collection::vec(any::<Index>(), 0..40)) {
        for case in cases() {
            let mut places: Vec<usize> =
                cuts.iter().map(|cut| cut.index(case.bytes.len() + 1)).collect();
            places.extend([0, case.bytes.len()]);
            places.sort_unstable();
            case.check(places.windows(2).map(|pair| &case.bytes[pair[0]..pair[1]]));
        }
    }
}

#[test]
fn the_files_fit_their_schema() {
    let schema = Schema::read();
    for example in examples(true) {
        assert_eq!(schema.faults("example.framing", &example.content), "", "{}", example.place());
    }
}
