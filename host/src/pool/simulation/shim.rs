//! Shims in memory that do what shims should not: start slowly or never, hang, lie, answer late,
//! twice or not at all, and die at any moment.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use alyx_protocol::limits::FRAME_DEFAULT;
use alyx_protocol::{Decoded, FrameCodec, OutFrame};
use futures_util::{SinkExt, StreamExt};
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::net::UnixStream;
use tokio::sync::{Notify, mpsc, watch};
use tokio::time::{Instant, sleep};
use tokio_util::codec::Framed;

use crate::sandbox::{Exit, Launch, LaunchSpec, Launching, Sandbox, SandboxHandle};

/// What the outside world saw.
#[derive(Debug, Default)]
pub(super) struct Book {
    pub(super) live: usize,
    pub(super) most: usize,
    pub(super) launched: usize,
    /// When each call that a shim was sent had to be over at the latest, until it is.
    pub(super) running: HashMap<(String, u64), Instant>,
    pub(super) wrong: Vec<String>,
    dice: u64,
}

impl Book {
    pub(super) fn new(seed: u64) -> Book {
        Book { dice: seed, ..Book::default() }
    }

    /// xorshift: the same faults for the same seed, as far as the order of tasks allows.
    pub(super) fn chance(&mut self, below: u64) -> u64 {
        self.dice ^= self.dice << 13;
        self.dice ^= self.dice >> 7;
        self.dice ^= self.dice << 17;
        self.dice % below
    }
}

#[derive(Debug, Clone)]
pub(super) struct Launcher(pub(super) Arc<Mutex<Book>>);

impl Launch for Launcher {
    fn launch(&self, spec: LaunchSpec) -> Launching {
        let book = self.0.clone();
        Box::pin(async move {
            let (kill, (ended, exit)) = (Arc::new(Notify::new()), watch::channel(None));
            let (lines, from) = mpsc::channel(1);
            {
                let mut book = book.lock();
                book.live += 1;
                book.launched += 1;
                book.most = book.most.max(book.live);
            }
            let handle = SandboxHandle::new(kill.clone(), exit, None);
            tokio::spawn(async move {
                let worker = spec.worker.clone();
                let exit = tokio::select! {
                    exit = Shim::run(spec, book.clone()) => exit,
                    () = kill.notified() => Exit::Signal(9),
                };
                let mut book = book.lock();
                book.live -= 1;
                book.running.retain(|(of, _), _| *of != worker);
                ended.send_replace(Some(exit));
                drop(lines);
            });
            Ok(Sandbox { lines: from, handle })
        })
    }
}

/// What a shim does next, of its own accord.
#[derive(Debug)]
enum Deed {
    Say(Value),
    /// The call is over, and what is said of it.
    Answer(u64, Value),
    Garbage,
    Die,
}

struct Shim {
    worker: String,
    book: Arc<Mutex<Book>>,
    deeds: mpsc::Sender<Deed>,
    /// Functions that it was told to load: name and revision.
    told: Vec<(String, String)>,
    loaded: Vec<(String, String)>,
    /// Calls that stop when they are told to.
    polite: HashMap<u64, Arc<Notify>>,
}

impl Shim {
    async fn run(spec: LaunchSpec, book: Arc<Mutex<Book>>) -> Exit {
        let fate = book.lock().chance(40);
        match fate {
            0 => return Exit::Code(1),
            1 => sleep(Duration::from_secs(3600)).await,
            2..=5 => sleep(Duration::from_millis(700)).await,
            _ => sleep(Duration::from_millis(30)).await,
        }
        let env = |name: &str| {
            let found = spec.env.iter().find(|(n, _)| n == name);
            found.map(|(_, value)| value.clone()).unwrap_or_default()
        };
        let address = env("ALYX_ADDR");
        let stream = UnixStream::connect(address.trim_start_matches("unix:")).await;
        let Ok(stream) = stream else { return Exit::Code(2) };
        let mut line = Framed::new(stream, FrameCodec::new(FRAME_DEFAULT));
        let hello = json!({"jsonrpc": "2.0", "id": 1, "method": "hello", "params": {
            "protocolVersions": [1], "token": env("ALYX_TOKEN"), "pid": 1,
            "runtime": {"name": "fake", "version": "1", "language": "fake", "languageVersion": "1"},
            "concurrency": {"max": 3}, "capabilities": {"load": {}}, "limits": {"maxFrame": 1 << 20},
        }});
        let (deeds, mut own) = mpsc::channel(256);
        let (told, loaded, polite) = (Vec::new(), Vec::new(), HashMap::new());
        let mut shim = Shim { worker: spec.worker, book, deeds, told, loaded, polite };
        if line.send(frame(&hello)).await.is_err() {
            return Exit::Code(1);
        }
        loop {
            let said = tokio::select! {
                heard = line.next() => match heard {
                    Some(Ok(Decoded::Frame(bytes))) => {
                        let message: Value = serde_json::from_slice(&bytes).expect("the host writes JSON");
                        match shim.hear(&message) {
                            Ok(answer) => answer,
                            Err(exit) => return exit,
                        }
                    }
                    _ => return Exit::Code(0),
                },
                deed = own.recv() => match deed {
                    Some(Deed::Say(value)) => Some(value),
                    Some(Deed::Answer(id, value)) => {
                        shim.over(id);
                        Some(value)
                    }
                    Some(Deed::Garbage) => {
                        use tokio::io::AsyncWriteExt;
                        let _broken = line.get_mut().write_all(b"\xff\xffnonsense").await;
                        None
                    }
                    Some(Deed::Die) | None => return Exit::Code(3),
                },
            };
            if let Some(said) = said
                && line.send(frame(&said)).await.is_err()
            {
                return Exit::Code(0);
            }
        }
    }

    fn over(&mut self, id: u64) {
        self.polite.remove(&id);
        self.book.lock().running.remove(&(self.worker.clone(), id));
    }

    fn chance(&self, below: u64) -> u64 {
        self.book.lock().chance(below)
    }

    fn wrong(&self, what: String) {
        self.book.lock().wrong.push(what);
    }

    /// The answer that goes out at once, or how the shim ends.
    fn hear(&mut self, message: &Value) -> Result<Option<Value>, Exit> {
        let (id, params) = (message["id"].as_u64(), &message["params"]);
        Ok(match (message["method"].as_str(), id) {
            // Some pings are not heard.
            (Some("ping"), Some(id)) => (self.chance(10) > 0).then(|| result(id, json!({}))),
            (Some("load"), Some(id)) => self.load(id, params),
            (Some("invoke"), Some(id)) => {
                self.invoke(id, params);
                None
            }
            (Some("cancel"), _) => {
                let polite = params["id"].as_u64().and_then(|id| self.polite.remove(&id));
                polite.into_iter().for_each(|call| call.notify_one());
                None
            }
            (Some("shutdown"), Some(_)) => return Err(Exit::Code(0)),
            _ => None,
        })
    }

    fn load(&mut self, id: u64, params: &Value) -> Option<Value> {
        let text = |name: &str| params[name].as_str().unwrap_or_default().to_owned();
        let function = (text("function"), text("revision"));
        for other in &self.told {
            if other.0 == function.0 && other.1 != function.1 {
                self.wrong(format!("{} holds two revisions of {}", self.worker, function.0));
            }
        }
        self.told.push(function.clone());
        let after = Duration::from_millis(self.chance(100));
        let deed = match self.chance(40) {
            0 => Deed::Say(error(id, -32023, "LOAD_FAILED", "it is broken")),
            1 => Deed::Die,
            2 => return None,
            _ => {
                self.loaded.push(function);
                Deed::Say(result(id, json!({})))
            }
        };
        self.later(after, deed);
        None
    }

    fn invoke(&mut self, id: u64, params: &Value) {
        let text = |name: &str| params[name].as_str().unwrap_or_default().to_owned();
        if !self.loaded.contains(&(text("function"), text("revision"))) {
            self.wrong(format!(
                "{} was asked for {} without having it",
                self.worker,
                text("function")
            ));
        }
        let left = Duration::from_millis(params["deadlineMs"].as_u64().unwrap_or(0));
        let over_at = Instant::now() + left + Duration::from_millis(1_100);
        self.book.lock().running.insert((self.worker.clone(), id), over_at);
        let good = result(id, json!({"output": params["input"]}));
        let after = Duration::from_millis(self.chance(150));
        match self.chance(60) {
            0 => self.later(after, Deed::Die),
            1 => self.later(after, Deed::Garbage),
            2 => {
                self.later(after, Deed::Answer(id, good.clone()));
                self.later(after * 2, Deed::Say(good));
            }
            3 => self.later(after, Deed::Answer(id, error(id, -32020, "TOLD_TO", "thrown"))),
            4 => self.later(after, Deed::Say(result(id + 1_000, json!({"output": "of nobody"})))),
            // Deaf: answers when it pleases, or never.
            5 => self.later(after + Duration::from_secs(2), Deed::Answer(id, good)),
            6 => {}
            // Polite: goes on until it is told to stop, or a little longer.
            7..=10 => {
                let (told, deeds) = (Arc::new(Notify::new()), self.deeds.clone());
                self.polite.insert(id, told.clone());
                tokio::spawn(async move {
                    told.notified().await;
                    sleep(after).await;
                    let stopped = error(id, -32024, "CANCELLED", "cancelled");
                    let _dead = deeds.send(Deed::Answer(id, stopped)).await;
                });
            }
            _ => self.later(after, Deed::Answer(id, good)),
        }
    }

    fn later(&self, after: Duration, deed: Deed) {
        let deeds = self.deeds.clone();
        tokio::spawn(async move {
            sleep(after).await;
            let _dead = deeds.send(deed).await;
        });
    }
}

fn frame(value: &Value) -> OutFrame {
    OutFrame::whole(value.to_string().as_bytes()).expect("it is short")
}

fn result(id: u64, result: Value) -> Value {
    json!({"jsonrpc": "2.0", "id": id, "result": result})
}

fn error(id: u64, number: i32, code: &str, message: &str) -> Value {
    json!({"jsonrpc": "2.0", "id": id,
        "error": {"code": number, "message": message, "data": {"code": code, "message": message}}})
}
