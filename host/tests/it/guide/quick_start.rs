//! The guide's first function and its first call.

use std::process::{Command, Stdio};

use serde_json::{Value, json};

use super::blocks::{Block, block};
use super::blog::{self, is_time};
use crate::harness::project::Ran;
use crate::harness::{Host, Project};

/// Where the guide's commands look for the host.
const GUIDES_ADDRESS: &str = "http://localhost:8090";

pub(super) async fn the_first_function(block: &Block) {
    let host = blog::with(Project::new(), block).serve().await;
    for (input, greeting) in [
        (json!({"name": "Alyx"}), "Hello, Alyx!"),
        (json!({"name": ""}), "Hello, World!"),
        (json!({}), "Hello, World!"),
    ] {
        let value = host.call("hello", input).await.value();
        assert_eq!(value["message"], greeting);
        assert!(is_time(&value["timestamp"]), "{value}");
    }
}

pub(super) async fn the_first_call(block: &Block) {
    let host = host_with_hello().await;
    let said = in_a_shell(&host, &block.text).await;
    assert_is_stated_answer(&said);
}

pub(super) async fn the_first_answer(_: &Block) {
    let host = host_with_hello().await;
    let answer = host.call("hello", json!({"name": "Alyx"})).await;
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/json")));
    assert_is_stated_answer(&answer.text());
}

pub(super) async fn host_with_hello() -> Host {
    blog::with(blog::project(), block("1. Create a Function", 0)).serve().await
}

/// What the guide's commands print when this host is the one they mean.
pub(super) async fn in_a_shell(host: &Host, commands: &str) -> String {
    assert!(commands.contains(GUIDES_ADDRESS), "no '{GUIDES_ADDRESS}' in {commands}");
    let commands = commands.replace(GUIDES_ADDRESS, &format!("http://{}", host.address));
    let mut bash = Command::new("bash");
    bash.args(["-e", "-c", &commands]).current_dir(host.project.path("tmp"));
    // Whoever runs the tests may have a proxy or a .curlrc of their own.
    bash.env("CURL_HOME", host.project.path("tmp")).env("NO_PROXY", "*");
    bash.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let ran = Ran::of(bash).await;
    assert_eq!(ran.code, Some(0), "{ran:?}");
    ran.stdout
}

/// Byte for byte what the guide states, but for spaces and the time.
fn assert_is_stated_answer(answer: &str) {
    let stated = &block("2. Call the Function", 1).text;
    let mut stated: Value = serde_json::from_str(stated).expect("the guide's answer is JSON");
    let got: Value = serde_json::from_str(answer).unwrap_or_else(|e| panic!("{e}: {answer}"));
    assert!(is_time(&stated["timestamp"]) && is_time(&got["timestamp"]), "{answer}");
    stated["timestamp"] = got["timestamp"].clone();
    assert_eq!(answer, stated.to_string());
}
