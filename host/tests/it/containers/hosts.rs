//! W6: what hosts leave on an engine, and that those which share one do not touch each other's.

use std::sync::Arc;

use rustix::fs::{CWD, FileType, Mode, mknodat};
use rustix::process::Signal;
use serde_json::{Value, json};

use super::{HELLO, small, until_running};
use crate::harness::engine::{Engine, name_of};
use crate::harness::{Host, PATIENCE, eventually};

#[tokio::test]
#[ignore = "needs engines: scripts/test engines"]
async fn w6_nothing_is_left_after_a_stop() {
    for engine in Engine::all() {
        let mut host = small(&engine, json!({})).await;
        host.call("hello", json!({})).await.value();
        until_running(&engine, &host, 2).await;
        host.stop().await;
        assert_eq!(engine.containers(&host), Vec::<Value>::new(), "{}", engine.name);
    }
}

#[tokio::test]
#[ignore = "needs engines: scripts/test engines"]
async fn w6_nothing_is_left_after_a_stop_in_the_middle_of_starting_containers() {
    for engine in Engine::all() {
        let pool = json!({"functions": {"pool": {"min_warm": 6, "max_instances": 8}}});
        let mut host = small(&engine, pool).await;
        // Some are there, others are being made.
        until_some(&engine, &host).await;
        host.stop().await;
        assert_eq!(engine.containers(&host), Vec::<Value>::new(), "{}", engine.name);
    }
}

async fn until_some(engine: &Engine, host: &Host) {
    eventually("a first container", PATIENCE, async || {
        (!engine.containers(host).is_empty()).then_some(())
    })
    .await;
}

#[tokio::test]
#[ignore = "needs engines: scripts/test engines"]
async fn w6_what_a_killed_host_leaves_goes_with_the_next_start() {
    for engine in Engine::all() {
        let mut host = small(&engine, json!({})).await;
        host.call("hello", json!({})).await.value();
        until_running(&engine, &host, 2).await;
        host.signal(Signal::KILL);
        host.ended(PATIENCE).await;
        // The workers end by themselves.
        until_running(&engine, &host, 0).await;
        let next = Host::start(host.project.clone()).await;
        until_running(&engine, &next, 1).await;
        assert_eq!(engine.containers(&host), Vec::<Value>::new(), "{}", engine.name);
    }
}

/// Its pipe is there, and nobody holds the other end.
#[tokio::test]
#[ignore = "needs engines: scripts/test engines"]
async fn w6_a_container_whose_host_is_gone_before_it_begins_ends() {
    for engine in Engine::all() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (pipe, mode) = (folder.path().join("host"), Mode::from_raw_mode(0o644));
        mknodat(CWD, &pipe, FileType::Fifo, mode, 0).expect("a pipe");
        let mount = json!({
            "Type": "bind", "Source": folder.path(), "Target": "/run/alyx", "ReadOnly": true,
        });
        let limits =
            ["nofile", "nproc"].map(|name| json!({"Name": name, "Soft": 1024, "Hard": 1024}));
        let container = json!({
            "Image": "ghcr.io/watzon/alyx-runtime-node:latest", "User": "0:0", "Cmd": [],
            "HostConfig": {"NetworkMode": "none", "Mounts": [mount], "Ulimits": limits},
        });
        let id = engine.start(&container);
        let ended = eventually("it ends", PATIENCE, async || {
            let state = engine.inspect(&id)["State"].clone();
            (state["Status"] == "exited").then_some(state)
        })
        .await;
        engine.order(&json!({"Id": id}), "remove");
        assert_ne!(ended["ExitCode"], 0, "{}: {ended}", engine.name);
    }
}

#[tokio::test]
#[ignore = "needs engines: scripts/test engines"]
async fn w6_two_hosts_of_one_project_share_an_engine() {
    for engine in Engine::all() {
        let first = small(&engine, json!({})).await;
        until_running(&engine, &first, 1).await;
        let second = Host::start(Arc::clone(&first.project)).await;
        check_apart(&engine, first, second).await;
    }
}

#[tokio::test]
#[ignore = "needs engines: scripts/test engines"]
async fn w6_hosts_of_two_projects_share_an_engine() {
    for engine in Engine::all() {
        let first = small(&engine, json!({})).await;
        until_running(&engine, &first, 1).await;
        let second = small(&engine, json!({})).await;
        check_apart(&engine, first, second).await;
    }
}

/// Each has containers with names of their own, and neither the end of one, nor a start after it
/// was killed, touches the other's.
async fn check_apart(engine: &Engine, mut first: Host, second: Host) {
    let own = until_running(engine, &second, 1).await;
    let others = engine.running(&first);
    assert_eq!(others.len(), 1, "{}: the first one's was left alone", engine.name);
    assert_ne!(name_of(&own[0]), name_of(&others[0]), "{}", engine.name);
    for name in [name_of(&own[0]), name_of(&others[0])] {
        assert!(name.starts_with("alyx-node-pool-1"), "{}: {name}", engine.name);
    }
    let of_second = || engine.running(&second).iter().map(|c| c["Id"].clone()).collect::<Vec<_>>();
    first.call("hello", json!({})).await.value();
    first.stop().await;
    assert_eq!(engine.containers(&first), Vec::<Value>::new(), "{}", engine.name);
    assert_eq!(of_second(), [own[0]["Id"].clone()], "{}: a stop", engine.name);
    let mut third = Host::start(Arc::clone(&first.project)).await;
    until_running(engine, &third, 1).await;
    third.signal(Signal::KILL);
    third.ended(PATIENCE).await;
    let fourth = Host::start(Arc::clone(&first.project)).await;
    until_running(engine, &fourth, 1).await;
    assert_eq!(of_second(), [own[0]["Id"].clone()], "{}: a start after a kill", engine.name);
    second.call("hello", json!({})).await.value();
    fourth.call("hello", json!({})).await.value();
}

#[tokio::test]
#[ignore = "needs engines: scripts/test engines"]
async fn h8_a_runtime_that_is_switched_off_has_no_container() {
    for engine in Engine::all() {
        let off = json!({"functions": {"runtimes": {"node": {"enabled": false}}}});
        let project = engine.project().file("functions/hello.js", HELLO).config(off);
        let handler = "def handler(ctx):\n    return 'py'\n";
        let host = project.file("functions/snake.py", handler).serve().await;
        host.call("hello", json!({})).await.error(503, "RUNTIME_DISABLED");
        assert_eq!(host.call("snake", json!({})).await.value(), "py");
        host.ready().await;
        let of = |c: &Value| c["Labels"]["dev.alyx.runtime"].as_str().map(str::to_owned);
        let all: Vec<_> = engine.containers(&host).iter().filter_map(of).collect();
        assert!(!all.is_empty() && all.iter().all(|runtime| runtime == "python"), "{all:?}");
    }
}
