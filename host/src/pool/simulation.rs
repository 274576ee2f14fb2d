//! A whole pool under faults: real tasks, sockets and timers, with shims in memory and a clock
//! that is told when to move.
//!
//! What the state machine's own test cannot see: late and double answers, callers who leave at
//! any moment, cancels that cross answers, deaths that are noticed twice.

mod shim;

use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use indexmap::IndexMap;
use serde_json::value::RawValue;
use tokio::time::{Instant, sleep, timeout};

use super::*;
use crate::config::Config;
use crate::deps::Purpose;
use crate::invocation::Invocation;
use crate::metrics::Metrics;
use crate::pool::error::CallError;
use crate::pool::rules::Class;
use crate::registry::function::Isolation;
use crate::runtime::Source;
use shim::{Book, Launcher};

const FUNCTIONS: u64 = 6;
const CALLERS: u64 = 20;
const CALLS: u64 = 80;
const WORKERS: usize = 5;
/// From a deadline to the answer, by a clock that only moves when nothing else does.
const LATE: Duration = Duration::from_millis(20);
/// How long the end of a worker may be waited for that took a call with it.
const GRACE: Duration = Duration::from_secs(1);

struct World {
    pool: Arc<RuntimePool>,
    book: Arc<Mutex<Book>>,
    functions: Mutex<Vec<Arc<Function>>>,
    calls: AtomicU64,
    /// How many calls ended in which way.
    ends: Mutex<HashMap<&'static str, u32>>,
    _folder: tempfile::TempDir,
}

impl World {
    async fn new(seed: u64) -> Arc<World> {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let book = Arc::new(Mutex::new(Book::new(seed)));
        let config = Config::load(None, folder.path(), []).expect("all defaults");
        let (path, command) = ([PathBuf::from("/bin"), "/usr/bin".into()], ["true".to_owned()]);
        let (shims, cache) = (folder.path(), folder.path());
        let command = Some(&command[..]);
        let source = Source {
            name: "fake",
            image: None,
            builder: None,
            command,
            path: &path,
            folder: shims,
            shims,
            cache,
            toolchain_env: &[],
        };
        let shared = Shared {
            launcher: Arc::new(Launcher(book.clone())),
            sockets: folder.path().to_owned(),
            directory: folder.path().to_owned(),
            readable: Vec::new(),
            limits: Limits::default(),
            store: Store::open(&config.database, &IndexMap::new()).expect("an empty database"),
            schemas: Arc::default(),
            deps: Deps::new(&config, Purpose::Look, Vec::new()),
            queue_timeout: Duration::from_secs(2),
        };
        let rules = Rules {
            min_warm: 1,
            max_instances: WORKERS,
            idle_timeout: Duration::from_secs(3),
            class: Class::new(1 << 28, 1.0),
            max_calls: 50,
            max_age: Duration::from_secs(30),
            ..Rules::default()
        };
        let runtime = Runtime::find(source).await.expect("there is a 'true'");
        let pool = RuntimePool::new(runtime, shared, rules, Metrics::new().pool("fake"));
        let functions = Mutex::new((0..FUNCTIONS).map(|n| function(n, 0)).collect());
        pool.warm();
        Arc::new(World {
            pool,
            book,
            functions,
            calls: AtomicU64::new(0),
            ends: Mutex::default(),
            _folder: folder,
        })
    }

    fn chance(&self, below: u64) -> u64 {
        self.book.lock().chance(below)
    }

    fn wrong(&self, what: String) {
        self.book.lock().wrong.push(what);
    }

    /// One caller: calls now and then, and sometimes leaves before the answer.
    async fn caller(&self) {
        for _ in 0..CALLS {
            sleep(Duration::from_millis(self.chance(200))).await;
            let number = self.calls.fetch_add(1, Ordering::Relaxed);
            let patience = match self.chance(8) {
                0 => Duration::from_millis(self.chance(600)),
                _ => Duration::from_secs(3600),
            };
            let call = timeout(patience, self.call(number));
            let Ok(ended_at) = call.await else { continue };
            let over = Instant::now().saturating_duration_since(ended_at);
            if over > Duration::ZERO {
                self.wrong(format!("call {number} was answered {over:?} too late"));
            }
        }
    }

    /// Makes one call; returns when it had to be answered.
    async fn call(&self, number: u64) -> Instant {
        let at = self.chance(FUNCTIONS) as usize;
        let function = self.functions.lock()[at].clone();
        let trigger = RawValue::from_string("{\"type\":\"other\"}".into()).expect("it is JSON");
        let invocation = Invocation::begin(function, format!("call-{number}"), trigger, None, None);
        let input = format!("{{\"n\":{number}}}");
        let by = invocation.deadline + LATE;
        let checkout = self.pool.checkout(&invocation.function, invocation.deadline).await;
        let (lease, _) = match checkout {
            Ok(checkout) => checkout,
            Err(refusal) => {
                self.ended(match refusal {
                    Refusal::Replaced => "replaced",
                    Refusal::Load(_) => "not loaded",
                    _ => "no worker",
                });
                return by;
            }
        };
        let outcome = lease.invoke(&invocation, Bytes::from(input.clone())).await;
        self.ended(match &outcome {
            Ok(_) => "answered",
            Err(CallError::Thrown(_)) => "thrown",
            Err(CallError::Deadline) => "over time",
            Err(_) => "lost",
        });
        if let Ok(output) = &outcome
            && output != input.as_bytes()
        {
            self.wrong(format!("call {number} got the answer {output:?}"));
        }
        if let Err(CallError::Died(_)) = outcome { by + GRACE } else { by }
    }

    fn ended(&self, how: &'static str) {
        *self.ends.lock().entry(how).or_default() += 1;
    }

    /// New revisions, while everything else goes on.
    async fn reloads(&self) {
        for revision in 1..=30 {
            sleep(Duration::from_millis(self.chance(800))).await;
            let name = self.chance(FUNCTIONS);
            let fresh = function(name, revision);
            if self.chance(2) == 0 {
                let _as_it_went = self.pool.load_ahead(&fresh, Duration::from_millis(500)).await;
            }
            let old = std::mem::replace(&mut self.functions.lock()[name as usize], fresh);
            self.pool.replaced(&old.revision);
        }
    }

    /// Looks at the outside world all the while.
    async fn watch(&self) {
        loop {
            sleep(Duration::from_millis(10)).await;
            let mut book = self.book.lock();
            let now = Instant::now();
            let late = book.running.iter().filter(|(_, over_at)| **over_at < now);
            let late: Vec<_> = late.map(|(call, _)| call.clone()).collect();
            for call in late {
                book.running.remove(&call);
                book.wrong.push(format!("{call:?} runs on after its grace"));
            }
        }
    }
}

fn function(name: u64, revision: u64) -> Arc<Function> {
    let strict = name == 0;
    Arc::new(Function {
        name: format!("f{name}"),
        runtime: "fake".into(),
        entry: "/f".into(),
        root: "/".into(),
        folder: None,
        manifest: None,
        timeout: Duration::from_millis(600 + name * 200),
        memory: if name == 1 { 1 << 29 } else { 1 << 28 },
        cpu: 1.0,
        concurrency: (name == 2).then_some(1),
        isolation: if strict { Isolation::Strict } else { Isolation::Shared },
        env: std::collections::BTreeMap::new(),
        description: None,
        revision: format!("f{name}-{revision}").into(),
        problem: None,
        stale: None,
    })
}

async fn live_through(seed: u64) -> HashMap<&'static str, u32> {
    let world = World::new(seed).await;
    let callers = (0..CALLERS).map(|_| world.caller());
    let work = async { tokio::join!(futures_util::future::join_all(callers), world.reloads()) };
    tokio::select! {
        _ = work => {}
        () = world.watch() => unreachable!("it watches for ever"),
    }
    // Whatever still runs is over soon, and nothing of it is left.
    sleep(Duration::from_secs(120)).await;
    {
        let state = world.pool.state.lock();
        let busy: u32 = state.workers.values().map(|slot| slot.in_flight + slot.suspended).sum();
        assert_eq!((busy, state.queued, state.hungry.len()), (0, 0, 0), "seed {seed}: {state:?}");
        assert_eq!(state.workers.len(), world.book.lock().live, "seed {seed}");
    }
    for worker in world.pool.live() {
        // A ping may be on its way.
        assert!(worker.peer.unanswered() <= 1, "seed {seed}: a call leaked");
    }
    world.pool.act(|state, _| state.stop());
    world.pool.tasks.close();
    timeout(Duration::from_secs(60), world.pool.tasks.wait()).await.expect("all tasks end");
    let book = world.book.lock();
    assert_eq!((book.live, world.pool.live().len()), (0, 0), "seed {seed}");
    assert!(book.most <= WORKERS, "seed {seed}: {} workers", book.most);
    assert!(book.launched > WORKERS && book.running.is_empty(), "seed {seed}: {book:?}");
    assert_eq!(book.wrong, [""; 0], "seed {seed}");
    world.ends.lock().clone()
}

#[tokio::test(start_paused = true)]
async fn whatever_shims_and_callers_do_every_call_ends_in_time_and_nothing_leaks() {
    let mut ends = HashMap::new();
    for seed in 1..=5u64 {
        for (end, count) in live_through(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15)).await {
            *ends.entry(end).or_default() += count;
        }
    }
    // A test in which nothing goes wrong, or all, would show nothing.
    let kinds = ["answered", "thrown", "over time", "lost", "replaced", "not loaded", "no worker"];
    assert!(kinds.iter().all(|kind| ends.get(kind).is_some_and(|n: &u32| *n > 20)), "{ends:?}");
    assert!(ends["answered"] > 2_000, "{ends:?}");
}
