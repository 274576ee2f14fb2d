//! Many calls at once, and calls that outlive their handler.

use std::time::Duration;

use serde_json::{Value, json};

use super::{Probe, create, exec, get, list, probes, project};
use crate::harness::{Host, PATIENCE, eventually};

#[tokio::test]
async fn d9_fifty_parallel_calls_resolve_each_with_its_own_answer() {
    let host = project().serve().await;
    for probe in probes(&host) {
        probe.clear().await;
        let calls: Vec<_> = (0..50).map(|n| create("numbers", json!({"n": n}))).collect();
        let docs = probe.done(json!({"do": "parallel", "calls": calls})).await;
        let docs = docs.as_array().unwrap();
        for (n, doc) in docs.iter().enumerate() {
            assert_eq!(doc["n"], n, "{}: {doc}", probe.name);
        }
        // Reads, writes and errors mixed.
        let mixed = docs.iter().enumerate().map(|(n, doc)| match n % 5 {
            0 => get("numbers", &json!("nobody's")),
            1 => list("numbers", json!({"filter": {"n": n}})),
            2 => create("numbers", json!({"nn": n})),
            3 => super::query("SELECT ? AS n", json!([n])),
            _ => get("numbers", &doc["id"]),
        });
        let mixed: Vec<_> = mixed.collect();
        let answers = probe.done(json!({"do": "parallel", "calls": mixed})).await;
        for (n, answer) in answers.as_array().unwrap().iter().enumerate() {
            let own = match n % 5 {
                0 => answer.is_null(),
                1 => answer["docs"][0]["n"] == n && answer["total"] == 1,
                2 => answer["error"]["field"] == "nn",
                3 => answer[0]["n"] == n,
                _ => *answer == docs[n],
            };
            assert!(own, "{}: {n}: {answer}", probe.name);
        }
    }
}

#[tokio::test]
async fn d9_thousands_of_calls_at_once_wait_for_each_other() {
    let host = project().serve().await;
    for probe in probes(&host) {
        let calls = vec![get("numbers", &json!("nobody's")); 2_000];
        let answers = probe.done(json!({"do": "parallel", "calls": calls})).await;
        let found = answers.as_array().unwrap().iter().filter(|answer| !answer.is_null()).count();
        assert_eq!((answers.as_array().unwrap().len(), found), (2_000, 0), "{}", probe.name);
    }
}

#[tokio::test]
async fn d9_calls_of_many_invocations_do_not_meet() {
    let host = project().serve().await;
    for probe in probes(&host) {
        probe.clear().await;
        let calls = (0..40).map(|n| async move {
            let (call, n) = (create("numbers", json!({"n": n})), n);
            let doc = probe.done(call).await;
            assert_eq!(doc["n"], n, "{}", probe.name);
            let found = probe.done(list("numbers", json!({"filter": {"n": n}}))).await;
            assert_eq!(found, json!({"docs": [doc], "total": 1}), "{}", probe.name);
        });
        futures_util::future::join_all(calls).await;
    }
}

#[tokio::test]
async fn d9_a_call_after_the_handler_returned_is_refused_and_harms_nothing() {
    let host = project().serve().await;
    for probe in probes(&host) {
        probe.clear().await;
        let pid = probe.make(json!({"do": "pid"})).await;
        for call in [create("numbers", json!({"n": 1})), list("numbers", json!({}))] {
            assert_eq!(probe.make(json!({"do": "after", "call": call})).await, Value::Null);
        }
        let mut late: Vec<Value> = Vec::new();
        eventually("both late calls are refused", PATIENCE, async || {
            let told = probe.make(json!({"do": "late"})).await;
            late.extend(told.as_array().unwrap().iter().cloned());
            (late.len() == 2).then_some(())
        })
        .await;
        for refusal in late {
            assert_eq!(refusal["error"]["code"], "INVOCATION_ENDED", "{}: {refusal}", probe.name);
        }
        check_sound(&host, &probe, &pid).await;
        let page = probe.done(list("numbers", json!({}))).await;
        assert_eq!(page["total"], 0, "{}: nothing was written", probe.name);
    }
}

#[tokio::test]
async fn d9_calls_under_way_when_the_handler_returns_harm_nothing() {
    let host = project().serve().await;
    for probe in probes(&host) {
        probe.clear().await;
        let pid = probe.make(json!({"do": "pid"})).await;
        let calls: Vec<_> = (0..50).map(|n| create("numbers", json!({"n": n}))).collect();
        for _ in 0..5 {
            let left = probe.make(json!({"do": "abandon", "calls": calls})).await;
            assert_eq!(left, Value::Null, "{}", probe.name);
        }
        check_sound(&host, &probe, &pid).await;
        // Each of them was done whole or not at all.
        let sql = "SELECT count(*) AS n FROM numbers WHERE n IS NULL OR created_at IS NULL";
        assert_eq!(probe.rows(sql, json!([])).await, json!([{"n": 0}]), "{}", probe.name);
    }
}

/// The same worker serves on, calls of the database included, and nothing died.
async fn check_sound(host: &Host, probe: &Probe<'_>, pid: &Value) {
    for _ in 0..5 {
        assert_eq!(probe.make(json!({"do": "pid"})).await, *pid, "{}", probe.name);
        probe.done(list("posts", json!({}))).await;
    }
    for reason in ["crashed", "unresponsive", "silent"] {
        let label = format!("reason=\"{reason}\"");
        let deaths = host.metric("alyx_worker_deaths_total", &[&label]).await;
        assert!(deaths < 1.0, "{}: {reason}: {deaths}", probe.name);
    }
}

const TIMEOUT: Duration = Duration::from_millis(1200);
const ENDLESS: &str = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) \
    SELECT count(*) FROM n";

#[tokio::test]
async fn d7_a_runaway_statement_ends_at_the_deadline_and_others_go_on() {
    let timeout = json!({"functions": {"timeout": format!("{}ms", TIMEOUT.as_millis())}});
    let host = project().config(timeout).serve().await;
    host.ready().await;
    let probes = probes(&host);
    for probe in &probes {
        // On a busy machine even the load of a function may take longer than that.
        eventually("it is loaded", PATIENCE, async || {
            (host.call(probe.name, json!({"do": "pid"})).await.status == 200).then_some(())
        })
        .await;
    }
    let read = super::query(ENDLESS, json!([]));
    let others = async {
        for probe in &probes[1..] {
            let doc = probe.created("numbers", json!({"n": 1})).await;
            assert_eq!(probe.done(get("numbers", &doc["id"])).await, doc);
        }
    };
    tokio::join!(check_runaway(&probes[0], read.clone()), others);
    // More than there are threads that read: writes go on all the same.
    let writes = async {
        for probe in &probes {
            probe.created("numbers", json!({"n": 2})).await;
        }
    };
    let all = probes.iter().map(|probe| check_runaway(probe, read.clone()));
    tokio::join!(futures_util::future::join_all(all), writes);
    // One that writes keeps other writes waiting, and still ends.
    let insert = exec(&format!("INSERT INTO numbers (n) {ENDLESS}"), json!([]));
    check_runaway(&probes[0], insert).await;
    let page = probes[1].done(list("numbers", json!({}))).await;
    assert_eq!(page["total"], 7, "what was interrupted is not there");
}

/// The call is answered in time, and its worker serves on: it had nothing to be killed for.
async fn check_runaway(probe: &Probe<'_>, call: Value) {
    let pid = probe.make(json!({"do": "pid"})).await;
    let answer = probe.host.call(probe.name, super::uncaught(call)).await;
    assert_eq!(answer.status, 504, "{}: {}", probe.name, answer.text());
    let in_time = TIMEOUT - Duration::from_millis(100)..TIMEOUT + Duration::from_secs(1);
    assert!(in_time.contains(&answer.took), "{}: {:?}", probe.name, answer.took);
    // The caller does not wait for the handler's end; a new worker would take the next call.
    let runtime = format!("runtime=\"{}\"", probe.runtime);
    eventually("its handler has ended", PATIENCE, async || {
        let busy =
            probe.host.metric("alyx_function_pool_size", &[&runtime, "state=\"busy\""]).await;
        (busy < 1.0).then_some(())
    })
    .await;
    assert_eq!(probe.make(json!({"do": "pid"})).await, pid, "{}", probe.name);
}

#[tokio::test]
async fn d9_a_call_too_large_to_be_sent_is_an_error_and_a_large_one_is_not() {
    let host = project().serve().await;
    for probe in probes(&host) {
        let pid = probe.make(json!({"do": "pid"})).await;
        let slug = |times: u32| json!({"title": "t", "slug": {"@repeat": ["äb", times]}});
        let error = probe.refused("PAYLOAD_TOO_LARGE", create("posts", slug(3_000_000))).await;
        let message = error["message"].as_str().unwrap();
        assert!(message.contains("8388608"), "{}: {message}", probe.name);
        let exec = exec("UPDATE posts SET slug = ?", json!([{"@repeat": ["x", 9_000_000]}]));
        probe.refused("PAYLOAD_TOO_LARGE", exec).await;
        let length = "SELECT length(slug) AS n FROM posts WHERE slug = ?";
        let large = json!({"@repeat": ["äb", 500_000]});
        probe.clear().await;
        let calls = json!([
            {"do": "create", "collection": "posts", "data": slug(500_000)},
            {"do": "query", "sql": length, "params": [large]},
        ]);
        let results = probe.done(json!({"do": "sequence", "calls": calls})).await;
        assert_eq!(results[1], json!([{"n": 1_000_000}]), "{}", probe.name);
        assert_eq!(probe.make(json!({"do": "pid"})).await, pid, "{}", probe.name);
        probe.clear().await;
    }
}

#[tokio::test]
async fn d9_a_worker_that_dies_in_the_middle_leaves_what_was_acknowledged() {
    let host = project().serve().await;
    for probe in probes(&host) {
        probe.clear().await;
        let call = json!({"do": "die", "call": create("numbers", json!({"n": 1}))});
        host.call(probe.name, call).await.error(502, "WORKER_CRASHED");
        let page = probe.done(list("numbers", json!({}))).await;
        assert_eq!(page["total"], 1, "{}", probe.name);
    }
}
