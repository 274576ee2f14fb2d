//! A helper that changes reloads what imports it, by whatever way, and nothing else.

use super::{Since, reloaded, returns, save, value};
use crate::harness::{Host, PATIENCE, Project, RUNTIMES, Runtime, eventually};

/// Helpers of one runtime: `outer` imports `inner`; `user` imports `outer`, and `loner` nothing.
struct Helpers {
    outer: (&'static str, &'static str),
    inner: &'static str,
    imports: &'static str,
    expression: &'static str,
}

impl Helpers {
    fn of(runtime: Runtime) -> Helpers {
        match runtime {
            Runtime::Node => Helpers {
                outer: (
                    "functions/_shared/outer.js",
                    "export { word } from './deep/inner.js';\nexport const more = 'x';\n",
                ),
                inner: "functions/_shared/deep/inner.js",
                imports: "import { word } from './_shared/outer.js';",
                expression: "word",
            },
            Runtime::Python => Helpers {
                outer: (
                    "functions/_shared/outer.py",
                    "from .deep import inner\n\nword = inner.word\n",
                ),
                inner: "functions/_shared/deep/inner.py",
                imports: "from _shared.outer import word",
                expression: "word",
            },
            Runtime::Go => Helpers {
                outer: (
                    "functions/_shared/outer/outer.go",
                    "package outer\n\nimport \"functions/_shared/inner\"\n\nconst Word = inner.Word\n",
                ),
                inner: "functions/_shared/inner/inner.go",
                imports: "import \"functions/_shared/outer\"",
                expression: "outer.Word",
            },
        }
    }

    fn word(runtime: Runtime, word: &str) -> String {
        match runtime {
            Runtime::Node => format!("export const word = '{word}';\n"),
            Runtime::Python => format!("word = '{word}'\n"),
            Runtime::Go => format!("package inner\n\nconst Word = \"{word}\"\n"),
        }
    }
}

async fn host(runtime: Runtime) -> (Host, Helpers) {
    let helpers = Helpers::of(runtime);
    let user = returns(runtime, helpers.imports, helpers.expression);
    let host = Project::new()
        .file(helpers.outer.0, helpers.outer.1)
        .file(helpers.inner, &Helpers::word(runtime, "one"))
        .file(&runtime.file("user"), &user)
        .file(&runtime.file("loner"), &returns(runtime, "", "\"alone\""))
        .dev()
        .await;
    assert_eq!(value(&host, "user").await, "one", "{runtime}");
    assert_eq!(value(&host, "loner").await, "alone", "{runtime}");
    (host, helpers)
}

#[tokio::test]
async fn h55_a_helper_of_a_helper_reloads_exactly_what_uses_it() {
    for runtime in RUNTIMES {
        let (host, helpers) = host(runtime).await;
        let since = Since::now(&host);
        for word in ["two", "six", "ten"] {
            save(&host, helpers.inner, &Helpers::word(runtime, word), "user").await;
            assert_eq!(value(&host, "user").await, word, "{runtime}");
        }
        since.says(&host, &format!("{} changed", helpers.inner)).await;
        // What comes last in the log shows that nothing else is still to come.
        save(&host, &runtime.file("loner"), &returns(runtime, "", "\"mark\""), "loner").await;
        let lines = since.all(&host, |line| line.message() == reloaded("loner"));
        assert_eq!(lines.len(), 1, "{runtime}: {lines:?}");
    }
}

#[tokio::test]
async fn h55_a_broken_helper_keeps_the_old_code_and_mending_it_mends() {
    for runtime in RUNTIMES {
        let (host, helpers) = host(runtime).await;
        let since = Since::now(&host);
        let broken = super::syntax_error(runtime).replace("package main", "package inner");
        host.project.write(helpers.inner, &broken);
        let error = |line: &crate::harness::log::Line| line.level() == "ERROR";
        let line = since.finds(&host, "the error", error).await;
        let inner = helpers.inner.trim_start_matches("functions/");
        assert!(line.text("place").starts_with(&format!("{inner}:2:")), "{runtime}: {line:?}");
        assert_eq!(value(&host, "user").await, "one", "{runtime}");
        save(&host, helpers.inner, &Helpers::word(runtime, "two"), "user").await;
        assert_eq!(value(&host, "user").await, "two", "{runtime}");
    }
}

#[tokio::test]
async fn h55_a_helper_that_is_written_after_its_import_mends_the_function() {
    for runtime in RUNTIMES {
        let helpers = Helpers::of(runtime);
        let user = returns(runtime, helpers.imports, helpers.expression);
        let host = Project::new()
            .file(&runtime.file("user"), &user)
            .file(helpers.outer.0, helpers.outer.1)
            .dev()
            .await;
        let broken = host.call("user", serde_json::json!({})).await;
        broken.error(500, "FUNCTION_LOAD_ERROR");
        save(&host, helpers.inner, &Helpers::word(runtime, "one"), "user").await;
        assert_eq!(value(&host, "user").await, "one", "{runtime}");
    }
}

#[tokio::test]
async fn h55_another_functions_file_is_a_helper_as_well() {
    let table = [
        (Runtime::Node, "export const word = 'one';", "import { word } from './helper.js';"),
        (Runtime::Python, "word = 'one'", "from helper import word"),
    ];
    for (runtime, helper, import) in table {
        let handler = returns(runtime, "", "1");
        let file = runtime.file("helper");
        let host = Project::new()
            .file(&file, &format!("{helper}\n{handler}"))
            .file(&runtime.file("user"), &returns(runtime, import, "word"))
            .dev()
            .await;
        assert_eq!(value(&host, "user").await, "one", "{runtime}");
        let since = Since::now(&host);
        host.project.write(&file, &format!("{}\n{handler}", helper.replace("one", "two")));
        since.says(&host, &reloaded("user")).await;
        since.says(&host, &reloaded("helper")).await;
        assert_eq!(value(&host, "user").await, "two", "{runtime}");
    }
}

#[tokio::test]
async fn h55_imports_with_a_name_made_at_run_time_are_not_missed() {
    let table = [
        (
            Runtime::Node,
            "functions/_shared/word.js",
            "const name = 'word';\nconst { word } = await import('./_shared/' + name + '.js');",
        ),
        (
            Runtime::Python,
            "functions/_shared/word.py",
            "import importlib\nword = importlib.import_module('_shared.' + 'word').word",
        ),
    ];
    for (runtime, helper, imports) in table {
        let host = Project::new()
            .file(helper, &Helpers::word(runtime, "one"))
            .file(&runtime.file("user"), &returns(runtime, imports, "word"))
            .dev()
            .await;
        assert_eq!(value(&host, "user").await, "one", "{runtime}");
        save(&host, helper, &Helpers::word(runtime, "two"), "user").await;
        assert_eq!(value(&host, "user").await, "two", "{runtime}");
    }
}

#[tokio::test]
async fn h55_data_beside_the_functions_counts_for_all_of_them() {
    let imports = "import { readFileSync } from 'node:fs';\n\
                   const word = readFileSync(new URL('./_shared/word.txt', import.meta.url), 'utf8');";
    let host = Project::new()
        .file("functions/_shared/word.txt", "one")
        .file("functions/user.js", &returns(Runtime::Node, imports, "word"))
        .dev()
        .await;
    assert_eq!(value(&host, "user").await, "one");
    save(&host, "functions/_shared/word.txt", "two", "user").await;
    assert_eq!(value(&host, "user").await, "two");
}

#[tokio::test]
async fn h55_a_package_that_is_installed_later_mends_the_function() {
    let import = "import { word } from 'late-package';";
    let host = Project::new()
        .file("functions/package.json", r#"{"type": "module"}"#)
        .file("functions/user.js", &returns(Runtime::Node, import, "word"))
        .dev()
        .await;
    host.call("user", serde_json::json!({})).await.error(500, "FUNCTION_LOAD_ERROR");
    // What npm writes.
    let package = "functions/node_modules/late-package";
    let description = r#"{"name": "late-package", "type": "module", "exports": "./index.js"}"#;
    host.project.write(&format!("{package}/index.js"), "export const word = 'late';");
    host.project.write(&format!("{package}/package.json"), description);
    host.project.write("functions/node_modules/.package-lock.json", r#"{"packages": {}}"#);
    eventually("the function is mended", PATIENCE, async || {
        let answer = host.call("user", serde_json::json!({})).await;
        (answer.status == 200).then(|| assert_eq!(answer.value(), "late"))
    })
    .await;
}
