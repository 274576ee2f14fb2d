//! Lists and settings as people have them: not complete, not tidy, meant for something else.

use serde_json::json;

use super::part::{self, list, publish, with_function};
use crate::harness::{Project, Runtime};

#[tokio::test]
async fn c5_4_a_go_mod_need_not_name_what_its_modules_need() {
    let project = part::project().file(
        "functions/uses_go.go",
        &part::function(Runtime::Go)
            .replace("example.com/part", "example.com/outer")
            .replace("part.", "outer."),
    );
    publish(&project, Runtime::Go, "1.0.0").await;
    let code = "package outer\n\nimport \"example.com/part\"\n\nconst Version = \"outer \" + part.Version\n";
    part::module(&project, "outer", "1.0.0", "require example.com/part v1.0.0\n", code).await;
    let text = "module functions\n\ngo 1.22\n\nrequire example.com/outer v1.0.0\n";
    let project = project.file(&list(Runtime::Go, "functions"), text);
    let installed = project.run(&["deps", "install"]).await;
    assert_eq!(installed.code, Some(0), "{installed:?}");
    let project = project.env("GOPROXY", "off");
    let host = project.serve().await;
    assert_eq!(host.call("uses_go", json!({})).await.value(), "outer 1.0.0");
}

#[tokio::test]
async fn c5_4_functions_that_are_switched_off_get_no_packages() {
    let project = with_function(part::project(), Runtime::Python).await;
    let off = project.config(json!({"functions": {"enabled": false}}));
    let mut host = off.serve().await;
    host.call("uses_python", json!({})).await.error(503, "RUNTIME_DISABLED");
    host.stop().await;
    let said = host.log.all(|line| line.message().contains("packages"));
    assert_eq!(said.len(), 0, "{said:?}");
    assert_eq!(super::sets(&host.project, Runtime::Python).len(), 0);
}

#[tokio::test]
async fn c5_4_a_pip_that_wants_an_environment_gets_by_without() {
    let project = with_function(part::project(), Runtime::Python).await;
    let project = project.env("PIP_REQUIRE_VIRTUALENV", "1").env("PIP_USER", "1");
    let installed = project.run(&["deps", "install"]).await;
    assert_eq!(installed.code, Some(0), "{installed:?}");
}

#[tokio::test]
async fn c5_4_an_index_that_is_out_of_reach_is_told_as_such() {
    let project = Project::new()
        .with(Runtime::Python, "probe")
        .file("functions/requirements.txt", "six==1.17.0\n")
        .env("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
        .env("PIP_EXTRA_INDEX_URL", "")
        .env("PIP_RETRIES", "1");
    let ran = project.run(&["deps", "install"]).await;
    assert_eq!(ran.code, Some(1), "{ran:?}");
    let told = "package 'six==1.17.0' of 'functions/requirements.txt' cannot be installed: the index gives no answer";
    assert!(ran.stderr.contains(told) && ran.stderr.contains("refused"), "{ran:?}");
    assert!(!ran.stderr.contains("from source"), "there is nothing to build: {ran:?}");
}

#[tokio::test]
async fn c5_4_a_list_that_breaks_leaves_the_packages_installed_before() {
    let project = with_function(part::project(), Runtime::Python).await;
    let installed = project.run(&["deps", "install"]).await;
    assert_eq!(installed.code, Some(0), "{installed:?}");
    project.write("functions/requirements.txt", "-r gone.txt\n");
    let host = project.serve().await;
    assert_eq!(host.call("uses_python", json!({})).await.value(), "1.0.0");
    let check = host.project.run(&["deps", "install", "--check"]).await;
    assert_eq!(check.code, Some(1), "{check:?}");
}
