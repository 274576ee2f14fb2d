//! Code that does not load: told where and shown, while what was good before serves on.

use std::fs;

use serde_json::json;

use super::{Since, project, reloaded, revision, save, source, syntax_error};
use crate::harness::log::Line;
use crate::harness::{Host, Project, RUNTIMES};

fn is_error(line: &Line) -> bool {
    line.level() == "ERROR"
}

#[tokio::test]
async fn h55_a_syntax_error_keeps_the_old_code_and_mending_it_mends() {
    for runtime in RUNTIMES {
        let host = project(runtime).dev().await;
        let fresh = host.call("hello", json!({})).await;
        assert_eq!(fresh.header("x-alyx-stale"), None, "{runtime}");
        for (n, mended) in ["r1", "r2"].iter().enumerate() {
            let since = Since::now(&host);
            host.project.write(&runtime.file("hello"), syntax_error(runtime));
            let line = since.finds(&host, "the error", is_error).await;
            check_frame(line.text("frame"));
            let not_reloaded = "Function 'hello' not reloaded; the revision before it serves on";
            since.says(&host, not_reloaded).await;
            for _ in 0..3 {
                let old = host.call("hello", json!({})).await;
                assert_eq!(old.value()[0], format!("r{n}"), "{runtime}");
                let stale = old.header("x-alyx-stale").expect("the answer is of old code");
                assert!(stale.starts_with("hello.") && stale.contains(":2"), "{runtime}: {stale}");
            }
            save(&host, &runtime.file("hello"), &source(runtime, mended), "hello").await;
            let new = host.call("hello", json!({})).await;
            assert_eq!(new.value()[0], *mended, "{runtime}");
            assert_eq!(new.header("x-alyx-stale"), None, "{runtime}");
        }
    }
}

/// Three lines, the middle one marked, and a mark under the column.
fn check_frame(frame: &str) {
    let lines: Vec<&str> = frame.lines().collect();
    assert_eq!(lines.len(), 4, "{frame}");
    assert!(lines[0].starts_with("  1 | "), "{frame}");
    assert!(lines[1].starts_with("> 2 | "), "{frame}");
    assert!(lines[2].trim_start().starts_with("| ") && lines[2].ends_with('^'), "{frame}");
    assert!(lines[3].starts_with("  3 | ") && lines[3].ends_with("three"), "{frame}");
}

#[tokio::test]
async fn h55_a_function_that_never_loaded_answers_with_place_and_frame() {
    for runtime in RUNTIMES {
        let file = runtime.file("hello");
        let host = Project::new().file(&file, syntax_error(runtime)).dev().await;
        let error = host.call("hello", json!({})).await.error(500, "FUNCTION_LOAD_ERROR");
        assert_eq!(error["file"], file.replace("functions/", ""), "{runtime}: {error}");
        assert_eq!(error["line"], 2, "{runtime}: {error}");
        assert!(error["column"].as_u64().is_some_and(|column| column > 1), "{runtime}: {error}");
        check_frame(error["frame"].as_str().expect("a frame"));
        // A newer fault takes the place of the older one.
        let since = Since::now(&host);
        let later = format!("\n{}", syntax_error(runtime));
        host.project.write(&file, &later);
        since.finds(&host, "the new error", is_error).await;
        let error = super::eventually("the new place", super::PATIENCE, async || {
            let error = host.call("hello", json!({})).await.error(500, "FUNCTION_LOAD_ERROR");
            (error["line"] == 3).then_some(error)
        });
        error.await;
        save(&host, &file, &source(runtime, "r1"), "hello").await;
        assert_eq!(revision(&host, "hello").await, "r1", "{runtime}");
    }
}

#[tokio::test]
async fn h55_undoing_an_error_serves_on_without_a_word_of_it() {
    for runtime in RUNTIMES {
        let host = project(runtime).dev().await;
        let worker = host.call("hello", json!({})).await.value()[1].clone();
        let since = Since::now(&host);
        host.project.write(&runtime.file("hello"), syntax_error(runtime));
        since.finds(&host, "the error", is_error).await;
        save(&host, &runtime.file("hello"), &source(runtime, "r0"), "hello").await;
        let answer = host.call("hello", json!({})).await;
        assert_eq!(answer.header("x-alyx-stale"), None, "{runtime}");
        assert_eq!(answer.value(), json!(["r0", worker]), "{runtime}: the old worker is good");
    }
}

/// Code on disk that does not load cannot bring back a worker that has died.
#[tokio::test]
async fn h55_without_a_worker_of_the_old_code_the_error_is_the_answer() {
    let runtime = crate::harness::Runtime::Node;
    let host = Project::new().with(runtime, "probe").dev().await;
    let file = runtime.file(&runtime.probe());
    host.value(runtime, json!({})).await;
    let since = Since::now(&host);
    host.project.write(&file, syntax_error(runtime));
    since.finds(&host, "the error", is_error).await;
    host.probe(runtime, json!({"do": "exit", "code": 3})).await.error(502, "WORKER_CRASHED");
    let error = host.probe(runtime, json!({})).await.error(500, "FUNCTION_LOAD_ERROR");
    assert_eq!(error["line"], 2, "{error}");
    save(&host, &file, &runtime.fixture("probe"), &runtime.probe()).await;
    assert_eq!(host.value(runtime, json!({"a": 1})).await, json!({"a": 1}));
}

#[tokio::test]
async fn h55_a_broken_function_harms_no_other() {
    let host = RUNTIMES.into_iter().fold(Project::new(), |project, runtime| {
        let (good, bad) = (runtime.function("good"), runtime.function("bad"));
        project
            .file(&runtime.file(&good), &source(runtime, "good"))
            .file(&runtime.file(&bad), &source(runtime, "r0"))
    });
    let host = host.dev().await;
    for runtime in RUNTIMES {
        let since = Since::now(&host);
        host.project.write(&runtime.file(&runtime.function("bad")), syntax_error(runtime));
        since.finds(&host, "the error", is_error).await;
        let good = host.call(&runtime.function("good"), json!({})).await;
        assert_eq!(good.value()[0], "good", "{runtime}");
        assert_eq!(good.header("x-alyx-stale"), None, "{runtime}");
    }
}

/// For people: no JSON, the frame below its line.
#[tokio::test]
async fn h55_on_the_console_the_frame_stands_below_the_error() {
    let runtime = crate::harness::Runtime::Node;
    let console = json!({"logging": {"format": "console", "level": "info"}});
    let host = project(runtime).config(console).dev().await;
    let since = Since::now(&host);
    host.project.write(&runtime.file("hello"), syntax_error(runtime));
    let has_mark = |line: &Line| line.message().trim_end().ends_with('^');
    since.finds(&host, "the mark", has_mark).await;
    let said = since.all(&host, |_| true);
    let said: Vec<&str> = said.iter().map(Line::message).collect();
    let expected = [
        "[INFO] functions/hello.js changed",
        "[ERROR] 'hello': function does not load: SyntaxError: Unexpected token ';' (hello.js:2:32)",
        "      1 | // one",
        "    > 2 | export default () => { return (; };",
        "        |                                ^",
    ];
    assert_eq!(said[..5], expected);
    let escape = said.iter().find(|line| line.contains('\u{1b}'));
    assert_eq!(escape, None, "no colour where there is no terminal");
}

#[tokio::test]
async fn h55_a_function_that_logs_is_read_on_the_console() {
    let runtime = crate::harness::Runtime::Node;
    let console = json!({"logging": {"format": "console", "level": "info"}});
    let host: Host = Project::new().with(runtime, "probe").config(console).dev().await;
    let since = Since::now(&host);
    let input = json!({"do": "log", "message": "saved", "fields": {"n": 1}});
    host.value(runtime, input).await;
    since.says(&host, "[INFO] probe_node: saved {\"n\":1}").await;
}

#[tokio::test]
async fn h55_a_manifest_that_is_wrong_keeps_the_old_one() {
    for runtime in RUNTIMES {
        let host = project(runtime).dev().await;
        revision(&host, "hello").await;
        let since = Since::now(&host);
        host.project.write("functions/hello.yaml", "timeot: 5s\n");
        let line = since.finds(&host, "the error", is_error).await;
        assert!(line.message().contains("did you mean 'timeout'"), "{runtime}: {line:?}");
        let answer = host.call("hello", json!({})).await;
        assert_eq!(answer.value()[0], "r0", "{runtime}");
        assert!(answer.header("x-alyx-stale").is_some_and(|why| why.contains("timeot")));
        let since = Since::now(&host);
        fs::remove_file(host.project.path("functions/hello.yaml")).unwrap();
        since.says(&host, &reloaded("hello")).await;
        let answer = host.call("hello", json!({})).await;
        assert_eq!(answer.header("x-alyx-stale"), None, "{runtime}");
    }
}
