//! The guide's blog post with a slug, through HTTP and back out of the database.

use serde_json::json;

use super::blocks::Block;
use super::blog::{self, Person, database, is_id};
use crate::harness::{Host, new_id};

pub(super) async fn create_post(block: &Block) {
    let host = blog::with(blog::project(), block).serve().await;
    check_create_post(&host, "createPost").await;
}

/// Also for the sample project, which has the same function with a schema, and in Python.
pub(super) async fn check_create_post(host: &Host, function: &str) {
    let input = json!({"title": "Hello, World! 2", "content": "My first post", "tags": ["a", "b"]});
    let message = host.call(function, input.clone()).await.error_message(500, "FUNCTION_ERROR");
    assert_eq!(message, "Authentication required");

    let ada = Person::register(host, "Ada").await;
    let (id, bearer) = (new_id(), format!("Bearer {}", ada.token));
    let call = host.post(function).header("X-Request-Id", &id).header("Authorization", &bearer);
    let made = call.json(&input).send().await.value();
    assert_eq!(made, json!({"id": made["id"], "slug": "hello-world-2"}));
    assert!(is_id(&made["id"]), "{made}");
    let line = host.log.wait_for("'Post created'", |line| line.says(&id, "Post created")).await;
    assert_eq!(line.fields(), json!({"postId": made["id"], "authorId": ada.id}));

    let post = database(host, "posts.get", json!([made["id"]])).await;
    for (field, value) in [
        ("title", json!("Hello, World! 2")),
        ("content", json!("My first post")),
        ("slug", json!("hello-world-2")),
        ("author_id", json!(ada.id)),
        ("tags", json!(["a", "b"])),
        ("published", json!(false)),
    ] {
        assert_eq!(post[field], value, "{field} of {post}");
    }
    check_uniqueness(host, &ada, function).await;
}

/// Any post whose slug begins the same counts, as SQL's LIKE has it.
async fn check_uniqueness(host: &Host, ada: &Person, function: &str) {
    let again = json!({"title": "hello world", "content": "Without tags"});
    let made = ada.call(host, function, again).await.value();
    let slug = made["slug"].as_str().unwrap_or_default();
    let stamp = slug.strip_prefix("hello-world-").unwrap_or_default();
    assert!(stamp.len() == 13 && stamp.parse::<u64>().is_ok(), "no time in '{slug}'");
    let post = database(host, "posts.get", json!([made["id"]])).await;
    assert_eq!((&post["slug"], &post["tags"]), (&made["slug"], &json!([])), "{post}");
    let other = json!({"title": "-Another one-", "content": "Text"});
    assert_eq!(ada.call(host, function, other).await.value()["slug"], "another-one");
}
