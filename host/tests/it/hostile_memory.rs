//! Memory: a function that takes more than its worker may have ends with it, is told so, and is
//! served again.

use serde_json::{Value, json};

use crate::harness::{Project, RUNTIMES};
use crate::hostile::worlds::{Plan, Who, World};

/// Takes so many MiB: bytes, or where a language tells the two apart, small objects.
fn take(mib: u64) -> Value {
    json!({"do": "allocate", "mib": mib})
}

fn limits() -> Value {
    json!({"functions": {"pool": {"memory_limit": "128mb"}}})
}

/// With what counts memory here, and without: cgroups, the kernel's own limit, the host's eye.
fn worlds() -> [Plan; 4] {
    let restricted = |who| World::plan(who, "auto").without_namespaces().config(limits());
    let isolated = |who| World::plan(who, "auto").config(limits());
    [isolated(Who::Mine), isolated(Who::Ordinary), restricted(Who::Mine), restricted(Who::Ordinary)]
}

pub(crate) async fn check_limit(world: &World) {
    for runtime in world.runtimes() {
        let function = runtime.function("hostile");
        for input in [take(2048), json!({"do": "allocate", "mib": 2048, "heap": true})] {
            let answer = world.host.call(&function, input.clone()).await;
            let error = answer.error(502, "OUT_OF_MEMORY");
            assert_eq!(error["limit"], 128 << 20, "{world:?} {runtime} {input}");
            let message = error["message"].as_str().expect("it has one");
            assert!(message.contains("128 MiB") && message.contains("memory_limit"), "{message}");
            let taken = world.host.call(&function, take(8)).await.value();
            assert_eq!(taken["did"], true, "{world:?} {runtime}: {taken}");
        }
    }
}

#[tokio::test]
async fn h7_more_memory_than_the_limit_is_502_out_of_memory_and_the_next_call_works() {
    for plan in worlds() {
        check_limit(&plan.serve().await).await;
    }
}

#[tokio::test]
async fn h7_memory_up_to_the_limit_is_there() {
    for plan in worlds() {
        let world = plan.serve().await;
        for runtime in world.runtimes() {
            let taken = world.host.call(&runtime.function("hostile"), take(48)).await.value();
            assert_eq!(taken["value"], 48, "{world:?} {runtime}: {taken}");
        }
    }
}

#[tokio::test]
async fn h7_the_memory_of_a_workers_children_counts_as_its_own() {
    let host = Project::new().with_all("child").with_all("hostile").config(limits()).serve().await;
    for runtime in RUNTIMES {
        // Tail keeps what it is to print until it has seen the end.
        let all = 400 << 20;
        let command = format!("head -c {all} /dev/zero | tail -c {all} | wc -c");
        let answer = host.call(&runtime.function("child"), json!({"command": command})).await;
        // Either the child alone is ended, or all of the worker.
        match answer.status {
            200 => assert_ne!(answer.json(), all.to_string(), "{runtime}"),
            _ => drop(answer.error(502, "OUT_OF_MEMORY")),
        }
        let small = host.call(&runtime.function("child"), json!({"command": "echo small"})).await;
        assert_eq!(small.value(), "small", "{runtime}");
        let taken = host.call(&runtime.function("hostile"), take(8)).await.value();
        assert_eq!(taken["did"], true, "{runtime}: {taken}");
    }
}
