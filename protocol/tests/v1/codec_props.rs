//! Properties of the codec, of splicing and of the JSON check that hold for any input.

use std::borrow::Cow;
use std::collections::BTreeMap;

use alyx_protocol::codec::HEADER;
use alyx_protocol::json::{JsonError, check};
use alyx_protocol::worker::{Auth, InvokeParams, Trace, invoke_frame};
use alyx_protocol::{
    CodecError, Decoded, ErrorCode, FrameCodec, Message, OutFrame, RpcError, limits, message,
};
use bytes::{Bytes, BytesMut};
use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};
use tokio_util::codec::{Decoder, Encoder};

const LIMIT: usize = 300;

fn config() -> ProptestConfig {
    ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() }
}

/// Feeds pieces and returns what came out, with the error that ended it.
fn decode<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> (Vec<Decoded>, Option<String>) {
    let mut codec = FrameCodec::new(LIMIT);
    let (mut buffer, mut out) = (BytesMut::new(), Vec::new());
    for piece in pieces {
        buffer.extend_from_slice(piece);
        loop {
            match codec.decode(&mut buffer) {
                Ok(Some(decoded)) => out.push(decoded),
                Ok(None) => break,
                Err(error) => return (out, Some(error.to_string())),
            }
        }
        // Room for one frame and what was read beyond it, however much was announced.
        assert!(buffer.capacity() <= 8 * (LIMIT + HEADER) + piece.len(), "{}", buffer.capacity());
    }
    (out, None)
}

fn cut(bytes: &[u8], cuts: Vec<Index>) -> Vec<&[u8]> {
    let mut places: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
    places.extend([0, bytes.len()]);
    places.sort_unstable();
    places.windows(2).map(|pair| &bytes[pair[0]..pair[1]]).collect()
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        (-1e15..1e15f64).prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::btree_map(any::<String>(), inner, 0..6)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

/// JSON, JSON with a fault, or text that only looks like it.
fn almost_json() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        any_json().prop_map(|value| value.to_string().into_bytes()),
        (any_json(), any::<Index>(), any::<u8>()).prop_map(|(value, at, byte)| {
            let mut bytes = value.to_string().into_bytes();
            let at = at.index(bytes.len());
            bytes[at] = byte;
            bytes
        }),
        r#"[\[\]{}",:0-9a-f \\u.eE+-]{0,40}"#.prop_map(String::into_bytes),
        prop::collection::vec(any::<u8>(), 0..40),
    ]
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn frames_come_back_however_they_are_cut(
        payloads in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..2 * LIMIT), 0..6),
        cuts in prop::collection::vec(any::<Index>(), 0..20),
    ) {
        let mut bytes = BytesMut::new();
        for payload in &payloads {
            let frame = OutFrame::whole(payload).unwrap();
            prop_assert_eq!(frame.payload_len(), payload.len());
            FrameCodec::new(LIMIT).encode(frame, &mut bytes).unwrap();
        }
        let expected: Vec<Decoded> = payloads
            .into_iter()
            .map(|payload| match payload.len() {
                0..=LIMIT => Decoded::Frame(payload.into()),
                length => Decoded::Oversize { length },
            })
            .collect();
        let (found, error) = decode(cut(&bytes, cuts).into_iter());
        prop_assert_eq!(found, expected);
        prop_assert_eq!(error, None);
    }

    #[test]
    fn any_bytes_decode_the_same_however_they_are_cut(
        mut bytes in prop::collection::vec(prop_oneof![Just(0u8), Just(1u8), any::<u8>()], 0..900),
        cuts in prop::collection::vec(any::<Index>(), 0..20),
    ) {
        if let Some(first) = bytes.first_mut() {
            *first = 0;
        }
        let whole = decode([&bytes[..]].into_iter());
        let pieces = decode(cut(&bytes, cuts).into_iter());
        prop_assert_eq!(whole, pieces);
    }

    #[test]
    fn any_payload_is_a_message_or_a_fault(payload in almost_json()) {
        if let Err(fault) = Message::parse(&payload) {
            let valid = serde_json::from_slice::<&RawValue>(&payload).is_ok();
            let expected = if valid { -32600 } else { -32700 };
            prop_assert_eq!(fault.code.number(), expected, "{}", fault);
        }
    }

    #[test]
    fn check_agrees_with_serde_json(bytes in almost_json()) {
        let tree: Result<Value, _> = serde_json::from_slice(&bytes);
        match (check(&bytes, 128), tree) {
            (Ok((_, raw)), Ok(value)) => {
                prop_assert_eq!(serde_json::from_str::<Value>(raw.get()).unwrap(), value);
            }
            (Err(JsonError::Syntax { line, column, .. }), Err(_)) => {
                let lines = bytes.split(|b| *b == b'\n').count();
                prop_assert!((1..=lines).contains(&line), "line {line} of {lines}");
                prop_assert!(column <= bytes.len() + 1, "column {column}");
            }
            // A tree cannot hold these, though they are JSON.
            (Ok(_), Err(e)) => prop_assert!(
                e.to_string().contains("number out of range") || e.to_string().contains("surrogate")
                    || e.to_string().contains("hex escape"),
                "{e}"
            ),
            (Err(e), Ok(_)) => prop_assert!(false, "{e}"),
            (Err(e), Err(_)) => prop_assert!(false, "{e}"),
        }
    }

    #[test]
    fn depth_is_bounded_exactly(value in any_json(), limit in 0usize..8) {
        let text = value.to_string();
        let fits = check(text.as_bytes(), limit).is_ok();
        prop_assert_eq!(fits, depth(&value) <= limit, "{}", text);
    }

    #[test]
    fn a_spliced_input_comes_back_byte_for_byte(
        id in 1..=limits::ID_MAX,
        input in any_json(),
        space in "[ \t\r\n]{0,5}",
        words in prop::collection::vec(any::<String>(), 6),
        trigger in any_json(),
    ) {
        let input = format!("{space}{input}{space}");
        check(input.as_bytes(), 128).unwrap();
        let foreign = Foreign::of(&words, &json!({ "type": words[1], "headers": trigger }));
        let frame = invoke_frame(id, &foreign.params(), Bytes::from(input.clone())).unwrap();
        let payload = frame.pieces().concat().split_off(HEADER);
        let Ok(Message::Request { id: found, method, params: Some(raw) }) = Message::parse(&payload)
        else { panic!("no request") };
        prop_assert_eq!((found, &*method), (id, "invoke"));
        let members: BTreeMap<String, &RawValue> =
            serde_json::from_str(raw.get()).unwrap();
        prop_assert_eq!(members["input"].get(), input.trim_matches([' ', '\t', '\r', '\n']));
        prop_assert_eq!(members["trigger"].get(), foreign.trigger.get());
        let function: String = serde_json::from_str(members["function"].get()).unwrap();
        prop_assert_eq!(function, &*words[0]);
    }

    #[test]
    fn what_check_refuses_is_never_needed_to_forge_a_member(bytes in almost_json()) {
        // Whatever passes the check keeps the envelope as it was, whatever it looks like.
        if check(&bytes, 128).is_ok() {
            let words = vec![String::new(); 6];
            let foreign = Foreign::of(&words, &json!({ "type": "cli" }));
            let frame = invoke_frame(7, &foreign.params(), Bytes::from(bytes)).unwrap();
            let payload = frame.pieces().concat().split_off(HEADER);
            let parsed = Message::parse(&payload);
            let whole = matches!(
                parsed, Ok(Message::Request { id: 7, method: Cow::Borrowed("invoke"), .. })
            );
            prop_assert!(whole, "{parsed:?}");
        }
    }

    #[test]
    fn answers_and_errors_round_trip(id in 1..=limits::ID_MAX, output in any_json()) {
        let mut result = Map::new();
        result.insert("output".into(), output.clone());
        let payload = message::result(id, &result).unwrap().pieces().concat().split_off(HEADER);
        let Ok(Message::Result { id: found, members }) = Message::parse(&payload) else {
            panic!("no result")
        };
        prop_assert_eq!(found, id);
        prop_assert_eq!(members.get("output").unwrap().get(), output.to_string());
        let error = RpcError::new(ErrorCode::FunctionError, "m")
            .with("x", output);
        let payload = message::error(Some(id), &error).unwrap().pieces().concat().split_off(HEADER);
        let Ok(Message::Error { id: found, error: read }) = Message::parse(&payload) else {
            panic!("no error")
        };
        prop_assert_eq!((found, read), (Some(id), error));
    }
}

fn depth(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        Value::Object(members) => 1 + members.values().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}

/// What comes from outside in an `invoke`, whatever it holds.
struct Foreign<'a> {
    words: &'a [String],
    trigger: Box<RawValue>,
    auth: Auth,
}

impl<'a> Foreign<'a> {
    fn of(words: &'a [String], trigger: &Value) -> Self {
        let auth = Auth {
            id: words[3].clone(),
            email: None,
            role: words[4].clone(),
            verified: false,
            metadata: json!({}),
        };
        let trigger = RawValue::from_string(trigger.to_string()).unwrap();
        Foreign { words, trigger, auth }
    }

    fn params(&self) -> InvokeParams<'_> {
        InvokeParams {
            function: &self.words[0],
            revision: "r1",
            request_id: &self.words[5],
            deadline_ms: 1000,
            attempt: 1,
            trigger: &self.trigger,
            auth: Some(&self.auth),
            trace: Some(Trace { traceparent: &self.words[1], tracestate: Some(&self.words[2]) }),
        }
    }
}

#[test]
fn a_length_over_the_limit_makes_no_room() {
    let mut codec = FrameCodec::new(LIMIT);
    let mut buffer = BytesMut::from(&[0, 0xff, 0xff, 0xff][..]);
    let before = buffer.capacity();
    let found = codec.decode(&mut buffer).unwrap();
    assert_eq!(found, Some(Decoded::Oversize { length: 0x00ff_ffff }));
    assert!(buffer.capacity() <= before);
}

#[test]
fn a_seventy_kilobyte_frame_passes_at_every_read_size() {
    let payload = vec![b'x'; 70 * 1024];
    let bytes = OutFrame::whole(&payload).unwrap().pieces().concat();
    for size in [1, 3, 4096, 65_536, 65_537, bytes.len()] {
        let mut codec = FrameCodec::new(limits::FRAME_DEFAULT);
        let mut buffer = BytesMut::new();
        let mut found = None;
        for piece in bytes.chunks(size) {
            buffer.extend_from_slice(piece);
            found = found.or(codec.decode(&mut buffer).unwrap());
        }
        assert_eq!(found, Some(Decoded::Frame(payload.clone().into())), "reads of {size}");
    }
}

#[test]
fn a_frame_over_the_cap_cannot_be_made() {
    let body = Bytes::from(vec![b' '; limits::FRAME_CAP]);
    let error = OutFrame::spliced(b"{", body.clone(), b"}").unwrap_err();
    assert!(matches!(error, CodecError::TooLarge { length: 16_777_217, limit: 16_777_215 }));
    assert!(OutFrame::spliced(b"", body, b"").is_ok());
}
