//! Starts one worker and watches over it until it has ended.
//!
//! Socket, sandbox, handshake, peer: the parts meet here. Knows nothing of why a worker is
//! wanted.

use std::sync::Arc;
use std::time::Duration;

use alyx_protocol::limits::CONCURRENCY_CAP;
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::pool::RuntimePool;
use crate::pool::error::{Death, Fault, KillReason, Refusal};
use crate::pool::rules::Class;
use crate::pool::worker::{Tail, Worker, log_output};
use crate::rpc::listener::{Greeted, WorkerSocket};
use crate::rpc::peer::{Peer, PeerClosed};
use crate::sandbox::{Exit, LaunchError, LaunchSpec, Sandbox, run_dir};
use crate::syscalls::{self, Note, Syscalls};

/// From the launch to the hello.
const START_PATIENCE: Duration = Duration::from_secs(10);

struct Started {
    worker: Arc<Worker>,
    closed: oneshot::Receiver<PeerClosed>,
    output: tokio::task::JoinHandle<()>,
    tail: Arc<Tail>,
    credit: u32,
}

/// Why no worker came of a start.
#[derive(Debug, thiserror::Error)]
enum Problem {
    #[error(transparent)]
    Launch(#[from] LaunchError),
    #[error("{0}")]
    Other(String),
}

impl From<String> for Problem {
    fn from(why: String) -> Self {
        Problem::Other(why)
    }
}

impl Problem {
    /// What callers are told.
    fn refusal(&self, runtime: &str) -> Refusal {
        match self {
            Problem::Launch(LaunchError::Missing { public, .. }) => {
                Refusal::Unavailable { runtime: runtime.to_owned(), why: public.clone() }
            }
            other => Refusal::Start(other.to_string().into()),
        }
    }
}

/// The whole life of worker `number`.
pub(crate) async fn run(pool: Arc<RuntimePool>, number: u64, class: Class) {
    let Started { worker, closed, output, tail, credit } = match start(&pool, number, class).await {
        Ok(started) => started,
        Err(why) => {
            let runtime = &pool.runtime.name;
            tracing::error!(%runtime, "a worker did not start: {why}");
            pool.metrics.died("start");
            let refusal = why.refusal(runtime);
            pool.act(|state, now| state.start_failed(number, &refusal, now));
            return;
        }
    };
    pool.enter(&worker);
    pool.metrics.started();
    pool.act(|state, now| state.started(number, worker.clone(), credit, now));
    let death = worker.watch(closed, output).await;
    report(&pool, &worker, &death, &tail);
    pool.leave(&worker);
    let crash = death.killed.is_none().then(|| Arc::new(Fault::of_death(&death)));
    pool.act(|state, now| state.died(number, crash.as_ref(), now));
}

async fn start(pool: &Arc<RuntimePool>, number: u64, class: Class) -> Result<Started, Problem> {
    let began = Instant::now();
    let name: Arc<str> = format!("{}-{number}", pool.runtime.name).into();
    let (memory, cpu) = (class.memory, class.cpu());
    let command = pool.runtime.shim_command(memory).await.map_err(|e| e.to_string())?;
    run_dir::restore(&pool.shared.sockets).map_err(|e| e.to_string())?;
    let socket = pool.shared.sockets.join(format!("{:.8}-{number}", pool.runtime.name));
    let socket = WorkerSocket::bind(socket, token()?).map_err(|e| e.to_string())?;
    let mut env = pool.runtime.env(memory, cpu);
    let seen_as = pool.shared.launcher.seen_as(socket.directory());
    env.push(("ALYX_ADDR".into(), socket.address(&seen_as)));
    env.push(("ALYX_TOKEN".into(), socket.token().to_owned()));
    let spec = LaunchSpec {
        worker: name.to_string(),
        command,
        env,
        directory: pool.shared.directory.clone(),
        readable: [pool.runtime.readable(), &pool.shared.readable].concat(),
        socket: Some(socket.directory().to_owned()),
        memory,
        reserved: pool.runtime.reserved(),
        cpu,
    };
    let Sandbox { lines, handle } = pool.shared.launcher.launch(spec).await?;
    let tail = Arc::new(Tail::default());
    let output = tokio::spawn(log_output(name.clone(), lines, tail.clone()));
    let greeted = tokio::select! {
        greeted = socket.accept(&pool.shared.limits, syscalls::offered(), &name) => greeted.map_err(|e| e.to_string()),
        exit = handle.exited() => {
            // Its last words say why.
            let _still_open = tokio::time::timeout(Duration::from_secs(1), output).await;
            return Err(format!("it ended before it said hello: {exit} {}", tail.text()).into());
        }
        () = tokio::time::sleep(START_PATIENCE) => Err(format!("no hello within {START_PATIENCE:?}")),
    };
    let Greeted { stream, hello, agreed } = greeted.inspect_err(|_: &String| handle.kill())?;
    let weak = Arc::downgrade(pool);
    let syscalls =
        Syscalls::new(name.clone(), pool.shared.store.clone(), pool.metrics.clone(), move |note| {
            let Some(pool) = weak.upgrade() else { return };
            match note {
                Note::Concurrency(max) => pool.act(|state, now| state.credit(number, max, now)),
                Note::Goaway => pool.act(|state, now| state.spent(number, now)),
            }
        });
    let (peer, closed) = Peer::start(stream.into_split(), agreed, syscalls);
    let worker = Arc::new(Worker::new(name, number, peer, (handle, class), began));
    let credit = hello.concurrency.max.clamp(1, CONCURRENCY_CAP);
    Ok(Started { worker, closed, output, tail, credit })
}

/// A secret that is good for one hello.
fn token() -> Result<String, String> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|e| format!("no randomness: {e}"))?;
    Ok(hex::encode(bytes))
}

fn report(pool: &RuntimePool, worker: &Worker, death: &Death, tail: &Tail) {
    let reason = match death.killed {
        Some(KillReason::Unresponsive) => "unresponsive",
        Some(KillReason::Silent) => "silent",
        Some(KillReason::Retired) => "retired",
        None if matches!(death.exit, Exit::OutOfMemory { .. }) => "out_of_memory",
        None => "crashed",
    };
    pool.metrics.died(reason);
    match death.killed {
        Some(KillReason::Retired) => tracing::debug!(worker = %worker.name, "worker left"),
        Some(_) => tracing::warn!(worker = %worker.name, "worker {death}"),
        None if matches!(death.exit, Exit::OutOfMemory { .. }) => {
            tracing::error!(worker = %worker.name, "worker ended: {death}");
        }
        None => {
            let stderr = tail.text();
            tracing::error!(worker = %worker.name, %stderr, "worker crashed: {death}");
        }
    }
}
