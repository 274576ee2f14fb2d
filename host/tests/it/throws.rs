//! Every form of throwing, at the time and afterwards.

use serde_json::json;

use crate::harness::log::Line;
use crate::harness::{PATIENCE, Project, RUNTIMES, Runtime, eventually};

#[tokio::test]
async fn n7_every_form_of_throwing_is_understood_and_kills_nothing() {
    let host = Project::new().with_all("throws").serve().await;
    for runtime in RUNTIMES {
        for (form, expected) in runtime.expected("throws") {
            let answer = host.call(&runtime.function("throws"), json!({"form": form})).await;
            let told = json!([answer.status, answer.json()["error"]]);
            assert_eq!(told, expected, "{runtime}: {form}");
        }
    }
    for death in ["crashed", "unresponsive"] {
        let reason = format!("reason=\"{death}\"");
        let deaths = host.metric("alyx_worker_deaths_total", &[&reason]).await;
        assert!(deaths < 1.0, "{death}: {deaths}");
    }
}

/// In Go an unrecovered panic always ends the process; there is no late throw to survive.
#[tokio::test]
async fn n7_a_late_throw_changes_nothing_and_kills_nothing() {
    for runtime in [Runtime::Node, Runtime::Python] {
        let function = runtime.function("late");
        let host = Project::new().with(runtime, "late").serve().await;
        for how in ["timer", "promise"] {
            for n in 0..10 {
                let value = host.call(&function, json!({"n": n, "how": how})).await.value();
                assert_eq!(value, n, "{runtime} {how}");
            }
            let is_late = |line: &Line| line.level() == "ERROR" && line.message().contains("late");
            host.log.wait_for(&format!("the late {how} of {runtime}"), is_late).await;
        }
        let deaths = host.metric("alyx_worker_deaths_total", &["reason=\"crashed\""]).await;
        assert!(deaths < 1.0, "{runtime}: {deaths}");
    }
}

#[tokio::test]
async fn n7_a_late_panic_in_go_harms_no_answer_and_no_later_call() {
    let host = Project::new().with(Runtime::Go, "after").with(Runtime::Go, "probe").serve().await;
    for _ in 0..3 {
        let panics = host.call("after_go", json!({"panic": true})).await;
        assert_eq!(panics.value(), "answered");
    }
    let crash = host.log.wait_for("the crash", |line| line.message().contains("crashed")).await;
    assert!(crash.text("stderr").contains("panic: after the answer"), "{crash:?}");
    assert_eq!(host.value(Runtime::Go, json!({"a": 1})).await, json!({"a": 1}));
    eventually("it serves on", PATIENCE, async || {
        (host.call("after_go", json!({})).await.status == 200).then_some(())
    })
    .await;
}
