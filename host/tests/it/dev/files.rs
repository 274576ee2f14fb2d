//! Files that come and go, and manifests.

use std::fs;

use serde_json::json;

use super::{Since, project, reloaded, revision, save, source};
use crate::harness::{PATIENCE, Project, RUNTIMES, Runtime, eventually};

#[tokio::test]
async fn h55_a_file_that_is_created_is_a_function() {
    // No function of any runtime at the start.
    let host = Project::new().dev().await;
    for runtime in RUNTIMES {
        let name = runtime.function("fresh");
        host.call(&name, json!({})).await.error(404, "FUNCTION_NOT_FOUND");
        let since = Since::now(&host);
        let file = runtime.file(&name);
        host.project.write(&file, &source(runtime, "r0"));
        since.says(&host, &format!("{file} created")).await;
        since.says(&host, &format!("Function '{name}' added")).await;
        assert_eq!(revision(&host, &name).await, "r0", "{runtime}");
        save(&host, &file, &source(runtime, "r1"), &name).await;
        assert_eq!(revision(&host, &name).await, "r1", "{runtime}");
    }
    host.ready().await;
}

#[tokio::test]
async fn h55_a_file_that_is_deleted_is_no_function_any_more() {
    for runtime in RUNTIMES {
        let host = project(runtime).dev().await;
        let (slow, _) = host.begin("hello", json!({"ms": 1500})).await;
        let since = Since::now(&host);
        fs::remove_file(host.project.path(runtime.file("hello"))).unwrap();
        since.says(&host, &format!("{} deleted", runtime.file("hello"))).await;
        since.says(&host, "Function 'hello' removed").await;
        host.call("hello", json!({})).await.error(404, "FUNCTION_NOT_FOUND");
        assert_eq!(slow.answer().await.value()[0], "r0", "{runtime}: a call under way ends well");
        // It comes back.
        let since = Since::now(&host);
        host.project.write(&runtime.file("hello"), &source(runtime, "r0"));
        since.says(&host, "Function 'hello' added").await;
        assert_eq!(revision(&host, "hello").await, "r0", "{runtime}");
    }
}

#[tokio::test]
async fn h55_a_file_that_is_renamed_is_a_function_of_another_name() {
    for runtime in RUNTIMES {
        let host = project(runtime).dev().await;
        revision(&host, "hello").await;
        let since = Since::now(&host);
        let path = |name| host.project.path(runtime.file(name));
        fs::rename(path("hello"), path("hallo")).unwrap();
        since.says(&host, "Function 'hello' removed").await;
        since.says(&host, "Function 'hallo' added").await;
        host.call("hello", json!({})).await.error(404, "FUNCTION_NOT_FOUND");
        assert_eq!(revision(&host, "hallo").await, "r0", "{runtime}");
    }
}

#[tokio::test]
async fn h55_a_function_may_change_its_language() {
    let host = project(Runtime::Node).dev().await;
    revision(&host, "hello").await;
    let since = Since::now(&host);
    host.project.write("functions/hello.py", &source(Runtime::Python, "python"));
    fs::remove_file(host.project.path("functions/hello.js")).unwrap();
    since.says(&host, &reloaded("hello")).await;
    assert_eq!(revision(&host, "hello").await, "python");
}

#[tokio::test]
async fn h55_two_files_of_one_name_keep_the_first_until_one_is_removed() {
    let host = project(Runtime::Node).dev().await;
    revision(&host, "hello").await;
    let since = Since::now(&host);
    host.project.write("functions/hello.py", &source(Runtime::Python, "python"));
    since.finds(&host, "the error", |line| line.message().contains("two sources")).await;
    assert_eq!(revision(&host, "hello").await, "r0");
    let since = Since::now(&host);
    fs::remove_file(host.project.path("functions/hello.js")).unwrap();
    since.says(&host, &reloaded("hello")).await;
    assert_eq!(revision(&host, "hello").await, "python");
}

#[tokio::test]
async fn h55_manifests_are_reloaded_with_their_environment() {
    for runtime in RUNTIMES {
        let host = Project::new()
            .with(runtime, "probe")
            .env("ALYX_FUNCTIONS_ENV_COMMON", "yes")
            .env("SECRET_WORD", "from outside")
            .dev()
            .await;
        let (name, manifest) = (runtime.probe(), format!("functions/{}.yaml", runtime.probe()));
        let env = async || host.value(runtime, json!({"do": "env"})).await;
        assert_eq!(env().await, json!({"COMMON": "yes"}), "{runtime}");
        let since = Since::now(&host);
        save(&host, &manifest, "env: {WORD: \"${SECRET_WORD}\"}\n", &name).await;
        since.says(&host, &format!("{manifest} created")).await;
        let both = json!({"COMMON": "yes", "WORD": "from outside"});
        assert_eq!(env().await, both, "{runtime}");
        save(&host, &manifest, "env: {COMMON: \"no\"}\ntimeout: 300ms\n", &name).await;
        assert_eq!(env().await, json!({"COMMON": "no"}), "{runtime}");
        let slow = host.probe(runtime, json!({"do": "hold", "ms": 5000})).await;
        slow.error(504, "FUNCTION_TIMEOUT");
        let since = Since::now(&host);
        fs::remove_file(host.project.path(&manifest)).unwrap();
        since.says(&host, &reloaded(&name)).await;
        assert_eq!(env().await, json!({"COMMON": "yes"}), "{runtime}");
    }
}

#[tokio::test]
async fn h55_a_manifest_may_give_another_name() {
    let host = project(Runtime::Node).dev().await;
    revision(&host, "hello").await;
    host.project.write("functions/hello.yaml", "name: hallo\n");
    eventually("the new name", PATIENCE, async || {
        (host.call("hallo", json!({})).await.status == 200).then_some(())
    })
    .await;
    eventually("the old name is gone", PATIENCE, async || {
        (host.call("hello", json!({})).await.status == 404).then_some(())
    })
    .await;
}

#[tokio::test]
async fn h55_schemas_are_reloaded() {
    let with = |rule: &str| {
        format!(
            "export const config = {{ input: {{ n: {{ {rule} }} }} }};\nexport default () => 1;\n"
        )
    };
    let host = Project::new().file("functions/hello.js", &with("type: 'number'")).dev().await;
    host.call("hello", json!({"n": "text"})).await.error(400, "VALIDATION_ERROR");
    save(&host, "functions/hello.js", &with("type: 'string'"), "hello").await;
    host.call("hello", json!({"n": "text"})).await.value();
    host.call("hello", json!({"n": 1})).await.error(400, "VALIDATION_ERROR");
}
