//! The requests of a shim: which the host serves, how many at once, and what a case scripts for them.
//!
//! Refuses by itself what every host must refuse, so that a shim meets here what it would meet
//! elsewhere. Knows nothing of databases, and writes nothing.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use crate::answers::{answer, refusal};
use crate::case::Script;
use crate::generated::with_generated;
use crate::matcher::Difference;
use crate::{matcher, schema_check};

/// The requests of one connection.
#[derive(Debug, Default)]
pub struct Syscalls {
    scripts: Vec<Script>,
    offered: BTreeSet<String>,
    limits: Limits,
    /// Invocations, and whether each is answered.
    invocations: BTreeMap<u64, bool>,
    /// Unanswered requests of the shim, and on whose behalf they are.
    open: BTreeMap<u64, Option<u64>>,
    /// Why no script of its method answered a request; a step may do so all the same.
    misfits: BTreeMap<u64, Vec<String>>,
}

#[derive(Debug, Default)]
struct Limits {
    calls: usize,
    per_invocation: usize,
}

/// What becomes of one message of the shim.
#[derive(Debug, Default)]
pub struct Verdict {
    /// To be sent at once; none when the steps have to answer, or nobody.
    pub answer: Option<Value>,
    /// Why no shim may send this.
    pub finding: Option<String>,
}

impl Syscalls {
    #[must_use]
    pub fn new(scripts: Vec<Script>) -> Self {
        Syscalls { scripts, ..Syscalls::default() }
    }

    /// The host has answered `hello` with this.
    pub fn greeted(&mut self, result: &Value) {
        let names = result["capabilities"].as_object().into_iter().flatten();
        self.offered = names.map(|(name, _)| name.clone()).collect();
        let limit = |name: &str| {
            let number = result["limits"][name].as_u64();
            number.and_then(|number| usize::try_from(number).ok()).unwrap_or(usize::MAX)
        };
        self.limits =
            Limits { calls: limit("maxCalls"), per_invocation: limit("maxCallsPerInvocation") };
    }

    /// The host sends this message.
    pub fn sent(&mut self, message: &Value) {
        let Some(id) = message.get("id").and_then(Value::as_u64) else { return };
        match message.get("method").and_then(Value::as_str) {
            Some("invoke") => drop(self.invocations.entry(id).or_insert(false)),
            Some(_) => {}
            None => drop(self.open.remove(&id)),
        }
    }

    /// The shim has sent this message.
    pub fn received(&mut self, message: &Value) -> Verdict {
        let Some(id) = message.get("id").and_then(Value::as_u64) else { return Verdict::default() };
        match message.get("method").and_then(Value::as_str) {
            Some("hello") => Verdict::default(),
            Some(method) => self.request(id, method, message),
            None => {
                self.invocations.entry(id).and_modify(|answered| *answered = true);
                Verdict::default()
            }
        }
    }

    fn request(&mut self, id: u64, method: &str, message: &Value) -> Verdict {
        if method == "ping" {
            let answer = json!({"jsonrpc": "2.0", "id": id, "result": {}});
            return Verdict { answer: Some(answer), finding: None };
        }
        let inv = message.pointer("/params/inv").and_then(Value::as_u64);
        self.open.insert(id, inv);
        if let Some(capability) = schema_check::capability_of(method)
            && !self.offered.contains(capability)
        {
            let why = format!("'{method}' although the host does not offer '{capability}'");
            let answer = refusal(&message["id"], -32601, "METHOD_NOT_FOUND", &why);
            return Verdict { answer: Some(answer), finding: Some(why) };
        }
        if let Some(why) = self.too_many(inv) {
            let answer = refusal(&message["id"], -32026, "OVERLOADED", &why);
            return Verdict { answer: Some(answer), finding: Some(why) };
        }
        match inv.map(|inv| (inv, self.invocations.get(&inv))) {
            Some((inv, None)) => {
                let why = format!("inv {inv} is no invocation of this host");
                let answer = refusal(&message["id"], -32029, "INVOCATION_ENDED", &why);
                Verdict { answer: Some(answer), finding: Some(why) }
            }
            Some((inv, Some(true))) => {
                let why = format!("invocation {inv} has ended");
                let answer = refusal(&message["id"], -32029, "INVOCATION_ENDED", &why);
                Verdict { answer: Some(answer), finding: None }
            }
            _ => Verdict { answer: self.scripted(id, method, message), finding: None },
        }
    }

    fn too_many(&self, inv: Option<u64>) -> Option<String> {
        let (all, most) = (self.open.len(), self.limits.calls);
        if all > most {
            return Some(format!("{all} requests are unanswered, {most} were agreed"));
        }
        let inv = inv?;
        let own = self.open.values().filter(|other| **other == Some(inv)).count();
        let most = self.limits.per_invocation;
        (own > most).then(|| {
            format!("{own} requests of invocation {inv} are unanswered, {most} were agreed")
        })
    }

    /// Where the requests that nobody has answered differ from what the case is ready to answer.
    #[must_use]
    pub fn misfits(&self) -> Vec<String> {
        let unanswered = self.misfits.iter().filter(|(id, _)| self.open.contains_key(id));
        unanswered.flat_map(|(_, lines)| lines.clone()).collect()
    }

    fn scripted(&mut self, id: u64, method: &str, message: &Value) -> Option<Value> {
        let none = json!({});
        let params = message.get("params").unwrap_or(&none);
        let mut misfit = Vec::new();
        for script in self.scripts.iter().filter(|script| script.on == method) {
            let pattern = script.params.as_ref().map(with_generated);
            let differences = pattern.map(|pattern| matcher::compare(&pattern, params));
            let differences = differences.unwrap_or_default();
            if differences.is_empty() {
                // The case was checked: its templates have no unknown words.
                return answer(&script.template(), message).ok();
            }
            misfit = differences;
        }
        if !misfit.is_empty() {
            let shown =
                |d: &Difference| format!("{}: expected {}, got {}", d.path, d.expected, d.got);
            let head =
                format!("request {id} '{method}' fits nothing that the host of this case answers:");
            let lines = [head].into_iter().chain(misfit.iter().map(shown)).collect();
            self.misfits.insert(id, lines);
        }
        None
    }
}

impl Script {
    /// The answer as a template.
    #[must_use]
    pub fn template(&self) -> Map<String, Value> {
        let (name, value) = match &self.error {
            Some(error) => ("error", error.clone()),
            None => ("result", self.reply.clone().unwrap_or_else(|| json!({}))),
        };
        Map::from_iter([(name.to_owned(), value)])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A host that offers `db`, takes two requests for each invocation, and has sent invocation 5.
    fn host() -> Syscalls {
        let script: Script = serde_json::from_value(
            json!({"on": "db.get", "match": {"id": "a"}, "reply": {"doc": null}}),
        )
        .unwrap();
        let mut host = Syscalls::new(vec![script]);
        host.greeted(&json!({"capabilities": {"db": {}}, "limits": {"maxCallsPerInvocation": 2}}));
        host.sent(&json!({"id": 5, "method": "invoke"}));
        host
    }

    fn get(id: u64, inv: u64, doc: &str) -> Value {
        json!({"id": id, "method": "db.get", "params": {"inv": inv, "collection": "c", "id": doc}})
    }

    #[test]
    fn what_is_scripted_is_answered_and_the_rest_is_kept() {
        let mut host = host();
        assert_eq!(host.received(&get(2, 5, "a")).answer.unwrap()["result"], json!({"doc": null}));
        let kept = host.received(&get(3, 5, "b"));
        assert!(kept.answer.is_none() && kept.finding.is_none());
        let misfits = host.misfits().join("\n");
        assert!(misfits.contains("request 3 'db.get'") && misfits.contains("$.id"), "{misfits}");
        host.sent(&json!({"id": 3, "result": {"doc": null}}));
        assert!(host.misfits().is_empty(), "a step answered it");
    }

    #[test]
    fn a_method_that_was_not_offered_is_refused_and_told() {
        let batch = json!({"id": 2, "method": "db.batch", "params": {"inv": 5, "ops": []}});
        let verdict = host().received(&batch);
        assert_eq!(verdict.answer.unwrap()["error"]["code"], -32601);
        assert!(verdict.finding.unwrap().contains("does not offer 'batch'"));
    }

    #[test]
    fn an_invocation_that_has_ended_is_refused_and_one_nobody_knows_is_told() {
        let mut host = host();
        assert!(host.received(&get(2, 6, "b")).finding.unwrap().contains("inv 6"));
        host.received(&json!({"id": 5, "result": {"output": null}}));
        let late = host.received(&get(3, 5, "b"));
        assert_eq!(late.answer.unwrap()["error"]["code"], -32029);
        assert_eq!(late.finding, None);
    }

    #[test]
    fn more_at_once_than_agreed_is_refused_and_told_until_one_is_answered() {
        let mut host = host();
        assert!(host.received(&get(2, 5, "b")).finding.is_none());
        assert!(host.received(&get(3, 5, "b")).finding.is_none());
        let third = host.received(&get(4, 5, "b"));
        assert!(third.finding.unwrap().contains("3 requests of invocation 5"));
        host.sent(&third.answer.unwrap());
        host.sent(&json!({"id": 2, "result": {"doc": null}}));
        assert!(host.received(&get(6, 5, "b")).finding.is_none());
    }
}
