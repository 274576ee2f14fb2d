//! The guide's ways to ask the database.

use serde_json::{Value, json};

use super::blocks::Block;
use super::blog::{self, Person, database, is_id};
use super::context::rows;
use super::snippets::{handler, parts};
use crate::harness::Host;

pub(super) async fn querying(block: &Block) {
    block.says("// Returns: { docs: [...], total: 42 }");
    let function = handler(&format!("{}return activePosts;", block.text));
    let host = blog::project().file("functions/example.js", &function).serve().await;
    let (ada, eve) = (Person::register(&host, "Ada").await, Person::register(&host, "Eve").await);
    blog::posts(&host, 42, &ada, true).await;
    blog::posts(&host, 3, &ada, false).await;
    blog::posts(&host, 5, &eve, true).await;
    let posts = ada.call(&host, "example", json!({})).await.value();
    let members: Vec<_> =
        posts.as_object().into_iter().flatten().map(|(name, _)| name.as_str()).collect();
    assert_eq!((members, &posts["total"]), (vec!["docs", "total"], &json!(42)));
    let titles: Vec<_> = rows(&posts).iter().map(|post| post["title"].clone()).collect();
    let newest: Vec<_> = (22..42).rev().map(|n| json!(format!("Post {n}"))).collect();
    assert_eq!(titles, newest, "the twenty newest, descending");
    for post in rows(&posts) {
        assert_eq!((&post["published"], &post["author_id"]), (&json!(true), &json!(ada.id)));
    }
}

/// The four parts, each as a function of its own: `create`, `read`, `update`, `delete`.
pub(super) async fn crud(block: &Block) {
    block.says("// Returns: { id: 'uuid', title: 'New Post', ... }");
    block.says("// Returns: { id: 'uuid', ... } or null");
    block.says("// Returns: { id: 'uuid', title: 'Updated Title', ... }").says("// Returns: void");
    let ends = [
        ("Create", "return doc;"),
        ("Read", "return doc;"),
        ("Update", "return updated;"),
        ("Delete", ""),
    ];
    let parts = parts(&block.text);
    assert_eq!(parts.iter().map(|part| part.0).collect::<Vec<_>>(), ends.map(|end| end.0));
    let mut project = blog::project();
    for ((title, code), (_, end)) in parts.iter().zip(ends) {
        let file = format!("functions/{}.js", title.to_lowercase());
        project = project.file(&file, &handler(&format!("{code}\n{end}")));
    }
    let delete = parts[3].1.replace("await", "const answer = await");
    let returned = handler(&format!("{delete}\nreturn {{ isVoid: answer === undefined }};"));
    let host = project.file("functions/returned.js", &returned).serve().await;
    check_crud(&host).await;
}

async fn check_crud(host: &Host) {
    let ada = Person::register(host, "Ada").await;
    let created = ada.call(host, "create", json!({})).await.value();
    let whole = database(host, "posts.get", json!([created["id"]])).await;
    assert_eq!(created, whole, "create returns the whole document");
    assert!(is_id(&created["id"]), "{created}");
    assert_eq!(created["title"], "New Post");
    assert_eq!(created["published"], false, "filled in by its default");

    assert_eq!(host.call("read", json!({})).await.value(), Value::Null);
    host.call("update", json!({})).await.error(404, "NOT_FOUND");
    host.call("delete", json!({})).await.error(404, "NOT_FOUND");

    blog::post(host, "document-id", &ada).await;
    let old = host.call("read", json!({})).await.value();
    assert_eq!((&old["id"], &old["title"]), (&json!("document-id"), &json!("Old Title")));
    let mut updated = host.call("update", json!({})).await.value();
    assert!(updated["updated_at"].as_str() > old["updated_at"].as_str(), "{updated}");
    assert_eq!(updated["title"], "Updated Title");
    for changed in ["title", "updated_at"] {
        updated[changed] = old[changed].clone();
    }
    assert_eq!(updated, old, "the rest is as it was");

    let nothing = host.call("returned", json!({})).await.value();
    assert_eq!(nothing, json!({"isVoid": true}));
    blog::post(host, "document-id", &ada).await;
    assert_eq!(host.call("delete", json!({})).await.value(), Value::Null);
    assert_eq!(host.call("read", json!({})).await.value(), Value::Null);
}

pub(super) async fn raw_sql(block: &Block) {
    let body = format!("const {{ postId }} = ctx.input;\n{}return results;", block.text);
    let project = blog::project().file("functions/example.js", &handler(&body));
    let host = project.serve().await;
    let (ada, eve) = (Person::register(&host, "Ada").await, Person::register(&host, "Eve").await);
    let mut made = Vec::new();
    for (author, published) in [(&ada, true), (&ada, false), (&eve, true)] {
        let post = json!({
            "title": "A", "content": "", "author_id": author.id, "published": published,
            "tags": ["one", {"two": 2}],
        });
        made.push(database(&host, "posts.create", json!([post])).await);
    }
    let id = &made[0]["id"];
    let found = ada.call(&host, "example", json!({"postId": id})).await.value();
    assert_eq!(found, json!([made[0]]), "documents, as posts.get has them");
    let found = ada.call(&host, "example", json!({"postId": id})).await.value();
    assert_eq!(found[0]["view_count"], 1);
    assert!(found[0]["updated_at"].as_str() > made[0]["updated_at"].as_str(), "{found}");
    let other = database(&host, "posts.get", json!([made[2]["id"]])).await;
    assert_eq!(other, made[2], "another post is not touched");
}
