//! A function that does not load: told where, apart from the others, and mended by mending it.

use serde_json::json;

use crate::harness::log::Line;
use crate::harness::{Host, PATIENCE, Project, RUNTIMES, Runtime, eventually};

/// A broken file of one runtime and what the log must say of it.
struct Broken {
    runtime: Runtime,
    what: &'static str,
    text: &'static str,
    line: u64,
    says: &'static str,
}

const BROKEN: [Broken; 12] = [
    Broken {
        runtime: Runtime::Node,
        what: "syntax",
        text: "export default () => {\n  return {;\n};\n",
        line: 2,
        says: "SyntaxError",
    },
    Broken {
        runtime: Runtime::Node,
        what: "import",
        text: "\nimport missing from './no-such-file.js';\nexport default missing;\n",
        line: 2,
        says: "no-such-file.js",
    },
    Broken {
        runtime: Runtime::Node,
        what: "package",
        text: "import 'no-such-package';\nexport default () => 1;\n",
        line: 1,
        says: "no-such-package",
    },
    Broken {
        runtime: Runtime::Node,
        what: "throw",
        text: "export default () => 1;\nconst x = undefined;\nx.y.z;\n",
        line: 3,
        says: "Cannot read properties of undefined",
    },
    Broken {
        runtime: Runtime::Python,
        what: "syntax",
        text: "def handler(ctx):\n    return {\n\nx = = 1\n",
        line: 2,
        says: "SyntaxError",
    },
    Broken {
        runtime: Runtime::Python,
        what: "indent",
        text: "def handler(ctx):\n    x = 1\n      return x\n",
        line: 3,
        says: "IndentationError",
    },
    Broken {
        runtime: Runtime::Python,
        what: "import",
        text: "import os\nimport no_such_module\n\ndef handler(ctx):\n    return 1\n",
        line: 2,
        says: "no_such_module",
    },
    Broken {
        runtime: Runtime::Python,
        what: "throw",
        text: "def handler(ctx):\n    return 1\n\n{}['missing']\n",
        line: 4,
        says: "KeyError",
    },
    Broken {
        runtime: Runtime::Go,
        what: "syntax",
        text: "package main\n\nimport \"github.com/watzon/alyx/pkg/runtime\"\n\nfunc Handler(ctx *runtime.Context) (any, error) {\n\treturn {, nil\n}\n",
        line: 6,
        says: "expected operand",
    },
    Broken {
        runtime: Runtime::Go,
        what: "types",
        text: "package main\n\nimport \"github.com/watzon/alyx/pkg/runtime\"\n\nfunc Handler(ctx *runtime.Context) (any, error) {\n\tvar s string = 1\n\treturn s, nil\n}\n",
        line: 6,
        says: "cannot use 1",
    },
    Broken {
        runtime: Runtime::Go,
        what: "import",
        text: "package main\n\nimport (\n\t\"github.com/watzon/alyx/pkg/runtime\"\n\t\"github.com/nobody/nothing\"\n)\n\nfunc Handler(ctx *runtime.Context) (any, error) { return nothing.X, nil }\n",
        line: 5,
        says: "github.com/nobody/nothing",
    },
    Broken {
        runtime: Runtime::Go,
        what: "unused",
        text: "package main\n\nimport (\n\t\"fmt\"\n\n\t\"github.com/watzon/alyx/pkg/runtime\"\n)\n\nfunc Handler(ctx *runtime.Context) (any, error) { return 1, nil }\n",
        line: 4,
        says: "imported and not used",
    },
];

impl Broken {
    fn function(&self) -> String {
        format!("{}_{}", self.what, self.runtime)
    }

    /// `syntax_node.js`: as messages name it, without the functions folder.
    fn file_name(&self) -> String {
        self.runtime.file(&self.function()).trim_start_matches("functions/").to_owned()
    }
}

fn why_not<'a>(function: &'a str) -> impl Fn(&Line) -> bool + 'a {
    move |line| {
        line.level() == "ERROR"
            && line.text("function") == function
            && line.message().contains("does not load")
    }
}

#[tokio::test]
async fn f53_a_file_that_does_not_load_is_500_and_the_log_has_file_and_line() {
    let project = BROKEN.iter().fold(Project::with_probes(), |project, broken| {
        project.file(&broken.runtime.file(&broken.function()), broken.text)
    });
    let host = project.serve().await;
    for broken in &BROKEN {
        let function = broken.function();
        let answer = host.call(&function, json!({})).await;
        let error = answer.error(500, "FUNCTION_LOAD_ERROR");
        assert_eq!(error.as_object().map(serde_json::Map::len), Some(2), "generic: {error}");
        for leak in [broken.says, &broken.file_name(), "line"] {
            assert!(!answer.text().contains(leak), "{function}: '{leak}' in {}", answer.text());
        }
        let line = host.log.wait_for(&format!("why {function} fails"), why_not(&function)).await;
        let place = format!("{}:{}", broken.file_name(), broken.line);
        assert!(
            line.text("place") == place || line.text("place").starts_with(&format!("{place}:")),
            "{function}: not at {place}: {line:?}"
        );
        assert!(
            line.0.to_string().contains(broken.says),
            "{function}: no '{}' in {line:?}",
            broken.says
        );
    }
    check_probes(&host).await;
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
    let table = [
        (Runtime::Node, "process.exit(3);\nexport default () => 1;\n"),
        (Runtime::Python, "import os\nos._exit(3)\n\ndef handler(ctx):\n    return 1\n"),
        (
            Runtime::Go,
            "package main\n\nimport (\n\t\"os\"\n\n\t\"github.com/watzon/alyx/pkg/runtime\"\n)\n\n\
             func init() { os.Exit(3) }\n\nfunc Handler(*runtime.Context) (any, error) { return 1, nil }\n",
        ),
    ];
    for (runtime, text) in table {
        let function = runtime.function("leaver");
        let host = Project::new()
            .with(runtime, "probe")
            .file(&runtime.file(&function), text)
            .serve()
            .await;
        host.call(&function, json!({})).await.error(500, "FUNCTION_LOAD_ERROR");
        let line = host.log.wait_for("how it ended", why_not(&function)).await;
        assert!(line.message().contains("exit code 3"), "{runtime}: {line:?}");
        assert_eq!(host.value(runtime, json!({"a": 1})).await, json!({"a": 1}), "{runtime}");
    }
}

/// Slow imports get 30 s, also where calls have less; that is what this test waits for.
#[tokio::test]
async fn f53_a_file_that_loads_for_ever_is_a_load_error() {
    let endless = [
        "await new Promise(() => setInterval(() => {}, 1000));\nexport default () => 1;\n",
        "import time\ntime.sleep(600)\n\ndef handler(ctx):\n    return 1\n",
        "package main\n\nimport (\n\t\"time\"\n\n\t\"github.com/watzon/alyx/pkg/runtime\"\n)\n\n\
         func init() { time.Sleep(time.Hour) }\n\nfunc Handler(*runtime.Context) (any, error) { return 1, nil }\n",
    ];
    let table = RUNTIMES.into_iter().zip(endless);
    let project = table.fold(Project::with_probes(), |project, (runtime, text)| {
        project.file(&runtime.file(&runtime.function("endless")), text)
    });
    let host = project.config(json!({"functions": {"timeout": "5s"}})).serve().await;
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
        let broken = BROKEN.iter().find(|b| b.runtime == runtime && b.what == "syntax");
        project.file(&runtime.file(&runtime.probe()), broken.expect("there is one").text)
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
        (
            Runtime::Node,
            "_shared/part.js",
            "export const part = ;\n",
            "export const part = 'mended';\n",
            "import { part } from './_shared/part.js';\nexport default () => part;\n",
        ),
        (
            Runtime::Python,
            "_shared/part.py",
            "part = = 1\n",
            "part = 'mended'\n",
            "from _shared.part import part\n\ndef handler(ctx):\n    return part\n",
        ),
        (
            Runtime::Go,
            "_shared/part.go",
            "package shared\n\nconst Part = \n",
            "package shared\n\nconst Part = \"mended\"\n",
            "package main\n\nimport (\n\tshared \"functions/_shared\"\n\n\t\"github.com/watzon/alyx/pkg/runtime\"\n)\n\nfunc Handler(*runtime.Context) (any, error) { return shared.Part, nil }\n",
        ),
    ];
    for (runtime, part, broken, mended, text) in table {
        let (function, part) = (runtime.function("importer"), format!("functions/{part}"));
        let host =
            Project::new().file(&part, broken).file(&runtime.file(&function), text).serve().await;
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
        let broken = BROKEN.iter().find(|b| b.runtime == runtime && b.what == "syntax");
        let function = runtime.function("broken");
        let host = Project::new()
            .with(runtime, "probe")
            .file(&runtime.file(&function), broken.expect("there is one").text)
            .serve()
            .await;
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
