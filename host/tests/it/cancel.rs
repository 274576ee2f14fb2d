//! A client that hangs up ends its call.

use std::time::Duration;

use serde_json::json;

use crate::harness::{PATIENCE, Project, RUNTIMES, eventually, in_every_runtime};

#[tokio::test]
async fn h10_a_client_that_leaves_cancels_the_call_and_the_worker_stays() {
    let host = Project::with_probes().serve().await;
    for runtime in RUNTIMES {
        let worker = host.worker_of(runtime).await;
        let (sent, id) = host.begin(&runtime.probe(), json!({"do": "hold", "ms": 60_000})).await;
        drop(sent);
        let what = format!("the cancellation in {runtime}");
        host.log.wait_for(&what, |line| line.says(&id, "cancelled")).await;
        assert_eq!(host.worker_of(runtime).await, worker, "{runtime}");
    }
}

#[tokio::test]
async fn h10_other_calls_in_the_worker_go_on() {
    let host = Project::with_probes().serve().await;
    in_every_runtime(async |runtime| {
        let worker = host.worker_of(runtime).await;
        let (staying, _) = host.begin(&runtime.probe(), json!({"do": "hold", "ms": 1_000})).await;
        let (leaving, id) = host.begin(&runtime.probe(), json!({"do": "hold", "ms": 60_000})).await;
        drop(leaving);
        host.log.wait_for("the cancellation", |line| line.says(&id, "cancelled")).await;
        assert_eq!(staying.answer().await.value(), "held", "{runtime}");
        assert_eq!(host.worker_of(runtime).await, worker, "{runtime}");
    })
    .await;
}

#[tokio::test]
async fn h10_a_handler_that_does_not_stop_is_killed_after_the_grace() {
    let host = Project::with_probes().serve().await;
    in_every_runtime(async |runtime| {
        for input in [json!({"do": "spin"}), json!({"do": "deaf", "ms": 60_000})] {
            let worker = host.worker_of(runtime).await;
            let (sent, _) = host.begin(&runtime.probe(), input).await;
            drop(sent);
            let what = format!("{runtime}: the worker is killed");
            // The grace is 1 s.
            let patience = Duration::from_secs(4);
            eventually(&what, patience, async || (!worker.is_running()).then_some(())).await;
            assert_ne!(host.worker_of(runtime).await, worker, "{runtime}");
        }
    })
    .await;
}

#[tokio::test]
async fn h10_a_client_that_leaves_the_queue_never_runs() {
    let pool = json!({"functions": {"pool": {"max_instances": 1, "concurrency": 1}}});
    let host = Project::with_probes().config(pool).serve().await;
    in_every_runtime(async |runtime| {
        let before = host.value(runtime, json!({"do": "calls"})).await.as_i64();
        let (holding, _) = host.begin(&runtime.probe(), json!({"do": "hold", "ms": 1_000})).await;
        let waiting = host.post(&runtime.probe()).json(&json!({"do": "calls"})).begin().await;
        let label = format!("runtime=\"{runtime}\"");
        eventually("it waits", PATIENCE, async || {
            (host.metric("alyx_queue_depth", &[&label]).await >= 1.0).then_some(())
        })
        .await;
        drop(waiting);
        assert_eq!(holding.answer().await.value(), "held", "{runtime}");
        let after = host.value(runtime, json!({"do": "calls"})).await.as_i64();
        assert_eq!(after, before.map(|n| n + 2), "{runtime}: the hold and this question");
    })
    .await;
}

#[tokio::test]
async fn h10_a_hundred_clients_that_leave_at_once_leave_nothing_behind() {
    let host = Project::with_probes().serve().await;
    for runtime in RUNTIMES {
        let worker = host.worker_of(runtime).await;
        let (probe, hold) = (runtime.probe(), json!({"do": "hold", "ms": 60_000}));
        let begin = (0..100).map(|_| host.begin(&probe, hold.clone()));
        let sent = futures_util::future::join_all(begin).await;
        let ids: Vec<_> = sent.iter().map(|(_, id)| id.clone()).collect();
        drop(sent);
        for id in ids {
            host.log.wait_for("each cancellation", |line| line.says(&id, "cancelled")).await;
        }
        assert!(worker.is_running(), "{runtime}");
        assert_eq!(host.value(runtime, json!({"a": 1})).await, json!({"a": 1}), "{runtime}");
    }
}
