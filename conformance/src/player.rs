//! Plays one case against one fresh process: greet, load, the steps, and what must hold after.
//!
//! Knows nothing of other cases, of reports or of known failures.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::timeout;

use crate::case::Case;
use crate::failure::Failure;
use crate::fixtures::{Fixture, Fixtures};
use crate::inbox::Address;
use crate::outgoing::{Piece, Split, whole};
use crate::reference_host::ReferenceHost;
use crate::starter::{Starter, Streams};
use crate::step::{PATIENCE, Step};
use crate::transport::Transport;

/// A case that is not over by then is a failure, whatever its steps say.
const CASE_PATIENCE: Duration = Duration::from_secs(60);
/// Ids of the requests that a case does not name itself.
pub(crate) const OWN_IDS: u64 = 9_000_000;
/// What each process is told to prove itself with.
const TOKEN: &str = "conformance-token";

/// What came of one case.
#[derive(Debug, Default)]
pub struct Played {
    pub failure: Option<Failure>,
    /// Why the case does not apply to this shim.
    pub skipped: Option<String>,
    pub frames: Vec<String>,
    /// The end of what the process wrote to its own stdout and stderr.
    pub process_output: String,
    /// `runtime` of the shim's `hello`.
    pub runtime: Option<Value>,
    /// What invocations answered, as text that is the same for the same JSON.
    pub outputs: Vec<String>,
}

/// Plays `case`. Every path ends within the patience of a case.
pub async fn play(
    case: &Case,
    transport: Transport,
    starter: &Starter,
    fixtures: &Arc<Fixtures>,
) -> Played {
    let started = match &case.address {
        None => starter.start(transport, TOKEN).await,
        Some(address) => starter.start_alone(address.env.as_deref()).map(Streams::none),
    };
    let (process, streams) = match started {
        Ok(started) => started,
        Err(error) => {
            let failure = Some(Failure::new(error.to_string()));
            return Played { failure, ..Played::default() };
        }
    };
    let host = ReferenceHost::new(process, streams, TOKEN.to_owned(), case.host.clone());
    let mut player = Player {
        host,
        case,
        fixtures,
        hello: Value::Null,
        next_id: OWN_IDS,
        gathered: BTreeMap::new(),
        over: false,
        played: Played::default(),
    };
    let failure = match timeout(CASE_PATIENCE, player.all()).await {
        Ok(Ok(())) => None,
        Ok(Err(failure)) => Some(*failure),
        Err(_) => Some(Failure::new(format!("the case was not over after {CASE_PATIENCE:?}"))),
    };
    player.host.process.kill().await;
    let mut played = player.played;
    played.failure = failure.filter(|_| played.skipped.is_none());
    if let Some(failure) = &mut played.failure {
        failure.differences.extend(player.host.misfits());
    }
    played.frames = player.host.transcript.render();
    played.process_output = player.host.process.output();
    played.runtime = player.hello.pointer("/params/runtime").cloned();
    played
}

pub(crate) type Outcome = Result<(), Box<Failure>>;

pub(crate) fn fail(what: impl Into<String>) -> Outcome {
    Err(Box::new(Failure::new(what)))
}

pub(crate) struct Player<'a> {
    pub(crate) host: ReferenceHost,
    case: &'a Case,
    fixtures: &'a Fixtures,
    hello: Value,
    next_id: u64,
    /// Requests of the shim that steps have gathered and may answer.
    pub(crate) gathered: BTreeMap<String, Vec<Value>>,
    /// The stream or the process has ended on purpose: nothing more is asked of the shim.
    pub(crate) over: bool,
    pub(crate) played: Played,
}

impl Player<'_> {
    async fn all(&mut self) -> Outcome {
        if self.case.address.is_none() {
            self.greet().await?;
        }
        if let Some(lack) = self.lacks() {
            self.played.skipped = Some(lack);
            return Ok(());
        }
        for spec in &self.case.load {
            let mut params = spec.params.clone();
            params["id"] = self.own_id().into();
            let answer = json!({"id": params["id"], "result": {}});
            self.send(&[json!({ "load": params })], &Split::default()).await?;
            self.expect(&answer, Duration::from_secs(20)).await?;
        }
        for (index, step) in self.case.steps.iter().enumerate() {
            let place = |failure: Box<Failure>| Box::new(failure.at(index + 1, step.shown()));
            self.step(step).await.map_err(place)?;
        }
        self.epilogue().await
    }

    /// What the case needs and `hello` does not announce.
    fn lacks(&self) -> Option<String> {
        let needs = &self.case.needs;
        let offers = |name: &String| self.hello.pointer("/params/capabilities")?.get(name);
        if let Some(name) = needs.capability.as_ref().filter(|name| offers(name).is_none()) {
            return Some(format!("the shim does not offer '{name}'"));
        }
        let most = self.hello.pointer("/params/concurrency/max").and_then(Value::as_u64);
        let (needed, most) = (needs.concurrency?, most.unwrap_or(1));
        let too_few = most < needed;
        too_few.then(|| format!("the shim takes {most} at once, and this needs {needed}"))
    }

    /// The shim speaks first; nothing else may come before the answer.
    async fn greet(&mut self) -> Outcome {
        let address = Address::Call("hello".into());
        let hello = self.wait(&address, PATIENCE).await.ok_or_else(|| {
            Box::new(Failure::new(format!("no `hello` came within {PATIENCE:?} of connecting")))
        })?;
        self.hello = hello.value.clone();
        if hello.index != 0 {
            return fail("something came before `hello`");
        }
        if self.case.hello.manual {
            self.host.inbox.keep(hello);
            return Ok(());
        }
        if !self.host.is_token_of(&self.hello) {
            return fail("`hello` does not carry the token of ALYX_TOKEN");
        }
        self.answer_hello(self.case.hello.result.as_ref()).await
    }

    async fn answer_hello(&mut self, overrides: Option<&Value>) -> Outcome {
        let id = &self.hello["id"];
        let sent = match overrides.and_then(|value| value.get("error")) {
            Some(error) => {
                let answer = json!({"jsonrpc": "2.0", "id": id, "error": error});
                self.host.answer(&[answer], &Split::default()).await
            }
            None => {
                let result = ReferenceHost::hello_result(&self.case.hello.offers, overrides);
                self.host.greet(id, &result).await
            }
        };
        sent.map_err(|e| Box::new(Failure::new(e)))
    }

    async fn step(&mut self, step: &Step) -> Outcome {
        match step {
            Step::Send { messages, split } => self.send(messages, split).await,
            Step::SendRaw { pieces, split } => self.send_raw(pieces, split).await,
            Step::AnswerHello { result } => self.answer_hello(Some(result)).await,
            Step::Expect { pattern, within } => self.expect(pattern, *within).await,
            Step::Gather { pattern, count, name, within } => {
                self.gather(pattern, *count, name, *within).await
            }
            Step::Reply { replies, split } => self.reply(replies, split).await,
            Step::ExpectNone { pattern, during, after } => {
                self.expect_none(pattern, *during, *after).await
            }
            Step::ExpectLogs { logs, within } => self.expect_logs(logs, *within).await,
            Step::ExpectOrder { ids, within } => self.expect_order(ids, *within).await,
            Step::ExpectClose { within } => self.expect_close(*within).await,
            Step::ExpectExit { pattern, within } => self.expect_exit(pattern, *within).await,
            Step::ExpectStderr { pattern, within } => self.expect_stderr(pattern, *within).await,
            Step::CloseWrite => {
                self.over = true;
                self.host.close_write().await;
                Ok(())
            }
            Step::Close => {
                self.over = true;
                self.host.close().await;
                Ok(())
            }
        }
    }

    async fn send(&mut self, messages: &[Value], split: &Split) -> Outcome {
        let mut ready = Vec::with_capacity(messages.len());
        for message in messages {
            let whole = self.whole(message).map_err(|e| Box::new(Failure::new(e)))?;
            match self.refusal(message) {
                Some(error) => {
                    self.host.pretend(json!({"jsonrpc": "2.0", "id": whole["id"], "error": error}));
                }
                None => ready.push(whole),
            }
        }
        self.host.send(&ready, split).await.map_err(|e| Box::new(Failure::new(e)))
    }

    /// What `prepare` said about the fixture this message wants to load, if it refused it.
    fn refusal(&self, message: &Value) -> Option<Value> {
        let fixture = message.get("load")?.get("fixture")?.as_str()?;
        match self.fixtures.get(fixture)? {
            Fixture::Refused(error) => Some(error.clone()),
            Fixture::Ready(_) => None,
        }
    }

    fn whole(&self, message: &Value) -> Result<Value, String> {
        whole(message, &|name| self.fixtures.locate(name))
    }

    async fn send_raw(&mut self, pieces: &[Piece], split: &Split) -> Outcome {
        let mut bytes = Vec::new();
        for piece in pieces {
            let more = piece.bytes(|message| self.whole(message));
            bytes.extend(more.map_err(|e| Box::new(Failure::new(e)))?);
        }
        self.host.send_raw(&bytes, split).await.map_err(|e| Box::new(Failure::new(e)))
    }

    fn own_id(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id
    }

    /// The shim must serve on, and everything it sent must have been legal and asked for.
    async fn epilogue(&mut self) -> Outcome {
        if !self.over {
            let id = self.own_id();
            self.send(&[json!({ "ping": id })], &Split::default()).await?;
            self.expect(&json!({"id": id, "result": {}}), PATIENCE).await.map_err(
                |mut failure| {
                    failure.what =
                        format!("the shim must serve on after the case: {}", failure.what);
                    failure
                },
            )?;
        }
        for frame in self.host.inbox.waiting() {
            let unasked = match Address::of(&frame.value) {
                Address::Answer(None) => Some("an error with `id: null` that no step expects"),
                Address::Call(_) if frame.value.get("id").is_some() => {
                    Some("a request that the host has not offered to serve")
                }
                _ => None,
            };
            if let Some(what) = unasked {
                return fail(format!("{what}: {}", crate::matcher::shown(&frame.value)));
            }
        }
        match self.host.ledger.findings().first() {
            None => Ok(()),
            Some(finding) => fail(format!("illegal on the wire: {finding}")),
        }
    }
}
