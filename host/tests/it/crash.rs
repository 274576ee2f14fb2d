//! A worker that dies takes its own calls with it and nothing else.

use serde_json::{Value, json};

use crate::harness::log::Line;
use crate::harness::{
    Answer, Host, PATIENCE, Project, RUNTIMES, Runtime, eventually, in_every_runtime, new_id,
};

/// How to die, how the caller hears of it, and what stands at the end of stderr.
fn deaths(runtime: Runtime) -> Vec<(Value, &'static str, &'static str)> {
    let (abort, end) = match runtime {
        // Node.js prints more lines of its own stack than a tail has.
        Runtime::Node => ("signal 6", "node]"),
        Runtime::Python => ("signal 6", "last words"),
        Runtime::Go => ("exit code 2", "panic: last words of a panic"),
    };
    vec![
        (json!({"do": "exit", "code": 3}), "exit code 3", "last words"),
        (json!({"do": "exit", "code": 0}), "exit code 0", "last words"),
        (json!({"do": "signal", "signal": "SIGKILL"}), "signal 9", "last words"),
        (json!({"do": "panic"}), abort, end),
    ]
}

#[tokio::test]
async fn h7_a_crash_is_answered_502_with_exit_code_or_signal() {
    let host = Project::with_probes().serve().await;
    for runtime in RUNTIMES {
        for (input, how, _) in deaths(runtime) {
            let worker = host.worker_of(runtime).await;
            let answer = host.probe(runtime, input).await;
            let message = answer.error_message(502, "WORKER_CRASHED");
            assert!(message.contains(how), "{runtime}: {message}");
            assert_ne!(host.worker_of(runtime).await, worker, "{runtime} {how}");
        }
    }
}

#[tokio::test]
async fn h7_a_segmentation_fault_is_a_crash_like_any_other() {
    let host = Project::with_probes().serve().await;
    for runtime in RUNTIMES {
        let answer = host.probe(runtime, json!({"do": "signal", "signal": "SIGSEGV"})).await;
        let message = answer.error_message(502, "WORKER_CRASHED");
        // Go's runtime turns a SIGSEGV from outside into a panic.
        let how = if runtime == Runtime::Go { "exit code 2" } else { "signal 11" };
        assert!(message.contains(how), "{runtime}: {message}");
        host.value(runtime, json!({})).await;
    }
}

#[tokio::test]
async fn h7_the_end_of_stderr_is_in_the_log() {
    let host = Project::with_probes().serve().await;
    for runtime in RUNTIMES {
        for (input, how, end) in deaths(runtime) {
            host.probe(runtime, input).await.error(502, "WORKER_CRASHED");
            let is_this = |line: &Line| is_crash(line, runtime) && line.message().contains(how);
            let crash = host.log.wait_for(&format!("the crash with {how}"), is_this).await;
            let stderr = crash.text("stderr");
            assert!(stderr.contains(end), "{runtime} {how}: stderr is '{stderr}'");
        }
    }
}

fn is_crash(line: &Line, runtime: Runtime) -> bool {
    line.text("worker").starts_with(runtime.name()) && line.message().contains("crashed")
}

#[tokio::test]
async fn h7_a_go_panic_leaves_its_stack_in_the_log_and_not_in_the_answer() {
    let host = Project::with_probes().serve().await;
    let answer = host.probe(Runtime::Go, json!({"do": "panic"})).await;
    answer.error(502, "WORKER_CRASHED");
    assert!(!answer.text().contains("panic"), "{}", answer.text());
    let crash = host.log.wait_for("the crash", |line| is_crash(line, Runtime::Go)).await;
    for part in ["panic: last words of a panic", "goroutine"] {
        assert!(crash.text("stderr").contains(part), "no '{part}' in {crash:?}");
    }
}

#[tokio::test]
async fn h7_the_call_is_not_tried_again() {
    let host = Project::with_probes().serve().await;
    for runtime in RUNTIMES {
        let id = new_id();
        let call = host.post(&runtime.probe()).header("X-Request-Id", &id);
        let answer = call.json(&json!({"do": "exit", "code": 3})).send().await;
        answer.error(502, "WORKER_CRASHED");
        host.settle_log(runtime).await;
        let attempts = host.log.all(|line| line.says(&id, "attempt"));
        assert_eq!(attempts.len(), 1, "{runtime}");
    }
}

#[tokio::test]
async fn h7_every_call_in_the_worker_is_told_and_calls_in_others_go_on() {
    in_every_runtime(async |runtime| {
        let host = project_of_two(runtime).serve().await;
        let other = runtime.function("other");
        let (unaffected, _) = host.begin(&other, json!({"do": "hold", "ms": 1_500})).await;
        let (neighbour, _) =
            host.begin(&runtime.probe(), json!({"do": "hold", "ms": 60_000})).await;
        host.probe(runtime, json!({"do": "exit", "code": 3})).await.error(502, "WORKER_CRASHED");
        let message = neighbour.answer().await.error_message(502, "WORKER_CRASHED");
        assert!(message.contains("exit code 3"), "{runtime}: {message}");
        assert_eq!(unaffected.answer().await.value(), "held", "{runtime}");
    })
    .await;
}

/// The probe under two names: two functions, two workers.
fn project_of_two(runtime: Runtime) -> Project {
    let text = runtime.fixture("probe");
    Project::new().with(runtime, "probe").file(&runtime.file(&runtime.function("other")), &text)
}

#[tokio::test]
async fn h7_a_crash_while_idle_is_replaced_without_anybody_noticing() {
    let host = Project::with_probes().serve().await;
    for runtime in RUNTIMES {
        let worker = host.worker_of(runtime).await;
        worker.signal(rustix::process::Signal::KILL);
        eventually("it is gone", PATIENCE, async || (!worker.is_running()).then_some(())).await;
        // A call that went out before the host heard of it is told so; the next one works.
        eventually(&format!("{runtime} serves again"), PATIENCE, async || {
            let answer = host.probe(runtime, json!({})).await;
            assert!(matches!(answer.status, 200 | 502), "{runtime}: {}", answer.text());
            (answer.status == 200).then_some(())
        })
        .await;
    }
}

#[tokio::test]
async fn h7_what_was_logged_and_printed_before_the_crash_is_kept() {
    let host = Project::with_probes().serve().await;
    for runtime in RUNTIMES {
        for (input, how, _) in deaths(runtime) {
            let id = new_id();
            let call = host.post(&runtime.probe()).header("X-Request-Id", &id);
            call.json(&input).send().await.error(502, "WORKER_CRASHED");
            for message in ["attempt", "printed before the end"] {
                let what = format!("'{message}' of {runtime} that ended with {how}");
                host.log.wait_for(&what, |line| line.says(&id, message)).await;
            }
        }
    }
}

#[tokio::test]
async fn h8_the_fifth_crash_in_a_minute_opens_the_circuit_and_time_closes_it() {
    let host = Project::with_probes().serve().await;
    for runtime in RUNTIMES {
        for _ in 0..5 {
            let answer = host.probe(runtime, json!({"do": "exit", "code": 3})).await;
            answer.error(502, "WORKER_CRASHED");
        }
        let refused = refused_after_crashes(&host, runtime).await;
        let retry_after = refused.header("retry-after").and_then(|after| after.parse::<u64>().ok());
        assert!(
            retry_after.is_some_and(|s| s > 0),
            "{runtime}: {:?}",
            refused.header("retry-after")
        );
        for other in RUNTIMES.into_iter().filter(|other| *other != runtime) {
            let answer = host.probe(other, json!({"do": "echo", "value": 1})).await;
            assert!(matches!(answer.status, 200 | 503), "{other}: {}", answer.text());
        }
        eventually(&format!("{runtime} is tried again"), PATIENCE, async || {
            (host.probe(runtime, json!({})).await.status == 200).then_some(())
        })
        .await;
    }
}

/// The host may hear of the last death a moment after the caller.
async fn refused_after_crashes(host: &Host, runtime: Runtime) -> Answer {
    eventually(&format!("{runtime} is refused"), PATIENCE, async || {
        let answer = host.probe(runtime, json!({})).await;
        (answer.status == 503).then(|| {
            let message = answer.error_message(503, "FUNCTION_CRASH_LOOP");
            assert!(message.contains("crash"), "{message}");
            answer
        })
    })
    .await
}

#[tokio::test]
async fn h8_a_crash_loop_of_one_function_leaves_others_of_its_runtime_alone() {
    for runtime in RUNTIMES {
        let host = project_of_two(runtime).serve().await;
        for _ in 0..5 {
            host.probe(runtime, json!({"do": "exit", "code": 3}))
                .await
                .error(502, "WORKER_CRASHED");
        }
        refused_after_crashes(&host, runtime).await;
        assert_eq!(
            host.call(&runtime.function("other"), json!({"a": 1})).await.value(),
            json!({"a": 1})
        );
    }
}
