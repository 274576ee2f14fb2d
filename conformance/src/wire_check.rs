//! What every frame of a shim must be, whatever the case is about.
//!
//! The form of one message, and the ledger of requests and answers over a connection. Knows
//! nothing of cases; a finding fails the case in which it was seen.

use std::collections::{BTreeMap, BTreeSet};

use alyx_protocol::json;
use alyx_protocol::limits::ID_MAX;
use serde_json::Value;

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
    /// Requests of the host: how often each was answered, by the method where it is known.
    asked: BTreeMap<u64, u32>,
    shim_ids: BTreeSet<u64>,
    findings: Vec<String>,
}

impl Ledger {
    /// The host has sent something with this id.
    pub fn sent(&mut self, id: u64) {
        self.asked.entry(id).or_insert(0);
    }

    /// Checks one frame of the shim.
    pub fn received(&mut self, message: &Value) {
        let found = form(message);
        let shown = crate::matcher::shown(message);
        self.findings.extend(found.into_iter().map(|what| format!("{what}: {shown}")));
        let id = message.get("id").and_then(Value::as_u64);
        match (message.get("method"), id) {
            (Some(_), Some(id)) => {
                if !self.shim_ids.insert(id) {
                    self.findings.push(format!("the shim used its request id {id} twice: {shown}"));
                }
            }
            (None, Some(id)) => match self.asked.get_mut(&id) {
                Some(0) => drop(self.asked.insert(id, 1)),
                Some(count) => {
                    *count += 1;
                    self.findings.push(format!("request {id} was answered {count} times: {shown}"));
                }
                None => self.findings.push(format!("an answer to {id}, which nobody asked: {shown}")),
            },
            _ => {}
        }
    }

    /// Something that is wrong and is no frame.
    pub fn finding(&mut self, what: String) {
        self.findings.push(what);
    }

    #[must_use]
    pub fn findings(&self) -> &[String] {
        &self.findings
    }

    #[must_use]
    pub fn is_answered(&self, id: u64) -> bool {
        self.asked.get(&id).is_some_and(|count| *count > 0)
    }
}

/// What is wrong with the form of one message.
fn form(message: &Value) -> Vec<String> {
    let mut wrong = Vec::new();
    if message.get("jsonrpc") != Some(&Value::from("2.0")) {
        wrong.push("`jsonrpc` is not \"2.0\"".to_owned());
    }
    let id = message.get("id");
    let legal = |id: &Value| id.as_u64().is_some_and(|id| (1..=ID_MAX).contains(&id));
    if let Some(method) = message.get("method") {
        if !method.is_string() {
            wrong.push("`method` is no string".to_owned());
        }
        if id.is_some_and(|id| !legal(id)) {
            wrong.push("a request's `id` is no integer from 1 to 2^53 - 1".to_owned());
        }
        if message.get("params").is_some_and(|params| !params.is_object()) {
            wrong.push("`params` is no object".to_owned());
        }
        return wrong;
    }
    match (message.get("result"), message.get("error").filter(|error| !error.is_null())) {
        (Some(result), None) => {
            if !result.is_object() {
                wrong.push("`result` is no object".to_owned());
            }
            if !id.is_some_and(legal) {
                wrong.push("a result without the id of its request".to_owned());
            }
        }
        (None, Some(error)) => {
            if !id.is_some_and(|id| id.is_null() || legal(id)) {
                wrong.push("an error whose `id` is neither null nor a request's".to_owned());
            }
            wrong.extend(error_form(error));
        }
        _ => wrong.push("neither a call, nor a result, nor an error".to_owned()),
    }
    wrong
}

fn error_form(error: &Value) -> Option<String> {
    let fits = error.get("code").is_some_and(Value::is_i64)
        && error.get("message").is_some_and(Value::is_string)
        && error.pointer("/data/code").is_some_and(Value::is_string);
    (!fits).then(|| "an error without integer `code`, `message` and `data.code`".to_owned())
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

    #[test]
    fn a_second_answer_and_an_answer_to_nobody_are_found() {
        let mut ledger = Ledger::default();
        ledger.sent(7);
        let answer = |id: u64| json!({"jsonrpc": "2.0", "id": id, "result": {}});
        ledger.received(&answer(7));
        assert!(ledger.findings().is_empty());
        ledger.received(&answer(7));
        ledger.received(&answer(8));
        assert_eq!(ledger.findings().len(), 2);
    }

    #[test]
    fn an_error_needs_its_string_code() {
        let mut ledger = Ledger::default();
        ledger.sent(1);
        let error = json!({"code": -32601, "message": "no"});
        ledger.received(&json!({"jsonrpc": "2.0", "id": 1, "error": error}));
        assert!(ledger.findings()[0].contains("data.code"));
    }
}
