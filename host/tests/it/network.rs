//! What functions reach at each setting of `functions.network`: everything, nothing, or public
//! addresses through the host's proxy.
//!
//! The public address is on another machine: a network namespace beside the one the host is in.
//! All of it is of processes; `containers/` has the networks of engines.

use serde_json::{Value, json};

use crate::harness::{Project, RUNTIMES, Runtime, in_every_runtime};

const PUBLIC: &str = "http://203.0.113.10:8000/hello.txt";
const SECURE: &str = "https://203.0.113.10:8443/hello.txt";

fn project(network: &str) -> Project {
    let project = Project::new().with_all("out").file("served/hello.txt", "hello from outside");
    let served = project.path("served");
    let two_machines = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/two_machines.sh");
    // Root of a user namespace may make networks as well.
    let mut apart = vec!["unshare", "--net"];
    if !rustix::process::getuid().is_root() {
        apart.push("--map-root-user");
    }
    let config =
        json!({"functions": {"backend": "process", "network": network, "sandbox": "strict"}});
    project
        .env("SERVED", served)
        .config(config)
        .through(&[&apart[..], &["sh", two_machines]].concat())
}

/// Calls the function without a server: that would be on the other side of the wall.
async fn reach(project: &Project, runtime: Runtime, input: Value) -> Value {
    let ran =
        project.run(&["invoke", &runtime.function("out"), "--data", &input.to_string()]).await;
    assert_eq!(ran.code, Some(0), "{runtime} {input}: {ran:?}");
    ran.json()
}

async fn check_reached(project: &Project, runtime: Runtime, way: &str) {
    let answer = reach(project, runtime, json!({"way": way, "url": PUBLIC})).await;
    assert_eq!(answer, json!({"text": "hello from outside"}), "{runtime} {way}");
}

async fn check_not_reached(project: &Project, runtime: Runtime, way: &str, url: &str) -> Value {
    let answer = reach(project, runtime, json!({"way": way, "url": url})).await;
    assert!(answer["error"].is_string(), "{runtime} {way} {url}: {answer}");
    answer
}

#[tokio::test]
async fn s2_an_open_network_is_the_hosts() {
    let project = project("open").config(json!({"functions": {"backend": "process"}}));
    in_every_runtime(async |runtime| check_reached(&project, runtime, "direct").await).await;
}

#[tokio::test]
async fn s2_without_a_network_there_is_only_the_workers_own_loopback() {
    let project = project("none");
    in_every_runtime(async |runtime| {
        check_not_reached(&project, runtime, "direct", PUBLIC).await;
        let own = reach(&project, runtime, json!({"way": "own", "url": ""})).await;
        assert_eq!(own, json!({"text": "own"}), "{runtime}");
    })
    .await;
}

#[tokio::test]
async fn s2_through_the_proxy_public_addresses_are_reached_and_no_others() {
    let project = project("proxy");
    in_every_runtime(async |runtime| {
        for way in ["fetch", "tunnel"] {
            check_reached(&project, runtime, way).await;
        }
        let answer = reach(&project, runtime, json!({"way": "secure", "url": SECURE})).await;
        assert_eq!(answer, json!({"text": "hello from outside"}), "{runtime}");
        check_not_reached(&project, runtime, "direct", PUBLIC).await;
        for (url, kind) in [
            ("http://169.254.169.254/latest/meta-data/", "metadata service"),
            ("http://10.0.0.1:8000/hello.txt", "a private address"),
            ("http://203.0.113.1:8000/hello.txt", "an address of the host itself"),
        ] {
            let mut answer = check_not_reached(&project, runtime, "fetch", url).await;
            // What newer versions of Node.js ask a tunnel for has failed, and they do not say why.
            if runtime == Runtime::Node {
                answer = check_not_reached(&project, runtime, "asked", url).await;
            }
            assert_eq!(answer["status"], 403, "{runtime} {url}: {answer}");
            // Python's own error does not show what the proxy says.
            let told = runtime == Runtime::Python || answer["error"].to_string().contains(kind);
            assert!(told, "{runtime} {url}: {answer}");
        }
    })
    .await;
}

#[tokio::test]
async fn s2_what_goes_through_the_proxy_is_logged_with_the_worker_and_the_address() {
    let project = project("proxy");
    in_every_runtime(async |runtime| {
        let input = json!({"way": "fetch", "url": PUBLIC}).to_string();
        let ran = project.run(&["invoke", &runtime.function("out"), "--data", &input]).await;
        let reached = |line: &str| {
            line.contains("network reached") && line.contains(&format!("\"worker\":\"{runtime}-"))
        };
        let logged = ran.stderr.lines().find(|line| reached(line));
        assert!(logged.is_some_and(|l| l.contains("203.0.113.10")), "{runtime}: {ran:?}");
    })
    .await;
}

#[tokio::test]
async fn s2_refusals_of_the_proxy_are_logged_with_the_worker_and_the_address() {
    let config = json!({"functions": {"network": "proxy"}});
    let host = Project::new().with_all("out").config(config).serve().await;
    for runtime in RUNTIMES {
        let input = json!({"url": "http://169.254.169.254/latest/meta-data/"});
        host.call(&runtime.function("out"), input).await.value();
        let refused = host.log.wait_for("the refusal", |line| {
            line.message().starts_with("network refused")
                && line.text("worker").starts_with(runtime.name())
        });
        assert_eq!(refused.await.text("address"), "169.254.169.254", "{runtime}");
    }
}

#[tokio::test]
async fn s2_where_there_are_no_namespaces_the_network_can_be_taken_away_and_not_filtered() {
    let filter = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/without_namespaces.py");
    let restricted = |network: &str| {
        let config = json!({"functions": {"backend": "process", "network": network}});
        Project::new().with_all("out").config(config).through(&["python3", filter])
    };
    let ran = restricted("proxy").run(&["serve", "--port", "0"]).await;
    assert_eq!(ran.code, Some(2), "{ran:?}");
    for part in ["functions.network", "proxy", "namespaces", "open"] {
        assert!(ran.stderr.contains(part), "no '{part}' in {ran:?}");
    }
    let host = restricted("none").serve().await;
    for runtime in RUNTIMES {
        for way in ["direct", "own"] {
            let url = format!("http://{}/health", host.address);
            let input = json!({"way": way, "url": url});
            let answer = host.call(&runtime.function("out"), input).await.value();
            assert!(answer["error"].is_string(), "{runtime} {way}: {answer}");
        }
    }
}

#[tokio::test]
async fn s2_strict_refuses_less_than_everything() {
    let filter = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/without_namespaces.py");
    let config = json!({"functions": {"backend": "process", "sandbox": "strict"}});
    let project = Project::new().with_all("out").config(config).through(&["python3", filter]);
    let ran = project.run(&["serve", "--port", "0"]).await;
    assert_eq!(ran.code, Some(2), "{ran:?}");
    for part in ["functions.sandbox", "strict", "namespaces", "alyx doctor"] {
        assert!(ran.stderr.contains(part), "no '{part}' in {ran:?}");
    }
}
