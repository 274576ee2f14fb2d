//! S1, W5, W6, W7 in containers: what the engine itself says of a host's workers.
//!
//! Ignored until somebody asks for them with `ALYX_TEST_ENGINES`; then a missing engine fails.

use serde_json::{Value, json};

use crate::harness::engine::{Engine, name_of};
use crate::harness::{Host, PATIENCE, eventually};

mod built;
mod counts;
mod hostile;
mod hosts;
mod images;
mod inspect;
mod interference;
mod packages;
mod perl;
mod reach;
mod restarts;

const HELLO: &str = "export default async (ctx) => {
  console.log('printed by', ctx.input.name);
  ctx.log.info('logged', { secret: ctx.env.PLAIN ?? null });
  return 'hello';
};";

/// One blank worker and one function.
async fn small(engine: &Engine, more: Value) -> Host {
    let pool = json!({"functions": {"pool": {"min_warm": 1, "max_instances": 3}}});
    let project = engine.project().file("functions/hello.js", HELLO).config(pool).config(more);
    project.serve().await
}

async fn until_running(engine: &Engine, host: &Host, count: usize) -> Vec<Value> {
    eventually(&format!("{count} containers of {}", engine.name), PATIENCE, async || {
        let running = engine.running(host);
        (running.len() == count).then_some(running)
    })
    .await
}

/// Processors of a container, from its `HostConfig`: engines say it in two ways.
fn cpus(config: &Value) -> f64 {
    let number = |name: &str| config[name].as_f64().filter(|number| *number > 0.0);
    let nano = number("NanoCpus").map(|nano| nano / 1e9);
    let quota = || Some(number("CpuQuota")? / number("CpuPeriod")?);
    nano.or_else(quota).unwrap_or_default()
}

#[tokio::test]
#[ignore = "needs engines: scripts/test engines"]
async fn n5_inspect_shows_no_secret_and_the_token_is_spent() {
    for engine in Engine::all() {
        let env = json!({"functions": {"env": {"PLAIN": "a-secret-of-the-function"}}});
        let host = small(&engine, env).await;
        host.call("hello", json!({"name": "x"})).await.value();
        for container in engine.running(&host) {
            let seen = engine.inspect(&container["Id"]).to_string();
            assert!(!seen.contains("a-secret-of-the-function"), "{seen}");
        }
    }
}

#[tokio::test]
#[ignore = "needs engines: scripts/test engines"]
async fn s1_the_engines_log_shows_what_functions_print_and_log() {
    for engine in Engine::all() {
        let host = small(&engine, json!({})).await;
        // Then the first worker has the first call.
        host.ready().await;
        host.call("hello", json!({"name": "the guide"})).await.value();
        let name = "alyx-node-pool-1";
        let mine = engine.running(&host);
        let mine = mine.iter().find(|c| c["Names"][0].as_str().is_some_and(|n| n.contains(name)));
        // Where another host has that name, the project's is part of it.
        let name = name_of(mine.expect("the first worker has that name"));
        eventually("both lines in the engine's log", PATIENCE, async || {
            let text = engine.command(&["logs", name]);
            (text.contains("printed by the guide") && text.contains("logged")).then_some(())
        })
        .await;
        // The host has each line once, from the shim.
        let lines = host.log.lines();
        let printed = lines.iter().filter(|l| l.message() == "printed by the guide").count();
        assert_eq!(printed, 1);
    }
}
