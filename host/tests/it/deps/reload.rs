//! Packages that change while functions are called.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::{Value, json};

use super::part::{self, list, publish, wants, with_function};
use crate::harness::{Host, PATIENCE, RUNTIMES, Runtime, eventually};

/// Calls a function again and again until told to stop; every answer has to be a version.
async fn load(host: &Host, function: &str, stop: &AtomicBool) -> Vec<Value> {
    let mut answers: Vec<Value> = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        let value = host.call(function, json!({})).await.value();
        if answers.last() != Some(&value) {
            answers.push(value);
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    answers
}

#[tokio::test]
async fn c5_4_new_packages_are_switched_to_at_once_and_no_call_fails() {
    for runtime in RUNTIMES {
        let project = with_function(part::project(), runtime).await;
        publish(&project, runtime, "1.1.0").await;
        let installed = project.run(&["deps", "install"]).await;
        assert_eq!(installed.code, Some(0), "{installed:?}");
        let host = project.dev().await;
        host.ready().await;
        let function = runtime.function("uses");
        assert_eq!(host.call(&function, json!({})).await.value(), "1.0.0", "{runtime}");
        let stop = AtomicBool::new(false);
        let switch = async {
            if runtime == Runtime::Node {
                let lock = host.project.path("functions/package-lock.json");
                std::fs::remove_file(lock).expect("npm wrote it");
            }
            wants(&host.project, runtime, "functions", "1.1.0");
            eventually("the new packages serve", PATIENCE, async || {
                let value = host.call(&function, json!({})).await.value();
                (value == "1.1.0").then_some(())
            })
            .await;
            stop.store(true, Ordering::Relaxed);
        };
        let (answers, ()) = tokio::join!(load(&host, &function, &stop), switch);
        assert_eq!(answers.first(), Some(&json!("1.0.0")), "{runtime}: {answers:?}");
        assert!(answers.len() <= 2, "{runtime}: never back again: {answers:?}");
    }
}

#[tokio::test]
async fn c5_4_a_list_that_appears_while_functions_are_written_is_installed() {
    let project = part::project().file("functions/other.py", "def handler(ctx):\n    return 1\n");
    publish(&project, Runtime::Python, "1.0.0").await;
    let host = project.dev().await;
    assert_eq!(host.call("other", json!({})).await.value(), 1);
    wants(&host.project, Runtime::Python, "functions", "1.0.0");
    host.project.write("functions/uses_python.py", part::function(Runtime::Python));
    let value = eventually("the function serves", PATIENCE, async || {
        let answer = host.call("uses_python", json!({})).await;
        (answer.status == 200).then(|| answer.value())
    });
    assert_eq!(value.await, "1.0.0");
}

#[tokio::test]
async fn c5_4_a_list_that_fails_leaves_what_serves_and_its_mending_is_served() {
    let project = with_function(part::project(), Runtime::Python).await;
    publish(&project, Runtime::Python, "1.1.0").await;
    let host = project.dev().await;
    host.ready().await;
    let call = async || host.call("uses_python", json!({})).await.value();
    assert_eq!(call().await, "1.0.0");
    host.project.write(&list(Runtime::Python, "functions"), "nosuch-part\n");
    host.log
        .wait_for("that it fails", |line| {
            line.message().contains("package 'nosuch-part' of 'functions/requirements.txt'")
        })
        .await;
    assert_eq!(call().await, "1.0.0");
    wants(&host.project, Runtime::Python, "functions", "1.1.0");
    eventually("the mended list serves", PATIENCE, async || {
        (call().await == "1.1.0").then_some(())
    })
    .await;
}
