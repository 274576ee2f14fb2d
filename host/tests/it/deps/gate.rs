//! What happens while packages are being installed: a package waits at a gate that the test opens.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use serde_json::json;
use tokio::io::AsyncWriteExt;
use tokio::net::UnixListener;
use tokio::sync::watch;

use super::{part, sets, status};
use crate::harness::processes::of_project;
use crate::harness::project::Ran;
use crate::harness::{PATIENCE, Project, Runtime, eventually};

/// Comes to the gate, and waits there until it is open.
const WAIT: &str = "const gate = require('node:net').connect(process.argv[2]);
gate.on('error', (error) => { console.error(error); process.exit(4); });
gate.on('data', () => process.exit(0));
";

/// A socket that installs wait at: where functions are, which any tool sees.
#[derive(Debug)]
struct Gate {
    begun: Arc<AtomicUsize>,
    open: watch::Sender<bool>,
}

impl Gate {
    fn at(path: &Path) -> Gate {
        let listener = UnixListener::bind(path).expect("a fresh folder");
        // Tools in containers are somebody else.
        fs::set_permissions(path, Permissions::from_mode(0o666)).expect("it is ours");
        let (begun, (open, opened)) = (Arc::new(AtomicUsize::new(0)), watch::channel(false));
        let comes = begun.clone();
        tokio::spawn(async move {
            while let Ok((mut comer, _)) = listener.accept().await {
                comes.fetch_add(1, Ordering::Relaxed);
                let mut opened = opened.clone();
                tokio::spawn(async move {
                    if opened.wait_for(|open| *open).await.is_ok() {
                        let _gone = comer.write_all(b"open").await;
                    }
                });
            }
        });
        Gate { begun, open }
    }

    fn open(&self) {
        self.open.send_replace(true);
    }

    /// How often the package has been installed, or begun to be.
    fn begun(&self) -> usize {
        self.begun.load(Ordering::Relaxed)
    }

    async fn reached(&self, times: usize) {
        eventually("the package is being installed", PATIENCE, async || {
            (self.begun() == times).then_some(())
        })
        .await;
    }
}

/// A project with a function of Node.js whose package waits at the gate, and one of Python without
/// packages.
async fn gated() -> (Project, Gate) {
    let project = part::project()
        .file("functions/_gate/wait.cjs", WAIT)
        .file("functions/uses_node.js", part::function(Runtime::Node))
        .file("functions/plain.py", "def handler(ctx):\n    return 'plain'\n");
    let path = |name: &str| project.path(name).display().to_string();
    let script = format!("node {} {}", path("functions/_gate/wait.cjs"), path("functions/_gate/s"));
    let scripts = json!({"install": script}).to_string();
    part::npm(&project, "part", "1.0.0", "export const version = '1.0.0';\n", &scripts).await;
    part::wants(&project, Runtime::Node, "functions", "1.0.0");
    let gate = Gate::at(&project.path("functions/_gate/s"));
    (project, gate)
}

#[tokio::test]
async fn c5_4_until_packages_are_there_their_functions_wait_and_the_others_serve() {
    let (project, gate) = gated().await;
    let host = project.serve().await;
    gate.reached(1).await;
    let answer = host.call("uses_node", json!({})).await;
    let message = answer.error_message(503, "DEPENDENCIES_MISSING");
    assert_eq!(message, "the packages of 'functions/package.json' are being installed; try again");
    assert!(answer.header("retry-after").is_some(), "{answer:?}");
    assert!(answer.took < Duration::from_secs(2), "{:?}", answer.took);
    assert_eq!(host.call("plain", json!({})).await.value(), "plain");
    assert_eq!(host.get("/health/ready").await.status, 503);
    gate.open();
    host.ready().await;
    assert_eq!(host.call("uses_node", json!({})).await.value(), "1.0.0");
    assert_eq!(gate.begun(), 1);
}

#[tokio::test]
async fn c5_4_a_look_at_the_functions_installs_nothing() {
    let (project, gate) = gated().await;
    let listed = project.run(&["list", "--json"]).await;
    assert!(listed.stdout.contains("run 'alyx deps install'"), "{listed:?}");
    let invoked = project.run(&["invoke", "uses_node"]).await;
    assert_eq!(invoked.code, Some(1), "{invoked:?}");
    assert!(invoked.stderr.contains("DEPENDENCIES_MISSING (503)"), "{invoked:?}");
    assert_eq!(gate.begun(), 0);
}

#[tokio::test]
async fn c5_4_two_processes_install_a_set_once() {
    let (project, gate) = gated().await;
    let start = || tokio::spawn(Ran::of(project.command(&["deps", "install", "--json"])));
    let first = start();
    gate.reached(1).await;
    let second = start();
    let mut third = project.command(&["deps", "install"]).spawn().expect("the program starts");
    let waiting = crate::harness::log::Log::collect(third.stderr.take().expect("it is piped"));
    waiting
        .wait_for("who waits", |line| line.message().contains("waiting for another process"))
        .await;
    gate.open();
    for ran in [first, second] {
        let ran = ran.await.expect("nobody stops it");
        assert_eq!(ran.code, Some(0), "{ran:?}");
        assert_eq!(status(&ran.json(), "functions/package.json"), "installed");
    }
    assert!(third.wait().expect("it is our child").success());
    assert_eq!((gate.begun(), sets(&project, Runtime::Node).len()), (1, 1));
}

#[tokio::test]
async fn c5_4_an_install_that_is_killed_leaves_nothing_running_and_the_next_one_is_clean() {
    let (project, gate) = gated().await;
    let mut command: Command = project.command(&["deps", "install"]);
    let mut child = command.spawn().expect("the program starts");
    gate.reached(1).await;
    assert_eq!(sets(&project, Runtime::Node).len(), 1, "a half one");
    rustix::process::kill_process(Pid::from_child(&child), Signal::KILL).expect("it runs");
    child.wait().expect("it is our child");
    let left = "what it has started ends with it";
    eventually(left, Duration::from_secs(2), async || {
        of_project(&project).is_empty().then_some(())
    })
    .await;
    let check = project.run(&["deps", "install", "--check"]).await;
    assert_eq!(check.code, Some(1), "{check:?}");
    gate.open();
    let again = project.run(&["deps", "install"]).await;
    assert_eq!(again.code, Some(0), "{again:?}");
    let sets = sets(&project, Runtime::Node);
    assert!(sets.len() == 1 && sets[0].extension().is_none(), "{sets:?}");
    let host = project.serve().await;
    assert_eq!(host.call("uses_node", json!({})).await.value(), "1.0.0");
}

#[tokio::test]
async fn c5_4_ctrl_c_ends_an_install_with_all_that_it_has_started() {
    use std::os::unix::process::CommandExt;
    // What runs the tests may have been told to ignore it.
    let (project, gate) = gated().await;
    let project = project.through(&["env", "--default-signal=INT"]);
    let mut child = project.command(&["deps", "install"]).process_group(0).spawn().expect("starts");
    gate.reached(1).await;
    // A terminal tells all processes of its foreground.
    kill_process_group(Pid::from_child(&child), Signal::INT).expect("it runs");
    eventually("it ends", PATIENCE, async || child.try_wait().expect("it is our child")).await;
    let left = "what it has started ends with it";
    eventually(left, Duration::from_secs(2), async || {
        of_project(&project).is_empty().then_some(())
    })
    .await;
}

#[tokio::test]
async fn c5_4_a_host_that_is_told_to_stop_does_not_wait_for_packages() {
    let (project, gate) = gated().await;
    let mut host = project.serve().await;
    gate.reached(1).await;
    host.stop().await;
    let left = "what it has started ends with it";
    eventually(left, Duration::from_secs(2), async || {
        of_project(&host.project).is_empty().then_some(())
    })
    .await;
}
