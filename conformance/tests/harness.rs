//! The harness judged from outside: the binary, run against a shim whose faults are known.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::{Mutex, PoisonError};

const BINARY: &str = env!("CARGO_BIN_EXE_alyx-conformance");

/// Mutants that run at the same time.
const AT_ONCE: usize = 12;
/// What each mutant does wrong, and the case that is about it.
const MUTANTS: &[(&str, &str)] = &[
    ("says-nothing", "smoke/ping"),
    ("wrong-token", "smoke/ping"),
    ("answers-twice", "smoke/ping"),
    ("id-as-string", "smoke/ping"),
    ("little-endian", "smoke/ping"),
    ("logs-after-the-answer", "smoke/log"),
    ("waits-after-shutdown", "smoke/shutdown"),
    ("one-frame-per-read", "wire/framing/one-write"),
    ("no-limit", "wire/framing/oversize-then-ok"),
    ("exits-on-bad-json", "wire/rpc/parse-error"),
    ("answers-notifications", "wire/rpc/unknown-notification"),
    ("answers-answers", "wire/rpc/no-ping-pong"),
    ("drops-undefined", "fn/result/undefined"),
    ("ignores-the-end", "wire/life/eof"),
    ("tries-unknown-versions", "wire/hello/unlisted-version"),
    ("lowers-too-late", "wire/load/lowers-concurrency-first"),
    ("asks-unoffered", "fn/db/no-capability"),
    ("forgets-inv", "fn/db/get"),
    ("forgets-the-key", "fn/db/exec"),
    ("ignores-the-frame-limit", "fn/db/too-large"),
    ("judges-filters", "fn/db/passes-on"),
    ("rows-as-lists", "fn/db/query"),
    ("throws-on-missing", "fn/db/get-missing"),
    ("drops-details", "fn/db-error/caught"),
    ("forgets-the-word", "fn/db-error/uncaught"),
    ("nameless-errors", "fn/db-error/without-data"),
    ("retryable-among-details", "fn/db-error/retryable"),
    ("takes-half-answers", "fn/db-error/truncated"),
    ("bytes-as-text", "fn/value/bytes-read"),
    ("bytes-without-padding", "fn/value/bytes-written"),
    ("nan-as-null", "fn/value/unsendable"),
    ("reads-integers-as-floats", "fn/value/int-read"),
    ("wraps-operators", "fn/value/filter-of-one-operator"),
    ("writes-no-literals", "fn/value/literal-written"),
    ("exits-on-stray-answers", "fn/db-order/answered-twice"),
    ("ignores-credit", "fn/db-order/fifty"),
    ("ignores-credit", "fn/db-order/of-the-connection"),
    ("matches-in-order", "fn/db-order/any-order"),
    ("one-at-a-time", "fn/db-order/serves-while-it-waits"),
    ("sends-after-cancel", "fn/db-order/cancel-waiting"),
    ("swallows-late-calls", "fn/db-order/ended"),
    ("shares-ids", "wire/rpc/same-id-both-ways"),
    ("refuses-while-draining", "wire/life/database-while-draining"),
];

/// The fixtures are Node's, and which of them are the same: the reference shim runs none.
fn config() -> String {
    format!("{}/node.yaml", env!("CARGO_MANIFEST_DIR"))
}

/// Runs `alyx-conformance run` with these arguments against the reference shim.
fn run(arguments: &[&str], mutant: Option<&str>) -> Output {
    let config = config();
    let mut command = Command::new(BINARY);
    command.args(["run", "--config", &config]).args(arguments).args(["--", BINARY, "refshim"]);
    if let Some(mutant) = mutant {
        command.args(["--mutate", mutant]);
    }
    command.output().expect("the binary runs")
}

#[track_caller]
fn check(output: &Output, code: i32, says: &[&str]) {
    let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{text}");
    for part in says {
        assert!(text.contains(part), "'{part}' is not in:\n{text}");
    }
}

#[test]
fn a_sound_shim_passes_the_smoke_cases_over_every_transport() {
    check(&run(&["--suite", "smoke", "--transport", "all"], None), 0, &["15 passed, 0 failed"]);
}

#[test]
fn a_sound_shim_passes_every_case_of_the_database() {
    let cases = ["--case", "fn/db*", "--case", "fn/value/*"];
    let output = run(&cases, None);
    check(&output, 0, &["73 passed, 0 failed"]);
}

#[test]
fn a_sound_shim_passes_what_the_mutants_fail() {
    let cases: BTreeSet<&str> = MUTANTS.iter().map(|(_, case)| *case).collect();
    let arguments: Vec<&str> = cases.iter().flat_map(|case| ["--case", case]).collect();
    check(&run(&arguments, None), 0, &[&format!("{} passed, 0 failed", cases.len())]);
}

#[test]
fn each_mutant_fails_the_case_that_is_about_it() {
    // Side by side, for most of the time goes into waiting for what a mutant never does; not all
    // at once, for some show their fault only while they get a core now and then.
    let left = Mutex::new(MUTANTS.iter());
    let next = || left.lock().unwrap_or_else(PoisonError::into_inner).next();
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some((mutant, case)) = next() {
                    let headline = format!("FAIL {case} [unix]");
                    check(&run(&["--case", case], Some(mutant)), 1, &[&headline]);
                }
            });
        }
    });
}

#[test]
fn a_failure_tells_the_requirement_the_difference_and_the_frames() {
    let output = run(&["--case", "smoke/log"], Some("logs-after-the-answer"));
    let says = [
        "REQ-LOG-2: A shim MUST send all entries of an invocation before its answer.",
        "step 3: expectLogs of 1",
        "$.entries[0]: expected {\"level\":\"info\"",
        "host> {\"id\":1,\"method\":\"invoke\"",
        "shim> {\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"output\":1}}",
    ];
    check(&output, 1, &says);
}

#[test]
fn a_second_answer_is_illegal_whatever_the_case_is_about() {
    let output = run(&["--case", "smoke/ping"], Some("answers-twice"));
    check(&output, 1, &["illegal on the wire: request 1 was answered 2 times"]);
}

#[test]
fn a_command_that_does_not_start_is_no_failing_shim() {
    let output = run(&["--suite", "smoke"], Some("exits-at-once"));
    check(&output, 3, &["the shim did not start", "exit status: 9"]);
    let mut absent = Command::new(BINARY);
    absent.args(["run", "--config", &config(), "--", "/nonexistent/shim"]);
    let output = absent.output().expect("the binary runs");
    check(&output, 3, &["cannot run '/nonexistent/shim'"]);
}

#[test]
fn a_failing_smoke_case_stops_the_run() {
    let output = run(&["--case", "smoke/log", "--case", "wire/rpc/batch"], Some("wrong-token"));
    check(&output, 1, &["a smoke case failed, so 1 cases were not run", "1 failed, 1 not run"]);
    let arguments = ["--case", "smoke/log", "--case", "wire/rpc/batch", "--keep-going"];
    check(&run(&arguments, Some("wrong-token")), 1, &["0 passed, 2 failed"]);
}

fn file(folder: &Path, name: &str, text: &str) -> String {
    let path = folder.join(name);
    std::fs::write(&path, text).expect("the temp folder is writable");
    path.display().to_string()
}

#[test]
fn a_known_failure_is_expected_and_a_stale_one_is_not() {
    let folder = tempfile::tempdir().expect("there is a temp folder");
    let known = file(folder.path(), "known.yaml", "- {case: smoke/log, reason: not yet}");
    let arguments = ["--case", "smoke/log", "--known-failing", &known];
    let output = run(&arguments, Some("logs-after-the-answer"));
    check(&output, 0, &["0 passed, 0 failed, 1 known to fail"]);
    check(&run(&arguments, None), 1, &["STALE smoke/log [unix]", "remove it"]);

    let gone = file(folder.path(), "gone.yaml", "- {case: smoke/gone, reason: not yet}");
    let arguments = ["--case", "smoke/log", "--known-failing", &gone];
    check(&run(&arguments, None), 1, &["STALE known failure 'smoke/gone' matches no case"]);

    let bare = file(folder.path(), "bare.yaml", "- {case: smoke/log, reason: ''}");
    let arguments = ["--case", "smoke/log", "--known-failing", &bare];
    check(&run(&arguments, None), 2, &["a known failure needs a `reason`"]);
}

#[test]
fn usage_errors_end_with_2() {
    check(&run(&["--case", "smoke/lgo"], None), 2, &["no case matches 'smoke/lgo'"]);
    check(&run(&["--report", "pdf=x"], None), 2, &["no report form 'pdf'"]);
    let bare = |arguments: &[&str]| Command::new(BINARY).args(arguments).output();
    let output = bare(&["run", "--suite", "smoke"]).expect("the binary runs");
    check(&output, 2, &["no command; end with `-- COMMAND …`"]);
    let output = bare(&["run", "--", BINARY, "refshim"]).expect("the binary runs");
    check(&output, 2, &["--fixtures DIR is missing"]);
    let output = bare(&["explain", "smoke/lgo"]).expect("the binary runs");
    check(&output, 2, &["no case 'smoke/lgo'"]);
}

#[test]
fn a_bad_case_file_is_the_harness_s_fault() {
    let wrong = [
        ("steps: [{expect: {id: 1, result: $intt}}]", "no matcher '$intt'"),
        ("steps: [{expcet: {id: 1}}]", "no step `expcet`"),
        ("steps: [{send: {id: 1, method: ping}, within: 5}]", "`within` does not belong"),
        ("steps: [{expect: {result: {}}}]", "needs an `id` or a `method`"),
        ("invoke: {ops: []}", "either `output` or `error`"),
        ("steps: [{gather: {method: db.get}}]", "`as: NAME` belongs to `gather`"),
        ("steps: [{reply: {to: it, result: {}}}]", "nothing was gathered as 'it'"),
        ("host: [{on: db.get}]\n  steps: [{ping: 1}]", "`hello: {offers: [db]}` is missing"),
        ("stepps: []", "unknown field `stepps`"),
    ];
    for (body, says) in wrong {
        let folder = tempfile::tempdir().expect("there is a temp folder");
        file(
            folder.path(),
            "own.yaml",
            &format!("- id: a/b\n  title: t\n  req: [REQ-X-1]\n  {body}"),
        );
        let cases = folder.path().display().to_string();
        check(&run(&["--cases", &cases], None), 4, &["case 'a/b'", says]);
    }
}

#[test]
fn own_cases_run_like_the_built_in_ones() {
    let folder = tempfile::tempdir().expect("there is a temp folder");
    let text = "
- id: own/ping
  title: forty pings
  req: [REQ-PING-1]
  steps:
    - repeat: {from: 1, to: 40, steps: [{ping: $i}, {expect: {id: $i, result: {}}}]}
";
    file(folder.path(), "own.yaml", text);
    let cases = folder.path().display().to_string();
    check(&run(&["--cases", &cases], None), 0, &["1 passed, 0 failed"]);
}

#[test]
fn reports_hold_what_the_console_tells() {
    let folder = tempfile::tempdir().expect("there is a temp folder");
    let at = |form: &str| format!("{form}={}", folder.path().join(form).display());
    let (json, tap, md) = (at("json"), at("tap"), at("md"));
    let arguments =
        ["--suite", "smoke", "--keep-going", "--report", &json, "--report", &tap, "--report", &md];
    check(&run(&arguments, Some("logs-after-the-answer")), 1, &["4 passed, 1 failed"]);
    let read = |form: &str| std::fs::read_to_string(folder.path().join(form)).expect("a report");

    let report: serde_json::Value = serde_json::from_str(&read("json")).expect("JSON");
    assert_eq!(report["shim"]["name"], "refshim");
    assert_eq!(report["cases"].as_array().map(Vec::len), Some(5));
    let of =
        |id: &str| report["cases"].as_array().and_then(|all| all.iter().find(|c| c["id"] == id));
    let log = of("smoke/log").expect("the case is reported");
    assert_eq!(log["status"], "fail");
    assert!(log["frames"].as_array().is_some_and(|frames| frames.len() >= 6));

    assert!(read("tap").starts_with("TAP version 14\n1..5\n"));
    assert!(read("tap").contains("- smoke/log [unix]\n  ---\n"));
    assert!(read("md").contains("| smoke | 4 | 5 |"));
}
