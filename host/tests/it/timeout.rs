//! A call that takes too long is answered in time, and nothing of it goes on.

use std::time::Duration;

use serde_json::json;

use crate::harness::processes::Process;
use crate::harness::{
    Answer, Host, PATIENCE, Project, RUNTIMES, Runtime, eventually, in_every_runtime,
};

const TIMEOUT: Duration = Duration::from_millis(1500);
/// The contract says 100 ms; a busy machine gets more.
const OVERHEAD: Duration = Duration::from_secs(1);
/// From the timeout to the kill.
const GRACE: Duration = Duration::from_secs(1);

/// A host whose functions have a short timeout, loaded and warm.
async fn impatient_host() -> Host {
    impatient(Project::with_probes()).await
}

async fn impatient(project: Project) -> Host {
    let config = json!({"functions": {"timeout": format!("{}ms", TIMEOUT.as_millis())}});
    let host = project.config(config).serve().await;
    host.ready().await;
    for runtime in RUNTIMES {
        // On a busy machine even the load of a function may take longer than that.
        eventually(&format!("{runtime} serves"), PATIENCE, async || {
            (host.probe(runtime, json!({})).await.status == 200).then_some(())
        })
        .await;
    }
    host
}

fn check_in_time(answer: &Answer, what: &str) {
    let message = answer.error_message(504, "FUNCTION_TIMEOUT");
    assert!(message.contains("1.5"), "{what}: {message}");
    assert!(answer.took >= TIMEOUT, "{what}: answered after {:?}", answer.took);
    assert!(answer.took < TIMEOUT + OVERHEAD, "{what}: answered after {:?}", answer.took);
}

#[tokio::test]
async fn h6_a_sleep_is_answered_504_in_time_and_an_acknowledging_worker_stays() {
    let host = impatient_host().await;
    in_every_runtime(async |runtime| {
        let worker = host.worker_of(runtime).await;
        let answer = host.probe(runtime, json!({"do": "hold", "ms": 60_000})).await;
        check_in_time(&answer, &format!("{runtime}"));
        assert_eq!(host.worker_of(runtime).await, worker, "{runtime}");
    })
    .await;
}

#[tokio::test]
async fn h6_a_busy_loop_is_answered_504_in_time_and_its_worker_is_killed() {
    let host = impatient_host().await;
    in_every_runtime(async |runtime| {
        let worker = host.worker_of(runtime).await;
        let answer = host.probe(runtime, json!({"do": "spin"})).await;
        check_in_time(&answer, &format!("{runtime}"));
        check_killed(&host, &worker).await;
        assert_ne!(serving_again(&host, &runtime.probe()).await, worker, "{runtime}");
    })
    .await;
}

#[tokio::test]
async fn h6_a_sleep_that_ignores_the_cancel_is_killed_before_it_does_anything_more() {
    let host = impatient_host().await;
    in_every_runtime(async |runtime| {
        let worker = host.worker_of(runtime).await;
        let (sent, id) = host.begin(&runtime.probe(), json!({"do": "deaf", "ms": 4_000})).await;
        check_in_time(&sent.answer().await, &format!("{runtime}"));
        check_killed(&host, &worker).await;
        serving_again(&host, &runtime.probe()).await;
        host.settle_log(runtime).await;
        let lines = host.log.of_call(&id);
        assert!(lines.iter().all(|line| line.message() != "still here"), "{runtime}: {lines:?}");
    })
    .await;
}

/// The process that serves next. It may take some tries: loading counts toward the short timeout.
async fn serving_again(host: &Host, function: &str) -> Process {
    eventually("the next call works", PATIENCE, async || {
        let answer = host.call(function, json!({"do": "pid"})).await;
        (answer.status == 200).then(|| {
            let pid = answer.json().as_i64().expect("a pid");
            Process::at(pid).expect("it has answered")
        })
    })
    .await
}

async fn check_killed(host: &Host, worker: &Process) {
    let asked = std::time::Instant::now();
    let what = format!("'{}' is killed", worker.command);
    eventually(&what, GRACE + OVERHEAD, async || (!worker.is_running()).then_some(())).await;
    assert!(host.workers().iter().all(|w| w != worker), "after {:?}", asked.elapsed());
}

#[tokio::test]
async fn h6_twenty_calls_that_time_out_together_are_all_answered_504() {
    let host = impatient_host().await;
    in_every_runtime(async |runtime| {
        let calls = (0..20).map(|_| host.probe(runtime, json!({"do": "hold", "ms": 60_000})));
        for answer in futures_util::future::join_all(calls).await {
            check_in_time(&answer, &format!("{runtime}"));
        }
    })
    .await;
}

#[tokio::test]
async fn h6_a_call_that_ends_just_in_time_is_answered() {
    let host = impatient_host().await;
    for runtime in RUNTIMES {
        let input = json!({"do": "echo", "value": "made it", "ms": 500});
        assert_eq!(host.value(runtime, input).await, "made it", "{runtime}");
    }
}

#[tokio::test]
async fn h6_a_synchronous_python_handler_that_sleeps_is_answered_504_and_killed() {
    let project = Project::new().with_own(Runtime::Python, "sleeping");
    let timeout = format!("{}ms", TIMEOUT.as_millis());
    let host = project.config(json!({"functions": {"timeout": timeout}})).serve().await;
    let worker = serving_again(&host, "sleeping").await;
    let answer = host.call("sleeping", json!({"ms": 60_000})).await;
    check_in_time(&answer, "sleeping");
    check_killed(&host, &worker).await;
    serving_again(&host, "sleeping").await;
}

#[tokio::test]
async fn h6_an_answer_after_the_timeout_goes_nowhere() {
    let alone = json!({"functions": {"pool": {"max_instances": 1}}});
    let host = impatient(Project::with_probes().config(alone)).await;
    in_every_runtime(async |runtime| {
        let worker = host.worker_of(runtime).await;
        // Answers between the timeout and the end of the grace: acknowledged, after a fashion.
        let answer = host.probe(runtime, json!({"do": "deaf", "ms": 1_900})).await;
        check_in_time(&answer, &format!("{runtime}"));
        assert_eq!(serving_again(&host, &runtime.probe()).await, worker, "{runtime}");
        assert_eq!(host.value(runtime, json!({"do": "echo", "value": 1})).await, 1, "{runtime}");
    })
    .await;
}
