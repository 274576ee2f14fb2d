//! The end of a host, asked for or not: what runs may end, and nothing is left.

use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::json;

use crate::harness::processes::{Process, of_project};
use crate::harness::{Host, PATIENCE, Project, RUNTIMES, Runtime, eventually};

/// From the end of the host to the end of its workers, and a little for a busy machine.
const WORKERS_GONE: Duration = Duration::from_secs(3);

/// Every socket and every worker's folder is below the host's own folder, and that is gone.
pub(crate) fn check_no_run_folder(project: &Project) {
    let left = run_folders(project);
    assert!(left.is_empty(), "left behind: {left:?}");
}

/// The folders of hosts below the project's temporary folder: `tmp/alyx-<uid>/<host>`.
pub(crate) fn run_folders(project: &Project) -> Vec<std::path::PathBuf> {
    let shared = std::fs::read_dir(project.path("tmp")).expect("every project has one").flatten();
    let shared = shared.filter(|entry| entry.file_name().to_string_lossy().starts_with("alyx-"));
    let inner = shared.filter_map(|entry| std::fs::read_dir(entry.path()).ok());
    inner.flat_map(|entries| entries.flatten().map(|entry| entry.path())).collect()
}

async fn check_gone(workers: &[Process], patience: Duration) {
    eventually("the workers are gone", patience, async || {
        workers.iter().all(|worker| !worker.is_running()).then_some(())
    })
    .await;
}

/// A host with workers that serve and blank ones.
async fn busy_host() -> (Host, Vec<Process>) {
    let host = Project::with_probes().serve().await;
    for runtime in RUNTIMES {
        host.value(runtime, json!({})).await;
    }
    host.ready().await;
    let workers = host.workers();
    assert!(workers.len() >= RUNTIMES.len(), "{workers:?}");
    (host, workers)
}

#[tokio::test]
async fn w6_sigterm_and_sigint_let_running_calls_finish() {
    for signal in [Signal::TERM, Signal::INT] {
        let (mut host, _) = busy_host().await;
        let mut running = Vec::new();
        for runtime in RUNTIMES {
            running.push(host.begin(&runtime.probe(), json!({"do": "hold", "ms": 1_500})).await.0);
        }
        host.signal(signal);
        for sent in running {
            assert_eq!(sent.answer().await.value(), "held");
        }
        assert!(host.ended(PATIENCE).await.success());
    }
}

#[tokio::test]
async fn w6_after_sigterm_no_process_socket_or_folder_is_left() {
    let (mut host, workers) = busy_host().await;
    assert!(!run_folders(&host.project).is_empty(), "the check below would see nothing");
    assert!(of_project(&host.project).len() > workers.len(), "the workers and the host itself");
    let began = Instant::now();
    host.stop().await;
    assert!(began.elapsed() < Duration::from_secs(10), "idle, yet {:?}", began.elapsed());
    check_gone(&workers, Duration::ZERO).await;
    check_no_run_folder(&host.project);
    assert_eq!(of_project(&host.project), []);
}

#[tokio::test]
async fn w6_while_it_stops_no_new_call_is_taken() {
    let (mut host, _) = busy_host().await;
    let (running, _) = host.begin("probe_node", json!({"do": "hold", "ms": 3_000})).await;
    host.signal(Signal::TERM);
    host.log.wait_for("that it stops", |line| line.message().starts_with("stopping")).await;
    eventually("the port is closed", PATIENCE, async || {
        tokio::net::TcpStream::connect(host.address).await.is_err().then_some(())
    })
    .await;
    assert_eq!(running.answer().await.value(), "held");
    assert!(host.ended(PATIENCE).await.success());
}

#[tokio::test]
async fn w6_a_call_that_never_ends_holds_the_stop_no_longer_than_its_timeout() {
    let config = json!({"functions": {"timeout": "3s"}});
    let mut host = Project::with_probes().config(config).serve().await;
    let mut running = Vec::new();
    for runtime in RUNTIMES {
        running.push(host.begin(&runtime.probe(), json!({"do": "spin"})).await.0);
    }
    let workers = host.workers();
    let began = Instant::now();
    host.signal(Signal::TERM);
    for sent in running {
        sent.answer().await.error(504, "FUNCTION_TIMEOUT");
    }
    assert!(host.ended(PATIENCE).await.success());
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    check_gone(&workers, Duration::ZERO).await;
    check_no_run_folder(&host.project);
}

#[tokio::test]
async fn w6_a_second_signal_ends_at_once() {
    let (mut host, workers) = busy_host().await;
    for runtime in RUNTIMES {
        for input in [json!({"do": "hold", "ms": 60_000}), json!({"do": "spin"})] {
            drop(host.begin(&runtime.function("probe"), input).await.1);
        }
    }
    let (_sent, _) = host.begin("probe_python", json!({"do": "hold", "ms": 60_000})).await;
    let all: Vec<_> = workers.into_iter().chain(host.workers()).collect();
    host.signal(Signal::TERM);
    host.log.wait_for("that it stops", |line| line.message().starts_with("stopping")).await;
    let began = Instant::now();
    host.signal(Signal::TERM);
    host.ended(Duration::from_secs(8)).await;
    check_gone(&all, WORKERS_GONE).await;
    assert!(began.elapsed() < Duration::from_secs(8), "{:?}", began.elapsed());
    check_no_run_folder(&host.project);
}

#[tokio::test]
async fn w6_an_idle_keep_alive_connection_does_not_hold_the_stop() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let (mut host, _) = busy_host().await;
    let mut idle = tokio::net::TcpStream::connect(host.address).await.expect("it serves");
    idle.write_all(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n").await.expect("it reads");
    let mut first = [0; 12];
    idle.read_exact(&mut first).await.expect("it answers");
    assert_eq!(&first, b"HTTP/1.1 200");
    let began = Instant::now();
    host.stop().await;
    assert!(began.elapsed() < Duration::from_secs(8), "{:?}", began.elapsed());
}

#[tokio::test]
async fn w6_after_kill_9_of_the_host_its_workers_are_gone_within_2_s() {
    let (mut host, _) = busy_host().await;
    let mut running = Vec::new();
    for runtime in RUNTIMES {
        for input in [json!({"do": "hold", "ms": 60_000}), json!({"do": "spin"})] {
            running.push(host.begin(&runtime.probe(), input).await.0);
        }
    }
    let workers = host.workers();
    assert!(workers.len() >= RUNTIMES.len(), "{workers:?}");
    host.signal(Signal::KILL);
    host.ended(PATIENCE).await;
    check_gone(&workers, WORKERS_GONE).await;
}

#[tokio::test]
async fn w6_a_go_worker_that_never_ends_loading_goes_with_its_killed_host() {
    let source = Runtime::Go.fixture("apart") + "\nfunc init() {\n\tfor {\n\t}\n}\n";
    let mut host = Project::new().file("functions/endless.go", &source).serve().await;
    let _call = host.post("endless").json(&json!({})).begin().await;
    let built = |program: &Process| !program.command.contains("alyx-shim-go");
    eventually("a worker became the function", PATIENCE * 3, async || {
        host.programs().iter().any(built).then_some(())
    })
    .await;
    let workers = [host.workers(), host.programs()].concat();
    host.signal(Signal::KILL);
    host.ended(PATIENCE).await;
    check_gone(&workers, WORKERS_GONE).await;
}

#[tokio::test]
async fn w6_a_build_of_a_go_function_goes_with_its_killed_host() {
    // Not built before: no other test has this text.
    let now = std::time::SystemTime::now();
    let text = Runtime::Go.fixture("apart") + &format!("\n// {now:?}\n");
    let mut host = Project::new().file("functions/fresh.go", &text).serve().await;
    let _call = host.post("fresh").json(&json!({})).begin().await;
    let builds = |process: &Process| process.command.contains("alyx-shim-go build");
    eventually("it is being built", PATIENCE * 3, async || {
        of_project(&host.project).iter().any(builds).then_some(())
    })
    .await;
    host.signal(Signal::KILL);
    host.ended(PATIENCE).await;
    eventually("nothing of it runs", WORKERS_GONE, async || {
        of_project(&host.project).is_empty().then_some(())
    })
    .await;
}

#[tokio::test]
async fn w6_the_next_start_removes_what_a_killed_host_left() {
    let (mut host, _) = busy_host().await;
    let project = host.project.clone();
    host.signal(Signal::KILL);
    host.ended(PATIENCE).await;
    let left = run_folders(&project);
    assert_eq!(left.len(), 1, "a killed host cannot clean up: {left:?}");
    let mut next = Host::start(project.clone()).await;
    assert!(!left[0].exists(), "{left:?}");
    assert_eq!(next.value(Runtime::Node, json!({"a": 1})).await, json!({"a": 1}));
    next.stop().await;
    check_no_run_folder(&project);
}

#[tokio::test]
async fn w6_two_hosts_of_one_project_leave_each_other_alone() {
    let (mut first, _) = busy_host().await;
    let mut second = Host::start(first.project.clone()).await;
    assert_eq!(run_folders(&first.project).len(), 2);
    for runtime in RUNTIMES {
        assert_ne!(first.worker_of(runtime).await, second.worker_of(runtime).await, "{runtime}");
    }
    first.signal(Signal::KILL);
    first.ended(PATIENCE).await;
    for runtime in RUNTIMES {
        assert_eq!(second.value(runtime, json!({"a": 1})).await, json!({"a": 1}), "{runtime}");
    }
    second.stop().await;
}

#[tokio::test]
async fn w6_what_a_worker_started_goes_with_it() {
    let mut host = Project::new().with_own(Runtime::Node, "parent").serve().await;
    let pid = host.call("parent", json!({})).await.value().as_i64().expect("a pid");
    let child = Process::at(pid).expect("it sleeps");
    host.stop().await;
    check_gone(&[child], WORKERS_GONE).await;
}
