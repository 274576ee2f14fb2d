//! What a handler returns is what the caller gets.

use serde_json::{Value, json};

use crate::harness::{Project, RUNTIMES, Runtime};

#[tokio::test]
async fn h1_the_body_is_the_return_value_alone() {
    let host = Project::with_probes().serve().await;
    for runtime in RUNTIMES {
        let input = json!({"do": "echo", "value": {"message": "Hello, Alyx!"}});
        let answer = host.probe(runtime, input).await;
        assert_eq!(answer.status, 200, "{runtime}");
        assert_eq!(answer.header("content-type"), Some("application/json"), "{runtime}");
        assert_eq!(answer.text(), r#"{"message":"Hello, Alyx!"}"#, "{runtime}");
    }
}

#[tokio::test]
async fn h1_the_first_call_needs_no_second() {
    for runtime in RUNTIMES {
        let host = Project::new().with(runtime, "probe").serve().await;
        assert_eq!(host.value(runtime, json!({"do": "echo", "value": 7})).await, 7, "{runtime}");
    }
}

#[tokio::test]
async fn h4_nothing_is_null() {
    let host = Project::with_probes().serve().await;
    for runtime in RUNTIMES {
        let answer = host.probe(runtime, json!({"do": "nothing"})).await;
        assert_eq!((answer.status, answer.text().as_str()), (200, "null"), "{runtime}");
    }
}

#[tokio::test]
async fn h4_every_json_value_comes_back_as_it_went() {
    let host = Project::with_probes().serve().await;
    let values = [
        json!(null),
        json!(true),
        json!(false),
        json!(0),
        json!(-1),
        json!(1.5),
        json!(1e-7),
        json!(9_007_199_254_740_991_i64),
        json!(""),
        json!("text"),
        json!([]),
        json!({}),
        json!([1, "two", null, [3, [4]], {"five": {}}]),
        json!({"": {"a b": [false]}}),
    ];
    for runtime in RUNTIMES {
        for value in &values {
            let input = json!({"do": "echo", "value": value});
            assert_eq!(host.value(runtime, input).await, *value, "{runtime}");
        }
    }
}

#[tokio::test]
async fn h4_every_character_comes_back_as_it_went() {
    let host = Project::with_probes().serve().await;
    let texts = [
        "héllo wörld",
        "日本語",
        "🌍👩‍👩‍👧‍👦",
        "e\u{301}",
        "\u{feff}bom",
        "\u{2028}\u{2029}",
        "\u{7f}\u{80}\u{9f}",
        "\"quotes\" \\back\\ /slash/",
        "tab\tnewline\ncr\r",
        "\u{0}\u{1}\u{1f}",
        "</script><b>&",
        "\u{10ffff}\u{fffd}",
    ];
    for runtime in RUNTIMES {
        for text in texts {
            let input = json!({"do": "echo", "value": {text: [text]}});
            assert_eq!(host.value(runtime, input).await, json!({text: [text]}), "{runtime}");
        }
    }
}

#[tokio::test]
async fn h4_results_of_5_mb_arrive_whole() {
    let host = Project::with_probes().serve().await;
    for runtime in RUNTIMES {
        let input = json!({"do": "repeat", "text": "zwölf Böcke ", "times": 400_000});
        let value = host.value(runtime, input).await;
        let text = value.as_str().expect("'repeat' returns a text");
        assert!(text == "zwölf Böcke ".repeat(400_000), "{runtime}: {} bytes", text.len());
    }
}

#[tokio::test]
async fn h4_inputs_of_5_mb_arrive_whole() {
    let host = Project::with_probes().serve().await;
    let value = json!({"do": "echo", "value": "zwölf Böcke ".repeat(370_000)});
    for runtime in RUNTIMES {
        let back = host.value(runtime, value.clone()).await;
        assert!(back == value["value"], "{runtime}: {} bytes", back.to_string().len());
    }
}

#[tokio::test]
async fn h4_a_result_over_the_limit_is_an_error_and_the_worker_serves_on() {
    let host = Project::with_probes().serve().await;
    for runtime in RUNTIMES {
        let worker = host.worker_of(runtime).await;
        let input = json!({"do": "repeat", "text": "x", "times": 9_000_000});
        host.probe(runtime, input).await.error(502, "RESPONSE_TOO_LARGE");
        assert_eq!(host.worker_of(runtime).await, worker, "{runtime}");
    }
}

#[tokio::test]
async fn h5_a_result_that_json_cannot_hold_is_named_and_the_worker_serves_on() {
    let host = Project::with_probes().serve().await;
    for runtime in RUNTIMES {
        let worker = host.worker_of(runtime).await;
        for kind in unserialisable(runtime) {
            let answer = host.probe(runtime, json!({"do": "bad_result", "kind": kind})).await;
            let message = answer.error_message(500, "RESULT_NOT_SERIALIZABLE");
            assert!(
                message.contains("items") && message.contains('1'),
                "{runtime} {kind}: {message}"
            );
            assert_eq!(host.worker_of(runtime).await, worker, "{runtime} {kind}");
        }
    }
}

fn unserialisable(runtime: Runtime) -> &'static [&'static str] {
    match runtime {
        Runtime::Node => &["bigint", "nan", "infinity", "cycle"],
        Runtime::Python => &["nan", "infinity", "cycle", "datetime", "set", "bytes"],
        Runtime::Go => &["nan", "infinity", "cycle", "chan"],
    }
}

#[tokio::test]
async fn h4_numbers_beyond_53_bits_stay_numbers() {
    let host = Project::with_probes().serve().await;
    for runtime in RUNTIMES {
        let body = r#"{"do": "echo", "value": 9007199254740993}"#;
        let value: Value = host.post(&runtime.probe()).body(body).send().await.value();
        // JavaScript and Go's `any` hold numbers as doubles; Python has integers.
        let expected: f64 = 9_007_199_254_740_993_i64 as f64;
        assert_eq!(value.as_f64(), Some(expected), "{runtime}: {value}");
    }
}
