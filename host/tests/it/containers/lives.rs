//! How many containers there are, and what happens without an image.

use serde_json::{Value, json};

use super::{HELLO, small, until_running};
use crate::harness::engine::Engine;
use crate::harness::{PATIENCE, eventually};

/// An image of a registry that nobody runs.
const NO_IMAGE: &str = "localhost:1/alyx-it/none:1";

#[tokio::test]
#[ignore = "needs engines: scripts/test engines"]
async fn w7_a_missing_image_disables_its_runtime_alone_and_says_its_name() {
    for engine in Engine::all() {
        let python = json!({"functions": {"runtimes": {"python": {"image": NO_IMAGE}}}});
        let handler = "def handler(ctx):\n    return 'py'\n";
        let project = engine.project().file("functions/hello.js", HELLO);
        let project = project.file("functions/snake.py", handler).config(python);
        let host = project.serve().await;
        assert_eq!(host.call("hello", json!({})).await.value(), "hello");
        let answer = host.call("snake", json!({})).await;
        assert_eq!(answer.status, 503, "{}", answer.text());
        let text = answer.text();
        assert!(text.contains("RUNTIME_UNAVAILABLE") && text.contains(NO_IMAGE), "{text}");
        // The image comes, and nobody restarts anything.
        let path = format!(
            "images/ghcr.io/watzon/alyx-runtime-python:latest/tag?repo={}&tag=1",
            NO_IMAGE.trim_end_matches(":1")
        );
        engine.text("POST", &path);
        eventually("the runtime works", PATIENCE, async || {
            (host.call("snake", json!({})).await.status == 200).then_some(())
        })
        .await;
        engine.text("DELETE", &format!("images/{NO_IMAGE}"));
    }
}

#[tokio::test]
#[ignore = "needs engines: scripts/test engines"]
async fn w2_the_engine_never_sees_more_than_max_instances() {
    let slow = "export default async () => { await new Promise((r) => setTimeout(r, 200)); };";
    for engine in Engine::all() {
        let pool = json!({"functions": {"pool": {"max_instances": 3, "concurrency": 1}}});
        let mut project = engine.project().config(pool);
        for number in 0..6 {
            project = project.file(&format!("functions/slow{number}.js"), slow);
        }
        let host = project.serve().await;
        let most = std::cell::Cell::new(0);
        let calls = async {
            let calls = (0..30).map(|n| {
                host.call(["slow0", "slow1", "slow2", "slow3", "slow4", "slow5"][n % 6], json!({}))
            });
            futures_util::future::join_all(calls).await
        };
        let look = async {
            loop {
                most.set(most.get().max(engine.running(&host).len()));
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            }
        };
        let answers = tokio::select! { answers = calls => answers, () = look => unreachable!() };
        assert!(answers.iter().all(|answer| answer.status == 200));
        assert!((1..=3).contains(&most.get()), "{} containers at once", most.get());
    }
}

#[tokio::test]
#[ignore = "needs engines: scripts/test engines"]
async fn w5_a_manifests_memory_and_cpu_are_those_of_the_container() {
    for engine in Engine::all() {
        let project = engine.project().file("functions/big.js", HELLO);
        let host = project.file("functions/big.yaml", "memory: 320mb\ncpu: 2\n").serve().await;
        host.call("big", json!({})).await.value();
        let all: Vec<Value> =
            engine.running(&host).iter().map(|c| engine.inspect(&c["Id"])).collect();
        let memory = |c: &&Value| c["HostConfig"]["Memory"] == json!(320 << 20);
        assert_eq!(all.iter().filter(memory).count(), 1, "{all:#?}");
    }
}

#[tokio::test]
#[ignore = "needs engines: scripts/test engines"]
async fn w3_an_idle_worker_leaves_and_a_blank_stays() {
    for engine in Engine::all() {
        let host = small(&engine, json!({"functions": {"pool": {"idle_timeout": "1s"}}})).await;
        host.call("hello", json!({})).await.value();
        until_running(&engine, &host, 2).await;
        until_running(&engine, &host, 1).await;
    }
}
