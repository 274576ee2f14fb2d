//! S1: what `docker inspect` says of a worker, wall by wall.

use serde_json::{Value, json};

use super::{small, until_running};
use crate::harness::Host;
use crate::harness::engine::Engine;

/// The one worker of a host.
async fn worker(engine: &Engine, host: &Host) -> Value {
    let running = until_running(engine, host, 1).await;
    engine.inspect(&running[0]["Id"])
}

fn is_empty(value: &Value) -> bool {
    value.is_null() || value.as_object().is_some_and(|all| all.values().all(Value::is_null))
}

fn check_identity(engine: &Engine, host: &Host, seen: &Value) {
    let label = |name: &str| seen["Config"]["Labels"][format!("dev.alyx.{name}")].to_string();
    assert!(label("instance").contains(&format!("-{}-", host.pid())), "{}", label("instance"));
    assert_eq!((&*label("runtime"), &*label("protocol")), ("\"node\"", "\"1\""), "{seen:#}");
    for name in ["project", "folder", "machine", "worker"] {
        assert!(label(name).len() > 2, "{}: no label '{name}'", engine.name);
    }
    assert!(seen["Name"].as_str().is_some_and(|name| name.contains("node-pool-1")), "{seen:#}");
    assert_eq!(seen["Config"]["User"], "65532:65532");
}

fn check_rights(config: &Value, seen: &Value) {
    assert_eq!((&config["Privileged"], &config["ReadonlyRootfs"]), (&json!(false), &json!(true)));
    // Podman lists what is dropped.
    let dropped = config["CapDrop"].as_array().expect("a list");
    assert!(dropped.contains(&json!("ALL")) || dropped.len() > 10, "{dropped:?}");
    assert!(config["CapAdd"].as_array().is_none_or(Vec::is_empty), "{config:#}");
    assert!(seen["EffectiveCaps"].as_array().is_none_or(Vec::is_empty), "{seen:#}");
    assert!(seen["BoundingCaps"].as_array().is_none_or(Vec::is_empty), "{seen:#}");
    let options = config["SecurityOpt"].to_string();
    assert!(options.contains("no-new-privileges"), "{options}");
    assert!(!options.contains("unconfined"), "{options}");
    assert!(config["Devices"].as_array().is_none_or(Vec::is_empty), "{config:#}");
    for shared in ["PidMode", "UTSMode", "UsernsMode"] {
        assert_ne!(config[shared], "host", "{shared}");
    }
    assert_ne!(config["IpcMode"], "host");
}

fn check_limits(config: &Value) {
    let memory = json!(96 << 20);
    assert_eq!((&config["Memory"], &config["MemorySwap"]), (&memory, &memory));
    let number = |name: &str| config[name].as_f64().unwrap_or(0.0);
    let quota = number("CpuQuota") / number("CpuPeriod").max(1.0);
    let cpus = number("NanoCpus") / 1e9;
    assert!((cpus - 0.5).abs() < 0.01 || (quota - 0.5).abs() < 0.01, "{config:#}");
    assert_eq!(config["PidsLimit"], 512);
    assert_eq!(config["ShmSize"], 16 << 20);
    let scratch = config["Tmpfs"]["/tmp"].as_str().expect("a small /tmp");
    for option in ["rw", "nosuid", "nodev", "size=64m"] {
        assert!(scratch.split(',').any(|o| o == option), "no {option} in {scratch}");
    }
    let ulimit = |name: &str| {
        let all = config["Ulimits"].as_array().expect("a list");
        let is = |l: &&Value| l["Name"].as_str().is_some_and(|n| n.to_lowercase().ends_with(name));
        let limit = all.iter().find(is).unwrap_or_else(|| panic!("no {name} in {all:?}"));
        assert_eq!(limit["Soft"], limit["Hard"], "{name}");
        limit["Hard"].clone()
    };
    assert_eq!((ulimit("nofile"), ulimit("core")), (json!(4096), json!(0)));
    assert!(ulimit("nproc").as_i64().is_some_and(|most| most <= 16_384));
    assert_eq!(ulimit("memlock"), json!(0));
}

fn check_mounts(host: &Host, seen: &Value) {
    let mounts = seen["Mounts"].as_array().expect("a list");
    let bound: Vec<_> = mounts.iter().filter(|mount| mount["Type"] == "bind").collect();
    assert!(bound.iter().all(|mount| mount["RW"] == false), "{bound:?}");
    let functions = host.project.path("functions");
    let functions = functions.to_str().expect("text");
    for place in ["/run/alyx", functions] {
        assert!(bound.iter().any(|m| m["Destination"] == place), "no {place} in {bound:#?}");
    }
    // Its own socket's folder, and no folder above it.
    let socket = bound.iter().find(|m| m["Destination"] == "/run/alyx").expect("looked for above");
    let worker = seen["Config"]["Labels"]["dev.alyx.worker"].as_str().expect("a label");
    assert!(socket["Source"].as_str().is_some_and(|s| s.ends_with(worker)), "{socket}");
    for mount in bound {
        let source = mount["Source"].to_string();
        assert!(
            !source.contains(".sock") && !host.project.path("").starts_with(&source),
            "{source}"
        );
    }
}

fn check_output(engine: &Engine, seen: &Value) {
    // Podman tells all of it in its own words alone.
    let path = format!("v4.0.0/libpod/containers/{}/json", seen["Id"].as_str().expect("an id"));
    let own = if engine.name == "podman" { engine.ask("GET", &path) } else { seen.clone() };
    let log = &own["HostConfig"]["LogConfig"];
    assert!(log["Type"] == "json-file" || log["Type"] == "k8s-file", "{log}");
    let size = log["Config"]["max-size"].as_str().or(log["Size"].as_str()).unwrap_or_default();
    assert!(["1m", "1MB", "1.049MB", "1.049 MB"].contains(&size), "{log}");
}

#[tokio::test]
#[ignore = "needs engines: scripts/test engines"]
async fn s1_inspect_shows_every_wall() {
    for engine in Engine::all() {
        let limits = json!({"functions": {"pool": {"memory_limit": "96mb", "cpu_limit": 0.5}}});
        let host = small(&engine, limits).await;
        let seen = worker(&engine, &host).await;
        let config = &seen["HostConfig"];
        check_identity(&engine, &host, &seen);
        check_rights(config, &seen);
        check_limits(config);
        check_mounts(&host, &seen);
        check_output(&engine, &seen);
        assert_eq!(config["AutoRemove"], false, "how it ended is asked for");
        assert_eq!(config["RestartPolicy"]["MaximumRetryCount"], 0);
        let again = &config["RestartPolicy"]["Name"];
        assert!(again == "" || again == "no", "{again}");
    }
}

#[tokio::test]
#[ignore = "needs engines: scripts/test engines"]
async fn s1_inspect_shows_the_network_that_was_asked_for_and_no_port() {
    for engine in Engine::all() {
        for (network, mode) in [("open", "alyx"), ("proxy", "none"), ("none", "none")] {
            let host = small(&engine, json!({"functions": {"network": network}})).await;
            let seen = worker(&engine, &host).await;
            let shown = &seen["HostConfig"]["NetworkMode"];
            let joined = seen["NetworkSettings"]["Networks"].as_object().expect("networks");
            // Podman calls every network of its own a bridge.
            assert!(shown == mode || (mode == "alyx" && shown == "bridge"), "{network}: {shown}");
            assert_eq!(joined.contains_key("alyx"), mode == "alyx", "{network}: {joined:?}");
            assert!(joined.len() <= 1, "{network}: {joined:?}");
            for ports in [&seen["HostConfig"]["PortBindings"], &seen["NetworkSettings"]["Ports"]] {
                assert!(is_empty(ports), "{network}: {ports}");
            }
            assert_eq!(seen["HostConfig"]["PublishAllPorts"], false);
            let mounts = seen["Mounts"].to_string();
            assert_eq!(mounts.contains("/run/alyx-proxy"), network == "proxy", "{mounts}");
        }
    }
}
