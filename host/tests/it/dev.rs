//! `alyx dev`: what is saved is served, and nobody who calls meanwhile notices.
//!
//! The functions of these tests say which revision they are and which process they run in.

mod saves;
mod imports;
mod broken;
mod files;
mod steady;
mod project;
mod limits;

use std::sync::OnceLock;
use std::time::{Duration, UNIX_EPOCH};

use serde_json::{Value, json};

use crate::harness::log::Line;
use crate::harness::{Host, PATIENCE, Project, RUNTIMES, Runtime, eventually};

/// A function that returns its revision and an id of its process, and can take its time. Different
/// in each run, so that no compiler has seen it.
fn source(runtime: Runtime, revision: &str) -> String {
    let text = match runtime {
        Runtime::Node => {
            "import { setTimeout as pause } from 'node:timers/promises';\n\
             globalThis.worker ??= crypto.randomUUID();\n\
             export default async (ctx) => {\n  if (ctx.input.ms) {\n    ctx.log.info('begun');\n    \
             await pause(ctx.input.ms);\n  }\n  return ['REVISION', globalThis.worker];\n};\n"
        }
        Runtime::Python => {
            "import builtins, time, uuid\n\
             if not hasattr(builtins, 'worker'): builtins.worker = str(uuid.uuid4())\n\n\
             def handler(ctx):\n    if ctx.input.get('ms'):\n        ctx.log.info('begun')\n        \
             time.sleep(ctx.input['ms'] / 1000)\n    return ['REVISION', builtins.worker]\n"
        }
        Runtime::Go => {
            "package main\n\nimport (\n\t\"crypto/rand\"\n\t\"time\"\n\n\
             \t\"github.com/watzon/alyx/pkg/runtime\"\n)\n\nvar worker = rand.Text()\n\n\
             func Handler(ctx *runtime.Context) (any, error) {\n\
             \tif ms, ok := ctx.Input[\"ms\"].(float64); ok {\n\t\tctx.Log.Info(\"begun\")\n\
             \t\ttime.Sleep(time.Duration(ms) * time.Millisecond)\n\t}\n\
             \treturn []string{\"REVISION\", worker}, nil\n}\n"
        }
    };
    let mark = if runtime == Runtime::Python { "#" } else { "//" };
    static RUN: OnceLock<Duration> = OnceLock::new();
    let run = RUN.get_or_init(|| UNIX_EPOCH.elapsed().expect("it is later"));
    text.replace("REVISION", revision) + &format!("{mark} {run:?}\n")
}

/// A function that returns a text, after some imports.
fn returns(runtime: Runtime, imports: &str, expression: &str) -> String {
    match runtime {
        Runtime::Node => format!("{imports}\nexport default () => {expression};\n"),
        Runtime::Python => format!("{imports}\n\ndef handler(ctx):\n    return {expression}\n"),
        Runtime::Go => format!(
            "package main\n\nimport \"github.com/watzon/alyx/pkg/runtime\"\n{imports}\n\n\
             func Handler(*runtime.Context) (any, error) {{ return {expression}, nil }}\n"
        ),
    }
}

/// What does not parse, on line 2.
fn syntax_error(runtime: Runtime) -> &'static str {
    match runtime {
        Runtime::Node => "// one\nexport default () => { return (; };\n// three\n",
        Runtime::Python => "# one\ndef handler(ctx: return 1\n# three\n",
        Runtime::Go => "package main\nfunc Handler( {\n// three\n",
    }
}

fn project(runtime: Runtime) -> Project {
    Project::new().file(&runtime.file("hello"), &source(runtime, "r0"))
}

/// A place in the log: what was said before it does not count.
#[derive(Debug, Clone, Copy)]
struct Since(usize);

impl Since {
    fn now(host: &Host) -> Since {
        Since(host.log.lines().len())
    }

    fn all(self, host: &Host, matches: impl Fn(&Line) -> bool) -> Vec<Line> {
        host.log.lines().into_iter().skip(self.0).filter(matches).collect()
    }

    /// The line with this message, once it is there.
    async fn says(self, host: &Host, message: &str) -> Line {
        self.finds(host, message, |line| line.message() == message).await
    }

    async fn finds(self, host: &Host, what: &str, matches: impl Fn(&Line) -> bool) -> Line {
        eventually(what, PATIENCE * 2, async || self.all(host, &matches).pop()).await
    }
}

fn reloaded(function: &str) -> String {
    format!("Function '{function}' reloaded")
}

/// Saves a file and waits for the function to be reloaded.
async fn save(host: &Host, file: &str, text: &str, function: &str) {
    let since = Since::now(host);
    host.project.write(file, text);
    since.says(host, &reloaded(function)).await;
}

async fn value(host: &Host, function: &str) -> Value {
    host.call(function, json!({})).await.value()
}

/// The revision that answers.
async fn revision(host: &Host, function: &str) -> String {
    value(host, function).await[0].as_str().expect("a revision").to_owned()
}

#[tokio::test]
async fn h55_saving_prints_two_lines_and_the_next_call_runs_new_code() {
    for runtime in RUNTIMES {
        let host = project(runtime).dev().await;
        assert_eq!(revision(&host, "hello").await, "r0");
        for n in 1..4 {
            let (since, file, text) =
                (Since::now(&host), runtime.file("hello"), source(runtime, &format!("r{n}")));
            host.project.write(&file, &text);
            let changed = since.says(&host, &format!("{file} changed")).await;
            let reloaded = since.says(&host, "Function 'hello' reloaded").await;
            assert_eq!((changed.level(), reloaded.level()), ("INFO", "INFO"), "{runtime}");
            assert_eq!(revision(&host, "hello").await, format!("r{n}"), "{runtime}");
        }
    }
}

#[tokio::test]
async fn h55_saving_what_was_there_already_does_nothing() {
    let host = project(Runtime::Node).file("functions/other.js", "export default () => 1").dev();
    let host = host.await;
    let since = Since::now(&host);
    host.project.write("functions/hello.js", &source(Runtime::Node, "r0"));
    save(&host, "functions/other.js", "export default () => 2", "other").await;
    let said = since.all(&host, |line| line.message().contains("hello"));
    assert!(said.is_empty(), "{said:?}");
}

#[tokio::test]
async fn h55_calls_under_way_finish_on_the_old_code() {
    for runtime in RUNTIMES {
        let host = project(runtime).dev().await;
        let old_worker = value(&host, "hello").await[1].clone();
        let (slow, _) = host.begin("hello", json!({"ms": 3000})).await;
        save(&host, &runtime.file("hello"), &source(runtime, "r1"), "hello").await;
        let new = value(&host, "hello").await;
        assert_eq!(new[0], "r1", "{runtime}");
        assert_ne!(new[1], old_worker, "{runtime}");
        let answer = slow.answer().await;
        assert_eq!(answer.value(), json!(["r0", old_worker]), "{runtime}");
        assert_eq!(revision(&host, "hello").await, "r1", "{runtime}");
    }
}

#[tokio::test]
async fn h55_the_worker_of_the_old_code_leaves() {
    for runtime in RUNTIMES {
        let host = project(runtime).dev().await;
        revision(&host, "hello").await;
        for n in 1..=5 {
            let text = source(runtime, &format!("r{n}"));
            save(&host, &runtime.file("hello"), &text, "hello").await;
        }
        // One that serves and the blank ones.
        eventually(&format!("old {runtime} workers leave"), PATIENCE, async || {
            (host.workers().len() <= 4).then_some(())
        })
        .await;
        assert_eq!(revision(&host, "hello").await, "r5", "{runtime}");
    }
}

#[tokio::test]
async fn h55_undoing_a_change_serves_the_first_code_again() {
    for runtime in RUNTIMES {
        let host = project(runtime).dev().await;
        revision(&host, "hello").await;
        for n in ["r1", "r0", "r1", "r0"] {
            save(&host, &runtime.file("hello"), &source(runtime, n), "hello").await;
            assert_eq!(revision(&host, "hello").await, n, "{runtime}");
        }
    }
}
