//! What callers are told when no worker can be had.

use std::time::Duration;

use serde_json::json;

use crate::harness::{
    Answer, Host, PATIENCE, Project, RUNTIMES, Runtime, eventually, in_every_runtime, new_id,
};

/// One worker for each runtime, one call at a time.
fn narrow(queue_timeout: &str) -> Project {
    Project::with_probes().config(json!({"functions": {"pool": {
        "min_warm": 1, "max_instances": 1, "concurrency": 1, "queue_timeout": queue_timeout,
    }}}))
}

/// Hosts under a short queue timeout may refuse the first calls while they load.
async fn loaded(host: &Host) {
    for runtime in RUNTIMES {
        eventually("it serves", PATIENCE, async || {
            (host.probe(runtime, json!({})).await.status == 200).then_some(())
        })
        .await;
    }
}

#[tokio::test]
async fn h8_a_full_pool_is_503_with_retry_after() {
    let host = narrow("300ms").serve().await;
    loaded(&host).await;
    for runtime in RUNTIMES {
        let (holding, _) = host.begin(&runtime.probe(), json!({"do": "hold", "ms": 30_000})).await;
        let refused = host.probe(runtime, json!({})).await;
        let message = refused.error_message(503, "POOL_EXHAUSTED");
        assert!(message.contains("max_instances") && message.contains(runtime.name()), "{message}");
        let after = refused.header("retry-after").and_then(|after| after.parse::<u64>().ok());
        assert!(after.is_some_and(|seconds| seconds >= 1), "{runtime}: {after:?}");
        assert!(refused.took >= Duration::from_millis(300), "{runtime}: {:?}", refused.took);
        assert!(refused.took < Duration::from_secs(3), "{runtime}: {:?}", refused.took);
        assert!(refused.phase("queue") >= 300.0, "{runtime}: {} ms", refused.phase("queue"));
        drop(holding);
    }
}

#[tokio::test]
async fn h8_a_function_that_is_still_being_built_says_so() {
    // Not built before: no other test has this text.
    let now = std::time::SystemTime::now();
    let text = Runtime::Go.fixture("probe") + &format!("\n// {now:?}\n");
    let config = json!({"functions": {"pool": {"queue_timeout": "20ms"}}});
    let host = Project::new().file("functions/fresh.go", &text).config(config).serve().await;
    for _ in 0..2 {
        check_still_loading(&host.call("fresh", json!({})).await);
    }
    eventually("it serves", PATIENCE * 4, async || {
        (host.call("fresh", json!({})).await.status == 200).then_some(())
    })
    .await;
}

/// Nobody is to look for too few workers because of it.
fn check_still_loading(answer: &Answer) {
    let message = answer.error_message(503, "POOL_EXHAUSTED");
    for part in ["still being built or loaded", "try again in 5s"] {
        assert!(message.contains(part), "no '{part}' in '{message}'");
    }
    assert!(!message.contains("max_instances"), "{message}");
    assert_eq!(answer.header("retry-after"), Some("5"), "{message}");
}

#[tokio::test]
async fn h8_a_function_that_takes_long_to_load_says_so() {
    let config = json!({"functions": {"pool": {"queue_timeout": "1s"}}});
    let host = Project::new().with_all("endless").config(config).serve().await;
    in_every_runtime(async |runtime| {
        for _ in 0..2 {
            check_still_loading(&host.call(&runtime.function("endless"), json!({})).await);
        }
    })
    .await;
}

#[tokio::test]
async fn h8_a_timeout_that_ends_while_a_function_is_loaded_says_so() {
    let config = json!({"functions": {"timeout": "1s"}});
    let host = Project::new().with_all("endless").config(config).serve().await;
    in_every_runtime(async |runtime| {
        let answer = host.call(&runtime.function("endless"), json!({})).await;
        let message = answer.error_message(504, "FUNCTION_TIMEOUT");
        assert!(message.contains("still being built or loaded"), "{runtime}: {message}");
    })
    .await;
}

#[tokio::test]
async fn h8_waiting_calls_are_served_in_turn() {
    let host = narrow("60s").serve().await;
    for runtime in RUNTIMES {
        let calls =
            (0..12).map(|n| host.value(runtime, json!({"do": "echo", "value": n, "ms": 20})));
        let values = futures_util::future::join_all(calls).await;
        assert_eq!(json!(values), json!((0..12).collect::<Vec<_>>()), "{runtime}");
    }
}

#[tokio::test]
async fn h8_time_in_the_queue_counts_toward_the_timeout() {
    let config = json!({"functions": {"timeout": "20s"}});
    let host = narrow("60s").config(config).serve().await;
    in_every_runtime(async |runtime| {
        host.value(runtime, json!({})).await;
        let (holding, _) = host.begin(&runtime.probe(), json!({"do": "hold", "ms": 2_000})).await;
        let began = std::time::Instant::now();
        let left = host.value(runtime, json!({"do": "remaining"})).await;
        let (left, waited) = (left.as_f64().expect("milliseconds"), began.elapsed());
        assert_eq!(holding.answer().await.value(), "held", "{runtime}");
        // What the call has left and what it has waited add up to the timeout.
        assert!(left <= 20_000.0 - 1_000.0, "{runtime}: {left} ms left after {waited:?}");
        assert!(left + waited.as_secs_f64() * 1e3 >= 19_900.0, "{runtime}: {left} ms, {waited:?}");
    })
    .await;
}

#[tokio::test]
async fn h8_a_call_whose_time_ends_in_the_queue_is_504_and_never_runs() {
    let config = json!({"functions": {"timeout": "3s"}});
    let host = narrow("60s").config(config).serve().await;
    loaded(&host).await;
    in_every_runtime(async |runtime| {
        // Deaf to its cancel after 3 s, the first call holds the only worker for 4 s.
        let deaf = json!({"do": "deaf", "ms": 60_000});
        let (_deaf, _) = host.begin(&runtime.probe(), deaf).await;
        let id = new_id();
        let late = host.post(&runtime.probe()).header("X-Request-Id", &id);
        let late = late.json(&json!({"do": "log", "message": "ran"})).send().await;
        late.error(504, "FUNCTION_TIMEOUT");
        loaded(&host).await;
        host.settle_log(runtime).await;
        assert!(host.log.of_call(&id).is_empty(), "{runtime}: it ran");
    })
    .await;
}

#[tokio::test]
async fn h8_a_missing_runtime_is_503_and_says_what_to_install() {
    let nowhere = tempfile::tempdir().expect("a temporary folder");
    let host = of_programs().env("PATH", nowhere.path()).serve().await;
    for (runtime, install) in RUNTIMES.into_iter().zip(["Node.js", "Python", "Go"]) {
        for _ in 0..2 {
            let answer = host.probe(runtime, json!({})).await;
            let message = answer.error_message(503, "RUNTIME_UNAVAILABLE");
            assert!(message.contains(&format!("install {install}")), "{message}");
        }
        let said = host.log.all(|line| {
            line.level() == "WARN"
                && line.message().contains(&format!("runtime '{runtime}'"))
                && line.request_id().is_empty()
        });
        assert_eq!(said.len(), 1, "{runtime}: {said:?}");
        assert!(said[0].message().contains(&format!("install {install}")), "{said:?}");
    }
    assert_eq!(host.get("/health/ready").await.status, 200, "a runtime known to be broken");
    assert_eq!(host.get("/health").await.status, 200);
}

#[tokio::test]
async fn h8_a_missing_runtime_leaves_the_others_alone() {
    let programs = tempfile::tempdir().expect("a temporary folder");
    let node = which("node");
    std::os::unix::fs::symlink(&node, programs.path().join("node")).expect("an empty folder");
    let host = of_programs().env("PATH", programs.path()).serve().await;
    assert_eq!(host.call("probe_node", json!({"a": 1})).await.value(), json!({"a": 1}));
    for missing in ["probe_python", "probe_go"] {
        host.call(missing, json!({})).await.error(503, "RUNTIME_UNAVAILABLE");
    }
}

/// Only processes run the programs of PATH.
fn of_programs() -> Project {
    Project::with_probes().config(json!({"functions": {"backend": "process"}}))
}

fn which(program: &str) -> std::path::PathBuf {
    let path = std::env::var_os("PATH").expect("there is a PATH");
    let found = std::env::split_paths(&path).map(|dir| dir.join(program)).find(|p| p.is_file());
    found.expect("the prerequisites were checked")
}

#[tokio::test]
async fn h8_a_disabled_runtime_is_503_and_says_which_key_to_set() {
    for runtime in RUNTIMES {
        let config = json!({"functions": {"runtimes": {runtime.name(): {"enabled": false}}}});
        let host = Project::with_probes().config(config).serve().await;
        let message = host.probe(runtime, json!({})).await.error_message(503, "RUNTIME_DISABLED");
        let key = format!("functions.runtimes.{runtime}.enabled");
        assert!(message.contains(&key), "{message}");
        let other = RUNTIMES.into_iter().find(|other| *other != runtime).expect("there are three");
        assert_eq!(host.value(other, json!({"a": 1})).await, json!({"a": 1}), "{other}");
    }
}

#[tokio::test]
async fn h8_disabled_functions_are_503_whatever_their_runtime() {
    let config = json!({"functions": {"enabled": false}});
    let host = Project::with_probes().config(config).serve().await;
    for runtime in RUNTIMES {
        let message = host.probe(runtime, json!({})).await.error_message(503, "RUNTIME_DISABLED");
        assert!(message.contains("functions.enabled"), "{message}");
    }
    assert_eq!(host.workers(), [], "nobody needs workers");
    assert_eq!(host.get("/health/ready").await.status, 200);
}
