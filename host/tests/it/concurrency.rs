//! Many calls at once, and the headers that tell them apart.

use std::collections::HashSet;

use futures_util::future::join_all;
use serde_json::json;

use crate::harness::{Answer, Host, PATIENCE, Project, RUNTIMES, Runtime, eventually};

#[tokio::test]
async fn h9_200_concurrent_calls_each_get_their_own_answer() {
    let host = Project::with_probes().serve().await;
    for runtime in RUNTIMES {
        let calls = (0..200).map(|n| {
            // Later calls tend to end first.
            let value = json!({"n": n, "text": format!("call {n} ").repeat(1 + n % 50)});
            let input = json!({"do": "echo", "value": value, "ms": 200 - n});
            let host = &host;
            async move { (host.value(runtime, input).await, value) }
        });
        for (answer, expected) in join_all(calls).await {
            assert_eq!(answer, expected, "{runtime}");
        }
    }
}

#[tokio::test]
async fn h9_calls_of_all_runtimes_at_once_do_not_mix() {
    let host = Project::with_probes().serve().await;
    let calls = (0..150).map(|n| {
        let runtime = RUNTIMES[n % RUNTIMES.len()];
        let (host, value) = (&host, json!([runtime.name(), n]));
        async move {
            let input = json!({"do": "echo", "value": value, "ms": n % 40});
            (host.value(runtime, input).await, value)
        }
    });
    for (answer, expected) in join_all(calls).await {
        assert_eq!(answer, expected);
    }
}

#[tokio::test]
async fn h9_many_calls_run_in_one_worker_at_the_same_time() {
    let config = json!({"functions": {"pool": {"max_instances": 1}}});
    let host = Project::with_probes().config(config).serve().await;
    for runtime in RUNTIMES {
        host.value(runtime, json!({})).await;
        let began = std::time::Instant::now();
        let calls =
            (0..30).map(|n| host.value(runtime, json!({"do": "echo", "value": n, "ms": 500})));
        join_all(calls).await;
        // One after the other they would take 15 s.
        assert!(began.elapsed().as_secs() < 8, "{runtime}: {:?}", began.elapsed());
    }
}

#[tokio::test]
async fn h9_a_request_id_is_echoed_and_reaches_the_handler() {
    let host = Project::with_probes().serve().await;
    for runtime in RUNTIMES {
        for id in ["abc-123", "01JX.y_z:/+=", &"x".repeat(128)] {
            let call = host.post(&runtime.probe()).header("X-Request-Id", id);
            let answer = call.json(&json!({"do": "request"})).send().await;
            assert_eq!(answer.header("x-request-id"), Some(id), "{runtime}");
            assert_eq!(answer.value()["id"], id, "{runtime}");
        }
    }
}

#[tokio::test]
async fn h9_without_a_usable_request_id_each_call_gets_a_new_one() {
    let host = Project::with_probes().serve().await;
    let mut seen = HashSet::new();
    let unusable = [None, Some(""), Some("has space"), Some("tab\there"), Some("ümlaut")];
    let too_long = "x".repeat(1000);
    for runtime in RUNTIMES {
        for given in unusable.into_iter().chain([Some(too_long.as_str())]) {
            let call = host.post(&runtime.probe());
            let call = given.into_iter().fold(call, |call, id| call.header("X-Request-Id", id));
            let answer = call.json(&json!({"do": "request"})).send().await;
            let id = answer.header("x-request-id").expect("every answer has one").to_owned();
            assert_eq!(answer.value()["id"], id.as_str(), "{runtime} {given:?}");
            assert!(id.len() <= 128 && id.bytes().all(|b| b.is_ascii_graphic()), "{id}");
            assert!(seen.insert(id.clone()), "{runtime} {given:?}: {id} twice");
        }
    }
}

#[tokio::test]
async fn h9_trace_headers_are_taken_whatever_they_hold() {
    let host = Project::with_probes().serve().await;
    let parents = [
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-what-the-future-will-be-like",
        "00-00000000000000000000000000000000-0000000000000000-00",
        "garbage",
        &"x".repeat(4000),
    ];
    for runtime in RUNTIMES {
        for parent in parents {
            let call = host.post(&runtime.probe()).header("traceparent", parent);
            let call = call.header("tracestate", "vendor=\"quoted\\\",other=1");
            let answer = call.json(&json!({"do": "request"})).send().await;
            assert_eq!(answer.value()["headers"]["traceparent"], parent, "{runtime}");
        }
    }
}

#[tokio::test]
async fn h9_every_answer_tells_where_its_time_went() {
    let host = Project::with_probes().config(json!({"functions": {"timeout": "3s"}})).serve().await;
    let path = |runtime| format!("/api/functions/{}", Runtime::probe(runtime));
    for runtime in RUNTIMES {
        eventually("it serves", PATIENCE, async || {
            (host.probe(runtime, json!({})).await.status == 200).then_some(())
        })
        .await;
        check_timing(&host.probe(runtime, json!({"do": "echo", "value": 1})).await, 200);
        check_timing(&host.post(&runtime.probe()).body("{").send().await, 400);
        check_timing(&host.probe(runtime, json!({"do": "plain", "message": "m"})).await, 500);
        check_timing(&host.call(&format!("{runtime}_nobody"), json!({})).await, 404);
        check_timing(&host.post(&runtime.probe()).body("x".repeat(7 << 20)).send().await, 413);
        check_timing(&host.request("PUT", &path(runtime)).send().await, 405);
        check_timing(&host.probe(runtime, json!({"do": "exit", "code": 1})).await, 502);
    }
    let slow = RUNTIMES.map(|runtime| slow_call(&host, runtime));
    for answer in join_all(slow).await {
        check_timing(&answer, 504);
        assert!(answer.phase("run") >= 1000.0, "{:?}", answer.header("server-timing"));
    }
}

async fn slow_call(host: &Host, runtime: Runtime) -> Answer {
    eventually("it serves again", PATIENCE, async || {
        (host.probe(runtime, json!({})).await.status == 200).then_some(())
    })
    .await;
    host.probe(runtime, json!({"do": "hold", "ms": 60_000})).await
}

fn check_timing(answer: &Answer, status: u16) {
    assert_eq!(answer.status, status, "{}", answer.text());
    for name in ["queue", "cold", "load", "run"] {
        answer.phase(name);
    }
    assert!(answer.header("x-request-id").is_some(), "{status}");
}

#[tokio::test]
async fn h9_the_parts_of_the_time_are_no_fiction() {
    let host = Project::with_probes().serve().await;
    for runtime in RUNTIMES {
        let first = host.probe(runtime, json!({"do": "echo", "value": 1, "ms": 300})).await;
        let parts = ["queue", "cold", "load", "run"].map(|name| first.phase(name));
        assert!(parts[3] >= 290.0, "{runtime}: run took {} ms", parts[3]);
        assert!(parts[2] > 0.0, "{runtime}: the first call loads");
        let sum = parts.iter().sum::<f64>();
        assert!(
            sum <= first.took.as_secs_f64() * 1e3 + 1.0,
            "{runtime}: {parts:?} {:?}",
            first.took
        );
        let second = host.probe(runtime, json!({"do": "echo", "value": 1})).await;
        assert!(second.phase("cold") + second.phase("load") < 0.001, "{runtime}: warm");
    }
}
