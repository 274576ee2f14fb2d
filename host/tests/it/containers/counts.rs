//! W1, W2, W3, W5: how many containers there are and how large, counted by the engine.

use std::cell::Cell;
use std::time::Duration;

use futures_util::future::join_all;
use serde_json::{Value, json};

use super::{HELLO, cpus, small, until_running};
use crate::harness::engine::Engine;
use crate::harness::{Host, PATIENCE, eventually};

/// Most containers of a host, running or not, while something goes on.
async fn most_during<T>(engine: &Engine, host: &Host, what: impl Future<Output = T>) -> (T, usize) {
    let most = Cell::new(0);
    let look = async {
        loop {
            most.set(most.get().max(engine.running(host).len()));
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::select! { done = what => (done, most.get()), () = look => unreachable!() }
}

fn warm(min_warm: usize) -> Value {
    json!({"functions": {"pool": {"min_warm": min_warm, "max_instances": 5}}})
}

#[tokio::test]
#[ignore = "needs engines: scripts/test engines"]
async fn w1_exactly_min_warm_wait_and_a_killed_one_is_made_again() {
    for engine in Engine::all() {
        for min_warm in [1, 3] {
            let host = small(&engine, warm(min_warm)).await;
            let ((), most) = most_during(&engine, &host, async {
                host.ready().await;
                let first = until_running(&engine, &host, min_warm).await;
                engine.order(&first[0], "kill");
                eventually("another blank", PATIENCE, async || {
                    let now = engine.containers(&host);
                    let is_new = now.iter().all(|c| c["Id"] != first[0]["Id"]);
                    (is_new && engine.running(&host).len() == min_warm).then_some(())
                })
                .await;
            })
            .await;
            assert_eq!(most, min_warm, "{}", engine.name);
            assert_eq!(engine.containers(&host).len(), min_warm, "{}", engine.name);
        }
    }
}

#[tokio::test]
#[ignore = "needs engines: scripts/test engines"]
async fn w1_without_warm_workers_there_is_no_container_before_the_first_call() {
    for engine in Engine::all() {
        let host = small(&engine, warm(0)).await;
        host.ready().await;
        assert_eq!(engine.containers(&host), Vec::<Value>::new(), "{}", engine.name);
        host.call("hello", json!({})).await.value();
        until_running(&engine, &host, 1).await;
    }
}

#[tokio::test]
#[ignore = "needs engines: scripts/test engines"]
async fn w2_the_engine_never_sees_more_than_max_instances() {
    let slow = "export default async () => { await new Promise((r) => setTimeout(r, 200)); };";
    for engine in Engine::all() {
        let pool = json!({"functions": {"pool": {"max_instances": 3, "concurrency": 1}}});
        let functions = (0..6).map(|number| format!("slow{number}"));
        let functions: Vec<_> = functions.collect();
        let project = functions.iter().fold(engine.project().config(pool), |project, name| {
            project.file(&format!("functions/{name}.js"), slow)
        });
        let host = project.serve().await;
        let calls = functions.iter().cycle().take(30).map(|name| host.call(name, json!({})));
        let (answers, most) = most_during(&engine, &host, join_all(calls)).await;
        assert!(answers.iter().all(|answer| answer.status == 200), "{answers:?}");
        assert!((2..=3).contains(&most), "{}: {most} containers at once", engine.name);
    }
}

#[tokio::test]
#[ignore = "needs engines: scripts/test engines"]
async fn w3_an_idle_worker_leaves_a_blank_stays_and_a_busy_one_too() {
    let wait = "export default async (ctx) => {
      await new Promise((r) => setTimeout(r, ctx.input.ms));
      return 'waited';
    };";
    for engine in Engine::all() {
        let pool = json!({"functions": {"pool": {"min_warm": 1, "idle_timeout": "1s"}}});
        let project = engine.project().config(pool);
        let host = project.file("functions/wait.js", wait).serve().await;
        host.ready().await;
        let first = until_running(&engine, &host, 1).await.remove(0);
        // Four times as long as an idle one may stay.
        let call = host.call("wait", json!({"ms": 4000}));
        assert_eq!(call.await.value(), "waited", "{}", engine.name);
        eventually("nothing but another blank", PATIENCE, async || {
            let all = engine.containers(&host);
            (all.len() == 1 && all[0]["Id"] != first["Id"]).then_some(())
        })
        .await;
    }
}

#[tokio::test]
#[ignore = "needs engines: scripts/test engines"]
async fn w5_memory_and_processors_are_those_of_the_pool_or_the_manifest() {
    for engine in Engine::all() {
        let pool = json!({"functions": {"pool": {"memory_limit": "160mb", "cpu_limit": 0.7}}});
        let project = engine.project().file("functions/big.js", HELLO).config(pool);
        let project = project.file("functions/plain.js", HELLO);
        let host = project.file("functions/big.yaml", "memory: 320mb\ncpu: 2\n").serve().await;
        for function in ["big", "plain"] {
            host.call(function, json!({})).await.value();
        }
        let sizes = engine.running(&host).into_iter().map(|container| {
            let config = engine.inspect(&container["Id"])["HostConfig"].clone();
            assert_eq!(config["Memory"], config["MemorySwap"], "{config:#}");
            (config["Memory"].as_u64().expect("bytes") >> 20, (cpus(&config) * 10.0).round() as u64)
        });
        let sizes: Vec<_> = sizes.collect();
        assert_eq!(sizes.iter().filter(|size| **size == (320, 20)).count(), 1, "{sizes:?}");
        assert!(sizes.contains(&(160, 7)), "{sizes:?}");
        assert!(sizes.iter().all(|size| [(320, 20), (160, 7)].contains(size)), "{sizes:?}");
    }
}
