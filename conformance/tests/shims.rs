//! The project's own shims and the example for authors, all cases, over a unix socket and over
//! stdio.
//!
//! A missing runtime fails here: whoever asks for this test asks for all of them.

use std::collections::BTreeMap;
use std::process::Command;
use std::sync::Mutex;

use serde_json::Value;

/// One run at a time: each uses every core, and the waits of a case are real time.
static TURN: Mutex<BTreeMap<&str, Value>> = Mutex::new(BTreeMap::new());

/// The report of one shim; run once, however many tests look at it.
fn report(runtime: &'static str) -> Value {
    let mut done = TURN.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    if let Some(report) = done.get(runtime) {
        return report.clone();
    }
    let folder = tempfile::tempdir().expect("there is a temp folder");
    let file = folder.path().join("report.json");
    let cache = format!("{}/conformance-{runtime}", env!("CARGO_TARGET_TMPDIR"));
    let config = format!("{}/{runtime}.yaml", env!("CARGO_MANIFEST_DIR"));
    let output = Command::new(env!("CARGO_BIN_EXE_alyx-conformance"))
        .args(["run", "--config", &config, "--transport", "unix,stdio", "--cache", &cache])
        .args(["--report", &format!("json={}", file.display())])
        .output()
        .expect("the binary runs");
    let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{runtime}:\n{text}");
    let json = std::fs::read_to_string(&file).expect("a run that ended well has a report");
    let report: Value = serde_json::from_str(&json).expect("the report is JSON");
    done.insert(runtime, report.clone());
    report
}

#[track_caller]
fn check_passes(runtime: &'static str, least: usize, skipped: &[&str]) {
    let report = report(runtime);
    let cases = report["cases"].as_array().expect("a report has cases");
    let with = |status: &str| {
        let mut ids: Vec<&str> = cases
            .iter()
            .filter(|case| case["status"] == status && case["transport"] == "unix")
            .filter_map(|case| case["id"].as_str())
            .collect();
        ids.sort_unstable();
        ids
    };
    assert_eq!(report["shim"]["name"], runtime);
    assert!(with("pass").len() >= least, "only {} passed", with("pass").len());
    assert_eq!(with("skip"), skipped);
}

/// What only a runtime that compiles can show.
const BINARY_ONLY: &[&str] = &["wire/load/throws-in-binary"];
/// What only a runtime that loads source, several functions of it, can show.
const SOURCE_ONLY: &[&str] = &[
    "wire/load/env",
    "wire/load/failed-then-again",
    "wire/load/throws",
    "wire/load/two-functions",
    "wire/load/two-revisions",
    "wire/load/unload",
];

/// What needs several calls in one worker, or several things at once in one handler.
const AT_ONCE: &[&str] = &[
    "fn/db-order/any-order",
    "fn/db-order/drip",
    "fn/db-order/ended",
    "fn/db-order/fifty",
    "fn/db-order/invocations",
    "fn/db-order/late-answer",
    "fn/db-order/never-awaited",
    "fn/db-order/of-the-connection",
    "fn/db-order/one-for-one",
    "fn/db-order/serves-while-it-waits",
    "fn/db-order/under-way-at-the-end",
    "fn/db-sync/ended",
    "fn/db-sync/invocations",
    "fn/db-sync/threads",
    "fn/error/late",
    "fn/order/answers-by-id",
    "fn/order/burst",
    "fn/order/isolation",
    "fn/order/one-fails",
    "fn/order/parallel",
    "fn/order/print-in-parallel-work",
    "wire/cancel/only-one",
    "wire/log/after-the-answer",
    "wire/rpc/same-id-both-ways",
];

#[test]
fn shim_of_node_passes() {
    check_passes("node", 220, BINARY_ONLY);
}

#[test]
fn shim_of_python_passes() {
    check_passes("python", 220, BINARY_ONLY);
}

#[test]
fn shim_of_go_passes() {
    check_passes("go", 220, SOURCE_ONLY);
}

#[test]
fn shim_of_perl_passes() {
    let mut skipped = [AT_ONCE, BINARY_ONLY].concat();
    skipped.sort_unstable();
    check_passes("perl", 200, &skipped);
}

/// What the invocations of each `fn/` case answered, by case and transport.
fn outputs(runtime: &'static str) -> BTreeMap<String, Value> {
    let report = report(runtime);
    let of = |case: &Value| {
        let key = format!("{} [{}]", case["id"].as_str()?, case["transport"].as_str()?);
        Some((key, case.get("outputs")?.clone()))
    };
    report["cases"].as_array().into_iter().flatten().filter_map(of).collect()
}

#[test]
fn shim_of_each_runtime_gives_the_same_json() {
    let node = outputs("node");
    assert!(node.len() >= 200, "only {} cases were compared", node.len());
    for runtime in ["python", "go", "perl"] {
        let other = outputs(runtime);
        let is_skipped = |case: &str| runtime == "perl" && is_of(case, AT_ONCE);
        for (case, expected) in node.iter().filter(|(case, _)| !is_skipped(case)) {
            assert_eq!(other.get(case), Some(expected), "{case}: {runtime} differs from node");
        }
    }
}

/// Whether `case`, with its transport, is one of these.
fn is_of(case: &str, ids: &[&str]) -> bool {
    ids.iter().any(|id| case.split(' ').next() == Some(id))
}
