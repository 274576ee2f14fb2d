//! What happens while packages are being installed: a package waits at a gate that the test opens.

use std::fs;
use std::process::Command;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use serde_json::json;

use super::{part, sets, status};
use crate::harness::processes::of_project;
use crate::harness::project::Ran;
use crate::harness::{PATIENCE, Project, Runtime, eventually};

/// Notes that it runs, and waits until the gate is open.
const WAIT: &str = "const fs = require('node:fs');
const [begun, open] = process.argv.slice(2);
fs.appendFileSync(begun, 'begun\\n');
const timer = setInterval(() => { if (fs.existsSync(open)) clearInterval(timer); }, 10);
";

/// A project with a function of Node.js whose package waits at the gate, and one of Python without
/// packages.
async fn gated() -> Project {
    let project = part::project()
        .file("tmp/wait.cjs", WAIT)
        .file("functions/uses_node.js", part::function(Runtime::Node))
        .file("functions/plain.py", "def handler(ctx):\n    return 'plain'\n");
    let path = |name: &str| project.path(name).display().to_string();
    let script =
        format!("node {} {} {}", path("tmp/wait.cjs"), path("tmp/begun"), path("tmp/open"));
    let scripts = json!({"install": script}).to_string();
    part::npm(&project, "part", "1.0.0", "export const version = '1.0.0';\n", &scripts).await;
    part::wants(&project, Runtime::Node, "functions", "1.0.0");
    project
}

/// How often the package has been installed, or begun to be.
fn begun(project: &Project) -> usize {
    fs::read_to_string(project.path("tmp/begun")).unwrap_or_default().lines().count()
}

async fn at_the_gate(project: &Project, times: usize) {
    eventually("the package is being installed", PATIENCE, async || {
        (begun(project) == times).then_some(())
    })
    .await;
}

#[tokio::test]
async fn c5_4_until_packages_are_there_their_functions_wait_and_the_others_serve() {
    let host = gated().await.serve().await;
    at_the_gate(&host.project, 1).await;
    let answer = host.call("uses_node", json!({})).await;
    let message = answer.error_message(503, "DEPENDENCIES_MISSING");
    assert_eq!(message, "the packages of 'functions/package.json' are being installed; try again");
    assert!(answer.header("retry-after").is_some(), "{answer:?}");
    assert!(answer.took < Duration::from_secs(2), "{:?}", answer.took);
    assert_eq!(host.call("plain", json!({})).await.value(), "plain");
    assert_eq!(host.get("/health/ready").await.status, 503);
    host.project.write("tmp/open", "");
    host.ready().await;
    assert_eq!(host.call("uses_node", json!({})).await.value(), "1.0.0");
    assert_eq!(begun(&host.project), 1);
}

#[tokio::test]
async fn c5_4_a_look_at_the_functions_installs_nothing() {
    let project = gated().await;
    let listed = project.run(&["list", "--json"]).await;
    assert!(listed.stdout.contains("run 'alyx deps install'"), "{listed:?}");
    let invoked = project.run(&["invoke", "uses_node"]).await;
    assert_eq!(invoked.code, Some(1), "{invoked:?}");
    assert!(invoked.stderr.contains("DEPENDENCIES_MISSING (503)"), "{invoked:?}");
    assert_eq!(begun(&project), 0);
}

#[tokio::test]
async fn c5_4_two_processes_install_a_set_once() {
    let project = gated().await;
    let start = || tokio::spawn(Ran::of(project.command(&["deps", "install", "--json"])));
    let first = start();
    at_the_gate(&project, 1).await;
    let second = start();
    let mut third = project.command(&["deps", "install"]).spawn().expect("the program starts");
    let waiting = crate::harness::log::Log::collect(third.stderr.take().expect("it is piped"));
    waiting
        .wait_for("who waits", |line| line.message().contains("waiting for another process"))
        .await;
    project.write("tmp/open", "");
    for ran in [first, second] {
        let ran = ran.await.expect("nobody stops it");
        assert_eq!(ran.code, Some(0), "{ran:?}");
        assert_eq!(status(&ran.json(), "functions/package.json"), "installed");
    }
    assert!(third.wait().expect("it is our child").success());
    assert_eq!((begun(&project), sets(&project, Runtime::Node).len()), (1, 1));
}

#[tokio::test]
async fn c5_4_an_install_that_is_killed_leaves_nothing_running_and_the_next_one_is_clean() {
    let project = gated().await;
    let mut command: Command = project.command(&["deps", "install"]);
    let mut child = command.spawn().expect("the program starts");
    at_the_gate(&project, 1).await;
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
    project.write("tmp/open", "");
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
    let project = gated().await.through(&["env", "--default-signal=INT"]);
    let mut child = project.command(&["deps", "install"]).process_group(0).spawn().expect("starts");
    at_the_gate(&project, 1).await;
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
    let mut host = gated().await.serve().await;
    at_the_gate(&host.project, 1).await;
    host.stop().await;
    let left = "what it has started ends with it";
    eventually(left, Duration::from_secs(2), async || {
        of_project(&host.project).is_empty().then_some(())
    })
    .await;
}
