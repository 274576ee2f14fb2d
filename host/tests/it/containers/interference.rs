//! W7: what others do to a host's containers, and to the folder of their sockets, while functions
//! run.

use std::fs;
use std::time::Duration;

use serde_json::{Value, json};

use super::{HELLO, small, until_running};
use crate::harness::client::Sent;
use crate::harness::engine::Engine;
use crate::harness::{Host, PATIENCE, eventually};

/// Says that it has begun, and waits for as long as it is told.
const WAIT: &str = "export default async (ctx) => {
  ctx.log.info('begun');
  await new Promise((r) => setTimeout(r, ctx.input.ms));
  return 'waited';
};";
/// What a caller waits at most for a word of an accident, on a machine with much else to do.
const SOON: Duration = Duration::from_secs(15);

/// A host with one container, and a call that is under way in it.
async fn busy(engine: &Engine, timeout: &str) -> (Host, Sent, Value) {
    let pool = json!({"min_warm": 1, "max_instances": 1});
    let config = json!({"functions": {"pool": pool, "timeout": timeout}});
    let host = engine.project().file("functions/wait.js", WAIT).config(config).serve().await;
    host.ready().await;
    let container = until_running(engine, &host, 1).await.remove(0);
    let (call, _) = host.begin("wait", json!({"ms": 50_000})).await;
    (host, call, container)
}

/// The next call is served by another container, and nothing is left of the first.
async fn check_recovered(engine: &Engine, host: &Host, first: &Value) {
    // A call may be shorter than the start of a container.
    eventually("calls work again", PATIENCE, async || {
        (host.call("wait", json!({"ms": 1})).await.status == 200).then_some(())
    })
    .await;
    eventually("one container, another one", PATIENCE, async || {
        let all = engine.containers(host);
        (all.len() == 1 && all[0]["Id"] != first["Id"]).then_some(())
    })
    .await;
}

#[tokio::test]
#[ignore = "needs engines: scripts/test engines"]
async fn w7_a_container_that_others_end_during_a_call_is_told_and_replaced() {
    for engine in Engine::all() {
        for order in ["kill", "remove"] {
            let (host, call, container) = busy(&engine, "60s").await;
            engine.order(&container, order);
            let answer = call.answer().await;
            let message = answer.error_message(502, "WORKER_CRASHED");
            println!("{} {order}: {message} after {:?}", engine.name, answer.took);
            assert!(answer.took < SOON, "{} {order}: {:?}", engine.name, answer.took);
            check_recovered(&engine, &host, &container).await;
        }
    }
}

#[tokio::test]
#[ignore = "needs engines: scripts/test engines"]
async fn w7_a_container_that_others_pause_during_a_call_is_replaced_after_the_deadline() {
    for engine in Engine::all() {
        let (host, call, container) = busy(&engine, "5s").await;
        engine.order(&container, "pause");
        let answer = call.answer().await;
        answer.error(504, "FUNCTION_TIMEOUT");
        assert!(answer.took < SOON, "{}: {:?}", engine.name, answer.took);
        check_recovered(&engine, &host, &container).await;
    }
}

#[tokio::test]
#[ignore = "needs engines: scripts/test engines"]
async fn w7_a_removed_blank_is_made_again_and_its_name_with_it() {
    for engine in Engine::all() {
        let host = small(&engine, json!({})).await;
        let first = until_running(&engine, &host, 1).await.remove(0);
        engine.order(&first, "remove");
        eventually("another blank", PATIENCE, async || {
            let running = engine.running(&host);
            (running.len() == 1 && running[0]["Id"] != first["Id"]).then_some(())
        })
        .await;
        host.call("hello", json!({})).await.value();
    }
}

#[tokio::test]
#[ignore = "needs engines: scripts/test engines"]
async fn w7_folders_of_sockets_that_somebody_removes_are_made_again() {
    for engine in Engine::all() {
        let pool = json!({"functions": {"pool": {"min_warm": 1, "max_instances": 4}}});
        let project = engine.project().config(pool);
        let project = project.file("functions/hello.js", HELLO).file("functions/other.js", HELLO);
        let host = project.serve().await;
        host.call("hello", json!({})).await.value();
        until_running(&engine, &host, 2).await;
        // The folder of all of them, and the host's whole folder.
        for inner in ["c", ""] {
            let folder = run_folder(&host).join(inner);
            fs::remove_dir_all(&folder).expect("it is there");
            // Workers that have a connection do not notice.
            host.call("hello", json!({})).await.value();
            // New ones are made.
            let first = engine.running(&host);
            first.iter().for_each(|container| engine.order(container, "remove"));
            eventually("others", PATIENCE, async || {
                let running = engine.running(&host);
                let is_new = running.iter().all(|c| first.iter().all(|f| f["Id"] != c["Id"]));
                (!running.is_empty() && is_new).then_some(())
            })
            .await;
            host.call("hello", json!({})).await.value();
            host.call("other", json!({})).await.value();
        }
    }
}

/// `alyx-<user>/<project>-<process>` among temporary files.
fn run_folder(host: &Host) -> std::path::PathBuf {
    let user = rustix::process::getuid().as_raw();
    let all = fs::read_dir(host.project.path(format!("tmp/alyx-{user}"))).expect("the host runs");
    let of_host =
        |path: &std::path::PathBuf| path.to_string_lossy().ends_with(&format!("-{}", host.pid()));
    all.flatten().map(|entry| entry.path()).find(of_host).expect("the host's own")
}
