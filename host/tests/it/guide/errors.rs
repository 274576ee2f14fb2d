//! What a caller gets when a function throws.

use serde_json::{Value, json};

use super::blocks::{Block, block};
use super::blog::{self, Person};
use crate::harness::{Host, Project};

pub(super) async fn throwing(block: &Block) {
    let host = blog::project().file("functions/example.js", &block.text).serve().await;
    let (ada, eve) = (Person::register(&host, "Ada").await, Person::register(&host, "Eve").await);
    blog::post(&host, "of ada", &ada).await;
    let input = json!({"postId": "of ada"});
    let refused = [
        (host.call("example", input.clone()).await, "Authentication required"),
        (ada.call(&host, "example", json!({"postId": "gone"})).await, "Post not found"),
        (eve.call(&host, "example", input.clone()).await, "Permission denied"),
    ];
    for (answer, message) in refused {
        block.says(&format!("new Error(\"{message}\")"));
        assert_eq!(answer.error_message(500, "FUNCTION_ERROR"), message);
    }
    assert_eq!(ada.call(&host, "example", input).await.value(), Value::Null);
}

pub(super) async fn a_custom_code(block: &Block) {
    let host = host_with(block).await;
    let error = host.call("example", json!({"email": ""})).await.error(400, "VALIDATION_ERROR");
    assert_eq!(
        (&error["message"], &error["field"]),
        (&json!("Email is required"), &json!("email"))
    );
    let taken = host.call("example", json!({"email": "ada@example.com"})).await;
    assert_eq!(taken.value(), Value::Null);
}

/// Byte for byte, but for the spaces.
pub(super) async fn the_answer_to_a_custom_code(answer: &Block) {
    let stated: Value = serde_json::from_str(&answer.text).expect("the guide's answer is JSON");
    let host = host_with(block("Custom Error Codes", 0)).await;
    let got = host.call("example", json!({})).await;
    assert_eq!((got.status, got.text()), (400, stated.to_string()));
}

async fn host_with(block: &Block) -> Host {
    Project::new().file("functions/example.js", &block.text).serve().await
}
