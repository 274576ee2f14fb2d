//! The operations of the probe that the reference shim knows: enough for the smoke cases and for
//! everything about the database.
//!
//! An invocation runs in a thread of its own and waits by blocking. Knows nothing of frames.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use alyx_protocol::{ErrorCode, RpcError};
use serde_json::{Map, Value, json};

use super::collection;
use super::database::Database;
use super::line::Line;
use super::start::Mutant;
use super::values::{Thrown, thrown};

/// Operations of one `parallel` that really run at once; more than any credit.
const THREADS: usize = 64;
/// How long `recall` waits for what was detached.
const PATIENCE: Duration = Duration::from_secs(5);

pub(super) type Outcome = Result<Value, Thrown>;

/// What all invocations share.
pub(super) struct Probe {
    pub(super) line: Arc<Line>,
    pub(super) database: Database,
    /// What became of detached operations.
    outcomes: Mutex<BTreeMap<String, Value>>,
    came: Condvar,
    /// For the mutant that runs one invocation at a time.
    turn: Mutex<()>,
}

impl Probe {
    pub(super) fn new(line: Arc<Line>) -> Arc<Self> {
        let database = Database::new(line.clone());
        let (outcomes, came, turn) = <(Mutex<_>, Condvar, Mutex<()>)>::default();
        Arc::new(Probe { line, database, outcomes, came, turn })
    }

    /// Runs one invocation and answers it.
    pub(super) fn invoke(self: &Arc<Self>, id: u64, input: &Value) -> std::io::Result<()> {
        let alone = self.line.is(Mutant::OneAtATime);
        let _turn = alone.then(|| self.turn.lock().unwrap_or_else(PoisonError::into_inner));
        let mut late = Vec::new();
        let outcome = self.run(id, input, &mut late);
        let cancelled = self.database.is_cancelled(id);
        self.database.ended(id);
        match outcome {
            Ok(None) if self.line.is(Mutant::DropsUndefined) => self.line.answer(id, &json!({}))?,
            Ok(output) => self.line.answer(id, &json!({ "output": output }))?,
            Err(_) if cancelled => {
                self.line.refuse(Some(id), ErrorCode::Cancelled, "the invocation was cancelled")?;
            }
            Err(error) => self.line.fail(Some(id), &self.uncaught(*error))?,
        }
        let sent = late.iter().try_for_each(|log| self.line.send(log));
        self.database.left(id);
        sent
    }

    /// What the handler returns; none when it returns nothing.
    fn run(
        self: &Arc<Self>,
        inv: u64,
        input: &Value,
        late: &mut Vec<Value>,
    ) -> Result<Option<Value>, Thrown> {
        let mut kept = Map::new();
        for op in input["ops"].as_array().into_iter().flatten() {
            match op["op"].as_str().unwrap_or_default() {
                "echo" => return Ok(Some(input["value"].clone())),
                "return" => return Ok(Some(returned(op, &kept))),
                "returnUndefined" => return Ok(None),
                "log" if self.line.is(Mutant::LogsAfterTheAnswer) => late.push(log(inv, op)),
                _ => {
                    let value = self.perform(inv, op)?;
                    if let Some(name) = op["as"].as_str() {
                        kept.insert(name.to_owned(), value);
                    }
                }
            }
        }
        Ok(None)
    }

    fn perform(self: &Arc<Self>, inv: u64, op: &Value) -> Outcome {
        match op["op"].as_str().unwrap_or_default() {
            "throwPlain" => Err(thrown(ErrorCode::FunctionError, said(op))),
            "log" => self.line.send(&log(inv, op)).map(|()| Value::Null).map_err(broken),
            "sleep" if self.database.sleep(inv, milliseconds(op)) => {
                Err(thrown(ErrorCode::Cancelled, "cancelled while it slept"))
            }
            "watchSignal" => Ok(match self.database.sleep(inv, milliseconds(op)) {
                true => "cancelled".into(),
                false => "timeout".into(),
            }),
            "sleep" => Ok(Value::Null),
            "parallel" => self.parallel(inv, op),
            "detach" => Ok(self.detach(inv, op)),
            "recall" => self.recall(op),
            "try" => Ok(self.attempt(inv, op)),
            name if name.starts_with("db.") => {
                collection::perform(&self.database, &self.line, inv, op)
            }
            name => {
                let what = format!("the reference shim has no op '{name}'");
                Err(thrown(ErrorCode::FunctionError, what))
            }
        }
    }

    fn sequence(self: &Arc<Self>, inv: u64, op: &Value) -> Outcome {
        let ops = op["ops"].as_array().into_iter().flatten();
        ops.map(|op| self.perform(inv, op)).try_fold(Value::Null, |_, value| value)
    }

    fn parallel(self: &Arc<Self>, inv: u64, op: &Value) -> Outcome {
        let ops = op["ops"].as_array().cloned().unwrap_or_default();
        let outcomes: Vec<Mutex<Option<Outcome>>> = ops.iter().map(|_| Mutex::default()).collect();
        let next = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..ops.len().min(THREADS) {
                scope.spawn(|| {
                    while let Some((op, place)) = {
                        let turn = next.fetch_add(1, Ordering::Relaxed);
                        ops.get(turn).zip(outcomes.get(turn))
                    } {
                        let outcome = self.perform(inv, op);
                        *place.lock().unwrap_or_else(PoisonError::into_inner) = Some(outcome);
                    }
                });
            }
        });
        let done = |place: Mutex<Option<Outcome>>| {
            place.into_inner().unwrap_or_else(PoisonError::into_inner).unwrap_or(Ok(Value::Null))
        };
        outcomes.into_iter().map(done).collect()
    }

    fn detach(self: &Arc<Self>, inv: u64, op: &Value) -> Value {
        let (probe, op) = (self.clone(), op.clone());
        std::thread::spawn(move || {
            let outcome = probe.attempt(inv, &op);
            let name = op["into"].as_str().unwrap_or_default().to_owned();
            let mut outcomes = probe.outcomes.lock().unwrap_or_else(PoisonError::into_inner);
            outcomes.insert(name, outcome);
            probe.came.notify_all();
        });
        Value::Null
    }

    fn recall(&self, op: &Value) -> Outcome {
        let name = op["from"].as_str().unwrap_or_default();
        let outcomes = self.outcomes.lock().unwrap_or_else(PoisonError::into_inner);
        let absent = |all: &mut BTreeMap<String, Value>| !all.contains_key(name);
        let waited = self.came.wait_timeout_while(outcomes, PATIENCE, absent);
        let (outcomes, _) = waited.unwrap_or_else(PoisonError::into_inner);
        let nothing = || thrown(ErrorCode::FunctionError, format!("no outcome '{name}'"));
        outcomes.get(name).cloned().ok_or_else(nothing)
    }

    fn attempt(self: &Arc<Self>, inv: u64, op: &Value) -> Value {
        match self.sequence(inv, op) {
            Ok(value) => json!({ "ok": value }),
            Err(error) => self.caught(&error),
        }
    }

    fn caught(&self, error: &RpcError) -> Value {
        let data = error.data.clone().unwrap_or_default();
        let mut caught = json!({"code": error.text_code(), "message": error.message});
        if data.code.is_none() && self.line.is(Mutant::NamelessErrors) {
            caught["code"] = Value::Null;
        }
        if !data.details.is_empty() && !self.line.is(Mutant::DropsDetails) {
            caught["details"] = data.details.into();
        }
        if data.retryable == Some(true) {
            caught["retryable"] = true.into();
        }
        caught
    }

    /// An error that nobody caught, as the answer of the invocation.
    fn uncaught(&self, error: RpcError) -> RpcError {
        let mut data = error.data.clone().unwrap_or_default();
        data.code = Some(error.text_code().to_owned());
        if self.line.is(Mutant::ForgetsTheWord) {
            data.code = Some("FUNCTION_ERROR".to_owned());
        }
        if self.line.is(Mutant::RetryableAmongDetails) && data.retryable.is_some() {
            data.details.insert("retryable".to_owned(), true.into());
        }
        RpcError {
            code: ErrorCode::FunctionError.number(),
            message: error.message,
            data: Some(data),
        }
    }
}

fn returned(op: &Value, kept: &Map<String, Value>) -> Value {
    let of = |name: &Value| name.as_str().and_then(|name| kept.get(name)).cloned();
    if let Some(names) = op["vars"].as_array() {
        let member = |name: &Value| {
            (name.as_str().unwrap_or_default().to_owned(), of(name).unwrap_or_default())
        };
        return names.iter().map(member).collect::<Map<_, _>>().into();
    }
    of(&op["var"]).unwrap_or_else(|| op["value"].clone())
}

fn log(inv: u64, op: &Value) -> Value {
    let entry = json!({"ts": 1_769_250_600_000_u64, "level": "info", "msg": said(op)});
    json!({"jsonrpc": "2.0", "method": "log", "params": {"inv": inv, "entries": [entry]}})
}

fn said(op: &Value) -> String {
    op["message"].as_str().unwrap_or_default().to_owned()
}

fn milliseconds(op: &Value) -> Duration {
    Duration::from_millis(op["ms"].as_u64().unwrap_or_default())
}

fn broken(error: std::io::Error) -> Thrown {
    thrown(ErrorCode::InternalError, error)
}
