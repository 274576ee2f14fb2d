//! A running `alyx serve` or `alyx dev`: started on a free port, called, told to stop, and never left behind.

use std::net::SocketAddr;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, ExitStatus};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal};
use serde_json::{Value, json};

use super::client::{Answer, Request, Sent};
use super::log::Log;
use super::processes::{Process, programs_of, workers_of};
use super::project::Project;
use super::runtimes::Runtime;
use super::{GLANCE, PATIENCE, eventually};

/// One host of one test.
#[derive(Debug)]
pub(crate) struct Host {
    pub(crate) project: Arc<Project>,
    pub(crate) log: Log,
    pub(crate) address: SocketAddr,
    child: Child,
}

impl Host {
    /// Starts the host and waits until it listens.
    pub(crate) async fn start(project: Arc<Project>) -> Self {
        Self::of(project.command(&["serve", "--port", "0"]), project).await
    }

    /// The same with a command of one's own.
    pub(crate) async fn of(mut command: Command, project: Arc<Project>) -> Self {
        let mut child = command.spawn().expect("the program starts");
        let log = Log::collect(child.stderr.take().expect("stderr is piped"));
        let serving = log.try_wait_for(|line| address_in(line.message()).is_some()).await;
        let Some(serving) = serving else {
            let _ended_already = child.kill();
            panic!("the host does not serve: {:#?}", log.lines());
        };
        let address = address_in(serving.message()).expect("looked for above");
        Host { project, log, address, child }
    }

    pub(crate) fn pid(&self) -> i32 {
        self.child.id().cast_signed()
    }

    /// What runs in the workers: shims, functions and all that they started.
    pub(crate) fn programs(&self) -> Vec<Process> {
        programs_of(self.pid())
    }

    pub(crate) fn request(&self, method: &str, path: &str) -> Request {
        Request::new(self.address, method, path)
    }

    /// A call of a function, to be given a body.
    pub(crate) fn post(&self, function: &str) -> Request {
        self.request("POST", &format!("/api/functions/{function}"))
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.request("GET", path).send().await
    }

    /// Calls a function.
    pub(crate) async fn call(&self, function: &str, input: Value) -> Answer {
        self.post(function).json(&input).send().await
    }

    /// Has the probe of `runtime` do something; see the fixtures.
    pub(crate) async fn probe(&self, runtime: Runtime, input: Value) -> Answer {
        self.call(&runtime.probe(), input).await
    }

    /// Has the probe do something that works, and returns what comes of it.
    pub(crate) async fn value(&self, runtime: Runtime, input: Value) -> Value {
        self.probe(runtime, input).await.value()
    }

    /// Begins a call that the probe's log says is under way, under a new request id.
    pub(crate) async fn begin(&self, function: &str, input: Value) -> (Sent, String) {
        let id = new_id();
        let sent = self.post(function).header("X-Request-Id", &id).json(&input).begin().await;
        let has_begun = |line: &super::log::Line| {
            line.is_of_function() && line.request_id() == id && line.message() == "begun"
        };
        self.log.wait_for(&format!("'begun' of {function}"), has_begun).await;
        (sent, id)
    }

    /// The process that serves the next call of the probe.
    pub(crate) async fn worker_of(&self, runtime: Runtime) -> Process {
        self.worker_of_function(&runtime.probe()).await
    }

    /// The same for another function made from the probe.
    pub(crate) async fn worker_of_function(&self, function: &str) -> Process {
        let pid = self.call(function, json!({"do": "pid"})).await.value();
        let pid = pid.as_i64().expect("'pid' returns a number");
        Process::at(pid).expect("the worker that answered lives")
    }

    pub(crate) fn workers(&self) -> Vec<Process> {
        workers_of(self.pid())
    }

    /// Waits until all runtimes have their warm workers.
    pub(crate) async fn ready(&self) {
        eventually("the host is ready", PATIENCE * 2, async || {
            (self.get("/health/ready").await.status == 200).then_some(())
        })
        .await;
    }

    /// Waits until everything that was logged so far has been collected.
    pub(crate) async fn settle_log(&self, runtime: Runtime) {
        let id = new_id();
        let call = self.post(&runtime.probe()).header("X-Request-Id", &id);
        call.json(&json!({"do": "log", "message": "settled"})).send().await.value();
        self.log.wait_for("the line of a later call", |line| line.request_id() == id).await;
    }

    /// The value of a metric whose labels contain all of `labels`; nothing is 0.
    pub(crate) async fn metric(&self, name: &str, labels: &[&str]) -> f64 {
        let text = self.get("/metrics").await.text();
        let samples = text.lines().filter(|line| {
            let rest = line.strip_prefix(name).unwrap_or_default();
            rest.starts_with(['{', ' ']) && labels.iter().all(|label| rest.contains(label))
        });
        samples.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let pid = Pid::from_child(&self.child);
        rustix::process::kill_process(pid, signal).expect("the host runs");
    }

    /// Waits for the end of the host.
    pub(crate) async fn ended(&mut self, patience: Duration) -> ExitStatus {
        eventually("the host ends", patience, async || {
            self.child.try_wait().expect("it is our child")
        })
        .await
    }

    /// Ends the host as an administrator would, and checks that it ends well.
    pub(crate) async fn stop(&mut self) {
        self.signal(Signal::TERM);
        let status = self.ended(PATIENCE).await;
        assert!(status.success(), "ended with {status:?} (signal {:?})", status.signal());
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let lines = self.log.lines();
            eprintln!("the host's log ended with:");
            for line in lines.iter().skip(lines.len().saturating_sub(40)) {
                eprintln!("  {}", line.0);
            }
        }
        if self.project.uses_engine() {
            // The kernel would end the workers with it, but not remove their containers.
            self.leave();
        }
        // The kernel ends the workers with it.
        let _ended_already = self.child.kill();
        let _ended_already = self.child.wait();
    }
}

impl Host {
    /// Has the host stop at once, and waits for it for a while. It is told again and again: two
    /// signals at a time may count as one, and only a second one means at once.
    #[expect(
        clippy::disallowed_methods,
        reason = "no runtime waits here, and the child tells nobody"
    )]
    fn leave(&mut self) {
        let deadline = Instant::now() + PATIENCE;
        while matches!(self.child.try_wait(), Ok(None)) && Instant::now() < deadline {
            let pid = Pid::from_child(&self.child);
            let _ended_already = rustix::process::kill_process(pid, Signal::TERM);
            std::thread::sleep(GLANCE);
        }
    }
}

/// An id that no other call of this test process has.
pub(crate) fn new_id() -> String {
    static LAST: AtomicU32 = AtomicU32::new(0);
    format!("it-{}-{}", std::process::id(), LAST.fetch_add(1, Ordering::Relaxed))
}

/// The address in `serving N functions at http://127.0.0.1:8090/api/functions`.
fn address_in(message: &str) -> Option<SocketAddr> {
    // Lines for people begin with their level.
    let rest = message.trim_start_matches("[INFO] ").strip_prefix("serving ")?;
    let url = rest.split_once("http://")?.1;
    url.split('/').next()?.parse().ok()
}
