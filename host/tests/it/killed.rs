//! W6: a host that is killed without a word, at any moment and again and again: its workers go, the
//! next start is clean, and another host on the machine does not notice.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::json;

use crate::harness::backend::told;
use crate::harness::processes::of_project;
use crate::harness::{Host, PATIENCE, Project, RUNTIMES};
use crate::stop::{check_no_run_folder, run_folders};

/// What the contract gives the workers of a killed host.
const GONE: Duration = Duration::from_secs(2);

/// `ALYX_TEST_ROUNDS` asks for more.
fn rounds() -> u32 {
    let told = told("ALYX_TEST_ROUNDS");
    told.map_or(5, |rounds| rounds.parse().expect("a number"))
}

#[tokio::test]
async fn w6_killed_again_and_again_a_host_leaves_nothing_and_disturbs_nobody() {
    let other = Project::with_probes().serve().await;
    let watched = Watched::default();
    tokio::join!(watched.call_until_done(&other), async {
        let project = Arc::new(Project::with_probes().with_all("strain"));
        let mut slowest = Duration::ZERO;
        for round in 0..rounds() {
            let mut host = Host::start(project.clone()).await;
            check_clean_start(&host);
            get_busy(&host, round).await;
            let pid = host.pid();
            host.signal(Signal::KILL);
            let killed = Instant::now();
            host.ended(PATIENCE).await;
            slowest = slowest.max(last_gone(&project, killed, round).await);
            watched.killed.lock().expect("nobody panics with it").insert(pid);
        }
        println!("{} rounds; the last process was gone after {slowest:?} at most", rounds());
        check_last_start(&project, &watched).await;
        watched.done.store(true, Ordering::Relaxed);
    });
    assert_eq!(watched.failed.load(Ordering::Relaxed), 0, "calls of the other host");
    assert!(watched.answered.load(Ordering::Relaxed) > rounds(), "it was called all the while");
}

/// How long after the kill the last process of the project was there.
async fn last_gone(project: &Project, killed: Instant, round: u32) -> Duration {
    loop {
        let left = of_project(project);
        if left.is_empty() {
            return killed.elapsed();
        }
        assert!(killed.elapsed() < GONE, "round {round}: {left:#?}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// The host that lives on, and what of the killed ones is looked for in the end.
#[derive(Default)]
struct Watched {
    done: AtomicBool,
    answered: AtomicU32,
    failed: AtomicU32,
    killed: std::sync::Mutex<BTreeSet<i32>>,
}

impl Watched {
    /// Calls it all the while; its workers stay the same.
    async fn call_until_done(&self, host: &Host) {
        let mut first = Vec::new();
        for runtime in RUNTIMES {
            first.push(host.worker_of(runtime).await);
        }
        while !self.done.load(Ordering::Relaxed) {
            for runtime in RUNTIMES {
                let answer = host.probe(runtime, json!({"do": "echo", "value": 1, "ms": 5})).await;
                let count = if answer.status == 200 { &self.answered } else { &self.failed };
                count.fetch_add(1, Ordering::Relaxed);
            }
        }
        for (runtime, worker) in RUNTIMES.into_iter().zip(first) {
            assert_eq!(host.worker_of(runtime).await, worker, "{runtime}");
        }
    }
}

/// What the host before has left is gone as soon as this one serves, and it has no complaint.
fn check_clean_start(host: &Host) {
    let folders = run_folders(&host.project);
    assert_eq!(folders.len(), 1, "{folders:?}");
    // What Go builds in is Go's own, and may be there while it builds.
    let ours = |entry: &fs::DirEntry| !entry.file_name().to_string_lossy().starts_with("go-build");
    let temporary = fs::read_dir(host.project.path("tmp")).expect("every project has one");
    assert_eq!(temporary.flatten().filter(ours).count(), 1, "only the folder that hosts share");
    let complaints = host.log.all(|line| line.level() == "ERROR");
    assert!(complaints.is_empty(), "{complaints:?}");
}

/// Kills come while workers start, load, serve and loop, and while the host is being stopped.
async fn get_busy(host: &Host, round: u32) {
    let stage = round % 5;
    let mut sent = Vec::new();
    for runtime in RUNTIMES.into_iter().filter(|_| stage > 0) {
        for input in [json!({}), json!({"ms": 60_000})] {
            sent.push(host.post(&runtime.function("strain")).json(&input).begin().await);
        }
    }
    for runtime in RUNTIMES.into_iter().filter(|_| stage > 1) {
        host.value(runtime, json!({})).await;
        sent.push(host.begin(&runtime.probe(), json!({"do": "hold", "ms": 60_000})).await.0);
    }
    for runtime in RUNTIMES.into_iter().filter(|_| stage > 2) {
        sent.push(host.begin(&runtime.probe(), json!({"do": "spin"})).await.0);
    }
    if stage == 4 {
        host.signal(Signal::TERM);
        host.log.wait_for("that it stops", |line| line.message().starts_with("stopping")).await;
    }
}

/// A host that ends in good order leaves nothing at all, of itself or of those before it.
async fn check_last_start(project: &Arc<Project>, watched: &Watched) {
    let mut host = Host::start(project.clone()).await;
    for runtime in RUNTIMES {
        assert_eq!(host.value(runtime, json!({"a": 1})).await, json!({"a": 1}), "{runtime}");
    }
    host.stop().await;
    check_no_run_folder(project);
    let killed = watched.killed.lock().expect("nobody panics with it").clone();
    let left: Vec<_> = cgroups(Path::new("/sys/fs/cgroup"))
        .into_iter()
        .filter(|folder| killed.iter().any(|pid| is_of(folder, *pid)))
        .collect();
    assert!(left.is_empty(), "{left:?}");
    assert_eq!(of_project(project), []);
}

fn is_of(cgroup: &Path, host: i32) -> bool {
    let name = cgroup.file_name().unwrap_or_default().to_string_lossy();
    name.starts_with("alyx-") && name.ends_with(&format!("-{host}"))
}

fn cgroups(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let folders = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
    folders.flat_map(|entry| [vec![entry.path()], cgroups(&entry.path())].concat()).collect()
}
