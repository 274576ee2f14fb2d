//! Go functions: each file a program of its own.

use serde_json::json;

use crate::harness::{Project, Runtime, new_id};

#[tokio::test]
async fn n3_files_with_their_own_handler_build_apart() {
    let apart = Runtime::Go.fixture("apart");
    let host = Project::new()
        .file("functions/first.go", &apart.replace("OWN", "first"))
        .file("functions/second.go", &apart.replace("OWN", "second"))
        .file("functions/broken.go", &apart.replace("return help()", "return oops"))
        .serve()
        .await;
    for function in ["first", "second"] {
        assert_eq!(host.call(function, json!({})).await.value(), function);
    }
    host.call("broken", json!({})).await.error(500, "FUNCTION_LOAD_ERROR");
    let complaint = host.log.wait_for("the compiler's complaint", |line| {
        line.level() == "ERROR" && line.text("function") == "broken"
    });
    let line = complaint.await;
    assert!(line.text("place").starts_with("broken.go:10:"), "{line:?}");
    assert!(line.message().contains("undefined: oops"), "{line:?}");
    for function in ["first", "second"] {
        assert_eq!(host.call(function, json!({})).await.value(), function);
    }
}

#[tokio::test]
async fn n3_the_context_is_a_context_and_the_log_a_slog() {
    let config = json!({"functions": {"env": {"NAME": "value"}}});
    let host = Project::new().with_own(Runtime::Go, "typed").config(config).serve().await;
    let expected = json!({"inner": "context deadline exceeded", "bounded": true, "env": "value"});
    assert_eq!(host.call("typed", json!({})).await.value(), expected);
    let line = host.log.wait_for("the line", |line| line.message() == "grouped").await;
    assert_eq!(line.fields(), json!({"a": 1, "g": {"b": 2}}));
}

#[tokio::test]
async fn n3_output_of_goroutines_and_of_the_log_package_belongs_to_the_call() {
    let host = Project::new().with_own(Runtime::Go, "talking").serve().await;
    let id = new_id();
    host.post("talking").header("X-Request-Id", &id).json(&json!({})).send().await.value();
    for message in ["from a goroutine", "from package log"] {
        host.log.wait_for(message, |line| line.says(&id, message)).await;
    }
}

#[tokio::test]
async fn n3_structs_with_tags_are_results() {
    let host = Project::new().with_own(Runtime::Go, "posts").serve().await;
    let expected = json!([{"id": "p1", "tags": ["<a>"]}]);
    assert_eq!(host.call("posts", json!({})).await.value(), expected);
}
