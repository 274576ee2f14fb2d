//! A function that does not load: told where, apart from the others, and mended by mending it.

use serde_json::json;

use crate::harness::log::Line;
use crate::harness::{Host, PATIENCE, Project, RUNTIMES, Runtime, eventually};

fn why_not<'a>(function: &'a str) -> impl Fn(&Line) -> bool + 'a {
    move |line| {
        line.level() == "ERROR"
            && line.text("function") == function
            && line.message().contains("does not load")
    }
}

#[tokio::test]
async fn f53_a_file_that_does_not_load_is_500_and_the_log_has_file_and_line() {
    let mut project = Project::with_probes();
    for runtime in RUNTIMES {
        for (what, _) in runtime.expected("broken") {
            let file = runtime.file(&runtime.function(&what));
            project = project.file(&file, &broken(runtime, &what));
        }
    }
    let host = project.serve().await;
    for runtime in RUNTIMES {
        for (what, expected) in runtime.expected("broken") {
            let function = runtime.function(&what);
            let says = expected["says"].as_str().expect("a text");
            check_public_answer(&host, &function, says).await;
            let line =
                host.log.wait_for(&format!("why {function} fails"), why_not(&function)).await;
            let file = runtime.file(&function).replace("functions/", "");
            let place = format!("{file}:{}:", expected["line"]);
            let found = line.text("place").to_owned() + ":";
            assert!(found.starts_with(&place), "{function}: not at {place} {line:?}");
            assert!(line.0.to_string().contains(says), "{function}: no '{says}' in {line:?}");
        }
    }
    check_probes(&host).await;
}

/// The caller learns that it does not load, and no more.
async fn check_public_answer(host: &Host, function: &str, says: &str) {
    let answer = host.call(function, json!({})).await;
    let error = answer.error(500, "FUNCTION_LOAD_ERROR");
    assert_eq!(error.as_object().map(serde_json::Map::len), Some(2), "generic: {error}");
    let extensions = [".js", ".py", ".go", "line"];
    for leak in extensions.into_iter().chain([says]) {
        assert!(!answer.text().contains(leak), "{function}: '{leak}' in {}", answer.text());
    }
}

fn broken(runtime: Runtime, what: &str) -> String {
    runtime.fixture(&format!("broken/{what}"))
}

async fn check_probes(host: &Host) {
    for runtime in RUNTIMES {
        assert_eq!(host.value(runtime, json!({"a": 1})).await, json!({"a": 1}), "{runtime}");
    }
}

#[tokio::test]
async fn f53_a_file_without_a_handler_is_told_what_is_missing() {
    let table = [
        (Runtime::Node, "export const other = () => 1;\n", "export default"),
        (Runtime::Node, "export default 'not a function';\n", "export default"),
        (Runtime::Python, "def other(ctx):\n    return 1\n", "handler"),
        (Runtime::Python, "handler = 1\n", "handler"),
        (
            Runtime::Go,
            "package main\n\nfunc Other() {}\n",
            "func Handler(ctx *runtime.Context) (any, error)",
        ),
    ];
    for (runtime, text, says) in table {
        let function = runtime.function("headless");
        let host = Project::new().file(&runtime.file(&function), text).serve().await;
        host.call(&function, json!({})).await.error(500, "FUNCTION_LOAD_ERROR");
        let line = host.log.wait_for("what is missing", why_not(&function)).await;
        assert!(line.message().contains(says), "{runtime}: no '{says}' in {line:?}");
    }
}

#[tokio::test]
async fn f53_a_file_that_ends_the_process_while_loading_is_a_load_error() {
    let host = Project::with_probes().with_all("exits").serve().await;
    for runtime in RUNTIMES {
        let function = runtime.function("exits");
        host.call(&function, json!({})).await.error(500, "FUNCTION_LOAD_ERROR");
        let line = host.log.wait_for("how it ended", why_not(&function)).await;
        assert!(line.message().contains("exit code 3"), "{runtime}: {line:?}");
    }
    check_probes(&host).await;
}

/// Slow imports get 30 s, also where calls have less; that is what this test waits for.
#[tokio::test]
async fn f53_a_file_that_loads_for_ever_is_a_load_error() {
    // Their time is not to pass before there are workers.
    let config = json!({"functions": {"timeout": "5s", "pool": {"min_warm": 1}}});
    let host = Project::with_probes().with_all("endless").config(config).serve().await;
    host.ready().await;
    let answers = RUNTIMES.map(|runtime| {
        let host = &host;
        async move { host.call(&runtime.function("endless"), json!({})).await }
    });
    for answer in futures_util::future::join_all(answers).await {
        answer.error(504, "FUNCTION_TIMEOUT");
        assert!(answer.took.as_secs() < 8, "{:?}", answer.took);
    }
    check_probes_soon(&host).await;
    for runtime in RUNTIMES {
        let function = runtime.function("endless");
        let what = format!("that loading {function} does not end");
        eventually(&what, PATIENCE * 2, async || host.log.all(why_not(&function)).pop()).await;
    }
    check_probes_soon(&host).await;
}

/// Under a short timeout a first call may come too late to be answered in time.
async fn check_probes_soon(host: &Host) {
    for runtime in RUNTIMES {
        eventually(&format!("{runtime} serves"), PATIENCE, async || {
            (host.probe(runtime, json!({})).await.status == 200).then_some(())
        })
        .await;
    }
}

#[tokio::test]
async fn f53_mending_the_file_mends_the_function() {
    let host = RUNTIMES.into_iter().fold(Project::new(), |project, runtime| {
        project.file(&runtime.file(&runtime.probe()), &broken(runtime, "syntax"))
    });
    let host = host.serve().await;
    for runtime in RUNTIMES {
        host.probe(runtime, json!({})).await.error(500, "FUNCTION_LOAD_ERROR");
        host.project.write(&runtime.file(&runtime.probe()), &runtime.fixture("probe"));
        eventually(&format!("{runtime} is mended"), PATIENCE, async || {
            (host.probe(runtime, json!({})).await.status == 200).then_some(())
        })
        .await;
    }
}

#[tokio::test]
async fn f53_mending_an_imported_file_mends_the_function() {
    let table = [
        ("part.js", "export const part = ;\n", "export const part = 'mended';\n"),
        ("part.py", "part = = 1\n", "part = 'mended'\n"),
        (
            "part.go",
            "package shared\n\nconst Part =\n",
            "package shared\n\nconst Part = \"mended\"\n",
        ),
    ];
    for (runtime, (part, broken, mended)) in RUNTIMES.into_iter().zip(table) {
        let (function, part) = (runtime.function("importer"), format!("functions/_shared/{part}"));
        let host = Project::new().file(&part, broken).with(runtime, "importer").serve().await;
        host.call(&function, json!({})).await.error(500, "FUNCTION_LOAD_ERROR");
        let line = host.log.wait_for("where it is broken", why_not(&function)).await;
        assert!(line.text("place").contains("_shared/part"), "{runtime}: {line:?}");
        host.project.write(&part, mended);
        eventually(&format!("{runtime} is mended"), PATIENCE, async || {
            let answer = host.call(&function, json!({})).await;
            (answer.status == 200).then(|| assert_eq!(answer.value(), "mended"))
        })
        .await;
    }
}

#[tokio::test]
async fn f53_a_broken_function_does_not_use_up_workers() {
    for runtime in RUNTIMES {
        let function = runtime.function("broken");
        let project = Project::new().with(runtime, "probe");
        let host = project.file(&runtime.file(&function), &broken(runtime, "syntax")).serve().await;
        host.value(runtime, json!({})).await;
        let label = format!("runtime=\"{runtime}\"");
        let before = host.metric("alyx_worker_starts_total", &[&label]).await;
        for _ in 0..50 {
            host.call(&function, json!({})).await.error(500, "FUNCTION_LOAD_ERROR");
        }
        let started = host.metric("alyx_worker_starts_total", &[&label]).await - before;
        assert!(started <= 10.0, "{runtime}: {started} workers started for 50 calls");
    }
}

#[tokio::test]
async fn f53_a_go_function_that_panics_while_it_is_loaded_is_a_load_error_with_its_words() {
    let source = Runtime::Go.fixture("apart") + "\nfunc init() {\n\tpanic(\"of init\")\n}\n";
    let host = Project::with_probes().file("functions/panics.go", &source).serve().await;
    for _ in 0..3 {
        host.call("panics", json!({})).await.error(500, "FUNCTION_LOAD_ERROR");
    }
    let line = host.log.wait_for("how it ended", why_not("panics")).await;
    assert!(line.message().contains("exit code 2"), "{line:?}");
    host.log.wait_for("its words", |line| line.message().contains("panic: of init")).await;
    check_probes(&host).await;
}

/// Go has no classes.
#[tokio::test]
async fn f53_a_class_is_no_handler_and_the_error_says_so() {
    for (runtime, text) in [
        (Runtime::Node, "export default class Hello {}\n"),
        (Runtime::Python, "class handler:\n    def __init__(self, ctx):\n        pass\n"),
    ] {
        let function = runtime.function("classy");
        let host = Project::new().file(&runtime.file(&function), text).serve().await;
        host.call(&function, json!({})).await.error(500, "FUNCTION_LOAD_ERROR");
        let line = host.log.wait_for("what is wrong", why_not(&function)).await;
        assert!(line.message().contains("class"), "{runtime}: {line:?}");
    }
}
