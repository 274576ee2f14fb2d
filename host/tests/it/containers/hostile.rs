//! Functions that mean harm, in containers: what they use up is their own.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::harness::engine::Engine;
use crate::harness::{RUNTIMES, Runtime};
use crate::hostile::worlds::{Plan, World};
use crate::hostile::{Attack, attack, attacks, check_files, check_fork_bomb, check_orphans};
use crate::hostile::{check_writes, low, succeeded};

/// What each does, and what may come of it.
const ALLOCATE: &str =
    "export default () => { const all = []; for (;;) all.push(Buffer.alloc(1 << 20, 1)); };";
const FORK: &str = "import { spawn } from 'node:child_process';
export default async () => {
  let refused = 0;
  const all = [];
  for (let n = 0; n < 800; n++) {
    const child = spawn('sleep', ['30']);
    all.push(child);
    await new Promise((done) => {
      child.on('error', () => { refused++; done(); });
      child.on('spawn', done);
    });
    if (refused > 5) break;
  }
  for (const child of all) child.kill('SIGKILL');
  return refused;
};";
const FILL: &str = "import { appendFileSync } from 'node:fs';
export default () => {
  try { for (let n = 0; n < 200; n++) appendFileSync('/tmp/full', Buffer.alloc(1 << 20)); }
  catch (error) { return error.code; }
};";
#[tokio::test]
#[ignore = "needs engines: scripts/test engines"]
async fn s1_memory_tasks_and_disk_of_a_worker_are_its_own() {
    for engine in Engine::all() {
        let project = engine.project().file("functions/allocate.js", ALLOCATE);
        let project = project.file("functions/fork.js", FORK).file("functions/fill.js", FILL);
        let project = project.config(json!({"functions": {"pool": {"memory_limit": "128mb"}}}));
        let host = project.serve().await;
        let answer = host.call("allocate", json!({})).await;
        assert_eq!(answer.status, 502, "{}: {}", engine.name, answer.text());
        assert!(answer.text().contains("OUT_OF_MEMORY"), "{}: {}", engine.name, answer.text());
        assert_eq!(host.call("fill", json!({})).await.value(), "ENOSPC", "{}", engine.name);
        let refused = host.call("fork", json!({})).await;
        assert!(refused.status == 502 || refused.value().as_i64() > Some(0), "{}", engine.name);
    }
}

/// Everything that listens below a folder.
fn sockets(folder: &Path) -> Vec<PathBuf> {
    use std::os::unix::fs::FileTypeExt;
    let entries = std::fs::read_dir(folder).expect("it is there").flatten();
    let below = |entry: std::fs::DirEntry| match entry.file_type().expect("it is there") {
        kind if kind.is_dir() => sockets(&entry.path()),
        kind if kind.is_socket() => vec![entry.path()],
        _ => Vec::new(),
    };
    entries.flat_map(below).collect()
}

/// What there is of the engine and the kernel beside what processes could try.
fn more_attacks(world: &World) -> Vec<Attack> {
    let path = |name: &str| world.host.project.path(name).display().to_string();
    let connect = |path: String| json!({"do": "connect", "path": path});
    let write = |path: &str| json!({"do": "write", "path": path});
    let read = |path: &str| json!({"do": "read", "path": path});
    let mut all = vec![
        attack("dial a socket of the user's", connect(world.socket_path())),
        attack("dial the engine", connect(world.host.project.engine_socket())),
        attack("become root", json!({"do": "root"})),
        low("mount", json!({"do": "call", "name": "mount"})),
        attack("change a function", write(&path("functions/hostile_node.js"))),
        attack("read passwords", read("/etc/shadow")),
    ];
    let here = sockets(&world.host.project.path("tmp"));
    assert!(!here.is_empty(), "workers have sockets");
    all.extend(here.iter().map(|socket| {
        attack("dial another worker's socket", connect(socket.display().to_string()))
    }));
    for place in [
        "/here",
        "/etc/here",
        "/usr/bin/here",
        "/opt/alyx/here",
        "/root/here",
        "/run/here",
        "/run/alyx/here",
        "/var/tmp/here",
        "/home/here",
        "/dev/here",
        "/proc/sysrq-trigger",
        "/proc/sys/kernel/core_pattern",
        "/proc/sys/vm/overcommit_memory",
        "/sys/fs/cgroup/memory/memory.limit_in_bytes",
        "/sys/fs/cgroup/pids/cgroup.procs",
        "/sys/kernel/mm/transparent_hugepage/enabled",
        "/dev/kmsg",
        "/dev/mem",
        "/dev/vda",
        "/proc/1/oom_score_adj/x",
    ] {
        all.push(attack(place, write(place)));
    }
    for place in ["/proc/kcore", "/dev/mem", "/dev/vda", "/dev/kmsg", "/proc/1/root/etc/shadow"] {
        all.push(attack(place, read(place)));
    }
    all
}

async fn check_walls(world: &World, all: Vec<Attack>) {
    let done = succeeded(world, &all).await;
    assert_eq!(done, [""; 0], "{world:?}");
}

#[tokio::test]
#[ignore = "needs engines: scripts/test engines"]
async fn s1_hostile_functions_can_do_none_of_it() {
    for engine in Engine::all() {
        // With a socket of each worker that stays.
        let proxied = json!({"functions": {"network": "proxy"}});
        let world = World::on(&engine).config(proxied).with_inherited_file().serve().await;
        // What is allowed works, so what fails below is refused.
        let allowed = [
            attack("read its own", json!({"do": "read", "path": "/etc/passwd"})),
            attack("write its own", json!({"do": "write", "path": "/tmp/own"})),
        ];
        assert_eq!(succeeded(&world, &allowed).await.len(), 2 * RUNTIMES.len(), "{world:?}");
        check_walls(&world, attacks(&world)).await;
        check_walls(&world, more_attacks(&world)).await;
        let loopback = json!({"do": "connect", "port": world.port()});
        check_walls(&world, vec![attack("dial the host's loopback", loopback)]).await;
        check_writes(&world).await;
        check_files(&world).await;
    }
}

#[tokio::test]
#[ignore = "needs engines: scripts/test engines"]
async fn s1_orphans_and_fork_bombs_end_with_their_container() {
    for engine in Engine::all() {
        let world = World::on(&engine).serve().await;
        check_orphans(&world).await;
        check_fork_bomb(&world).await;
    }
}

/// The host's environment is that of no worker, and neither is another worker's.
#[tokio::test]
#[ignore = "needs engines: scripts/test engines"]
async fn s1_no_process_of_a_container_has_the_hosts_environment() {
    for engine in Engine::all() {
        let world = World::on(&engine).env("A_SECRET_OF_THE_HOST", "x").serve().await;
        for runtime in RUNTIMES {
            let seen = environments(&world, runtime).await;
            assert!(seen.contains("ALYX_ADDR"), "{world:?} {runtime}: {seen}");
            assert!(!seen.contains("A_SECRET_OF_THE_HOST"), "{world:?} {runtime}: {seen}");
        }
    }
}

async fn environments(world: &World, runtime: Runtime) -> String {
    let command = "cat /proc/[0-9]*/environ";
    let child = runtime.function("child");
    let answer: Value = world.host.call(&child, json!({"command": command})).await.value();
    answer.as_str().unwrap_or_else(|| panic!("{runtime}: {answer}")).to_owned()
}

/// Twice the memory of its worker is not to be had, and the next call is served.
#[tokio::test]
#[ignore = "needs engines: scripts/test engines"]
async fn s1_two_gibibytes_are_502_out_of_memory_in_every_runtime() {
    for engine in Engine::all() {
        let limits = json!({"functions": {"pool": {"memory_limit": "128mb"}}});
        let plan: Plan = World::on(&engine).config(limits);
        crate::hostile_memory::check_limit(&plan.serve().await).await;
    }
}
