//! What may be sent to a function, and what comes of the rest.

use serde_json::json;

use crate::harness::client::Sent;
use crate::harness::{Host, Project, RUNTIMES};

/// Under every default: bodies of up to 6 MB.
const TOO_LARGE: usize = 7 * 1024 * 1024;

#[tokio::test]
async fn h2_nothing_and_null_are_an_empty_input() {
    let host = Project::with_probes().serve().await;
    for runtime in RUNTIMES {
        let post = || host.post(&runtime.probe());
        for body in ["", "{}", "null", " \n"] {
            let as_json = post().header("Content-Type", "application/json").body(body).send().await;
            assert_eq!(as_json.value(), json!({}), "{runtime} {body:?}");
            assert_eq!(post().body(body).send().await.value(), json!({}), "{runtime} {body:?}");
        }
        assert_eq!(post().send().await.value(), json!({}), "{runtime}: no body at all");
    }
}

#[tokio::test]
async fn h2_without_a_content_type_the_body_is_json_all_the_same() {
    let host = Project::with_probes().serve().await;
    for runtime in RUNTIMES {
        for kind in [None, Some("text/plain"), Some("application/x-www-form-urlencoded")] {
            let post = host.post(&runtime.probe()).body(r#"{"a": [1]}"#);
            let post = kind.into_iter().fold(post, |post, kind| post.header("Content-Type", kind));
            assert_eq!(post.send().await.value(), json!({"a": [1]}), "{runtime} {kind:?}");
        }
    }
}

#[tokio::test]
async fn h2_other_values_than_objects_are_no_input() {
    let host = Project::with_probes().serve().await;
    for runtime in RUNTIMES {
        for body in ["[]", "[{}]", "1", "-0.5", "\"{}\"", "true", "false"] {
            let answer = host.post(&runtime.probe()).body(body).send().await;
            answer.error(400, "INVALID_INPUT");
        }
    }
}

#[tokio::test]
async fn h2_bad_json_names_line_and_column() {
    let host = Project::with_probes().serve().await;
    let table = [
        ("{", 1, 1),
        ("{\"a\": 1,\n  \"b\": oops}", 2, 8),
        ("{\"a\": 1}\n\nx", 3, 1),
        ("name=Alyx", 1, 2),
        ("{\"a\": NaN}", 1, 7),
        ("{'a': 1}", 1, 2),
        ("{\"a\": 1,}", 1, 9),
        ("{\"a\": \"\u{1}\"}", 1, 8),
    ];
    for runtime in RUNTIMES {
        for (body, line, column) in table {
            let answer = host.post(&runtime.probe()).body(body).send().await;
            let error = answer.error(400, "INVALID_JSON");
            assert_eq!(error["line"], line, "{body:?}: {error}");
            // Parsers differ by one on whether a column is before or after the culprit.
            let found = error["column"].as_i64().expect("a column is a number");
            assert!((found - column).abs() <= 1, "{body:?}: {error}");
            let message = error["message"].as_str().expect("checked by error()");
            assert!(message.contains(&format!("line {line}")), "{message}");
            assert!(message.contains("column"), "{message}");
        }
    }
}

#[tokio::test]
async fn h2_text_that_is_not_utf8_is_bad_json() {
    let host = Project::with_probes().serve().await;
    let bodies: [&[u8]; 3] = [b"{\"a\": \"\xff\"}", b"\x00\x01\x02", b"\xef\xbb\xbf{\"a\"}"];
    for runtime in RUNTIMES {
        for body in bodies {
            host.post(&runtime.probe()).body(body).send().await.error(400, "INVALID_JSON");
        }
    }
}

#[tokio::test]
async fn h2_nesting_of_128_passes_and_129_does_not() {
    let host = Project::with_probes().serve().await;
    let nested = |depth: usize| {
        let inner = depth - 1;
        format!("{{\"a\":{}{}}}", "[".repeat(inner), "]".repeat(inner))
    };
    for runtime in RUNTIMES {
        let fits = host.post(&runtime.probe()).body(nested(128)).send().await;
        assert_eq!((fits.status, fits.text().replace(' ', "")), (200, nested(128)), "{runtime}");
        for depth in [129, 3000, 100_000] {
            let answer = host.post(&runtime.probe()).body(nested(depth)).send().await;
            answer.error(400, "INVALID_JSON");
        }
    }
}

#[tokio::test]
async fn h2_the_handler_never_runs_for_a_refused_body() {
    let host = Project::with_probes().serve().await;
    let refused = ["[]", "{", "7", &format!("{{\"a\":{}{}}}", "[".repeat(200), "]".repeat(200))];
    for runtime in RUNTIMES {
        let before = calls(&host, &runtime.probe()).await;
        for body in refused {
            assert_eq!(host.post(&runtime.probe()).body(body).send().await.status, 400);
        }
        assert_eq!(calls(&host, &runtime.probe()).await, before + 1, "{runtime}");
    }
}

async fn calls(host: &Host, function: &str) -> i64 {
    let count = host.call(function, json!({"do": "calls"})).await.value();
    count.as_i64().expect("'calls' returns a number")
}

#[tokio::test]
async fn h2_a_body_that_pretends_to_be_a_frame_is_only_bad_json() {
    let host = Project::with_probes().serve().await;
    let attacks = [
        r#"1},"method":"shutdown","x":{"a":1"#,
        r#"{}},"method":"shutdown","x":{"a":{}"#,
        r#"{"a":1}{"jsonrpc":"2.0","id":9,"method":"shutdown","params":{}}"#,
    ];
    for runtime in RUNTIMES {
        let worker = host.worker_of(runtime).await;
        for attack in attacks {
            host.post(&runtime.probe()).body(attack).send().await.error(400, "INVALID_JSON");
        }
        assert_eq!(host.worker_of(runtime).await, worker, "{runtime}");
    }
}

#[tokio::test]
async fn h2_words_of_the_protocol_are_ordinary_names_in_an_input() {
    let host = Project::with_probes().serve().await;
    let input = json!({
        "jsonrpc": "2.0", "id": 1, "method": "shutdown", "params": {}, "result": null,
        "error": {}, "input": {"output": 1}, "__proto__": {"x": 1}, "constructor": "c", "": "",
    });
    for runtime in RUNTIMES {
        assert_eq!(host.value(runtime, input.clone()).await, input, "{runtime}");
    }
}

#[tokio::test]
async fn h4_a_body_over_the_limit_is_refused_before_a_worker_is_taken() {
    let host = Project::with_probes().serve().await;
    let body = format!("{{\"do\":\"calls\",\"text\":\"{}\"}}", "x".repeat(TOO_LARGE));
    for runtime in RUNTIMES {
        let before = calls(&host, &runtime.probe()).await;
        let announced = host.post(&runtime.probe()).body(body.as_str()).send().await;
        let error = announced.error(413, "PAYLOAD_TOO_LARGE");
        assert_eq!(error["limit"], 6 * 1024 * 1024, "{error}");
        let chunks = body.as_bytes().chunks(64 * 1024);
        let untold = host.post(&runtime.probe()).chunks(chunks).send().await;
        untold.error(413, "PAYLOAD_TOO_LARGE");
        assert_eq!(calls(&host, &runtime.probe()).await, before + 1, "{runtime}");
    }
}

#[tokio::test]
async fn h4_the_limit_is_the_configured_one() {
    let config = json!({"server": {"max_body_size": "1kb"}});
    let host = Project::with_probes().config(config).serve().await;
    let of_length = |length: usize| format!("{{\"a\":\"{}\"}}", "x".repeat(length - 8));
    for runtime in RUNTIMES {
        let fits = host.post(&runtime.probe()).body(of_length(1024)).send().await;
        assert_eq!(fits.status, 200, "{runtime}: {}", fits.text());
        let one_over = host.post(&runtime.probe()).body(of_length(1025)).send().await;
        one_over.error(413, "PAYLOAD_TOO_LARGE");
    }
}

#[tokio::test]
async fn h4_chunked_bodies_are_accepted_however_they_are_cut() {
    let host = Project::with_probes().serve().await;
    let input = json!({"text": "héllo 世界 🌍".repeat(40), "list": [1, 2, 3]});
    let body = input.to_string();
    for runtime in RUNTIMES {
        for size in [1, 3, 1000] {
            let chunks = body.as_bytes().chunks(size);
            let answer = host.post(&runtime.probe()).chunks(chunks).send().await;
            assert_eq!(answer.value(), input, "{runtime} in chunks of {size}");
        }
    }
}

#[tokio::test]
async fn h4_a_body_that_comes_in_slowly_is_waited_for() {
    let host = Project::with_probes().serve().await;
    for runtime in RUNTIMES {
        let path = format!("/api/functions/{}", runtime.probe());
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 8\r\n\r\n"
        );
        let mut sent = Sent::bytes(host.address, &path, head.into_bytes()).await;
        for byte in b"{\"a\": 1}" {
            sent.write(&[*byte]).await;
            // The host has certainly seen the pieces apart when it served others in between.
            assert_eq!(host.get("/health").await.status, 200);
        }
        assert_eq!(sent.answer().await.value(), json!({"a": 1}), "{runtime}");
    }
}

#[tokio::test]
async fn h4_a_body_that_breaks_off_calls_nothing_and_harms_nobody() {
    let host = Project::with_probes().serve().await;
    for runtime in RUNTIMES {
        let before = calls(&host, &runtime.probe()).await;
        let path = format!("/api/functions/{}", runtime.probe());
        let beginnings = [
            format!("POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{{\"a\""),
            format!(
                "POST {path} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{{}}"
            ),
            format!("POST {path} HTTP/1.1\r\nHost: x\r\nContent-"),
        ];
        for beginning in beginnings {
            drop(Sent::bytes(host.address, &path, beginning.into_bytes()).await);
        }
        assert_eq!(calls(&host, &runtime.probe()).await, before + 1, "{runtime}");
    }
}

#[tokio::test]
async fn h4_what_is_no_http_is_answered_400_or_hung_up_on() {
    let host = Project::with_probes().serve().await;
    for garbage in [&b"\x00\x00\x00\x02{}"[..], b"GARBAGE\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n"] {
        let sent = Sent::bytes(host.address, "garbage", garbage.to_vec()).await;
        let answer = sent.bytes_back().await;
        assert!(
            answer.is_empty() || answer.starts_with(b"HTTP/1.1 400"),
            "{garbage:?}: {answer:?}"
        );
    }
    assert_eq!(host.get("/health").await.status, 200);
}
