//! Python handlers, synchronous and asynchronous.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use serde_json::json;

use crate::harness::log::Line;
use crate::harness::{Project, Runtime, new_id};

#[tokio::test]
async fn n2_def_async_def_and_callables_are_handlers() {
    let host = Project::new()
        .file("functions/plain.py", "def handler(ctx):\n    return ctx.input['name']\n")
        .file("functions/coroutine.py", "async def handler(ctx):\n    return ctx.input['name']\n")
        .file(
            "functions/callable.py",
            "class Greeter:\n    def __call__(self, ctx):\n        return ctx.input['name']\n\n\n\
             handler = Greeter()\n",
        )
        .serve()
        .await;
    for function in ["plain", "coroutine", "callable"] {
        assert_eq!(host.call(function, json!({"name": function})).await.value(), function);
    }
}

#[tokio::test]
async fn n2_the_input_is_a_dict() {
    let text =
        "def handler(ctx):\n    return [type(ctx.input) is dict, ctx.input.get('no', 'default')]\n";
    let host = Project::new().file("functions/typed.py", text).serve().await;
    assert_eq!(host.call("typed", json!({})).await.value(), json!([true, "default"]));
}

#[tokio::test]
async fn n2_sync_handlers_run_eight_at_a_time_in_one_worker() {
    let config = json!({"functions": {"pool": {"max_instances": 1}}});
    let project = Project::new().with_own(Runtime::Python, "blocking").config(config);
    let host = project.serve().await;
    host.call("blocking", json!({})).await.value();
    let began = Instant::now();
    join_all((0..16).map(|_| host.call("blocking", json!({"s": 0.4})))).await;
    let took = began.elapsed();
    let most = host.call("blocking", json!({})).await.value();
    assert_eq!(most, 8, "after {took:?}");
    // Two rounds of eight; one after the other would take 6.4 s.
    assert!(took >= Duration::from_millis(790) && took < Duration::from_secs(4), "{took:?}");
}

#[tokio::test]
async fn n2_prints_of_threads_belong_to_their_calls() {
    let host = Project::new().with_own(Runtime::Python, "threads").serve().await;
    let calls = (0..16).map(|n| {
        let host = &host;
        async move {
            let (id, name) = (new_id(), format!("call-{n}"));
            let call = host.post("threads").header("X-Request-Id", &id);
            call.json(&json!({"name": name})).send().await.value();
            (id, name)
        }
    });
    for (id, name) in join_all(calls).await {
        let last = format!("{name} 9");
        host.log.wait_for("the last line", |line| line.says(&id, &last)).await;
        let lines = host.log.of_call(&id);
        let expected: Vec<_> = (0..10).map(|n| format!("{name} {n}")).collect();
        assert_eq!(lines.iter().map(Line::message).collect::<Vec<_>>(), expected);
    }
}

#[tokio::test]
async fn n7_sys_exit_in_a_handler_is_an_error_and_not_the_end() {
    let host = Project::new().with_own(Runtime::Python, "leaving").serve().await;
    let pid = host.call("leaving", json!({})).await.value();
    let answer = host.call("leaving", json!({"leave": true})).await;
    let message = answer.error_message(500, "FUNCTION_ERROR");
    assert!(message.contains("sys.exit"), "{message}");
    assert_eq!(host.call("leaving", json!({})).await.value(), pid);
}
