//! W7: what happens to a host from outside: its folders are removed, its disk is full. Callers are
//! told, and it recovers without a restart.

use std::fs;
use std::path::PathBuf;

use rustix::process::Signal;
use serde_json::json;

use crate::harness::backend::in_containers;
use crate::harness::log::Line;
use crate::harness::{Host, PATIENCE, Project, RUNTIMES, Runtime, eventually, in_every_runtime};
use crate::stop::{check_no_run_folder, run_folders};

/// Ends the worker that serves the probe: the next call needs another one.
async fn lose_worker(host: &Host, runtime: Runtime) {
    let worker = host.worker_of(runtime).await;
    worker.signal(Signal::KILL);
    eventually("it is gone", PATIENCE, async || (!worker.is_running()).then_some(())).await;
}

async fn serves(host: &Host, runtime: Runtime) {
    eventually(&format!("{runtime} serves"), PATIENCE, async || {
        (host.probe(runtime, json!({"a": 1})).await.status == 200).then_some(())
    })
    .await;
}

#[tokio::test]
async fn w7_workers_go_on_and_new_ones_come_when_sockets_and_folders_are_removed() {
    let host = Project::with_probes().config(json!({"functions": {"pool": {"min_warm": 0}}}));
    let mut host = host.serve().await;
    for runtime in RUNTIMES {
        serves(&host, runtime).await;
    }
    let folder = run_folders(&host.project).pop().expect("a running host has one");
    let used: &[&str] = if in_containers() { &["c"] } else { &["s", "w"] };
    let used = used.iter().map(|name| folder.join(name));
    for removed in used.chain([folder.clone(), host.project.path("tmp")]) {
        fs::remove_dir_all(&removed).expect("it is there");
        for runtime in RUNTIMES {
            let answer = host.probe(runtime, json!({"a": 1})).await;
            assert_eq!(answer.value(), json!({"a": 1}), "{runtime}: the worker of before");
            lose_worker(&host, runtime).await;
            serves(&host, runtime).await;
        }
        assert!(removed.is_dir(), "made anew: {}", removed.display());
    }
    host.log.wait_for("what happened", |line| line.message().contains("made anew")).await;
    host.stop().await;
    check_no_run_folder(&host.project);
}

#[tokio::test]
async fn w7_a_full_disk_is_told_and_calls_work_again_once_there_is_room() {
    let host = with_small_disk().serve().await;
    let disk = PathBuf::from(format!("/proc/{}/root", host.pid()));
    let disk = disk.join(host.project.path("tmp").strip_prefix("/").expect("it is absolute"));
    for runtime in RUNTIMES {
        serves(&host, runtime).await;
        let mut fillers = fill(&disk);
        lose_worker(&host, runtime).await;
        let told = eventually("a call that finds no worker", PATIENCE, async || {
            // The worker has left room for another.
            fillers.extend(fill(&disk));
            let answer = host.probe(runtime, json!({"a": 1})).await;
            if answer.status == 200 {
                host.worker_of(runtime).await.signal(Signal::KILL);
            }
            (answer.status == 503).then_some(answer)
        });
        let told = told.await;
        let message = told.error_message(503, "RUNTIME_UNAVAILABLE");
        assert!(message.contains("do not start"), "{runtime}: {message}");
        assert!(told.header("retry-after").is_some(), "{runtime}");
        let why = |line: &Line| line.level() == "ERROR" && line.message().contains("No space left");
        host.log.wait_for("why", why).await;
        fillers.iter().for_each(|file| fs::remove_file(file).expect("it was made"));
        serves(&host, runtime).await;
    }
}

/// The project with a temporary folder of its own that has room for few files.
fn with_small_disk() -> Project {
    let mount = "mount -t tmpfs -o nr_inodes=200 none \"$TMPDIR\" && exec \"$@\"";
    let mut command = vec!["unshare", "--mount"];
    // Root of a user namespace may mount as well.
    if !rustix::process::getuid().is_root() {
        command.push("--map-root-user");
    }
    // An engine would not see it.
    let config = json!({"functions": {"backend": "process", "pool": {"min_warm": 0}}});
    let project = Project::with_probes().config(config);
    project.through(&[&command[..], &["sh", "-c", mount, "sh"]].concat())
}

/// Takes all the room there is.
fn fill(disk: &std::path::Path) -> Vec<PathBuf> {
    let files = (0..1_000).map(|_| disk.join(crate::harness::new_id()));
    let made: Vec<_> = files.take_while(|file| fs::File::create(file).is_ok()).collect();
    assert!(made.len() < 1_000, "{} files do not fill it", made.len());
    made
}

#[tokio::test]
async fn w7_bytes_that_mean_nothing_end_their_worker_alone_and_are_in_the_log() {
    let host = Project::with_probes().with_all("vandal").serve().await;
    in_every_runtime(async |runtime| {
        let neighbour = host.worker_of(runtime).await;
        let forged = "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}}";
        for input in [json!({}), json!({"text": forged}), json!({"text": "GET / HTTP/1.1\r\n\r\n"})]
        {
            let answer = host.call(&runtime.function("vandal"), input.clone()).await;
            let message = answer.error_message(502, "PROTOCOL_ERROR");
            assert!(!message.contains("ff"), "{runtime}: {message}");
        }
        let told = |line: &Line| {
            line.text("worker").starts_with(runtime.name()) && line.message().contains("protocol")
        };
        host.log.wait_for("what came", told).await;
        assert_eq!(host.worker_of(runtime).await, neighbour, "{runtime}");
    })
    .await;
}
