//! From what a case says it sends to the bytes on the wire.
//!
//! Fills in what every message has, so that a case names only what it is about. Knows nothing of
//! sockets.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::generated::spelt_out;

/// The revision a fixture has when the case does not name one.
pub const REVISION: &str = "r1";

/// How the bytes of one step are cut into writes. Nothing set: one write.
#[derive(Debug, Clone, Default)]
pub struct Split {
    /// Sizes of the first writes.
    pub first: Vec<usize>,
    /// Size of each write after those.
    pub rest: Option<usize>,
}

impl Split {
    /// The chunks of `bytes`, in order.
    #[must_use]
    pub fn chunks<'a>(&self, bytes: &'a [u8]) -> Vec<&'a [u8]> {
        let mut chunks = Vec::new();
        let mut left = bytes;
        for &size in &self.first {
            let (chunk, rest) = left.split_at(size.min(left.len()));
            chunks.push(chunk);
            left = rest;
        }
        match self.rest {
            Some(size) => chunks.extend(left.chunks(size.max(1))),
            None => chunks.push(left),
        }
        chunks.retain(|chunk| !chunk.is_empty());
        chunks
    }
}

/// Some bytes of a `sendRaw`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub enum Piece {
    /// These characters, no frame around them.
    Text(String),
    /// These bytes.
    Hex(String),
    /// One frame around this payload.
    Frame(String),
    /// One frame around these bytes.
    FrameHex(String),
    /// One frame around this message, made whole as by `send`.
    Message(Value),
    /// A header alone.
    Header { kind: u8, len: u32 },
    /// One byte, many times.
    Fill { byte: String, count: usize },
}

impl Piece {
    /// # Errors
    /// What is wrong with the piece.
    pub fn check(&self) -> Result<(), String> {
        match self {
            Piece::Message(value) => check_message(value),
            Piece::Hex(text) | Piece::FrameHex(text) => unhex(text).map(drop),
            Piece::Fill { byte, .. } if unhex(byte)?.len() != 1 => {
                Err("`fill.byte` is one byte in hex".into())
            }
            _ => Ok(()),
        }
    }

    /// The bytes; `whole` turns a message as written into one as sent.
    ///
    /// # Errors
    /// What is wrong with the piece.
    pub fn bytes(
        &self,
        whole: impl Fn(&Value) -> Result<Value, String>,
    ) -> Result<Vec<u8>, String> {
        Ok(match self {
            Piece::Text(text) => text.as_bytes().to_vec(),
            Piece::Hex(text) => unhex(text)?,
            Piece::Frame(payload) => frame(payload.as_bytes()),
            Piece::FrameHex(payload) => frame(&unhex(payload)?),
            Piece::Message(value) => frame(whole(value)?.to_string().as_bytes()),
            Piece::Header { kind, len } => {
                let mut header = len.to_be_bytes().to_vec();
                header[0] = *kind;
                header
            }
            Piece::Fill { byte, count } => unhex(byte)?.repeat(*count),
        })
    }
}

/// A payload with its header. Written here and not with the codec under test in the host.
#[must_use]
pub fn frame(payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap_or(u32::MAX);
    let mut bytes = length.to_be_bytes().to_vec();
    bytes.extend_from_slice(payload);
    bytes
}

fn unhex(text: &str) -> Result<Vec<u8>, String> {
    let digits: Vec<u8> = text.bytes().filter(|b| !b.is_ascii_whitespace()).collect();
    digits
        .chunks(2)
        .map(|pair| {
            let pair = std::str::from_utf8(pair).unwrap_or_default();
            u8::from_str_radix(pair, 16).map_err(|_| format!("'{pair}' is no byte in hex"))
        })
        .collect()
}

/// # Errors
/// An unknown `$word`, or a short form without what it needs.
pub fn check_message(message: &Value) -> Result<(), String> {
    whole(message, &|name| Ok(format!("/{name}"))).map(drop)
}

/// Where fixtures are: a path for a name.
pub type Locate<'a> = &'a dyn Fn(&str) -> Result<String, String>;

/// A message as sent: short forms spelt out, `jsonrpc` added, generated values made.
///
/// # Errors
/// An unknown `$word`, or a short form without what it needs.
pub fn whole(message: &Value, locate: Locate<'_>) -> Result<Value, String> {
    let members = match plain(message, locate)? {
        Value::Object(members) => members,
        other => return Ok(other),
    };
    let mut message = match members.iter().next() {
        Some((verb, argument)) if members.len() == 1 => short_form(verb, argument, locate)?,
        _ => members,
    };
    // `jsonrpc: null` is how a case leaves the member out.
    match message.get("jsonrpc") {
        Some(Value::Null) => drop(message.remove("jsonrpc")),
        Some(_) => {}
        None => drop(message.insert("jsonrpc".into(), "2.0".into())),
    }
    Ok(Value::Object(message))
}

fn short_form(
    verb: &str,
    argument: &Value,
    locate: Locate<'_>,
) -> Result<Map<String, Value>, String> {
    let mut params = match argument {
        Value::Object(members) => members.clone(),
        id => Map::from_iter([("id".to_owned(), id.clone())]),
    };
    let id = params.remove("id").ok_or_else(|| format!("`{verb}` needs an `id`"))?;
    match verb {
        "invoke" => invoke_params(&mut params),
        "load" => load_params(&mut params, locate)?,
        "cancel" => {
            params.entry("reason").or_insert("client".into());
            params.insert("id".into(), id);
            return Ok(object(json!({"method": "cancel", "params": params})));
        }
        "shutdown" => {
            params.entry("graceMs").or_insert(1000.into());
            params.entry("reason").or_insert("drain".into());
        }
        "ping" => {}
        _ => return Err(format!("no short form `{verb}`; a message needs more than one member")),
    }
    Ok(object(json!({"id": id, "method": verb, "params": params})))
}

fn invoke_params(params: &mut Map<String, Value>) {
    if let Some(ops) = params.remove("ops") {
        let input = params.entry("input").or_insert(json!({}));
        input["ops"] = ops;
    }
    let defaults = json!({
        "function": "probe", "revision": REVISION, "requestId": "req-1", "deadlineMs": 30_000,
        "attempt": 1, "trigger": {"type": "http", "method": "POST", "headers": {}, "ip": "127.0.0.1"},
        "auth": null, "input": {},
    });
    for (name, value) in object(defaults) {
        params.entry(name).or_insert(value);
    }
}

/// `fixture` becomes `path`, and the function's name where none is given.
fn load_params(params: &mut Map<String, Value>, locate: Locate<'_>) -> Result<(), String> {
    let fixture = params.remove("fixture").ok_or("`load` needs a `fixture`")?;
    let fixture = fixture.as_str().ok_or("`fixture` is a name")?;
    params.entry("path").or_insert(locate(fixture)?.into());
    params.entry("root").or_insert(locate("")?.into());
    params.entry("function").or_insert(fixture.into());
    params.entry("revision").or_insert(REVISION.into());
    params.entry("env").or_insert(json!({}));
    Ok(())
}

fn object(value: Value) -> Map<String, Value> {
    if let Value::Object(members) = value { members } else { Map::new() }
}

/// Values as they are sent, with `$file:NAME` made a path, and `$file:/PLACE` one in the folder.
fn plain(value: &Value, locate: Locate<'_>) -> Result<Value, String> {
    spelt_out(value, &|value| {
        let fixture = value.as_str()?.strip_prefix("$file:")?;
        Some(match fixture.strip_prefix('/') {
            Some(place) => locate("").map(|folder| format!("{folder}/{place}").into()),
            None => locate(fixture).map(Value::from),
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_whole(written: Value, sent: Value) {
        let locate = |name: &str| Ok(format!("/fixtures/{name}"));
        assert_eq!(whole(&written, &locate), Ok(sent));
    }

    #[test]
    fn a_message_gets_what_every_message_has() {
        check_whole(
            json!({"id": 1, "method": "a"}),
            json!({"jsonrpc": "2.0", "id": 1, "method": "a"}),
        );
        check_whole(json!({"jsonrpc": null, "id": 1}), json!({"id": 1}));
        check_whole(
            json!({"cancel": 7}),
            json!({"jsonrpc": "2.0", "method": "cancel", "params": {"id": 7, "reason": "client"}}),
        );
    }

    #[test]
    fn a_fixture_becomes_a_path() {
        let locate = |name: &str| Ok(format!("/fixtures/{name}"));
        let sent = whole(&json!({"load": {"id": 1, "fixture": "probe"}}), &locate).unwrap();
        assert_eq!(sent["params"]["path"], "/fixtures/probe");
        assert_eq!(sent["params"]["function"], "probe");
        assert_eq!(sent["params"].get("fixture"), None);
    }

    #[test]
    fn generated_values_and_escapes_are_spelt_out() {
        check_whole(
            json!({"id": 1, "a": {"$text": ["ab", 2]}, "b": {"$nest": [2, 0]}, "$$c": "$$d"}),
            json!({"jsonrpc": "2.0", "id": 1, "a": "abab", "b": [[0]], "$c": "$d"}),
        );
        assert!(check_message(&json!({"id": 1, "a": "$oops"})).is_err());
        assert!(check_message(&json!({"invoke": {"ops": []}})).is_err());
    }

    #[test]
    fn bytes_are_split_as_the_step_says() {
        let chunks = |first: &[usize], rest| Split { first: first.to_vec(), rest };
        assert_eq!(chunks(&[], None).chunks(b"abcde"), [b"abcde"]);
        assert_eq!(chunks(&[1, 2], None).chunks(b"abcde"), [&b"a"[..], b"bc", b"de"]);
        assert_eq!(chunks(&[1], Some(3)).chunks(b"abcde"), [&b"a"[..], b"bcd", b"e"]);
        assert_eq!(chunks(&[9], None).chunks(b"abc"), [b"abc"]);
    }

    #[test]
    fn raw_pieces_say_exactly_what_is_sent() {
        let bytes = |piece: Value| {
            let piece: Piece = serde_json::from_value(piece).unwrap();
            piece.bytes(|message| Ok(message.clone())).unwrap()
        };
        assert_eq!(bytes(json!({"hex": "00 ff 7B"})), [0, 0xff, b'{']);
        assert_eq!(bytes(json!({"header": {"kind": 7, "len": 258}})), [7, 0, 1, 2]);
        assert_eq!(bytes(json!({"frame": "ab"})), [0, 0, 0, 2, b'a', b'b']);
        assert_eq!(bytes(json!({"fill": {"byte": "20", "count": 3}})), b"   ");
    }
}
