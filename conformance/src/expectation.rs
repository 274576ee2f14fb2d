//! The steps that wait: for a frame, for log entries, for an end.
//!
//! Each takes the frames it is about and leaves the others, so that answers and logs may come in
//! any order relative to each other. Part of `player`; knows nothing of what was sent.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use serde_json::{Value, json};

use crate::answers::answer;
use crate::failure::Failure;
use crate::generated::with_generated;
use crate::inbox::{Address, Received, after};
use crate::matcher::{compare, compare_exactly};
use crate::outgoing::Split;
use crate::player::{OWN_IDS, Outcome, Player, fail};
use crate::step::{Logs, Order, Reply};

impl Player<'_> {
    /// The oldest frame with this address, when one comes in time.
    pub(crate) async fn wait(&mut self, address: &Address, within: Duration) -> Option<Received> {
        let deadline = after(within);
        loop {
            if let Some(frame) = self.host.inbox.take(address) {
                return Some(frame);
            }
            if !self.host.pump(deadline).await {
                return None;
            }
        }
    }

    pub(crate) async fn expect(&mut self, pattern: &Value, within: Duration) -> Outcome {
        let pattern = with_generated(pattern);
        let Some(frame) = self.wait(&Address::of(&pattern), within).await else {
            let why = self.why_nothing(within);
            return Err(Box::new(Failure::missing(&pattern, &why)));
        };
        let differences = compare(&pattern, &frame.value);
        if !differences.is_empty() {
            return Err(Box::new(Failure::mismatch(&pattern, &frame.value, &differences)));
        }
        self.remember(&frame.value);
        Ok(())
    }

    fn why_nothing(&self, within: Duration) -> String {
        if self.host.inbox.is_closed() {
            "the shim closed the connection instead".into()
        } else {
            format!("nothing came within {within:?}")
        }
    }

    /// Keeps what an invocation answered, without what may differ between languages.
    fn remember(&mut self, answer: &Value) {
        let Some(id) = answer.get("id").and_then(Value::as_u64).filter(|id| *id < OWN_IDS) else {
            return;
        };
        let told = match (answer.pointer("/result/output"), answer.get("error")) {
            (Some(output), _) => canonical(output),
            (None, Some(error)) => {
                let data = |name: &str| error.get("data").and_then(|data| data.get(name));
                let (code, details) = (data("code"), data("details"));
                canonical(&json!({"error": error["code"], "code": code, "details": details}))
            }
            (None, None) => return,
        };
        self.played.outputs.push(format!("{id}: {told}"));
    }

    pub(crate) async fn gather(
        &mut self,
        pattern: &Value,
        count: usize,
        name: &str,
        within: Duration,
    ) -> Outcome {
        let pattern = with_generated(pattern);
        let mut requests = Vec::with_capacity(count);
        while requests.len() < count {
            let Some(frame) = self.wait(&Address::of(&pattern), within).await else {
                let why =
                    format!("{}, after {} of {count}", self.why_nothing(within), requests.len());
                return Err(Box::new(Failure::missing(&pattern, &why)));
            };
            let differences = compare(&pattern, &frame.value);
            if !differences.is_empty() {
                return Err(Box::new(Failure::mismatch(&pattern, &frame.value, &differences)));
            }
            requests.push(frame.value);
        }
        self.gathered.insert(name.to_owned(), requests);
        Ok(())
    }

    pub(crate) async fn reply(&mut self, replies: &[Reply], split: &Split) -> Outcome {
        let mut answers = Vec::new();
        for reply in replies {
            let mut requests = self.gathered.get(&reply.to).cloned().unwrap_or_default();
            if reply.order == Order::Reverse {
                requests.reverse();
            }
            for request in &requests {
                let answer = answer(&reply.template, request);
                answers.push(answer.map_err(|e| Box::new(Failure::new(e)))?);
            }
        }
        let sent = self.host.answer(&answers, split).await;
        sent.map_err(|e| Box::new(Failure::new(e)))
    }

    pub(crate) async fn expect_none(
        &mut self,
        pattern: &Value,
        during: Duration,
        since: Option<u64>,
    ) -> Outcome {
        let pattern = with_generated(pattern);
        let address = Address::of(&pattern);
        let deadline = after(during);
        let mut others = Vec::new();
        loop {
            while let Some(frame) = self.host.inbox.take(&address) {
                let answer = since.and_then(|id| self.host.inbox.answer_index(id));
                let counts = since.is_none() || answer.is_some_and(|place| frame.index > place);
                if counts && compare(&pattern, &frame.value).is_empty() {
                    let differences = [];
                    let mut failure = Failure::mismatch(&pattern, &frame.value, &differences);
                    failure.what = "this must not come".into();
                    failure.expected = None;
                    return Err(Box::new(failure));
                }
                others.push(frame);
            }
            if !self.host.pump(deadline).await {
                break;
            }
        }
        others.into_iter().for_each(|frame| self.host.inbox.keep(frame));
        Ok(())
    }

    pub(crate) async fn expect_logs(&mut self, logs: &Logs, within: Duration) -> Outcome {
        let deadline = after(within);
        let wanted = logs.entries.as_array().map_or(usize::MAX, Vec::len);
        let mut frames: Vec<Received> = Vec::new();
        loop {
            let log = Address::Call("log".into());
            let more = self.host.inbox.take_all(&log, |frame| is_of_inv(logs.inv, frame));
            frames.extend(more);
            let answered = logs.inv.and_then(|inv| self.host.inbox.answer_index(inv));
            let enough = logs.live && entries_of(&frames).len() >= wanted;
            if enough || (answered.is_some() && !logs.live) || !self.host.pump(deadline).await {
                if let Some(answer) = answered.filter(|_| !logs.live) {
                    frames.retain(|frame| frame.index < answer);
                }
                return judge_logs(logs, &frames);
            }
        }
    }

    pub(crate) async fn expect_order(&mut self, ids: &[u64], within: Duration) -> Outcome {
        let deadline = after(within);
        let mut places = Vec::with_capacity(ids.len());
        for id in ids {
            let place = loop {
                if let Some(place) = self.host.inbox.answer_index(*id) {
                    break place;
                }
                if !self.host.pump(deadline).await {
                    return fail(format!("no answer to {id}: {}", self.why_nothing(within)));
                }
            };
            places.push(place);
        }
        if places.is_sorted() {
            return Ok(());
        }
        fail(format!("the answers to {ids:?} came in another order: as frames {places:?}"))
    }

    pub(crate) async fn expect_close(&mut self, within: Duration) -> Outcome {
        self.over = true;
        if self.host.closed(within).await {
            return Ok(());
        }
        fail(format!("the shim did not close the connection within {within:?}"))
    }

    pub(crate) async fn expect_exit(&mut self, pattern: &Value, within: Duration) -> Outcome {
        self.over = true;
        let Some(exit) = self.host.process.exit(within).await else {
            return fail(format!("the process still ran after {within:?}"));
        };
        // What it sent before its end still counts.
        self.host.closed(Duration::from_millis(500)).await;
        let differences = compare(pattern, &exit);
        if differences.is_empty() {
            return Ok(());
        }
        Err(Box::new(Failure::mismatch(pattern, &exit, &differences)))
    }

    pub(crate) async fn expect_stderr(&mut self, pattern: &Value, within: Duration) -> Outcome {
        let deadline = after(within);
        loop {
            let output = Value::from(self.host.process.output());
            let differences = compare_exactly(pattern, &output);
            if differences.is_empty() {
                return Ok(());
            }
            if tokio::time::Instant::now() >= deadline {
                return Err(Box::new(Failure::mismatch(pattern, &output, &differences)));
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

fn is_of_inv(inv: Option<u64>, log: &Received) -> bool {
    log.value.pointer("/params/inv").and_then(Value::as_u64) == inv
}

fn entries_of(frames: &[Received]) -> Vec<Value> {
    let of = |frame: &Received| {
        frame.value.pointer("/params/entries").and_then(Value::as_array).cloned()
    };
    frames.iter().filter_map(of).flatten().collect()
}

fn judge_logs(logs: &Logs, frames: &[Received]) -> Outcome {
    let dropped: u64 =
        frames.iter().filter_map(|f| f.value.pointer("/params/dropped")?.as_u64()).sum();
    let got = json!({"entries": entries_of(frames), "dropped": dropped});
    let pattern = json!({
        "entries": with_generated(&logs.entries),
        "dropped": logs.dropped.clone().unwrap_or_else(|| 0.into()),
    });
    let differences = compare(&pattern, &got);
    if differences.is_empty() {
        return Ok(());
    }
    Err(Box::new(Failure::mismatch(&pattern, &got, &differences)))
}

/// Longest text of an output in a report; a longer one is told by its beginning and a hash.
const TOLD: usize = 1000;

/// JSON with members in the order of their names.
fn canonical(value: &Value) -> String {
    let text = sorted(value);
    if text.len() <= TOLD {
        return text;
    }
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    let start: String = text.chars().take(80).collect();
    format!("{start} …[{} bytes, hash {:016x}]", text.len(), hasher.finish())
}

fn sorted(value: &Value) -> String {
    match value {
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(sorted).collect();
            format!("[{}]", items.join(","))
        }
        Value::Object(members) => {
            let mut members: Vec<_> = members.iter().collect();
            members.sort_by_key(|(name, _)| *name);
            let members = members
                .into_iter()
                .map(|(name, value)| format!("{}:{}", Value::from(name.as_str()), sorted(value)));
            format!("{{{}}}", members.collect::<Vec<_>>().join(","))
        }
        other => other.to_string(),
    }
}
