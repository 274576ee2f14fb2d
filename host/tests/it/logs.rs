//! What functions log arrives: whole, in order, with the right call.

use futures_util::future::join_all;
use serde_json::json;

use crate::harness::log::Line;
use crate::harness::{Project, RUNTIMES, in_every_runtime, new_id};

fn messages(lines: &[Line]) -> Vec<&str> {
    lines.iter().map(Line::message).collect()
}

#[tokio::test]
async fn n6_levels_order_and_fields_are_kept_with_the_request_id() {
    let host = Project::with_probes().serve().await;
    for runtime in RUNTIMES {
        let id = new_id();
        let call = host.post(&runtime.probe()).header("X-Request-Id", &id);
        call.json(&json!({"do": "levels"})).send().await.value();
        host.settle_log(runtime).await;
        let lines = host.log.of_call(&id);
        assert_eq!(messages(&lines), ["at debug", "at info", "at warn", "at error"], "{runtime}");
        for (line, level) in lines.iter().zip(["debug", "info", "warn", "error"]) {
            assert_eq!(line.level(), level.to_uppercase(), "{runtime}");
            assert_eq!(line.fields(), json!({"level": level, "nested": {"n": [1]}}), "{runtime}");
            assert_eq!(line.text("function"), runtime.probe(), "{runtime}");
            assert!(line.text("worker").starts_with(runtime.name()), "{runtime}: {line:?}");
        }
    }
}

#[tokio::test]
async fn n6_the_configured_level_is_the_lowest_that_is_written() {
    let host = Project::with_probes().config(json!({"logging": {"level": "info"}})).serve().await;
    for runtime in RUNTIMES {
        let id = new_id();
        let call = host.post(&runtime.probe()).header("X-Request-Id", &id);
        call.json(&json!({"do": "levels"})).send().await.value();
        host.log.wait_for("the line at error", |line| line.says(&id, "at error")).await;
        assert_eq!(
            messages(&host.log.of_call(&id)),
            ["at info", "at warn", "at error"],
            "{runtime}"
        );
    }
}

#[tokio::test]
async fn n6_lines_are_there_while_the_call_still_runs() {
    let host = Project::with_probes().serve().await;
    for runtime in RUNTIMES {
        // `begin` returns when it has seen the first line; `hold` has a minute to go.
        let (sent, _) = host.begin(&runtime.probe(), json!({"do": "hold", "ms": 60_000})).await;
        drop(sent);
        let (sent, _) = host.begin(&runtime.probe(), json!({"do": "spin"})).await;
        drop(sent);
    }
}

#[tokio::test]
async fn n6_lines_before_a_throw_and_a_timeout_are_kept() {
    let host = Project::with_probes().config(json!({"functions": {"timeout": "3s"}})).serve().await;
    in_every_runtime(async |runtime| {
        // One after the other: a worker that is killed for one call takes the other with it.
        for input in [json!({"do": "hold", "ms": 60_000}), json!({"do": "spin"})] {
            let (sent, id) = host.begin(&runtime.probe(), input).await;
            sent.answer().await.error(504, "FUNCTION_TIMEOUT");
            let begun = host.log.all(|line| line.says(&id, "begun"));
            assert_eq!(begun.len(), 1, "{runtime}");
        }
    })
    .await;
}

#[tokio::test]
async fn n6_sixteen_calls_at_once_keep_their_lines_apart() {
    let host = Project::with_probes().serve().await;
    for runtime in RUNTIMES {
        let calls = (0..16).map(|n| {
            let host = &host;
            async move {
                let id = new_id();
                let lines: Vec<_> = (0..20).map(|line| format!("call {n} line {line}")).collect();
                let call = host.post(&runtime.probe()).header("X-Request-Id", &id);
                let input = json!({"do": "print", "lines": lines, "ms": 2});
                call.json(&input).send().await.value();
                (id, lines)
            }
        });
        let printed = join_all(calls).await;
        host.settle_log(runtime).await;
        for (id, mut expected) in printed {
            let (stdout, stderr): (Vec<_>, Vec<_>) =
                host.log.of_call(&id).into_iter().partition(|line| line.text("source") == "stdout");
            expected.push("no end of line".into());
            assert_eq!(messages(&stdout), expected, "{runtime}");
            assert_eq!(messages(&stderr), ["to stderr"], "{runtime}");
            assert_eq!(stderr[0].text("source"), "stderr", "{runtime}");
            assert_eq!((stdout[0].level(), stderr[0].level()), ("INFO", "WARN"), "{runtime}");
        }
    }
}

#[tokio::test]
async fn n6_sixteen_calls_at_once_log_to_their_own_call() {
    let host = Project::with_probes().serve().await;
    for runtime in RUNTIMES {
        let calls = (0..16).map(|n| {
            let host = &host;
            async move {
                let id = new_id();
                let call = host.post(&runtime.probe()).header("X-Request-Id", &id);
                let input = json!({"do": "many_logs", "message": format!("call {n}"), "times": 30});
                call.json(&input).send().await.value();
                (id, (0..30).map(|line| format!("call {n} {line}")).collect::<Vec<_>>())
            }
        });
        let logged = join_all(calls).await;
        host.settle_log(runtime).await;
        for (id, expected) in logged {
            assert_eq!(messages(&host.log.of_call(&id)), expected, "{runtime}");
        }
    }
}

#[tokio::test]
async fn n6_a_flood_of_lines_is_counted_and_the_next_call_works() {
    let host = Project::with_probes().serve().await;
    for runtime in RUNTIMES {
        for flood in ["flood", "many_logs"] {
            let id = new_id();
            let call = host.post(&runtime.probe()).header("X-Request-Id", &id);
            let input = json!({"do": flood, "line": "line", "message": "line", "times": 100_000});
            call.json(&input).send().await.value();
            assert_eq!(host.value(runtime, json!({"a": 1})).await, json!({"a": 1}), "{runtime}");
            let dropped = host.log.wait_for("the count of dropped lines", |line| {
                line.request_id() == id && line.message().contains("dropped")
            });
            let dropped = dropped.await.message().to_owned();
            let count = dropped.split(' ').find_map(|word| word.parse::<usize>().ok());
            let kept =
                host.log.all(|line| line.request_id() == id && line.message().starts_with("line "));
            assert_eq!(
                count.map(|count| count + kept.len()),
                Some(100_000),
                "{runtime}: {dropped}"
            );
            let expected: Vec<_> = (0..kept.len()).map(|n| format!("line {n}")).collect();
            assert_eq!(messages(&kept), expected, "{runtime} {flood}");
            let bytes: usize = kept.iter().map(|line| line.message().len()).sum();
            assert!(
                (16 * 1024..=256 * 1024).contains(&bytes),
                "{runtime} {flood}: {bytes} bytes kept"
            );
        }
    }
}

#[tokio::test]
async fn n6_a_message_of_a_megabyte_is_cut_with_a_marker() {
    let host = Project::with_probes().serve().await;
    for runtime in RUNTIMES {
        for act in ["log", "print_long"] {
            let id = new_id();
            let long = "long ".repeat(200_000);
            let input = json!({"do": act, "message": long, "text": "long ", "times": 200_000});
            let call = host.post(&runtime.probe()).header("X-Request-Id", &id);
            call.json(&input).send().await.value();
            host.settle_log(runtime).await;
            let lines = host.log.of_call(&id);
            assert_eq!(lines.len(), 1, "{runtime} {act}: {} lines", lines.len());
            let message = lines[0].message();
            assert!(message.starts_with("long long"), "{runtime} {act}");
            assert!(message.len() <= 16 * 1024 + 64, "{runtime} {act}: {} bytes", message.len());
            let marker =
                message.rsplit("…[cut, ").next().and_then(|end| end.strip_suffix(" bytes]"));
            let cut: usize = marker.and_then(|n| n.parse().ok()).expect("a marker with a number");
            let kept = message.split(" …[cut").next().map_or(0, str::len);
            assert!(
                (999_000..=1_000_001).contains(&(cut + kept)),
                "{runtime} {act}: {cut} + {kept}"
            );
        }
    }
}

#[tokio::test]
async fn n6_fields_that_json_cannot_hold_are_marked_and_the_rest_is_kept() {
    let host = Project::with_probes().serve().await;
    for runtime in RUNTIMES {
        let id = new_id();
        let call = host.post(&runtime.probe()).header("X-Request-Id", &id);
        call.json(&json!({"do": "cycle_log"})).send().await.value();
        host.settle_log(runtime).await;
        let lines = host.log.of_call(&id);
        assert_eq!(messages(&lines), ["cyclic"], "{runtime}");
        let fields = lines[0].fields();
        assert_eq!(fields["plain"], "kept", "{runtime}: {fields}");
        for marked in ["self", "bad"] {
            assert!(!fields[marked].is_null(), "{runtime}: no trace of '{marked}' in {fields}");
        }
    }
}

#[tokio::test]
async fn n6_a_huge_field_is_cut_and_the_line_stays() {
    let host = Project::with_probes().serve().await;
    for runtime in RUNTIMES {
        let id = new_id();
        let call = host.post(&runtime.probe()).header("X-Request-Id", &id);
        let fields = json!({"huge": "x".repeat(1_000_000)});
        let input = json!({"do": "log", "message": "with a huge field", "fields": fields});
        call.json(&input).send().await.value();
        host.settle_log(runtime).await;
        let lines = host.log.of_call(&id);
        assert_eq!(messages(&lines), ["with a huge field"], "{runtime}");
        let fields = lines[0].fields().to_string();
        assert!(
            fields.len() <= 20 * 1024 && fields.contains("cut"),
            "{runtime}: {} bytes",
            fields.len()
        );
    }
}

#[tokio::test]
async fn n6_no_line_can_forge_another() {
    let host = Project::with_probes().serve().await;
    let evil =
        "first\n{\"level\":\"ERROR\",\"message\":\"forged\"}\r\n\u{1b}[31mred\u{1b}[0m \u{0}end";
    for runtime in RUNTIMES {
        let id = new_id();
        let call = host.post(&runtime.probe()).header("X-Request-Id", &id);
        call.json(&json!({"do": "log", "message": evil})).send().await.value();
        host.settle_log(runtime).await;
        let lines = host.log.of_call(&id);
        assert_eq!(lines.len(), 1, "{runtime}: {lines:?}");
        assert!(lines[0].message().contains("forged"), "{runtime}: {lines:?}");
        assert!(host.log.all(|line| line.message() == "forged").is_empty(), "{runtime}");
    }
}

#[tokio::test]
async fn n6_bytes_on_the_real_stdout_never_break_the_protocol() {
    let host = Project::with_probes().serve().await;
    let noises =
        ["plain\n", "\u{0}\u{0}\u{0}\u{5}{\"a\":", "Content-Length: 5\r\n\r\n{}", "no newline"];
    for runtime in RUNTIMES {
        let worker = host.worker_of(runtime).await;
        for noise in noises {
            assert_eq!(host.value(runtime, json!({"do": "noise", "text": noise})).await, "heard");
        }
        assert_eq!(host.worker_of(runtime).await, worker, "{runtime}");
        let heard = |line: &Line| {
            line.message() == "plain" && line.text("worker").starts_with(runtime.name())
        };
        host.log.wait_for("what was written to file descriptor 1", heard).await;
    }
}

#[tokio::test]
async fn n6_output_while_loading_belongs_to_the_worker() {
    for runtime in RUNTIMES {
        let host = Project::new().with(runtime, "chatty").serve().await;
        let function = runtime.function("chatty");
        assert_eq!(host.call(&function, json!({})).await.value(), 1, "{runtime}");
        let line = host.log.wait_for("the line", |line| line.message() == "while loading").await;
        assert!(line.text("worker").starts_with(runtime.name()), "{runtime}: {line:?}");
        assert_eq!(line.request_id(), "", "{runtime}");
    }
}

#[tokio::test]
async fn n6_what_is_logged_after_the_answer_arrives() {
    let host = Project::new().with_all("after").serve().await;
    for runtime in RUNTIMES {
        let answer = host.call(&runtime.function("after"), json!({})).await;
        assert_eq!(answer.value(), "answered", "{runtime}");
        for message in ["logged after the answer", "printed after the answer"] {
            let is_it = |line: &Line| {
                line.message().contains(message) && line.text("worker").starts_with(runtime.name())
            };
            host.log.wait_for(&format!("'{message}' of {runtime}"), is_it).await;
        }
    }
}
