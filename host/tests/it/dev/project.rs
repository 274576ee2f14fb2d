//! What `alyx dev` does for the project as a whole: the secret, the configuration, verbose errors.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use serde_json::json;

use super::{Since, project, revision};
use crate::harness::{PATIENCE, Project, Runtime, eventually};

const SECRET: &str = ".alyx/jwt-secret";

#[tokio::test]
async fn c1_dev_takes_the_flags_of_serve() {
    let help = async |verb: &str| {
        let ran = Project::new().run(&[verb, "--help"]).await;
        assert_eq!(ran.code, Some(0), "{ran:?}");
        ran.stdout
    };
    let (dev, serve) = (help("dev").await, help("serve").await);
    for flag in ["--config", "--host", "--port"] {
        assert!(dev.contains(flag) && serve.contains(flag), "{flag}: {dev}");
    }
    assert!(dev.contains("Example:\n  alyx dev"), "{dev}");
}

#[tokio::test]
async fn c1_a_secret_is_made_once_kept_and_good_for_tokens() {
    let mut host = project(Runtime::Node).with(Runtime::Node, "caller").dev().await;
    let said = |line: &crate::harness::log::Line| line.message().contains(SECRET);
    assert_eq!(host.log.all(said).len(), 1);
    let file = host.project.path(SECRET);
    let secret = fs::read_to_string(&file).expect("a secret");
    assert!(secret.len() >= 32);
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let logged = host.log.all(|line| line.0.to_string().contains(&secret));
    assert!(logged.is_empty(), "a secret in the log: {logged:?}");
    let token = host.project.run(&["token", "--id", "u1"]).await.stdout;
    let as_user =
        host.post("caller_node").header("Authorization", &format!("Bearer {}", token.trim()));
    assert_eq!(as_user.json(&json!({})).send().await.value()["auth"]["id"], "u1");
    host.stop().await;
    // The next start takes the same, and has nothing to say of it.
    let again = crate::harness::Host::of(
        host.project.command(&["dev", "--port", "0"]),
        host.project.clone(),
    )
    .await;
    assert_eq!(fs::read_to_string(&file).unwrap(), secret);
    assert!(again.log.all(said).is_empty());
    let as_user =
        again.post("caller_node").header("Authorization", &format!("Bearer {}", token.trim()));
    assert_eq!(as_user.json(&json!({})).send().await.value()["auth"]["id"], "u1");
}

#[tokio::test]
async fn c1_a_configured_secret_is_used_and_none_is_made() {
    let secret = "0123456789abcdefghijklmnopqrstuvwxyz";
    let config = json!({"auth": {"jwt": {"secret": secret}}});
    let host = project(Runtime::Node).config(config).dev().await;
    revision(&host, "hello").await;
    assert!(!host.project.path(SECRET).exists());
    // One that is no good is refused as it is by `alyx serve`.
    let config = json!({"auth": {"jwt": {"secret": "short"}}});
    let ran = Project::new().config(config).run(&["dev", "--port", "0"]).await;
    assert_eq!(ran.code, Some(2), "{ran:?}");
}

#[tokio::test]
async fn c1_serve_does_not_take_the_secret_of_dev() {
    let mut host = project(Runtime::Node).with(Runtime::Node, "caller").dev().await;
    let token = host.project.run(&["token", "--id", "u1"]).await.stdout;
    host.stop().await;
    let host = crate::harness::Host::start(host.project.clone()).await;
    let call =
        host.post("caller_node").header("Authorization", &format!("Bearer {}", token.trim()));
    let answer = call.json(&json!({})).send().await;
    assert_ne!(answer.status, 200, "{}", answer.text());
}

#[tokio::test]
async fn h55_a_change_of_the_configuration_asks_for_a_restart() {
    let host = project(Runtime::Node).dev().await;
    let yaml = fs::read_to_string(host.project.path("alyx.yaml")).unwrap();
    let since = Since::now(&host);
    host.project.write("alyx.yaml", &format!("{yaml}\n# more\n"));
    let line =
        since.finds(&host, "a word on it", |line| line.message().contains("alyx.yaml")).await;
    assert_eq!(line.level(), "WARN");
    assert!(line.message().contains("stop and start 'alyx dev'"), "{line:?}");
    assert_eq!(revision(&host, "hello").await, "r0");
}

#[tokio::test]
async fn v4_a_result_that_breaks_its_schema_is_an_error_in_dev() {
    let text = "export const config = { output: { n: { type: 'number', required: true } } };\n\
                export default () => ({ n: 'text' });\n";
    let host = Project::new().file("functions/hello.js", text).dev().await;
    host.call("hello", json!({})).await.error(500, "OUTPUT_INVALID");
}

#[tokio::test]
async fn h55_dev_stops_as_serve_does_and_leaves_nothing() {
    let mut host = project(Runtime::Node).dev().await;
    revision(&host, "hello").await;
    let workers = host.workers();
    assert!(!workers.is_empty());
    host.stop().await;
    eventually("the workers are gone", PATIENCE, async || {
        workers.iter().all(|worker| !worker.is_running()).then_some(())
    })
    .await;
}
