//! Python handlers, synchronous and asynchronous.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use serde_json::json;

use crate::harness::Project;

#[tokio::test]
async fn n2_def_and_async_def_are_handlers() {
    let host = Project::new()
        .file("functions/plain.py", "def handler(ctx):\n    return {'hello': ctx.input['name']}\n")
        .file(
            "functions/coroutine.py",
            "import asyncio\n\nasync def handler(ctx):\n    await asyncio.sleep(0)\n    return {'hello': ctx.input['name']}\n",
        )
        .file(
            "functions/assigned.py",
            "class Greeter:\n    def __call__(self, ctx):\n        return {'hello': ctx.input['name']}\n\nhandler = Greeter()\n",
        )
        .serve()
        .await;
    for function in ["plain", "coroutine", "assigned"] {
        let value = host.call(function, json!({"name": function})).await.value();
        assert_eq!(value, json!({"hello": function}), "{function}");
    }
}

#[tokio::test]
async fn n2_the_input_is_a_dict() {
    let text = "def handler(ctx):\n    return [type(ctx.input) is dict, ctx.input.get('none', 'default')]\n";
    let host = Project::new().file("functions/typed.py", text).serve().await;
    assert_eq!(host.call("typed", json!({})).await.value(), json!([true, "default"]));
}

#[tokio::test]
async fn n2_sync_handlers_run_eight_at_a_time_in_one_worker() {
    let text = "import threading, time\n\nrunning, most = 0, 0\nlock = threading.Lock()\n\n\
                def handler(ctx):\n    global running, most\n    with lock:\n        running += 1\n        \
                most = max(most, running)\n    time.sleep(ctx.input.get('s', 0))\n    with lock:\n        running -= 1\n    \
                return most\n";
    let host = Project::new()
        .file("functions/blocking.py", text)
        .config(json!({"functions": {"pool": {"max_instances": 1}}}))
        .serve()
        .await;
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
    let text = "import time\n\ndef handler(ctx):\n    for n in range(10):\n        print(ctx.input['name'], n)\n        time.sleep(0.002)\n";
    let host = Project::new().file("functions/threads.py", text).serve().await;
    let calls = (0..16).map(|n| {
        let host = &host;
        async move {
            let (id, name) = (crate::harness::new_id(), format!("call-{n}"));
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
        assert_eq!(lines.iter().map(|line| line.message()).collect::<Vec<_>>(), expected);
    }
}

#[tokio::test]
async fn n7_sys_exit_in_a_handler_is_an_error_and_not_the_end() {
    let text = "import os, sys\n\ndef handler(ctx):\n    if ctx.input.get('leave'):\n        sys.exit(3)\n    return os.getpid()\n";
    let host = Project::new().file("functions/leaving.py", text).serve().await;
    let pid = host.call("leaving", json!({})).await.value();
    let message =
        host.call("leaving", json!({"leave": true})).await.error_message(500, "FUNCTION_ERROR");
    assert!(message.contains("sys.exit"), "{message}");
    assert_eq!(host.call("leaving", json!({})).await.value(), pid);
}
