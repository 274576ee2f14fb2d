//! Packages: lists become sets, sets are used, and what cannot be installed is told.
//!
//! The packages are made by the tests. One test asks the registries, with one tiny package each.

pub(crate) mod part;
mod failures;
mod gate;
mod odd;
mod reload;

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::harness::{Project, RUNTIMES, Runtime};
use part::{function, list, publish, wants, with_function};

/// A project with a function of each runtime that uses `part`.
async fn with_all() -> Project {
    let mut project = part::project();
    for runtime in RUNTIMES {
        project = with_function(project, runtime).await;
    }
    project
}

/// The sets that are installed for a runtime, half ones included.
fn sets(project: &Project, runtime: Runtime) -> Vec<PathBuf> {
    let folder = project.path(".alyx/deps").join(runtime.name());
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let name = |path: &Path| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let paths = entries.flatten().map(|entry| entry.path());
    let mut sets: Vec<_> = paths
        .filter(|path| !path.is_symlink() && path.is_dir())
        .filter(|path| name(path) != "mod")
        .collect();
    sets.sort();
    sets
}

/// What a table in JSON says of one list.
fn status<'v>(rows: &'v Value, list: &str) -> &'v str {
    let rows = rows.as_array().expect("a list of rows");
    let row = rows.iter().find(|row| row["list"] == list);
    row.and_then(|row| row["status"].as_str()).unwrap_or_else(|| panic!("no '{list}' in {rows:?}"))
}

#[tokio::test]
async fn c5_4_a_command_installs_the_packages_of_every_runtime_once() {
    let project = with_all().await;
    let check = project.run(&["deps", "install", "--check"]).await;
    assert_eq!(check.code, Some(1), "{check:?}");
    for runtime in RUNTIMES {
        assert!(check.stderr.contains(&list(runtime, "functions")), "{runtime}: {check:?}");
        assert_eq!(sets(&project, runtime), [""; 0].map(PathBuf::from), "{runtime}");
    }
    let install = project.run(&["deps", "install", "--json"]).await;
    assert_eq!(install.code, Some(0), "{install:?}");
    for runtime in RUNTIMES {
        let list = list(runtime, "functions");
        assert_eq!(status(&install.json(), &list), "installed", "{runtime}");
        assert!(install.stderr.contains(&format!("{list}: installed in ")), "{install:?}");
        assert_eq!(sets(&project, runtime).len(), 1, "{runtime}");
    }
    let check = project.run(&["deps", "install", "--check"]).await;
    assert_eq!(check.code, Some(0), "{check:?}");

    // Nothing is asked of anybody any more.
    let before = RUNTIMES.map(|runtime| sets(&project, runtime));
    fs::remove_dir_all(project.path("tmp/proxy")).expect("the folder of modules is there");
    let project = project.env("npm_config_offline", "true").env("GOPROXY", "off");
    let again = project.run(&["deps", "install"]).await;
    assert_eq!((again.code, again.stderr.as_str()), (Some(0), ""), "{again:?}");
    assert_eq!(RUNTIMES.map(|runtime| sets(&project, runtime)), before);
    let host = project.serve().await;
    for runtime in RUNTIMES {
        let name = runtime.function("uses");
        assert_eq!(host.call(&name, json!({})).await.value(), "1.0.0", "{runtime}");
    }
}

#[tokio::test]
async fn c5_4_a_project_without_lists_has_nothing_to_install() {
    let project = Project::new().with(Runtime::Python, "probe");
    for arguments in [&["deps", "install"][..], &["deps", "install", "--check"]] {
        let ran = project.run(arguments).await;
        assert_eq!(ran.code, Some(0), "{ran:?}");
        assert!(ran.stdout.contains("no function has a list of packages"), "{ran:?}");
    }
    assert!(!project.path(".alyx").exists(), "a project without packages gets no folder for them");
}

#[tokio::test]
async fn c5_4_each_function_may_have_packages_of_its_own() {
    let mut project = with_all().await;
    for runtime in RUNTIMES {
        publish(&project, runtime, "1.1.0").await;
        let (name, entry) = match runtime {
            Runtime::Node => ("own_node", "index.js"),
            Runtime::Python => ("own_python", "main.py"),
            Runtime::Go => ("own_go", "main.go"),
        };
        project = project.file(&format!("functions/{name}/{entry}"), function(runtime));
        wants(&project, runtime, &format!("functions/{name}"), "1.1.0");
    }
    // Both of a runtime have to make do with one worker, one after the other.
    let config = json!({"functions": {"pool": {"max_instances": 1, "min_warm": 0}}});
    let project = project.config(config);
    let installed = project.run(&["deps", "install"]).await;
    assert_eq!(installed.code, Some(0), "{installed:?}");
    let host = project.serve().await;
    for runtime in RUNTIMES {
        for _ in 0..2 {
            for (stem, version) in [("uses", "1.0.0"), ("own", "1.1.0")] {
                let answer = host.call(&runtime.function(stem), json!({})).await;
                assert_eq!(answer.value(), version, "{stem} {runtime}");
            }
        }
    }
}

#[tokio::test]
async fn c5_4_the_registries_are_asked_for_what_is_not_local() {
    let go = "package main\n\nimport (\n\t\"github.com/google/uuid\"\n\t\"github.com/watzon/alyx/pkg/runtime\"\n)\n\nfunc Handler(ctx *runtime.Context) (any, error) { return len(uuid.NewString()), nil }\n";
    let project = Project::new()
        .file("functions/package.json", r#"{"dependencies": {"nanoid": "5.1.5"}}"#)
        .file(
            "functions/id_node.js",
            "import { nanoid } from 'nanoid';\nexport default () => nanoid().length;\n",
        )
        .file("functions/requirements.txt", "six==1.17.0\n")
        .file(
            "functions/id_python.py",
            "import six\n\n\ndef handler(ctx):\n    return len(six.__version__)\n",
        )
        .file(
            "functions/go.mod",
            "module functions\n\ngo 1.22\n\nrequire github.com/google/uuid v1.6.0\n",
        )
        .file("functions/id_go.go", go);
    let installed = project.run(&["deps", "install"]).await;
    assert_eq!(installed.code, Some(0), "{installed:?}");
    // As npm would have done: versions are fixed from now on.
    let lock = fs::read_to_string(project.path("functions/package-lock.json")).expect("a lock");
    assert!(lock.contains("5.1.5"), "{lock}");
    let host = project.serve().await;
    for (runtime, length) in [(Runtime::Node, 21), (Runtime::Python, 6), (Runtime::Go, 36)] {
        assert_eq!(host.call(&runtime.function("id"), json!({})).await.value(), length);
    }
}

#[tokio::test]
async fn c5_4_a_project_file_lists_packages_of_python_too() {
    let project = part::project().file("functions/uses.py", function(Runtime::Python));
    publish(&project, Runtime::Python, "1.0.0").await;
    let wheel = project.path("functions/_vendor/part-1.0.0-py3-none-any.whl");
    let text = format!(
        "[project]\nname = \"functions\"\nversion = \"1\"\ndependencies = [\"part @ file://{}\"]\n",
        wheel.display()
    );
    let project = project.file("functions/pyproject.toml", &text);
    let installed = project.run(&["deps", "install"]).await;
    assert_eq!(installed.code, Some(0), "{installed:?}");
    let host = project.serve().await;
    assert_eq!(host.call("uses", json!({})).await.value(), "1.0.0");
}

#[tokio::test]
async fn c5_4_packages_that_are_folders_of_the_project_are_linked() {
    let package = r#"{"type": "module", "dependencies": {"@own/part": "file:_part"}}"#;
    let code = "import { version } from '@own/part';\nexport default () => version;\n";
    let project = part::project()
        .file("functions/package.json", package)
        .file("functions/_part/package.json", r#"{"name": "@own/part", "version": "1.0.0", "type": "module", "exports": "./index.js"}"#)
        .file("functions/_part/index.js", "export const version = 'linked';\n")
        .file("functions/uses.js", code);
    let installed = project.run(&["deps", "install"]).await;
    assert_eq!(installed.code, Some(0), "{installed:?}");
    let link = fs::canonicalize(project.path("functions/node_modules/@own/part"));
    let folder = fs::canonicalize(project.path("functions/_part"));
    assert_eq!(link.expect("the package is there"), folder.expect("so is the folder"));
    let host = project.serve().await;
    assert_eq!(host.call("uses", json!({})).await.value(), "linked");
}

#[tokio::test]
async fn c5_4_a_node_modules_of_the_users_own_is_used_and_left_alone() {
    let project = with_function(part::project(), Runtime::Node).await;
    project.write(
        "functions/node_modules/part/package.json",
        r#"{"type": "module", "exports": "./a.js"}"#,
    );
    project.write("functions/node_modules/part/a.js", "export const version = 'mine';\n");
    let install = project.run(&["deps", "install", "--json"]).await;
    assert_eq!(install.code, Some(0), "{install:?}");
    assert_eq!(status(&install.json(), "functions/package.json"), "yours");
    let host = project.serve().await;
    assert_eq!(host.call("uses_node", json!({})).await.value(), "mine");
    let said = host.log.all(|line| line.message() == "'functions/node_modules' is used as it is");
    assert_eq!(said.len(), 1);
    assert!(!host.project.path("functions/node_modules").is_symlink());
}

#[tokio::test]
async fn c5_4_a_package_json_that_names_no_type_holds_modules_all_the_same() {
    let project = part::project().file("functions/uses_node.js", function(Runtime::Node));
    publish(&project, Runtime::Node, "1.0.0").await;
    let package = r#"{"dependencies": {"part": "file:_vendor/part-1.0.0.tgz"}}"#;
    let project = project.file("functions/package.json", package);
    let installed = project.run(&["deps", "install"]).await;
    assert_eq!(installed.code, Some(0), "{installed:?}");
    let host = project.serve().await;
    assert_eq!(host.call("uses_node", json!({})).await.value(), "1.0.0");
}

#[tokio::test]
async fn c5_4_functions_cannot_change_their_packages() {
    let code = "import os\nimport part\n\n\ndef handler(ctx):\n    folder = os.path.dirname(part.__file__)\n    try:\n        with open(os.path.join(folder, 'part.py'), 'a') as file:\n            file.write('x')\n    except OSError as error:\n        return type(error).__name__\n    return 'written'\n";
    let project = with_function(part::project(), Runtime::Python).await;
    let project = project.file("functions/writes.py", code);
    let installed = project.run(&["deps", "install"]).await;
    assert_eq!(installed.code, Some(0), "{installed:?}");
    let host = project.serve().await;
    let answer = host.call("writes", json!({})).await.value();
    assert_ne!(answer, "written");
}

#[tokio::test]
async fn c5_4_switched_off_nothing_is_installed_but_by_hand() {
    let project = with_function(part::project(), Runtime::Python).await;
    let project = project.config(json!({"functions": {"dependencies": "off"}}));
    let mut host = project.serve().await;
    host.call("uses_python", json!({})).await.error(500, "FUNCTION_LOAD_ERROR");
    assert_eq!(sets(&host.project, Runtime::Python), [""; 0].map(PathBuf::from));
    host.stop().await;
    let installed = host.project.run(&["deps", "install"]).await;
    assert_eq!(installed.code, Some(0), "{installed:?}");
    let host = crate::harness::Host::start(host.project.clone()).await;
    assert_eq!(host.call("uses_python", json!({})).await.value(), "1.0.0");
}
