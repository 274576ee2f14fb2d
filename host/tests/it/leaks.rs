//! Functions that take and never give back: files, threads, processes. They get errors; others do
//! not notice.

use serde_json::{Value, json};

use crate::harness::{Host, Project, RUNTIMES, Runtime, in_every_runtime};

async fn check_others(host: &Host, runtime: Runtime) {
    for other in RUNTIMES {
        assert_eq!(host.value(other, json!({"a": 1})).await, json!({"a": 1}), "{runtime} {other}");
    }
}

/// Calls of the function end one way or another, and in the end it works again.
async fn check_leak(host: &Host, runtime: Runtime, input: Value) {
    let function = runtime.function("strain");
    let refused = host.call(&function, input.clone()).await;
    assert_ne!(refused.status, 200, "{runtime}: there is a limit: {}", refused.text());
    assert!(refused.status >= 400, "{runtime}: {}", refused.text());
    check_others(host, runtime).await;
    let again = host.call(&function, json!({})).await;
    assert_eq!(again.status, 200, "{runtime}: {}", again.text());
}

#[tokio::test]
async fn limits_ten_thousand_open_files_are_an_error_and_harm_nobody_else() {
    let host = Project::with_probes().with_all("strain").serve().await;
    in_every_runtime(async |runtime| check_leak(&host, runtime, json!({"files": 10_000})).await)
        .await;
}

/// A timer of the fixture is a thread in Python alone.
#[tokio::test]
async fn limits_two_thousand_threads_are_an_error_and_harm_nobody_else() {
    let host = Project::with_probes().with_all("strain").serve().await;
    check_leak(&host, Runtime::Python, json!({"timers": 2_000})).await;
}
