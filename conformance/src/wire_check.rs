//! What every frame of a shim must be, whatever the case is about.
//!
//! The form of one message, and the ledger of requests and answers over a connection. Knows
//! nothing of cases; a finding fails the case in which it was seen.

use std::collections::{BTreeMap, BTreeSet};

use alyx_protocol::json;
use serde::Deserializer;
use serde::de::{MapAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::schema_check;

/// Requirements that are checked on every frame of every case.
pub const ON_EVERY_FRAME: &[&str] = &[
    "REQ-RPC-1",
    "REQ-RPC-2",
    "REQ-RPC-4",
    "REQ-RPC-13",
    "REQ-RPC-16",
    "REQ-RPC-17",
    "REQ-ERROR-1",
    "REQ-FWD-2",
];

/// Deepest frame that is read at all: the harness must outlive what it judges.
const DEPTH: usize = 600;

/// One payload as a value and as text.
///
/// # Errors
/// Why the payload is no JSON object.
pub fn parse(payload: &[u8]) -> Result<(Value, String), String> {
    let (_, raw) = json::check(payload, DEPTH)
        .map_err(|e| format!("a payload that is not JSON: {e}: {}", lossy(payload)))?;
    let text = raw.get().to_owned();
    let value = read(&text).or_else(|error| {
        // Valid by the grammar, yet no Rust string: shown to cases as the text of the escape.
        read(&lone_surrogates_as_text(&text)).map_err(|_| format!("{error}: {}", lossy(payload)))
    })?;
    if value.is_object() {
        Ok((value, text))
    } else {
        Err(format!("a payload that is no object: {}", lossy(payload)))
    }
}

fn lossy(payload: &[u8]) -> String {
    crate::transcript::cut(&String::from_utf8_lossy(payload), 200)
}

fn read(text: &str) -> Result<Value, serde_json::Error> {
    let mut reader = serde_json::Deserializer::from_str(text);
    // `parse` has bounded the depth already, at more than serde's own limit.
    reader.disable_recursion_limit();
    serde::Deserialize::deserialize(&mut reader)
}

fn lone_surrogates_as_text(text: &str) -> String {
    let mut fixed = String::with_capacity(text.len() + 8);
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        fixed.push_str(&rest[..at]);
        rest = &rest[at..];
        let length = match (surrogate(rest), surrogate(rest.get(6..).unwrap_or_default())) {
            (Some(0xd800..=0xdbff), Some(0xdc00..=0xdfff)) => 12,
            (Some(_), _) => {
                fixed.push('\\');
                6
            }
            (None, _) => 2,
        };
        let length = length.min(rest.len());
        fixed.push_str(&rest[..length]);
        rest = &rest[length..];
    }
    fixed + rest
}

/// The surrogate that an escape at the start of `text` names.
fn surrogate(text: &str) -> Option<u16> {
    let digits = text.strip_prefix("\\u")?.get(..4)?;
    u16::from_str_radix(digits, 16).ok().filter(|unit| (0xd800..=0xdfff).contains(unit))
}

/// Requests and answers of one connection, both ways.
#[derive(Debug, Default)]
pub struct Ledger {
    asked: BTreeMap<u64, Asked>,
    shim_ids: BTreeSet<u64>,
    findings: Vec<String>,
}

/// One request of the host.
#[derive(Debug, Default)]
struct Asked {
    /// What was asked for; none for what is no legal request.
    method: Option<String>,
    answers: u32,
}

impl Ledger {
    /// The host has sent this message.
    pub fn sent(&mut self, message: &Value) {
        let Some(id) = message.get("id").and_then(Value::as_u64) else { return };
        let method = message.get("method").and_then(Value::as_str).map(str::to_owned);
        self.asked.entry(id).or_insert(Asked { method, answers: 0 });
    }

    /// Checks one frame of the shim.
    pub fn received(&mut self, message: &Value, text: &str) {
        let shown = crate::matcher::shown(message);
        let id = message.get("id").and_then(Value::as_u64);
        let is_answer = message.get("method").is_none();
        let asked = id.filter(|_| is_answer).and_then(|id| self.asked.get(&id)?.method.clone());
        let mut wrong = schema_check::of_shim(message, asked.as_deref());
        wrong.extend(repeats_a_member(text).map(|name| format!("member '{name}' comes twice")));
        wrong.extend(self.count(id, is_answer));
        self.findings.extend(wrong.into_iter().map(|what| format!("{what}: {shown}")));
    }

    fn count(&mut self, id: Option<u64>, is_answer: bool) -> Option<String> {
        let id = id?;
        if !is_answer {
            let fresh = self.shim_ids.insert(id);
            return (!fresh).then(|| format!("the shim used its request id {id} twice"));
        }
        let Some(asked) = self.asked.get_mut(&id) else {
            return Some(format!("an answer to {id}, which nobody asked"));
        };
        asked.answers += 1;
        let count = asked.answers;
        (count > 1).then(|| format!("request {id} was answered {count} times"))
    }

    /// Something that is wrong and is no frame.
    pub fn finding(&mut self, what: String) {
        self.findings.push(what);
    }

    #[must_use]
    pub fn findings(&self) -> &[String] {
        &self.findings
    }
}

/// Whether one of the objects of a message names a member twice: readers would disagree on it.
fn repeats_a_member(text: &str) -> Option<String> {
    let top = members(text)?;
    let deeper = ["params", "result", "error"];
    let inner = top.iter().filter(|(name, _)| deeper.contains(&name.as_str()));
    let objects = inner.filter_map(|(_, raw)| members(raw.get()));
    let mut all = vec![members(text)?];
    all.extend(objects);
    all.iter().find_map(|object| {
        let mut seen = BTreeSet::new();
        object.iter().find(|(name, _)| !seen.insert(name)).map(|(name, _)| name.clone())
    })
}

/// The members of an object in their order, repeated ones included.
fn members(text: &str) -> Option<Vec<(String, Box<RawValue>)>> {
    struct Pairs;
    impl<'de> Visitor<'de> for Pairs {
        type Value = Vec<(String, Box<RawValue>)>;

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("an object")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut pairs = Vec::new();
            while let Some(pair) = map.next_entry()? {
                pairs.push(pair);
            }
            Ok(pairs)
        }
    }
    serde_json::Deserializer::from_str(text).deserialize_map(Pairs).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_lone_surrogate_becomes_the_text_of_its_escape() {
        let (value, _) = parse(br#"{"a":"x\ud800y","b":"\ud83d\ude00","c":"\\ud800"}"#).unwrap();
        assert_eq!(value, json!({"a": "x\\ud800y", "b": "😀", "c": "\\ud800"}));
    }

    fn ledger_after(messages: &[Value]) -> Ledger {
        let mut ledger = Ledger::default();
        ledger.sent(&json!({"id": 7, "method": "invoke"}));
        messages.iter().for_each(|message| ledger.received(message, &message.to_string()));
        ledger
    }

    #[test]
    fn a_second_answer_and_an_answer_to_nobody_are_found() {
        let answer = |id: u64| json!({"jsonrpc": "2.0", "id": id, "result": {"output": null}});
        assert_eq!(ledger_after(&[answer(7)]).findings(), [""; 0]);
        let ledger = ledger_after(&[answer(7), answer(7), answer(8)]);
        assert!(ledger.findings()[0].starts_with("request 7 was answered 2 times"));
        assert!(ledger.findings()[1].starts_with("an answer to 8, which nobody asked"));
    }

    #[test]
    fn the_schema_of_the_method_counts() {
        let ledger = ledger_after(&[json!({"jsonrpc": "2.0", "id": 7, "result": {}})]);
        assert!(ledger.findings()[0].contains("\"output\" is a required property"));
    }

    #[test]
    fn a_member_that_comes_twice_is_found() {
        let text = r#"{"jsonrpc":"2.0","id":7,"result":{"output":1,"output":2}}"#;
        let mut ledger = ledger_after(&[]);
        ledger.received(&serde_json::from_str(text).unwrap(), text);
        assert!(ledger.findings()[0].starts_with("member 'output' comes twice"));
    }

    #[test]
    fn an_error_needs_its_string_code() {
        let error = json!({"code": -32601, "message": "no"});
        let ledger = ledger_after(&[json!({"jsonrpc": "2.0", "id": 7, "error": error})]);
        assert!(ledger.findings()[0].contains("data.code"));
    }
}
