//! How many workers there are, counted from outside, and when they come and go.

use std::time::Duration;

use futures_util::future::join_all;
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::harness::{Host, PATIENCE, Project, RUNTIMES, Runtime, eventually, in_every_runtime};

fn pool(pool: Value) -> Value {
    json!({"functions": {"pool": pool}})
}

/// Waits until the host has exactly as many workers, blank and loaded.
async fn has_workers(host: &Host, count: usize, when: &str) {
    let what = format!("{count} workers {when}");
    eventually(&what, PATIENCE, async || (host.workers().len() == count).then_some(())).await;
}

async fn blanks(host: &Host, runtime: Runtime) -> f64 {
    let runtime = format!("runtime=\"{runtime}\"");
    host.metric("alyx_function_pool_size", &[&runtime, "state=\"blank\""]).await
}

async fn has_blanks(host: &Host, runtime: Runtime, count: f64) {
    eventually(&format!("{count} blank {runtime} workers"), PATIENCE, async || {
        ((blanks(host, runtime).await - count).abs() < f64::EPSILON).then_some(())
    })
    .await;
}

#[tokio::test]
async fn w1_min_warm_blanks_are_there_before_the_first_call_and_made_up_after_it() {
    for runtime in RUNTIMES {
        let project = Project::new().with(runtime, "probe").config(pool(json!({"min_warm": 2})));
        let host = project.serve().await;
        has_workers(&host, 2, "before the first call").await;
        has_blanks(&host, runtime, 2.0).await;
        host.value(runtime, json!({})).await;
        has_workers(&host, 3, "when one of them serves").await;
        has_blanks(&host, runtime, 2.0).await;
    }
}

#[tokio::test]
async fn w1_without_warm_workers_they_come_with_the_calls() {
    for runtime in RUNTIMES {
        let project = Project::new().with(runtime, "probe").config(pool(json!({"min_warm": 0})));
        let host = project.serve().await;
        assert_eq!(host.get("/health/ready").await.status, 200, "{runtime}: nothing to wait for");
        assert_eq!(host.workers(), [], "{runtime}");
        host.value(runtime, json!({})).await;
        has_workers(&host, 1, "for the first call").await;
    }
}

#[tokio::test]
async fn w1_a_runtime_without_functions_has_no_workers() {
    for runtime in RUNTIMES {
        let config = pool(json!({"min_warm": 1}));
        let host = Project::new().with(runtime, "probe").config(config).serve().await;
        has_workers(&host, 1, "and none of the other runtimes").await;
    }
}

#[tokio::test]
async fn w1_each_function_has_a_worker_of_its_own_while_there_is_room() {
    for runtime in RUNTIMES {
        let other = runtime.function("other");
        let host = Project::new()
            .with(runtime, "probe")
            .file(&runtime.file(&other), &runtime.fixture("probe"))
            .serve()
            .await;
        let first = host.worker_of(runtime).await;
        let second = host.worker_of_function(&other).await;
        assert_ne!(first, second, "{runtime}");
        assert_eq!(host.worker_of(runtime).await, first, "{runtime}");
        assert_eq!(host.worker_of_function(&other).await, second, "{runtime}");
    }
}

#[tokio::test]
async fn w3_an_idle_worker_leaves_and_the_blanks_stay() {
    for runtime in RUNTIMES {
        let config = pool(json!({"idle_timeout": "500ms", "min_warm": 1}));
        let host = Project::new().with(runtime, "probe").config(config).serve().await;
        let worker = host.worker_of(runtime).await;
        let what = format!("the idle {runtime} worker leaves");
        eventually(&what, PATIENCE, async || (!worker.is_running()).then_some(())).await;
        has_workers(&host, 1, "when the idle one has left").await;
        has_blanks(&host, runtime, 1.0).await;
        let retired = host.metric("alyx_worker_deaths_total", &["reason=\"crashed\""]).await;
        assert!(retired < 1.0, "{runtime}: leaving is no crash");
        host.value(runtime, json!({})).await;
    }
}

#[tokio::test]
async fn w3_a_busy_worker_never_leaves() {
    in_every_runtime(async |runtime| {
        let config = pool(json!({"idle_timeout": "100ms"}));
        let host = Project::new().with(runtime, "probe").config(config).serve().await;
        let (sent, _) = host.begin(&runtime.probe(), json!({"do": "hold", "ms": 2_000})).await;
        assert_eq!(sent.answer().await.value(), "held", "{runtime}");
    })
    .await;
}

/// Counts workers for as long as `work` goes on; the most there were.
async fn most_workers_during<T>(host: &Host, work: impl Future<Output = T>) -> (usize, T) {
    let mut most = 0;
    let mut work = std::pin::pin!(work);
    loop {
        tokio::select! {
            done = &mut work => return (most, done),
            () = tokio::time::sleep(Duration::from_millis(5)) => {
                most = most.max(host.workers().len());
            }
        }
    }
}

#[tokio::test]
async fn w2_max_instances_is_never_exceeded_by_one_function() {
    for runtime in RUNTIMES {
        let config = pool(json!({"max_instances": 3, "concurrency": 1}));
        let host = Project::new().with(runtime, "probe").config(config).serve().await;
        let calls =
            (0..24).map(|n| host.value(runtime, json!({"do": "echo", "value": n, "ms": 100})));
        let (most, values) = most_workers_during(&host, join_all(calls)).await;
        assert_eq!(json!(values), json!((0..24).collect::<Vec<_>>()), "{runtime}");
        assert!((2..=3).contains(&most), "{runtime}: {most} workers");
    }
}

#[tokio::test]
async fn w2_max_instances_is_never_exceeded_by_many_functions() {
    for runtime in RUNTIMES {
        let names = ["probe", "other", "third", "fourth"].map(|stem| runtime.function(stem));
        let project = names.iter().fold(Project::new(), |project, name| {
            project.file(&runtime.file(name), &runtime.fixture("probe"))
        });
        let host = project.config(pool(json!({"max_instances": 2}))).serve().await;
        let calls = (0..40).map(|n| {
            let (host, name) = (&host, &names[n % names.len()]);
            let input = json!({"do": "echo", "value": n, "ms": 20});
            async move { host.call(name, input).await.value() }
        });
        let (most, values) = most_workers_during(&host, join_all(calls)).await;
        assert_eq!(json!(values), json!((0..40).collect::<Vec<_>>()), "{runtime}");
        assert!((1..=2).contains(&most), "{runtime}: {most} workers");
    }
}

#[tokio::test]
async fn w2_max_instances_holds_while_workers_crash() {
    for runtime in RUNTIMES {
        let config = pool(json!({"max_instances": 2, "min_warm": 2}));
        let host = Project::new().with(runtime, "probe").config(config).serve().await;
        let work = async {
            for _ in 0..4 {
                host.probe(runtime, json!({"do": "exit", "code": 3}))
                    .await
                    .error(502, "WORKER_CRASHED");
            }
            host.value(runtime, json!({"do": "echo", "value": 1, "ms": 300})).await
        };
        let (most, value) = most_workers_during(&host, work).await;
        assert_eq!(value, 1, "{runtime}");
        assert!((1..=2).contains(&most), "{runtime}: {most} workers");
    }
}

#[tokio::test]
async fn w7_a_worker_killed_from_outside_is_replaced() {
    for runtime in RUNTIMES {
        let host = Project::new()
            .with(runtime, "probe")
            .config(pool(json!({"min_warm": 2})))
            .serve()
            .await;
        has_blanks(&host, runtime, 2.0).await;
        let before = host.workers();
        before.iter().for_each(|worker| worker.signal(Signal::KILL));
        eventually("there are two new ones", PATIENCE, async || {
            let now = host.workers();
            (now.len() == 2 && now.iter().all(|worker| !before.contains(worker))).then_some(())
        })
        .await;
        assert_eq!(host.value(runtime, json!({"a": 1})).await, json!({"a": 1}), "{runtime}");
    }
}

#[tokio::test]
async fn w7_a_stopped_worker_that_never_answers_is_given_up() {
    let config = json!({"functions": {"timeout": "2s"}});
    let host = Project::with_probes().config(config).serve().await;
    in_every_runtime(async |runtime| {
        eventually("it serves", PATIENCE, async || {
            (host.probe(runtime, json!({})).await.status == 200).then_some(())
        })
        .await;
        let worker = host.worker_of(runtime).await;
        worker.signal(Signal::STOP);
        eventually("it stands still", PATIENCE, async || worker.is_stopped().then_some(())).await;
        host.probe(runtime, json!({})).await.error(504, "FUNCTION_TIMEOUT");
        eventually("it is killed", PATIENCE, async || (!worker.is_running()).then_some(())).await;
        eventually("another serves", PATIENCE, async || {
            (host.probe(runtime, json!({})).await.status == 200).then_some(())
        })
        .await;
    })
    .await;
}

#[tokio::test]
async fn w5_a_worker_with_an_unhandled_rejection_is_replaced_after_its_calls() {
    let host = Project::new().with_own(Runtime::Node, "careless").serve().await;
    let first = host.call("careless", json!({})).await.value();
    let (running, _) = host.begin("careless", json!({"ms": 1_500})).await;
    let _answer_or_error = host.call("careless", json!({"reject": true})).await;
    eventually("another worker serves", PATIENCE, async || {
        (host.call("careless", json!({})).await.value() != first).then_some(())
    })
    .await;
    assert_eq!(running.answer().await.value(), first, "its running calls end first");
}

/// Waits until as many calls as the rest are in line, which no more of them leave.
async fn waits(host: &Host, runtime: Runtime, count: f64) {
    let label = format!("runtime=\"{runtime}\"");
    eventually(&format!("{count} calls of {runtime} wait"), PATIENCE, async || {
        let waiting = host.metric("alyx_queue_depth", &[&label]).await;
        ((waiting - count).abs() < f64::EPSILON).then_some(())
    })
    .await;
}

#[tokio::test]
async fn w3_a_worker_takes_as_many_calls_at_a_time_as_its_runtime_can_bear() {
    let host = Project::with_probes().config(pool(json!({"max_instances": 1}))).serve().await;
    for (runtime, most) in RUNTIMES.into_iter().zip([64, 64, 256]) {
        host.value(runtime, json!({})).await;
        let calls = (0..most + 7).map(|_| {
            host.post(&runtime.probe()).json(&json!({"do": "hold", "ms": 60_000})).begin()
        });
        let calls = join_all(calls).await;
        waits(&host, runtime, 7.0).await;
        drop(calls);
        waits(&host, runtime, 0.0).await;
    }
}

#[tokio::test]
async fn w3_the_worker_that_was_busy_last_is_asked_first() {
    in_every_runtime(async |runtime| {
        let config = pool(json!({"max_instances": 3, "concurrency": 1}));
        let host = Project::new().with(runtime, "strain").config(config).serve().await;
        let function = runtime.function("strain");
        let call = async |ms: u64| {
            host.call(&function, json!({"ms": ms})).await.value().as_i64().expect("a process")
        };
        // Started first, which may take each of them its time.
        let are_three =
            |three: (i64, i64, i64)| three.0 != three.1 && three.1 != three.2 && three.2 != three.0;
        eventually("three workers", PATIENCE, async || {
            are_three(tokio::join!(call(1_000), call(1_000), call(1_000))).then_some(())
        })
        .await;
        let three = tokio::join!(call(300), call(600), call(900));
        assert!(are_three(three), "{runtime}: {three:?}");
        for _ in 0..5 {
            assert_eq!(call(0).await, three.2, "{runtime}: {three:?}");
        }
    })
    .await;
}
