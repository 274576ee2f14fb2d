//! What a function finds in its `ctx`.

use serde_json::{Value, json};

use super::blocks::Block;
use super::blog::{self, Person, database, is_id};
use super::snippets::{ending, filled};
use crate::harness::log::Line;
use crate::harness::{Host, Project, new_id};

/// The block as the function `example`.
const FILE: &str = "functions/example.js";

pub(super) async fn input(block: &Block) {
    let returning = filled(&block.text, "return [title, content, tags];");
    let project = Project::new().file(FILE, &block.text).file("functions/filled.js", &returning);
    let host = project.serve().await;
    let input = json!({"title": "A", "content": "b", "tags": ["c", {"d": 1}]});
    assert_eq!(host.call("example", input.clone()).await.value(), Value::Null);
    assert_eq!(host.call("filled", input).await.value(), json!(["A", "b", ["c", {"d": 1}]]));
}

pub(super) async fn auth(block: &Block) {
    block.says("User ID").says("User email").says("User role").says("Custom metadata");
    let host = blog::project().file(FILE, &block.text).serve().await;
    let message = host.call("example", json!({})).await.error_message(500, "FUNCTION_ERROR");
    assert_eq!(message, "Authentication required");

    let claims = ["--id", "user-1", "--email", "ada@example.com", "--role", "editor"];
    let arguments = [&["token"][..], &claims, &["--metadata", r#"{"team":"blue"}"#]].concat();
    let minted = host.project.run(&arguments).await;
    let bearer = format!("Bearer {}", minted.stdout.trim());
    let id = new_id();
    let call = host.post("example").header("X-Request-Id", &id).header("Authorization", &bearer);
    assert_eq!(call.send().await.value(), Value::Null, "{minted:?}");
    let of_call = |line: &Line| line.request_id() == id && line.message().contains("team");
    host.log.wait_for("what the function printed last", of_call).await;
    let lines = host.log.of_call(&id);
    let printed: Vec<_> = lines.iter().map(Line::message).collect();
    assert_eq!(printed, ["user-1", "ada@example.com", "editor", "{ team: 'blue' }"]);
}

pub(super) async fn db(block: &Block) {
    let host = blog::project().file(FILE, &block.text).serve().await;
    let (ada, eve) = (Person::register(&host, "Ada").await, Person::register(&host, "Eve").await);
    blog::post(&host, "post-id", &ada).await;
    blog::posts(&host, 12, &ada, true).await;
    blog::post(&host, "of another author", &eve).await;

    let posts = ada.call(&host, "example", json!({})).await.value();
    let titles: Vec<_> = rows(&posts).iter().map(|post| post["title"].clone()).collect();
    // 'post-id' was made just now, and the others are from the past.
    let newest = (3..12).rev().map(|n| json!(format!("Post {n}")));
    let newest: Vec<_> = [json!("Old Title")].into_iter().chain(newest).collect();
    assert_eq!((&posts["total"], titles), (&json!(13), newest), "the author's newest ten");

    let made = json!([{"filter": {"title": "Hello World"}}]);
    let made = database(&host, "posts.list", made).await;
    assert_eq!(made["total"], 1, "{made}");
    assert_eq!(made["docs"][0]["content"], "My first post");
    assert_eq!(made["docs"][0]["author_id"], ada.id);
    assert!(is_id(&made["docs"][0]["id"]), "{made}");
    let gone = database(&host, "posts.get", json!(["post-id"])).await;
    assert_eq!(gone, Value::Null, "updated, then deleted");
    check_refusals(&host, &ada).await;
}

/// The second time there is no 'post-id' left to update.
async fn check_refusals(host: &Host, ada: &Person) {
    let message = ada.call(host, "example", json!({})).await.error_message(404, "NOT_FOUND");
    assert!(message.contains("post-id"), "{message}");
    host.call("example", json!({})).await.error(500, "FUNCTION_ERROR");
}

pub(super) async fn log(block: &Block) {
    let host = blog::project().file(FILE, &block.text).serve().await;
    let ada = Person::register(&host, "Ada").await;
    let id = new_id();
    let bearer = format!("Bearer {}", ada.token);
    let call = host.post("example").header("X-Request-Id", &id).header("Authorization", &bearer);
    assert_eq!(call.json(&json!({"a": [1]})).send().await.value(), Value::Null);
    host.log.wait_for("the last line", |line| line.says(&id, "Error occurred")).await;
    let lines = host.log.of_call(&id);
    let told = lines.iter().map(|line| json!([line.level(), line.message(), line.fields()]));
    let expected = [
        json!(["INFO", "Processing request", {"userId": ada.id}]),
        json!(["DEBUG", "Debug info", {"input": {"a": [1]}}]),
        json!(["WARN", "Warning message", null]),
        json!(["ERROR", "Error occurred", {"error": "details"}]),
    ];
    assert_eq!(told.collect::<Vec<_>>(), expected);
    assert!(lines.iter().all(|line| line.text("function") == "example"), "{lines:?}");
}

pub(super) async fn env(block: &Block) {
    let returning = ending(&block.text, "return { apiKey, webhookUrl };");
    let variables = json!({"OPENAI_API_KEY": "sk-1", "SLACK_WEBHOOK_URL": "https://example.com/"});
    let project = Project::new().config(json!({"functions": {"env": variables}}));
    let project = project.file(FILE, &block.text).file("functions/returning.js", &returning);
    let host = project.serve().await;
    assert_eq!(host.call("example", json!({})).await.value(), Value::Null);
    let expected = json!({"apiKey": "sk-1", "webhookUrl": "https://example.com/"});
    assert_eq!(host.call("returning", json!({})).await.value(), expected);
}

/// The documents of a list.
pub(super) fn rows(list: &Value) -> &[Value] {
    list["docs"].as_array().unwrap_or_else(|| panic!("no docs in {list}"))
}
