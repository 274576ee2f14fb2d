//! The empty function in each language.

use serde_json::json;

use super::blocks::Block;
use super::blog;

pub(super) async fn a_function(block: &Block) {
    check(block, "myFunction", "node").await;
}

pub(super) async fn a_function_in_python(block: &Block) {
    check(block, "my_function", "python").await;
}

pub(super) async fn a_function_in_go(block: &Block) {
    check(block, "myFunction", "go").await;
}

/// As each block says of itself: its name is its file's and its language the file's extension.
async fn check(block: &Block, function: &str, runtime: &str) {
    let host = blog::with(blog::project(), block).serve().await;
    let listed = host.get("/api/functions").await.text();
    let row = json!({"name": function, "runtime": runtime}).to_string();
    assert!(listed.contains(&row), "no {row} in {listed}");
    assert_eq!(host.call(function, json!({"a": 1})).await.value(), json!({"result": "success"}));
}
