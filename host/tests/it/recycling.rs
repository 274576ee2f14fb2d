//! Workers that have served long enough, or use too much memory, are replaced, and no call fails.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use serde_json::json;

use crate::harness::{Host, PATIENCE, Project, RUNTIMES, Runtime, eventually, in_every_runtime};

async fn worker_of(host: &Host, runtime: Runtime) -> i64 {
    let answer = host.call(&runtime.function("strain"), json!({})).await;
    answer.value().as_i64().expect("a process")
}

#[tokio::test]
async fn w5_after_10_000_calls_another_worker_serves_and_no_call_has_failed() {
    for runtime in RUNTIMES {
        let host = Project::new().with(runtime, "strain").serve().await;
        let (function, first) = (runtime.function("strain"), worker_of(&host, runtime).await);
        let callers = (0..20).map(|_| async {
            for _ in 0..500 {
                host.call(&function, json!({})).await.value();
            }
        });
        join_all(callers).await;
        eventually(&format!("another {runtime} worker serves"), PATIENCE, async || {
            (worker_of(&host, runtime).await != first).then_some(())
        })
        .await;
        let crashed = host.metric("alyx_worker_deaths_total", &["reason=\"crashed\""]).await;
        assert!(crashed < 1.0, "{runtime}");
    }
}

#[tokio::test]
async fn w5_a_worker_over_80_percent_of_its_memory_is_replaced_and_no_call_fails() {
    in_every_runtime(async |runtime| {
        let config = json!({"functions": {"pool": {"memory_limit": "256mb"}}});
        let host = Project::new().with(runtime, "strain").config(config).serve().await;
        let (function, first) = (runtime.function("strain"), worker_of(&host, runtime).await);
        let (long, _) = host.begin(&function, json!({"ms": 6_000})).await;
        // What a worker needs for itself differs.
        let mib = if runtime == Runtime::Node { 190 } else { 205 };
        assert_eq!(host.call(&function, json!({"mib": mib})).await.value(), first, "{runtime}");
        let done = AtomicBool::new(false);
        // Calls all the while: each is answered.
        let callers = join_all((0..4).map(|_| async {
            while !done.load(Ordering::Relaxed) {
                host.call(&function, json!({"ms": 5})).await.value();
            }
        }));
        let replaced = async {
            eventually(&format!("another {runtime} worker serves"), PATIENCE, async || {
                (worker_of(&host, runtime).await != first).then_some(())
            })
            .await;
            done.store(true, Ordering::Relaxed);
        };
        tokio::join!(callers, replaced);
        assert_eq!(long.answer().await.value(), first, "{runtime}: what ran there ended there");
        host.log.wait_for("why", |line| line.message().contains("of 256 MiB")).await;
    })
    .await;
}

#[tokio::test]
async fn w5_files_and_timers_that_are_left_open_harm_nobody_else() {
    in_every_runtime(async |runtime| {
        let host = Project::new().with(runtime, "strain").with(runtime, "probe").serve().await;
        let function = runtime.function("strain");
        for _ in 0..5 {
            host.call(&function, json!({"files": 40, "timers": 20})).await.value();
        }
        assert_eq!(host.value(runtime, json!({"a": 1})).await, json!({"a": 1}), "{runtime}");
        assert_eq!(host.call(&function, json!({})).await.status, 200, "{runtime}");
    })
    .await;
}

#[tokio::test]
async fn w4_a_worker_whose_event_loop_is_blocked_gets_no_calls_until_it_listens_again() {
    for runtime in [Runtime::Node, Runtime::Python] {
        let host = Project::new().with(runtime, "strain").serve().await;
        let (function, first) = (runtime.function("strain"), worker_of(&host, runtime).await);
        let (blocking, _) = host.begin(&function, json!({"act": "block", "ms": 4_000})).await;
        let began = tokio::time::Instant::now();
        let calls = (1..=12u32).map(|n| {
            let (host, function) = (&host, &function);
            async move {
                tokio::time::sleep_until(began + n * Duration::from_millis(250)).await;
                host.call(function, json!({})).await
            }
        });
        let answers = join_all(calls).await;
        // By then it has missed a ping.
        for answer in &answers[6..] {
            assert_ne!(answer.value(), first, "{runtime}");
            assert!(answer.took < Duration::from_secs(2), "{runtime}: {:?}", answer.took);
        }
        assert_eq!(blocking.answer().await.value(), first, "{runtime}");
        // With the other one busy, it serves again.
        eventually(&format!("{runtime}: the first serves again"), PATIENCE, async || {
            let calls = (0..2).map(|_| host.call(&function, json!({"ms": 20})));
            join_all(calls).await.iter().any(|answer| answer.value() == first).then_some(())
        })
        .await;
    }
}
