//! Arbitrary messages: written, cut into pieces, read back, and equal to what they were.
//!
//! Arbitrary bytes as the input of an `invoke`: refused by the check, or found again verbatim.

#![no_main]

mod stream;

use std::collections::BTreeMap;

use alyx_protocol::codec::HEADER;
use alyx_protocol::worker::{Auth, InvokeParams, Trace, invoke_frame};
use alyx_protocol::{Decoded, ErrorData, Message, OutFrame, RpcError, json, limits, message};
use arbitrary::Arbitrary;
use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use serde_json::value::RawValue;
use serde_json::{Map, Number, Value};

const LIMIT: usize = 1 << 20;

/// Any JSON value.
#[derive(Arbitrary, Debug)]
enum Tree {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(String),
    List(Vec<Tree>),
    Object(BTreeMap<String, Tree>),
}

impl Tree {
    fn value(self) -> Value {
        match self {
            Tree::Null => Value::Null,
            Tree::Bool(b) => b.into(),
            Tree::Int(n) => n.into(),
            Tree::Float(x) => Number::from_f64(x).map_or(Value::Null, Value::Number),
            Tree::Text(text) => text.into(),
            Tree::List(items) => items.into_iter().map(Tree::value).collect(),
            Tree::Object(members) => object(members).into(),
        }
    }
}

fn object(members: BTreeMap<String, Tree>) -> Map<String, Value> {
    members.into_iter().map(|(name, tree)| (name, tree.value())).collect()
}

#[derive(Arbitrary, Debug)]
enum Any {
    Request { id: u64, method: String, params: BTreeMap<String, Tree> },
    Notification { method: String, params: BTreeMap<String, Tree> },
    Result { id: u64, members: BTreeMap<String, Tree> },
    Error { id: Option<u64>, code: i32, message: String, data: Option<Data> },
    Invoke { id: u64, words: [String; 6], auth: bool, trigger: Tree, input: Vec<u8> },
    InvokeTree { id: u64, words: [String; 6], auth: bool, trigger: Tree, input: Tree },
}

#[derive(Arbitrary, Debug)]
struct Data {
    code: Option<String>,
    retryable: Option<bool>,
    details: BTreeMap<String, Tree>,
    stack: Option<String>,
}

#[derive(Arbitrary, Debug)]
struct Conversation {
    messages: Vec<Any>,
    cuts: Vec<u8>,
}

/// What a reader must find.
enum Expected {
    Call { id: Option<u64>, method: String, params: String },
    Result { id: u64, members: Vec<(String, String)> },
    Error { id: Option<u64>, error: RpcError },
    Invoke { id: u64, function: String, input: String },
}

fuzz_target!(|conversation: Conversation| {
    let (mut bytes, mut expected) = (Vec::new(), Vec::new());
    for message in conversation.messages {
        if let Some((frame, expect)) = write(message) {
            frame.pieces().iter().for_each(|piece| bytes.extend_from_slice(piece));
            expected.push(expect);
        }
    }
    let sizes = conversation.cuts.iter().map(|cut| usize::from(*cut));
    let stream = stream::decode(&bytes, sizes, LIMIT);
    assert_eq!(stream.fault, None);
    assert_eq!(stream.found.len(), expected.len());
    for (found, expected) in stream.found.into_iter().zip(expected) {
        let Decoded::Frame(payload) = found else { panic!("nothing here is over the limit") };
        compare(Message::parse(&payload).expect("it was written as a message"), expected);
    }
});

fn valid(id: u64) -> u64 {
    id % limits::ID_MAX + 1
}

fn short(method: String) -> String {
    method.chars().take(limits::METHOD / 4).collect()
}

fn write(any: Any) -> Option<(OutFrame, Expected)> {
    Some(match any {
        Any::Request { id, method, params } => {
            let (id, method, params) = (valid(id), short(method), object(params));
            let frame = message::request(id, &method, &params).ok()?;
            let params = Value::Object(params).to_string();
            (frame, Expected::Call { id: Some(id), method, params })
        }
        Any::Notification { method, params } => {
            let (method, params) = (short(method), object(params));
            let frame = message::notification(&method, &params).ok()?;
            let params = Value::Object(params).to_string();
            (frame, Expected::Call { id: None, method, params })
        }
        Any::Result { id, members } => {
            let (id, members) = (valid(id), object(members));
            let frame = message::result(id, &members).ok()?;
            let members = members.into_iter().map(|(k, v)| (k, v.to_string())).collect();
            (frame, Expected::Result { id, members })
        }
        Any::Error { id, code, message, data } => {
            let data = data.map(|data| ErrorData {
                code: data.code,
                retryable: data.retryable,
                details: object(data.details),
                stack: data.stack,
            });
            let (id, error) = (id.map(valid), RpcError { code, message, data });
            (message::error(id, &error).ok()?, Expected::Error { id, error })
        }
        Any::Invoke { id, words, auth, trigger, input } => {
            invoke(id, &words, auth, trigger, input)?
        }
        Any::InvokeTree { id, words, auth, trigger, input } => {
            invoke(id, &words, auth, trigger, input.value().to_string().into_bytes())?
        }
    })
}

/// Refused by the check, or a frame with exactly these bytes as its input.
fn invoke(
    id: u64,
    words: &[String; 6],
    auth: bool,
    trigger: Tree,
    input: Vec<u8>,
) -> Option<(OutFrame, Expected)> {
    let (_, raw) = json::check(&input, limits::DEPTH).ok()?;
    let input_text = raw.get().to_owned();
    let trigger = RawValue::from_string(trigger.value().to_string()).expect("it is JSON");
    let user = Auth {
        id: words[2].clone(),
        email: Some(words[3].clone()),
        role: words[4].clone(),
        verified: auth,
        metadata: Value::Null,
    };
    let params = InvokeParams {
        function: &words[0],
        revision: &words[1],
        request_id: &words[2],
        deadline_ms: id,
        attempt: 1,
        trigger: &trigger,
        auth: auth.then_some(&user),
        trace: auth.then_some(Trace { traceparent: &words[5], tracestate: None }),
    };
    let id = valid(id);
    let frame = invoke_frame(id, &params, Bytes::from(input)).ok()?;
    let function = words[0].clone();
    Some((frame, Expected::Invoke { id, function, input: input_text }))
}

fn compare(found: Message<'_>, expected: Expected) {
    match (found, expected) {
        (
            Message::Request { id, method, params },
            Expected::Call { id: Some(i), method: m, params: p },
        ) => {
            assert_eq!((id, &*method, params.map(RawValue::get)), (i, &*m, Some(&*p)));
        }
        (
            Message::Notification { method, params },
            Expected::Call { id: None, method: m, params: p },
        ) => {
            assert_eq!((&*method, params.map(RawValue::get)), (&*m, Some(&*p)));
        }
        (Message::Result { id, members }, Expected::Result { id: i, members: all }) => {
            assert_eq!(id, i);
            // More members than a reader keeps are skipped; none is ever invented.
            for (name, text) in all.iter().take(64) {
                assert_eq!(members.get(name).map(RawValue::get), Some(&**text));
            }
        }
        (Message::Error { id, error }, Expected::Error { id: i, error: e }) => {
            assert_eq!((id, error.code, &error.message), (i, e.code, &e.message));
            let details = |error: &RpcError| {
                error.data.as_ref().map(|d| (d.code.clone(), d.retryable, d.stack.clone()))
            };
            assert_eq!(details(&error), details(&e));
            let members = |error: RpcError| error.data.map_or(0, |data| data.details.len());
            let dropped = too_deep(&e);
            assert_eq!(members(error), if dropped { 1 } else { members(e) });
        }
        (Message::Request { id, method, params }, Expected::Invoke { id: i, function, input }) => {
            assert_eq!((id, &*method), (i, "invoke"));
            let raw = params.expect("an invoke has params").get();
            let members: BTreeMap<String, &RawValue> =
                serde_json::from_str(raw).expect("an object");
            assert_eq!(members["input"].get(), input);
            let name: String = serde_json::from_str(members["function"].get()).expect("a string");
            assert_eq!(name, function);
        }
        (found, _) => panic!("something else was read: {found:?}"),
    }
}

/// Whether a reader leaves the details of this error out.
fn too_deep(error: &RpcError) -> bool {
    let details = error.data.as_ref().map(|data| serde_json::to_vec(&data.details));
    let bytes = details.and_then(Result::ok).unwrap_or_default();
    !bytes.is_empty() && json::check(&bytes, limits::DATA_DEPTH).is_err()
}

// The header's size is part of what is tested: a frame is never shorter.
const _: () = assert!(HEADER == 4);
