//! What a handler throws is what the caller is told, in one shape.

use serde_json::json;

use crate::harness::{Project, RUNTIMES, Runtime};

#[tokio::test]
async fn h_errors_have_one_shape_everywhere() {
    let host = Project::with_probes().serve().await;
    for runtime in RUNTIMES {
        let input = json!({
            "do": "throw", "code": "VALIDATION_ERROR", "message": "Email is required",
            "fields": {"field": "email"},
        });
        let answer = host.probe(runtime, input).await;
        let expected = json!({"error": {
            "code": "VALIDATION_ERROR", "message": "Email is required", "field": "email",
        }});
        assert_eq!((answer.status, answer.json()), (400, expected), "{runtime}");
        assert_eq!(answer.header("content-type"), Some("application/json"), "{runtime}");
    }
}

#[tokio::test]
async fn h_each_code_has_its_status() {
    let table: &[(u16, &[&str])] = &[
        (
            400,
            &[
                "VALIDATION_ERROR",
                "INVALID_INPUT",
                "INVALID_X",
                "FAILED_PRECONDITION",
                "MY_OWN",
                "x",
            ],
        ),
        (401, &["UNAUTHENTICATED", "UNAUTHORIZED", "INVALID_TOKEN", "unauthenticated"]),
        (403, &["FORBIDDEN", "PERMISSION_DENIED", "permission_denied"]),
        (404, &["NOT_FOUND", "POST_NOT_FOUND", "not_found", "FUNCTION_NOT_FOUND"]),
        (
            409,
            &[
                "CONFLICT",
                "UNIQUE_VIOLATION",
                "FOREIGN_KEY_VIOLATION",
                "ALREADY_EXISTS",
                "already_exists",
            ],
        ),
        (429, &["RATE_LIMITED", "RESOURCE_EXHAUSTED", "resource_exhausted"]),
        (500, &["FUNCTION_ERROR"]),
        (503, &["UNAVAILABLE", "unavailable"]),
    ];
    let host = Project::with_probes().serve().await;
    for runtime in RUNTIMES {
        for (status, codes) in table {
            for code in *codes {
                let input = json!({"do": "throw", "code": code, "message": "m"});
                let error = host.probe(runtime, input).await.error(*status, code);
                assert_eq!(error, json!({"code": code, "message": "m"}), "{runtime}");
            }
        }
    }
}

#[tokio::test]
async fn h_codes_of_the_host_thrown_by_a_function_are_its_own() {
    let host = Project::with_probes().serve().await;
    for runtime in RUNTIMES {
        let worker = host.worker_of(runtime).await;
        for code in ["CANCELLED", "RESULT_NOT_SERIALIZABLE", "WORKER_CRASHED", "FUNCTION_TIMEOUT"] {
            let input = json!({"do": "throw", "code": code, "message": "mine"});
            let error = host.probe(runtime, input).await.error(400, code);
            assert_eq!(error["message"], "mine", "{runtime} {code}");
        }
        assert_eq!(host.worker_of(runtime).await, worker, "{runtime}");
    }
}

#[tokio::test]
async fn h_a_thrown_status_decides_when_it_is_one_of_an_error() {
    let host = Project::with_probes().serve().await;
    for runtime in RUNTIMES {
        for (given, status) in
            [(400, 400), (418, 418), (599, 599), (200, 404), (399, 404), (600, 404)]
        {
            let fields = json!({"status": given});
            let input =
                json!({"do": "throw", "code": "NOT_FOUND", "message": "m", "fields": fields});
            host.probe(runtime, input).await.error(status, "NOT_FOUND");
        }
    }
}

#[tokio::test]
async fn h_a_plain_error_is_500_with_its_message() {
    let host = Project::with_probes().serve().await;
    for runtime in RUNTIMES {
        let answer = host.probe(runtime, json!({"do": "plain", "message": "Post not found"})).await;
        let expected = json!({"code": "FUNCTION_ERROR", "message": "Post not found"});
        assert_eq!(answer.error(500, "FUNCTION_ERROR"), expected, "{runtime}");
    }
}

#[tokio::test]
async fn n7_extra_fields_arrive_whole_and_nested() {
    let host = Project::with_probes().serve().await;
    let errors = json!([{"rule": "max", "limit": 3, "deep": {"x": [null, true]}}]);
    let fields = json!({"field": "tags[0]", "errors": errors});
    for runtime in RUNTIMES {
        let input = json!({"do": "throw", "code": "BAD", "message": "m", "fields": fields});
        let mut expected = json!({"code": "BAD", "message": "m"});
        expected.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        assert_eq!(host.probe(runtime, input).await.error(400, "BAD"), expected, "{runtime}");
    }
}

#[tokio::test]
async fn n7_numeric_codes_become_strings() {
    let host = Project::with_probes().serve().await;
    for runtime in RUNTIMES {
        let answer = host.probe(runtime, json!({"do": "throw", "code": 42, "message": "m"})).await;
        answer.error(400, "42");
    }
}

#[tokio::test]
async fn n7_a_message_of_a_megabyte_is_cut() {
    let host = Project::with_probes().serve().await;
    for runtime in RUNTIMES {
        let input = json!({"do": "plain", "message": "long ".repeat(200_000)});
        let message = host.probe(runtime, input).await.error_message(500, "FUNCTION_ERROR");
        assert!(message.starts_with("long long") && message.len() <= 5 * 1024, "{runtime}");
    }
}

#[tokio::test]
async fn n7_no_stack_no_path_and_no_secret_reaches_the_caller() {
    let config = json!({"functions": {"env": {"API_KEY": "hunter2-hunter2"}}});
    let host = Project::with_probes().config(config).serve().await;
    let folder = host.project.path("").display().to_string();
    for runtime in RUNTIMES {
        let inputs = [
            json!({"do": "plain", "message": "m"}),
            json!({"do": "throw", "code": "C", "message": "m"}),
            json!({"do": "exit", "code": 1}),
            json!({"do": "panic"}),
            json!({"do": "bad_result", "kind": "nan"}),
        ];
        for input in inputs {
            let text = host.probe(runtime, input.clone()).await.text();
            for leak in [folder.trim_end_matches('/'), "hunter2", "probe_", "stack", "    at "] {
                let named = leak == "probe_" && text.contains(&format!("'{}'", runtime.probe()));
                assert!(named || !text.contains(leak), "{runtime} {input}: '{leak}' in {text}");
            }
        }
    }
}

#[tokio::test]
async fn n7_the_stack_of_an_error_is_in_the_log() {
    let host = Project::with_probes().serve().await;
    for runtime in [Runtime::Node, Runtime::Python] {
        let message = format!("look for me in {runtime}");
        host.probe(runtime, json!({"do": "plain", "message": message}))
            .await
            .error(500, "FUNCTION_ERROR");
        let line = host.log.wait_for("the error", |line| line.message().contains(&message)).await;
        let file = runtime.file(&runtime.probe());
        assert!(line.text("stack").contains(file.trim_start_matches("functions/")), "{line:?}");
    }
}
