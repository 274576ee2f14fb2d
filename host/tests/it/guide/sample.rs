//! The sample project: what a clone of the repository serves at once.

use std::fs;

use serde_json::{Value, json};

use super::blog::{DATABASE, Person, sample};
use super::examples::check_create_post;
use super::welcome::{KEY, Mail, check_send_welcome};
use crate::harness::{Host, Project};

/// A copy of it. Only how it logs, and who may sign tokens, is the test's own.
fn the_sample() -> Project {
    let read = |file: &str| fs::read_to_string(sample(file)).expect("a text of the sample project");
    let mut project = Project::new()
        .file("sample.yaml", &read("alyx.yaml"))
        .env("ALYX_CONFIG", "sample.yaml")
        .env("ALYX_LOGGING_FORMAT", "json")
        .env("ALYX_JWT_SECRET", "a secret of the tests, long enough to sign");
    for entry in fs::read_dir(sample("functions")).expect("the sample has functions") {
        let name = entry.expect("a file of the sample").file_name().into_string().expect("ASCII");
        let file = format!("functions/{name}");
        project = project.file(&file, &read(&file));
    }
    project
}

async fn serve(project: Project) -> Host {
    project.file("functions/database.js", DATABASE).serve().await
}

#[tokio::test]
async fn every_function_of_the_sample_project_loads() {
    let ran = the_sample().run(&["list", "--json"]).await;
    let rows = ran.json();
    let rows = rows.as_array().expect("a list");
    let broken: Vec<_> = rows.iter().filter(|row| row["status"] != "ok").collect();
    assert!(broken.is_empty() && rows.len() >= 10, "{ran:?}");
}

#[tokio::test]
async fn posts_are_made_in_node_and_python_and_listed_in_go() {
    for function in ["createPost", "create_post"] {
        let host = serve(the_sample()).await;
        check_create_post(&host, function).await;
        let refused = host.call(function, json!({"title": "A"})).await;
        assert_eq!(refused.error_message(400, "VALIDATION_ERROR"), "content is required");
    }
    let host = serve(the_sample()).await;
    host.call("my_posts", json!({})).await.error(401, "UNAUTHENTICATED");
    let (ada, eve) = (Person::register(&host, "Ada").await, Person::register(&host, "Eve").await);
    assert_eq!(
        ada.call(&host, "my_posts", json!({})).await.value(),
        json!({"docs": [], "total": 0})
    );
    for (author, function, title) in
        [(&ada, "createPost", "One"), (&eve, "createPost", "Two"), (&ada, "create_post", "Three")]
    {
        let post = json!({"title": title, "content": "Text", "tags": [function]});
        author.call(&host, function, post).await.value();
    }
    let newest = ada.call(&host, "my_posts", json!({"limit": 1})).await.value();
    let expected = json!({
        "docs": [{"id": newest["docs"][0]["id"], "title": "Three", "slug": "three", "tags": ["create_post"]}],
        "total": 2,
    });
    assert_eq!(newest, expected);
    let refused = ada.call(&host, "my_posts", json!({"limit": 0})).await;
    assert_eq!(refused.error(400, "VALIDATION_ERROR")["field"], "limit");
}

#[tokio::test]
async fn the_mail_service_may_be_one_of_your_own() {
    let (mail, address) = Mail::serve().await;
    // It is on this machine, which workers in containers may not reach.
    let project = the_sample().env("ALYX_FUNCTIONS_BACKEND", "process");
    let project = project.env("SENDGRID_URL", format!("http://{address}"));
    let host = serve(project.env("SENDGRID_API_KEY", KEY)).await;
    check_send_welcome(&host, &mail).await;
}

#[tokio::test]
async fn it_serves_without_a_secret_as_long_as_nobody_logs_in() {
    let host = serve(the_sample().env("ALYX_JWT_SECRET", "")).await;
    let greeting = host.call("hello", Value::Null).await.value();
    assert_eq!(greeting["message"], "Hello, World!");
    let account = json!({"email": "ada@example.com", "password": "correct horse"});
    let answer = host.request("POST", "/api/auth/register").json(&account).send().await;
    assert_eq!(answer.status, 503, "{}", answer.text());
}
