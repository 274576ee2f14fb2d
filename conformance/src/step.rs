//! The steps of a case, from their YAML form to one enum.
//!
//! Knows how a step is written, not how it is played.

use std::time::Duration;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use crate::matcher::check_pattern;
use crate::outgoing::{Piece, Split, check_message};

/// How long a step waits when it does not say.
pub const PATIENCE: Duration = Duration::from_secs(5);

/// One thing the reference host does or waits for.
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "Map<String, Value>")]
pub enum Step {
    /// Messages, all in one write unless split.
    Send { messages: Vec<Value>, split: Split },
    /// Bytes, legal or not.
    SendRaw { pieces: Vec<Piece>, split: Split },
    /// The answer to `hello`, with these members replaced.
    AnswerHello { result: Value },
    /// The next frame with the pattern's id or method must fit the pattern.
    Expect { pattern: Value, within: Duration },
    /// The next `count` requests of the shim with the pattern's method fit it; kept for a reply.
    Gather { pattern: Value, count: usize, name: String, within: Duration },
    /// Answers to gathered requests, all in one write unless split.
    Reply { replies: Vec<Reply>, split: Split },
    /// No such frame may come, or may have come later than the answer to `after`.
    ExpectNone { pattern: Value, during: Duration, after: Option<u64> },
    /// The log entries of one invocation, in order, before its answer.
    ExpectLogs { logs: Logs, within: Duration },
    /// The answers to these ids came in this order; it does not take them.
    ExpectOrder { ids: Vec<u64>, within: Duration },
    /// The shim closes the connection.
    ExpectClose { within: Duration },
    /// The process ends: `{code, signal}`.
    ExpectExit { pattern: Value, within: Duration },
    /// The process wrote this to its stderr.
    ExpectStderr { pattern: Value, within: Duration },
    /// The host ends its own direction of the stream.
    CloseWrite,
    /// The host drops the connection.
    Close,
}

/// What [`Step::ExpectLogs`] looks for.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Logs {
    /// Absent: entries that belong to no invocation.
    #[serde(default)]
    pub inv: Option<u64>,
    pub entries: Value,
    /// The sum of all `dropped` counts; 0 unless the case says otherwise.
    #[serde(default)]
    pub dropped: Option<Value>,
    /// Looks while the invocation runs, without waiting for its answer.
    #[serde(default)]
    pub live: bool,
}

/// Answers to the requests gathered under one name.
#[derive(Debug, Clone, Deserialize)]
pub struct Reply {
    pub to: String,
    #[serde(default)]
    pub order: Order,
    /// `result` or `error`: one template for them all.
    #[serde(flatten)]
    pub template: Map<String, Value>,
}

/// In which order gathered requests are answered.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Order {
    #[default]
    AsAsked,
    Reverse,
}

impl TryFrom<Map<String, Value>> for Step {
    type Error = String;

    fn try_from(mut members: Map<String, Value>) -> Result<Self, String> {
        let modifiers = Modifiers::take(&mut members)?;
        let mut verbs = members.into_iter();
        let (Some((verb, argument)), None) = (verbs.next(), verbs.next()) else {
            return Err("a step has exactly one verb (send, expect, …)".into());
        };
        modifiers.step(&verb, argument)
    }
}

/// The members of a step beside its verb.
struct Modifiers {
    within: Option<u64>,
    during: Option<u64>,
    after: Option<u64>,
    count: Option<usize>,
    name: Option<String>,
    split: Split,
}

impl Modifiers {
    fn take(members: &mut Map<String, Value>) -> Result<Self, String> {
        let first = members.remove("split").map_or(Ok(Vec::new()), |v| read("split", v))?;
        let rest = members.remove("drip").map(|v| read("drip", v)).transpose()?;
        Ok(Modifiers {
            within: members.remove("within").map(|v| read("within", v)).transpose()?,
            during: members.remove("for").map(|v| read("for", v)).transpose()?,
            after: members.remove("after").map(|v| read("after", v)).transpose()?,
            count: members.remove("count").map(|v| read("count", v)).transpose()?,
            name: members.remove("as").map(|v| read("as", v)).transpose()?,
            split: Split { first, rest },
        })
    }

    fn step(self, verb: &str, argument: Value) -> Result<Step, String> {
        let waits = (verb.starts_with("expect") && verb != "expectNone") || verb == "gather";
        if self.within.is_some() && !waits {
            return Err(format!("`within` does not belong to `{verb}`"));
        }
        if self.during.is_some() != (verb == "expectNone") {
            return Err("`for: <ms>` belongs to `expectNone`, and only to it".into());
        }
        if self.after.is_some() && verb != "expectNone" {
            return Err("`after: ID` belongs to `expectNone`".into());
        }
        if self.name.is_some() != (verb == "gather") || (self.count.is_some() && verb != "gather") {
            return Err("`as: NAME` belongs to `gather`, and `count` only to it".into());
        }
        let within = self.within.map_or(PATIENCE, Duration::from_millis);
        let split = self.split;
        Ok(match verb {
            "send" => Step::Send { messages: listed(argument), split },
            "invoke" | "load" | "cancel" | "ping" | "shutdown" => {
                Step::Send { messages: vec![json!({ verb: argument })], split }
            }
            "sendRaw" => {
                let pieces = listed(argument).into_iter().map(|v| read("sendRaw", v));
                Step::SendRaw { pieces: pieces.collect::<Result<_, _>>()?, split }
            }
            "answerHello" => Step::AnswerHello { result: argument },
            "expect" => Step::Expect { pattern: argument, within },
            "gather" => Step::Gather {
                pattern: argument,
                count: self.count.unwrap_or(1),
                name: self.name.unwrap_or_default(),
                within,
            },
            "reply" => {
                let replies = listed(argument).into_iter().map(|v| read("reply", v));
                Step::Reply { replies: replies.collect::<Result<_, _>>()?, split }
            }
            "expectNone" => {
                let during = Duration::from_millis(self.during.unwrap_or_default());
                Step::ExpectNone { pattern: argument, during, after: self.after }
            }
            "expectLogs" => Step::ExpectLogs { logs: read("expectLogs", argument)?, within },
            "expectOrder" => Step::ExpectOrder { ids: read("expectOrder", argument)?, within },
            "expectClose" => Step::ExpectClose { within },
            "expectExit" => Step::ExpectExit { pattern: argument, within },
            "expectStderr" => Step::ExpectStderr { pattern: argument, within },
            "closeWrite" => Step::CloseWrite,
            "close" => Step::Close,
            _ => return Err(format!("no step `{verb}`")),
        })
    }
}

fn read<T: DeserializeOwned>(what: &str, value: Value) -> Result<T, String> {
    serde_json::from_value(value).map_err(|e| format!("`{what}`: {e}"))
}

/// `x` and `[x]` mean the same where several are allowed.
fn listed(value: Value) -> Vec<Value> {
    if let Value::Array(all) = value { all } else { vec![value] }
}

impl Step {
    #[must_use]
    pub fn send(message: Value) -> Self {
        Step::Send { messages: vec![message], split: Split::default() }
    }

    #[must_use]
    pub fn expect(pattern: Value) -> Self {
        Step::Expect { pattern, within: PATIENCE }
    }

    #[must_use]
    pub fn expect_logs(inv: Option<u64>, entries: Value) -> Self {
        let logs = Logs { inv, entries, dropped: None, live: false };
        Step::ExpectLogs { logs, within: PATIENCE }
    }

    /// Finds what is wrong with the step before any shim is started.
    ///
    /// # Errors
    /// What is wrong, as text.
    pub fn check(&self) -> Result<(), String> {
        match self {
            Step::Send { messages, .. } => messages.iter().try_for_each(check_message),
            Step::SendRaw { pieces, .. } => pieces.iter().try_for_each(Piece::check),
            Step::Expect { pattern, .. } | Step::ExpectNone { pattern, .. } => {
                let named = |name| pattern.get(name).is_some();
                if !named("id") && !named("method") && pattern != "$any" {
                    return Err("a pattern needs an `id` or a `method` to find its frame by".into());
                }
                check_pattern(&crate::generated::with_generated(pattern))
            }
            Step::Gather { pattern, .. } => {
                if pattern.get("method").is_none() {
                    return Err("`gather` needs the `method` of a request".into());
                }
                check_pattern(&crate::generated::with_generated(pattern))
            }
            Step::Reply { replies, .. } => {
                replies.iter().try_for_each(|reply| crate::answers::check(&reply.template))
            }
            Step::ExpectExit { pattern, .. } | Step::ExpectStderr { pattern, .. } => {
                check_pattern(pattern)
            }
            Step::ExpectLogs { logs, .. } => {
                check_pattern(&crate::generated::with_generated(&logs.entries))?;
                logs.dropped.iter().try_for_each(check_pattern)
            }
            Step::AnswerHello { .. }
            | Step::ExpectOrder { .. }
            | Step::ExpectClose { .. }
            | Step::CloseWrite
            | Step::Close => Ok(()),
        }
    }

    /// The verb and what it is about, for a failure's headline.
    #[must_use]
    pub fn shown(&self) -> String {
        let (verb, about) = match self {
            Step::Send { messages, .. } => ("send", Value::Array(messages.clone())),
            Step::SendRaw { .. } => ("sendRaw", json!("")),
            Step::AnswerHello { result } => ("answerHello", result.clone()),
            Step::Expect { pattern, .. } => ("expect", pattern.clone()),
            Step::ExpectNone { pattern, .. } => ("expectNone", pattern.clone()),
            Step::Gather { pattern, .. } => ("gather", pattern.clone()),
            Step::Reply { replies, .. } => {
                ("reply to", replies.iter().map(|reply| reply.to.as_str()).collect())
            }
            Step::ExpectLogs { logs, .. } => ("expectLogs of", json!(logs.inv)),
            Step::ExpectOrder { ids, .. } => ("expectOrder", json!(ids)),
            Step::ExpectClose { .. } => ("expectClose", json!("")),
            Step::ExpectExit { pattern, .. } => ("expectExit", pattern.clone()),
            Step::ExpectStderr { pattern, .. } => ("expectStderr", pattern.clone()),
            Step::CloseWrite => ("closeWrite", json!("")),
            Step::Close => ("close", json!("")),
        };
        let about = if about == json!("") { String::new() } else { about.to_string() };
        crate::transcript::cut(format!("{verb} {about}").trim_end(), 160)
    }
}
