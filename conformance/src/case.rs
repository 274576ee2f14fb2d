//! What a case is: data read from YAML, checked whole before anything runs.
//!
//! Knows nothing of processes or sockets; `player` does what the steps say. The format is
//! described for authors in `README.md`.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::generated::with_generated;
use crate::step::Step;
use crate::transport::Transport;

/// One thing a shim must (or should) do, and how to find out.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Case {
    /// A path whose first part is the kind: `wire/…` needs only frames, `fn/…` the probe.
    pub id: String,
    pub title: String,
    /// Requirements of the spec that this case checks.
    pub req: Vec<String>,
    #[serde(default)]
    pub level: Level,
    /// Part of the five cases that tell a broken setup from a broken shim.
    #[serde(default)]
    pub smoke: bool,
    /// Only on these transports; none named means all.
    #[serde(default)]
    pub transports: Vec<Transport>,
    #[serde(default)]
    pub needs: Needs,
    #[serde(default)]
    pub hello: Hello,
    /// Starts the shim with this address instead of a real one; there is no connection then.
    #[serde(default)]
    pub address: Option<Address>,
    /// Fixtures taken in, each answered without error, before the first step.
    #[serde(default)]
    pub load: Vec<LoadSpec>,
    /// What the reference host answers to requests of the shim.
    #[serde(default)]
    pub host: Vec<Script>,
    /// Short form of one call of the probe, id 1: what it is asked …
    pub invoke: Option<Value>,
    /// … and what it must answer: this output (`null` counts),
    #[serde(default, deserialize_with = "present")]
    pub output: Option<Value>,
    /// or this error,
    pub error: Option<Value>,
    /// after exactly these log entries.
    pub logs: Option<Value>,
    #[serde(default)]
    pub steps: Vec<Step>,
    /// False when the outputs of two runtimes may differ (times, for one).
    #[serde(default = "yes")]
    pub parity: bool,
}

/// Tells `output: null` from no `output`.
fn present<'de, D: serde::Deserializer<'de>>(reader: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(reader).map(Some)
}

fn yes() -> bool {
    true
}

/// How strong the requirement is: a missed SHOULD is a warning.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Level {
    #[default]
    Must,
    Should,
}

/// What a runtime must offer for a case to be run at all.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Needs {
    /// A capability of the shim's `hello`.
    pub capability: Option<String>,
    /// `source`: the shim reads the author's file; `binary`: a `prepare` command builds it.
    pub loads: Option<Loads>,
    /// Invocations at once, as announced in the shim's `hello`.
    pub concurrency: Option<u64>,
    /// A handler can do several things at once: the probe's `parallel` and `detach`.
    #[serde(default)]
    pub parallel: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Loads {
    Source,
    Binary,
}

/// The value of `ALYX_ADDR`; null leaves it out.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Address {
    pub env: Option<String>,
}

/// How the reference host greets.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Hello {
    /// The steps answer `hello` themselves.
    #[serde(default)]
    pub manual: bool,
    /// Capabilities that the host lists.
    #[serde(default)]
    pub offers: Vec<String>,
    /// Members of the answer that replace the usual ones; `limits` is merged member by member.
    #[serde(default)]
    pub result: Option<Value>,
}

/// A fixture to take in before the steps.
#[derive(Debug, Clone, Deserialize)]
#[serde(from = "LoadForm")]
pub struct LoadSpec {
    pub params: Value,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum LoadForm {
    Name(String),
    Full(Value),
}

impl From<LoadForm> for LoadSpec {
    fn from(form: LoadForm) -> Self {
        match form {
            LoadForm::Name(fixture) => LoadSpec { params: serde_json::json!({"fixture": fixture}) },
            LoadForm::Full(params) => LoadSpec { params },
        }
    }
}

/// One scripted answer: to requests of method `on` whose params fit `match`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Script {
    pub on: String,
    #[serde(default, rename = "match")]
    pub params: Option<Value>,
    #[serde(default)]
    pub reply: Option<Value>,
    #[serde(default)]
    pub error: Option<Value>,
}

impl Case {
    /// Puts the short form into steps and checks every pattern.
    ///
    /// # Errors
    /// What is wrong, without the id of the case.
    pub fn finish(mut self) -> Result<Self, String> {
        if self.req.is_empty() {
            return Err("`req` names no requirement".into());
        }
        if let Some(steps) = self.short_form()? {
            self.steps = steps.into_iter().chain(self.steps).collect();
        }
        if self.steps.is_empty() {
            return Err("neither `steps` nor `invoke`".into());
        }
        for (index, step) in self.steps.iter().enumerate() {
            step.check().map_err(|e| format!("step {}: {e}", index + 1))?;
        }
        self.host.iter().try_for_each(|script| self.check_script(script))?;
        self.check_replies()?;
        Ok(self)
    }

    fn check_script(&self, script: &Script) -> Result<(), String> {
        let wrong = |why: String| format!("`host` on {}: {why}", script.on);
        let capability = crate::schema_check::capability_of(&script.on);
        if let Some(name) = capability.filter(|name| !self.hello.offers.iter().any(|o| o == name)) {
            return Err(wrong(format!("`hello: {{offers: [{name}]}}` is missing")));
        }
        let check = |pattern| crate::matcher::check_pattern(&with_generated(pattern));
        script.params.iter().try_for_each(check).map_err(wrong)?;
        crate::answers::check(&script.template()).map_err(wrong)
    }

    /// Every `reply` is to something that an earlier step has gathered.
    fn check_replies(&self) -> Result<(), String> {
        let mut names = BTreeSet::new();
        for (index, step) in self.steps.iter().enumerate() {
            match step {
                Step::Gather { name, .. } => drop(names.insert(name)),
                Step::Reply { replies, .. } => {
                    if let Some(reply) = replies.iter().find(|reply| !names.contains(&reply.to)) {
                        let to = &reply.to;
                        return Err(format!("step {}: nothing was gathered as '{to}'", index + 1));
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn short_form(&mut self) -> Result<Option<Vec<Step>>, String> {
        let Some(mut invoke) = self.invoke.take() else {
            let stray = self.output.is_some() || self.error.is_some() || self.logs.is_some();
            return if stray {
                Err("`output`, `error` or `logs` without `invoke`".into())
            } else {
                Ok(None)
            };
        };
        if let Some(members) = invoke.as_object_mut() {
            members.entry("id").or_insert(1.into());
        }
        let id = invoke["id"].clone();
        let answer = match (self.output.take(), self.error.take()) {
            (Some(output), None) => serde_json::json!({"id": id, "result": {"output": output}}),
            (None, Some(error)) => serde_json::json!({"id": id, "error": error}),
            _ => return Err("`invoke` needs either `output` or `error`".into()),
        };
        if self.load.is_empty() {
            self.load.push(LoadSpec { params: serde_json::json!({"fixture": "probe"}) });
        }
        let mut steps =
            vec![Step::send(serde_json::json!({"invoke": invoke})), Step::expect(answer)];
        if let Some(entries) = self.logs.take() {
            steps.push(Step::expect_logs(id.as_u64(), entries));
        }
        Ok(Some(steps))
    }

    /// Whether the case belongs to `area`, for lists: the id without its last part.
    #[must_use]
    pub fn area(&self) -> &str {
        self.id.rsplit_once('/').map_or(self.id.as_str(), |(area, _)| area)
    }
}
