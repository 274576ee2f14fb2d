//! S2: what a hostile function cannot do, at each level of confinement, for a host that runs as root
//! and for one that does not.
//!
//! Each row is an attack that works on an unconfined worker, which a test of its own shows. Where
//! the tests run as root, the ordinary user is another; else it is theirs.

pub(crate) mod worlds;

use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::log::Line;
use crate::harness::processes::Process;
use crate::harness::{PATIENCE, RUNTIMES, Runtime, eventually};
use worlds::{Who, World};

/// What an attack needs to succeed: a value that only then comes back.
pub(crate) struct Attack {
    pub(crate) name: &'static str,
    input: Value,
    /// Node.js has no words for it.
    low: bool,
}

pub(crate) fn attack(name: &'static str, input: Value) -> Attack {
    Attack { name, input, low: false }
}

pub(crate) fn low(name: &'static str, input: Value) -> Attack {
    Attack { name, input, low: true }
}

/// Attacks whose success the function itself sees.
pub(crate) fn attacks(world: &World) -> Vec<Attack> {
    let path = |name: &str| world.host.project.path(name).display().to_string();
    let host = world.host.pid();
    let mut all = vec![
        attack("read the database", json!({"do": "read", "path": path("alyx.db")})),
        attack("read a key of the user's", json!({"do": "read", "path": path("id_ed25519")})),
        attack("read the configuration", json!({"do": "read", "path": path("alyx.yaml")})),
        attack("write a function", json!({"do": "write", "path": path("functions/new.js")})),
        attack(
            "read the host's environment",
            json!({"do": "read", "path": format!("/proc/{host}/environ")}),
        ),
        attack("see the host", json!({"do": "read", "path": format!("/proc/{host}/cmdline")})),
        attack("signal the host", json!({"do": "kill", "pid": host})),
        low("trace the host", json!({"do": "trace", "pid": host})),
        low("dial an abstract socket", json!({"do": "connect", "abstract": world.abstract_name()})),
        attack("make a namespace", json!({"do": "call", "name": "unshare"})),
        low("make a ring", json!({"do": "call", "name": "io_uring"})),
        low("use the host's keys", json!({"do": "call", "name": "keyctl"})),
        low("dial the hypervisor", json!({"do": "call", "name": "vsock"})),
        attack("write a large file", json!({"do": "fill", "mib": 200})),
    ];
    if world.who == Who::Root {
        all.push(attack("read passwords", json!({"do": "read", "path": "/etc/shadow"})));
    }
    all
}

/// Makes each attack in each runtime; returns those that succeeded.
pub(crate) async fn succeeded(world: &World, attacks: &[Attack]) -> Vec<String> {
    let mut all = Vec::new();
    for runtime in world.runtimes() {
        for attack in attacks.iter().filter(|a| !(a.low && runtime == Runtime::Node)) {
            let answer = world.host.call(&runtime.function("hostile"), attack.input.clone()).await;
            // A worker that the kernel ended has not succeeded either.
            if answer.status == 200 && answer.json()["did"] == true {
                all.push(format!("{runtime}: {}", attack.name));
            }
        }
    }
    all
}

#[tokio::test]
async fn s2_the_attacks_work_where_nothing_confines_them() {
    let world = World::plan(Who::Mine, "off").serve().await;
    // Some of it the machine itself may forbid, such as namespaces in a container.
    let surely = |attack: &Attack| {
        !["make", "use", "dial the", "trace"].iter().any(|w| attack.name.starts_with(w))
    };
    let attacks: Vec<_> = attacks(&world).into_iter().filter(surely).collect();
    let count = |runtime: &Runtime| {
        attacks.iter().filter(|attack| !attack.low || *runtime != Runtime::Node).count()
    };
    let expected: usize = world.runtimes().iter().map(count).sum();
    let succeeded = succeeded(&world, &attacks).await;
    assert_eq!(succeeded.len(), expected, "only these: {succeeded:#?}");
}

async fn check_confined(world: &World) {
    assert_eq!(succeeded(world, &attacks(world)).await, [""; 0], "{world:?}");
    check_sockets(world).await;
    check_writes(world).await;
    check_files(world).await;
}

/// Sockets by path: where the worker has neither its own view nor a user of its own, only what
/// listens can keep it out, and the page on security says so.
async fn check_sockets(world: &World) {
    let input = json!({"do": "connect", "path": world.socket_path()});
    let by_path = succeeded(world, &[attack("dial a socket", input)]).await;
    let open = world.is_restricted() && world.who != Who::Root;
    assert_eq!(by_path.is_empty(), !open, "{world:?}: {by_path:?}");
    let input = json!({"do": "connect", "port": world.port()});
    let local = succeeded(world, &[attack("dial the host's loopback", input)]).await;
    assert_eq!(local.len(), world.runtimes().len(), "the network is open: {world:?}: {local:?}");
}

/// It may write to its own /tmp, and the machine's stays as it was.
pub(crate) async fn check_writes(world: &World) {
    for runtime in world.runtimes() {
        for folder in ["/tmp", "/var/tmp"] {
            let file = format!("{folder}/alyx-hostile-{}-{runtime}", world.host.pid());
            let input = json!({"do": "write", "path": file});
            world.host.call(&runtime.function("hostile"), input).await.value();
            assert!(!std::path::Path::new(&file).exists(), "{world:?} {runtime}: {file}");
        }
    }
}

/// None of what the host was started with open reaches a worker.
pub(crate) async fn check_files(world: &World) {
    for runtime in world.runtimes() {
        let files = world.host.call(&runtime.function("hostile"), json!({"do": "files"})).await;
        let files = files.value()["value"].as_array().expect("a list").clone();
        assert!(files.len() >= 3, "{files:?}");
        let leaked = files.iter().any(|file| *file == worlds::INHERITED);
        assert!(!leaked, "{world:?} {runtime}: {files:?}");
    }
}

#[tokio::test]
async fn s2_isolated_workers_of_this_user_can_do_none_of_it() {
    let world = World::plan(Who::Mine, "auto").with_inherited_file().serve().await;
    world.host.log.wait_for("the level", |line| line.message().contains("level L3")).await;
    check_confined(&world).await;
}

#[tokio::test]
async fn s2_restricted_workers_of_this_user_can_do_none_of_it() {
    let world = World::plan(Who::Mine, "auto").without_namespaces().with_inherited_file();
    let world = world.serve().await;
    world.host.log.wait_for("the level", |line| line.message().contains("level L2")).await;
    check_confined(&world).await;
}

#[tokio::test]
async fn s2_isolated_workers_of_an_ordinary_user_can_do_none_of_it() {
    let world = World::plan(Who::Ordinary, "auto").with_inherited_file().serve().await;
    world.host.log.wait_for("the level", |line| line.message().contains("level L3")).await;
    check_confined(&world).await;
}

#[tokio::test]
async fn s2_restricted_workers_of_an_ordinary_user_can_do_none_of_it() {
    let world = World::plan(Who::Ordinary, "auto").without_namespaces().with_inherited_file();
    let world = world.serve().await;
    world.host.log.wait_for("the level", |line| line.message().contains("level L2")).await;
    check_confined(&world).await;
}

/// What a process leaves behind ends with its worker.
pub(crate) async fn check_orphans(world: &World) {
    for runtime in world.runtimes() {
        let function = runtime.function("hostile");
        let left = world.host.call(&function, json!({"do": "orphan"})).await.value();
        let place = left["value"].as_i64().unwrap_or_else(|| panic!("{runtime}: {left}"));
        let orphan = Process::at(place).unwrap_or_else(|| panic!("{runtime}: it sleeps: {left}"));
        world.host.call(&function, json!({"do": "exit"})).await.error(502, "WORKER_CRASHED");
        let what = format!("the orphan of {runtime} is gone, {world:?}");
        eventually(&what, Duration::from_secs(3), async || (!orphan.is_running()).then_some(()))
            .await;
    }
}

#[tokio::test]
async fn s2_orphans_end_with_their_worker_at_every_level() {
    for who in [Who::Mine, Who::Ordinary] {
        check_orphans(&World::plan(who, "auto").serve().await).await;
        check_orphans(&World::plan(who, "auto").without_namespaces().serve().await).await;
    }
    check_orphans(&World::plan(Who::Mine, "off").serve().await).await;
}

#[tokio::test]
async fn s2_orphans_end_with_a_killed_host_at_every_level() {
    for restricted in [false, true] {
        let world = World::plan(Who::Mine, "auto");
        let world = if restricted { world.without_namespaces() } else { world };
        let mut world = world.serve().await;
        let mut orphans = Vec::new();
        for runtime in RUNTIMES {
            let input = json!({"do": "orphan"});
            let left = world.host.call(&runtime.function("hostile"), input).await.value();
            let place = left["value"].as_i64().expect("its place");
            orphans.push(Process::at(place).expect("it sleeps"));
        }
        world.host.signal(rustix::process::Signal::KILL);
        world.host.ended(PATIENCE).await;
        eventually("the orphans are gone", Duration::from_secs(3), async || {
            orphans.iter().all(|orphan| !orphan.is_running()).then_some(())
        })
        .await;
    }
}

/// Far fewer processes than asked for, and the others' calls go on.
pub(crate) async fn check_fork_bomb(world: &World) {
    for runtime in world.runtimes() {
        let input = json!({"do": "fork", "times": 1500});
        let bomb = world.host.call(&runtime.function("hostile"), input).await;
        if bomb.status == 200 && bomb.json()["did"] == true {
            // Where the kernel counts a user's processes together, others of it may have just ended.
            let what = format!("{world:?}: the bomb of {runtime} is ended");
            let ended = |line: &Line| {
                line.message().contains("ended because it had more than")
                    && line.text("worker").starts_with(&runtime.to_string())
            };
            world.host.log.wait_for(&what, ended).await;
        }
        for other in world.runtimes().into_iter().filter(|other| *other != runtime) {
            let input = json!({"do": "write", "path": "/tmp/x"});
            // Without namespaces the kernel counts a user's processes together: until the bomb is
            // ended, which takes two looks, the others may find no thread to start with.
            let what = format!("{world:?} {runtime}: calls of {other} go on");
            eventually(&what, PATIENCE, async || {
                let answer = world.host.call(&other.function("hostile"), input.clone()).await;
                (answer.status == 200).then_some(())
            })
            .await;
        }
        // The worker ends with all of it, unless it has been ended already.
        world.host.call(&runtime.function("hostile"), json!({"do": "exit"})).await;
    }
}

#[tokio::test]
async fn s2_a_fork_bomb_is_stopped_at_every_level() {
    for who in [Who::Mine, Who::Ordinary] {
        check_fork_bomb(&World::plan(who, "auto").serve().await).await;
        check_fork_bomb(&World::plan(who, "auto").without_namespaces().serve().await).await;
    }
}
