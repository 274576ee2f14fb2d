//! What in the functions folder is a function, and what is not.

use std::os::unix::fs::symlink;

use serde_json::{Value, json};

use crate::harness::{Host, Project, RUNTIMES, Runtime};

/// A function that returns an expression, after some imports.
fn returns(runtime: Runtime, imports: &str, expression: &str) -> String {
    match runtime {
        Runtime::Node => format!("{imports}\nexport default () => {expression};\n"),
        Runtime::Python => format!("{imports}\n\ndef handler(ctx):\n    return {expression}\n"),
        Runtime::Go => format!(
            "package main\n\nimport \"github.com/watzon/alyx/pkg/runtime\"\n{imports}\n\
             func Handler(*runtime.Context) (any, error) {{ return {expression}, nil }}\n"
        ),
    }
}

/// A function that says one word.
fn says(runtime: Runtime, word: &str) -> String {
    returns(runtime, "", &format!("\"{word}\""))
}

async fn names(host: &Host) -> Vec<String> {
    let listed = host.get("/api/functions").await.value();
    let functions = listed["functions"].as_array().expect("a list").clone();
    functions.iter().map(|f| f["name"].as_str().expect("a name").to_owned()).collect()
}

async fn check_says(host: &Host, function: &str, word: &str) {
    assert_eq!(host.call(function, json!({})).await.value(), word, "{function}");
}

#[tokio::test]
async fn f51_the_name_is_the_stem_with_its_case() {
    let names_of = ["hello", "createPost", "process_image", "with-dash", "v2", "UPPER"];
    for runtime in RUNTIMES {
        let project = names_of.into_iter().fold(Project::new(), |project, name| {
            project.file(&runtime.file(name), &says(runtime, name))
        });
        let host = project.serve().await;
        let mut expected = names_of.to_vec();
        expected.sort_unstable();
        assert_eq!(names(&host).await, expected, "{runtime}");
        check_says(&host, "createPost", "createPost").await;
        check_says(&host, "with-dash", "with-dash").await;
    }
}

#[tokio::test]
async fn f51_the_extension_gives_the_runtime() {
    let mut project = Project::new();
    for extension in ["js", "mjs", "cjs", "ts", "mts", "cts", "py", "go"] {
        project = project.file(&format!("functions/f_{extension}.{extension}"), "x");
    }
    let host = project.serve().await;
    let listed = host.get("/api/functions").await.value();
    let runtimes: Vec<_> = listed["functions"].as_array().expect("a list").iter().collect();
    assert_eq!(runtimes.len(), 8, "{listed}");
    for function in runtimes {
        let name = function["name"].as_str().expect("a name");
        let runtime = match name.trim_start_matches("f_") {
            "py" => "python",
            "go" => "go",
            _ => "node",
        };
        assert_eq!(function["runtime"], runtime, "{name}");
    }
}

#[tokio::test]
async fn f51_a_folder_with_an_entry_is_a_function() {
    let js = returns(Runtime::Node, "import { word } from './word.js';", "word");
    let py = returns(Runtime::Python, "from word import word", "word");
    let host = Project::new()
        .file("functions/by_index/index.js", &js)
        .file("functions/by_index/word.js", "export const word = 'from index.js';\n")
        .file("functions/by_main/main.py", &py)
        .file("functions/by_main/word.py", "word = 'from main.py'\n")
        .file("functions/by_py_index/index.py", &says(Runtime::Python, "from index.py"))
        .file("functions/by_go/main.go", &returns(Runtime::Go, "", "word"))
        .file("functions/by_go/word.go", "package main\n\nconst word = \"from main.go\"\n")
        .serve()
        .await;
    assert_eq!(names(&host).await, ["by_go", "by_index", "by_main", "by_py_index"]);
    check_says(&host, "by_index", "from index.js").await;
    check_says(&host, "by_main", "from main.py").await;
    check_says(&host, "by_py_index", "from index.py").await;
    check_says(&host, "by_go", "from main.go").await;
}

#[tokio::test]
async fn f51_a_folders_manifest_lies_inside() {
    for (runtime, entry) in RUNTIMES.into_iter().zip(["index.js", "main.py", "main.go"]) {
        for manifest in ["manifest.yaml", "packed.yaml", "packed.yml"] {
            let host = Project::new()
                .file(&format!("functions/packed/{entry}"), &runtime.fixture("probe"))
                .file(&format!("functions/packed/{manifest}"), "env: {INSIDE: \"yes\"}\n")
                .serve()
                .await;
            let env = host.call("packed", json!({"do": "env"})).await.value();
            assert_eq!(env, json!({"INSIDE": "yes"}), "{runtime} {manifest}");
        }
    }
}

#[tokio::test]
async fn f51_shared_code_can_be_imported() {
    let js = "import { part } from './_shared/deep/more.js';";
    let py = "from _shared.part import part";
    let host = Project::new()
        .file("functions/_shared/part.js", "export const part = 'shared js';\n")
        .file("functions/_shared/deep/more.js", "export { part } from '../part.js';\n")
        .file("functions/uses_js.js", &returns(Runtime::Node, js, "part"))
        .file("functions/_shared/part.py", "part = 'shared py'\n")
        .file("functions/uses_py.py", &returns(Runtime::Python, py, "part"))
        .file("functions/packed_py/main.py", &returns(Runtime::Python, py, "part"))
        .file("functions/_shared/part.go", "package shared\n\nconst Part = \"shared go\"\n")
        .with(Runtime::Go, "importer")
        .serve()
        .await;
    check_says(&host, "uses_js", "shared js").await;
    check_says(&host, "uses_py", "shared py").await;
    check_says(&host, "packed_py", "shared py").await;
    check_says(&host, "importer_go", "shared go").await;
}

#[tokio::test]
async fn f51_what_is_no_function_is_left_alone() {
    let ignored = [
        "_private.js",
        ".hidden.js",
        "node_modules/package/index.js",
        "__pycache__/cached.py",
        "hello_test.go",
        "hello_test.py",
        "hello_test.js",
        "lonely.yaml",
        "README.md",
        "data.json",
        "types.d.ts",
        "script.sh",
        "noextension",
        "library/code.js",
        "hello.js.bak",
        "hello.js~",
    ];
    let project = ignored.into_iter().fold(Project::new(), |project, file| {
        project.file(&format!("functions/{file}"), "this is no program {{{")
    });
    let host = project.file("functions/hello.js", &says(Runtime::Node, "hello")).serve().await;
    assert_eq!(names(&host).await, ["hello"]);
    check_says(&host, "hello", "hello").await;
    for name in ["_private", ".hidden", "hello_test", "lonely", "library", "node_modules"] {
        host.call(name, json!({})).await.error(404, "FUNCTION_NOT_FOUND");
    }
}

/// The line of `alyx list --json` for one function.
async fn listed(project: &Project, name: &str) -> Value {
    let rows = project.run(&["list", "--json"]).await.json();
    let found = rows.as_array().expect("a list").iter().find(|row| row["name"] == name).cloned();
    found.unwrap_or_else(|| panic!("no '{name}' in {rows:#}"))
}

#[tokio::test]
async fn f51_two_sources_of_one_name_are_an_error_that_names_both() {
    let project = Project::new()
        .file("functions/twice.js", &says(Runtime::Node, "js"))
        .file("functions/twice.py", &says(Runtime::Python, "py"))
        .file("functions/once.js", &says(Runtime::Node, "once"));
    let row = listed(&project, "twice").await;
    assert_eq!(row["status"], "disabled", "{row}");
    for file in ["functions/twice.js", "functions/twice.py"] {
        assert!(row["detail"].as_str().is_some_and(|detail| detail.contains(file)), "{row}");
    }
    let host = project.serve().await;
    let answer = host.call("twice", json!({})).await;
    answer.error(500, "FUNCTION_LOAD_ERROR");
    assert!(!answer.text().contains("twice.py"), "{}", answer.text());
    check_says(&host, "once", "once").await;
    let said = host.log.all(|line| line.level() == "ERROR" && line.message().contains("twice.py"));
    assert!(said.iter().any(|line| line.message().contains("twice.js")), "{said:?}");
}

#[tokio::test]
async fn f51_a_manifest_may_pick_one_of_two_sources() {
    for (runtime, word) in [("node", "js"), ("python", "py"), ("go", "go")] {
        let host = Project::new()
            .file("functions/twice.js", &says(Runtime::Node, "js"))
            .file("functions/twice.py", &says(Runtime::Python, "py"))
            .file("functions/twice.go", &says(Runtime::Go, "go"))
            .file("functions/twice.yaml", &format!("runtime: {runtime}\n"))
            .serve()
            .await;
        check_says(&host, "twice", word).await;
    }
}

#[tokio::test]
async fn f51_a_link_out_of_the_folder_is_refused() {
    for runtime in RUNTIMES {
        let outside = tempfile::tempdir().expect("a temporary folder");
        let secret = outside.path().join("outside");
        std::fs::write(&secret, says(runtime, "from outside")).expect("a fresh folder");
        let name = runtime.function("linked");
        let project = Project::new().file(&runtime.file("inside"), &says(runtime, "inside"));
        symlink(&secret, project.path(runtime.file(&name))).expect("a fresh folder");
        let row = listed(&project, &name).await;
        assert_eq!(row["status"], "disabled", "{row}");
        assert!(row["detail"].as_str().is_some_and(|d| d.contains("link")), "{row}");
        let host = project.serve().await;
        let answer = host.call(&name, json!({})).await;
        answer.error(500, "FUNCTION_LOAD_ERROR");
        assert!(!answer.text().contains("outside"), "{}", answer.text());
        check_says(&host, "inside", "inside").await;
    }
}

#[tokio::test]
async fn f51_a_link_within_the_folder_is_as_good_as_a_file() {
    for runtime in RUNTIMES {
        let name = runtime.function("linked");
        let project = Project::new().file(&runtime.file("real"), &says(runtime, "real"));
        let target = runtime.file("real");
        symlink(target.trim_start_matches("functions/"), project.path(runtime.file(&name)))
            .expect("a fresh folder");
        let host = project.serve().await;
        check_says(&host, &name, "real").await;
    }
}

#[tokio::test]
async fn f51_a_name_that_no_url_can_hold_is_an_error_with_a_better_one() {
    let project = Project::new()
        .file("functions/my function.js", &says(Runtime::Node, "spaced"))
        .file("functions/fine.js", &says(Runtime::Node, "fine"));
    let row = listed(&project, "my function").await;
    assert_eq!(row["status"], "disabled", "{row}");
    assert!(row["detail"].as_str().is_some_and(|d| d.contains("'my_function'")), "{row}");
    check_says(&project.serve().await, "fine", "fine").await;
}

#[tokio::test]
async fn f51_a_missing_folder_is_a_warning_and_an_empty_list() {
    let host = Project::new().config(json!({"functions": {"path": "nowhere"}})).serve().await;
    assert!(names(&host).await.is_empty());
    let said = host.log.all(|line| line.level() == "WARN" && line.message().contains("nowhere"));
    assert_eq!(said.len(), 1, "{said:?}");
    assert_eq!(host.get("/health/ready").await.status, 200);
}
