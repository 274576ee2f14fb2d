//! Hot reloading, the admin page, trying functions out: the last part of the guide.
//!
//! What cannot run yet is listed here with its reason. Each entry has a check that fails when the
//! feature arrives: then the block is to be run.

use serde_json::json;

use super::blocks::{Block, PAGE, block};
use super::blog::{self, Person};
use super::quick_start::{host_with_hello, in_a_shell};
use crate::harness::Project;

/// Words of the guide that are not true yet, and why.
const NOT_YET: [(&str, &str); 1] =
    [("In the admin UI at `/_admin/functions`", "there is no admin page")];

/// What needs an engine: `s1_the_engines_log_shows_what_functions_print_and_log` asks one for the
/// log of this very container.
const WITH_AN_ENGINE: &str = "# View container logs\ndocker logs alyx-node-pool-1\n";

#[test]
fn what_is_not_there_yet_stands_in_the_guide() {
    for (words, why) in NOT_YET {
        assert!(PAGE.contains(words), "the guide no longer says '{words}' ({why})");
    }
}

pub(super) async fn hot_reloading(block: &Block) {
    let hello = blog::with(Project::new(), super::block("1. Create a Function", 0));
    let console = json!({"logging": {"format": "console", "level": "info"}});
    let host = hello.config(console).dev().await;
    host.call("hello", json!({})).await.value();
    let before = host.log.lines().len();
    host.project.write("functions/hello.js", "export default () => 'new';\n");
    host.log.wait_for("a reload", |line| line.message().ends_with("reloaded")).await;
    let said = host.log.lines().split_off(before);
    let said: String = said.iter().map(|line| format!("{}\n", line.message())).collect();
    assert_eq!(said, block.text);
    assert_eq!(host.call("hello", json!({})).await.value(), "new");
}

#[tokio::test]
async fn the_admin_page_is_not_there_yet() {
    let host = host_with_hello().await;
    let answer = host.get("/_admin/functions").await;
    assert_eq!(answer.status, 404, "there is a page; have a test look at it: {}", answer.text());
}

pub(super) async fn local_testing(block: &Block) {
    let calls = block.text.strip_suffix(WITH_AN_ENGINE).expect("the block ends with docker's logs");
    assert_eq!(calls.matches("YOUR_TOKEN").count(), 1);
    let host = host_with_hello().await;
    let ada = Person::register(&host, "Ada").await;
    let said = in_a_shell(&host, &calls.replace("YOUR_TOKEN", &ada.token)).await;
    assert!(said.starts_with(r#"{"message":"Hello, Test!","timestamp":"#), "{said}");
    // The placeholder itself is no token.
    let said = in_a_shell(&host, calls).await;
    assert!(said.contains(r#""code":"INVALID_TOKEN""#), "{said}");
}

#[test]
fn the_block_that_is_only_shown_has_no_language() {
    let bare = super::blocks().iter().filter(|block| block.language.is_empty());
    let bare: Vec<_> = bare.collect();
    assert_eq!(bare, [block("Hot Reloading", 0)]);
}
