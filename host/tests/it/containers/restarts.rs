//! W7: an engine that is stopped, or killed, and started again while calls go on.

use std::cell::{Cell, RefCell};
use std::time::Duration;

use futures_util::future::join_all;
use rustix::process::Signal;
use serde_json::{Value, json};

use super::{HELLO, until_running};
use crate::harness::engine::Engine;
use crate::harness::own_engine::OwnEngine;
use crate::harness::{Answer, Host, PATIENCE, eventually};

/// Who calls all the while.
const CALLERS: usize = 4;
/// What a caller waits at most for an answer while there is no engine.
const SOON: Duration = Duration::from_secs(15);
const IMAGE: &str = "ghcr.io/watzon/alyx-runtime-node:latest";

/// Calls of some callers, and what came of them.
#[derive(Default)]
struct Load {
    answers: RefCell<Vec<Answer>>,
    done: Cell<bool>,
}

impl Load {
    async fn run(&self, host: &Host) {
        let callers = (0..CALLERS).map(|_| async {
            while !self.done.get() {
                let answer = host.call("hello", json!({})).await;
                self.answers.borrow_mut().push(answer);
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        });
        join_all(callers).await;
    }

    /// Waits for so many more answers of one sort; those before are forgotten if they are `since`.
    async fn until(&self, what: &str, count: usize, mut is_one: impl FnMut(&Answer) -> bool) {
        let before = self.answers.borrow().len();
        eventually(what, PATIENCE, async || {
            let answers = self.answers.borrow();
            (answers[before..].iter().filter(|answer| is_one(answer)).count() >= count)
                .then_some(())
        })
        .await;
    }

    /// Waits until so many answers in a row are fine.
    async fn until_steady(&self, count: usize) {
        eventually("calls work again", PATIENCE, async || {
            let answers = self.answers.borrow();
            let fine = answers.iter().rev().take_while(|answer| answer.status == 200).count();
            (fine >= count).then_some(())
        })
        .await;
    }
}

#[tokio::test]
#[ignore = "needs engines: scripts/test engines"]
async fn w7_an_engine_is_stopped_and_started_under_load() {
    for model in Engine::all() {
        let own = OwnEngine::like(&model, &[IMAGE]).await;
        check(&own, async |host| {
            own.stop().await;
            end_all(host);
        })
        .await;
    }
}

#[tokio::test]
#[ignore = "needs engines: scripts/test engines"]
async fn w7_an_engine_is_killed_and_started_under_load() {
    for model in Engine::all() {
        let own = OwnEngine::like(&model, &[IMAGE]).await;
        check(&own, async |host| {
            own.kill().await;
            end_all(host);
        })
        .await;
    }
}

/// Containers outlive an engine that is killed, as one is that takes too long to stop; new ones are
/// needed.
fn end_all(host: &Host) {
    host.programs().iter().for_each(|program| program.signal(Signal::KILL));
}

/// Calls go on while `end` ends the engine, and it is started again.
async fn check(own: &OwnEngine, end: impl AsyncFn(&Host)) {
    let name = &own.engine.name;
    let pool = json!({"min_warm": 1, "max_instances": 4, "idle_timeout": "2s"});
    let project = own.engine.project().file("functions/hello.js", HELLO);
    let mut host = project.config(json!({"functions": {"pool": pool}})).serve().await;
    host.ready().await;
    let load = Load::default();
    let story = async {
        load.until("calls before", 20, |answer| answer.status == 200).await;
        end(&host).await;
        load.until("calls without an engine", 10, |answer| answer.status != 200).await;
        own.start().await;
        load.until_steady(100).await;
        load.done.set(true);
    };
    tokio::join!(load.run(&host), story);
    for answer in load.answers.borrow().iter().filter(|answer| answer.status != 200) {
        check_clear(&host, name, answer);
    }
    // No more than there should be, and nothing that has ended.
    until_running(&own.engine, &host, 1).await;
    eventually("nothing but the blank", PATIENCE, async || {
        (own.engine.containers(&host).len() == 1).then_some(())
    })
    .await;
    host.call("hello", json!({})).await.value();
    host.stop().await;
    assert_eq!(own.engine.containers(&host), Vec::<Value>::new(), "{name}");
}

/// Callers are told what is the matter, and soon.
fn check_clear(host: &Host, engine: &str, answer: &Answer) {
    let text = answer.text();
    let is_told = match answer.status {
        // It ran in a container that the engine has ended.
        502 => text.contains("WORKER_CRASHED"),
        // A worker that did not say hello in time is told of in the log.
        503 => {
            let says_why = text.contains("container engine") || text.contains("log says why");
            text.contains("RUNTIME_UNAVAILABLE") && says_why
        }
        _ => false,
    };
    let said = || host.log.all(|line| line.0["level"] == "ERROR");
    assert!(is_told, "{engine}: {} {text}: {:#?}", answer.status, said());
    assert!(answer.took < SOON, "{engine}: after {:?}: {text}", answer.took);
}
