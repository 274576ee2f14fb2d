//! What a restart finds: the data as it was, and collections that alyx.yaml describes anew.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{bare_project, blog, create, exec, get, list, probes, project, update};
use crate::harness::project::Ran;
use crate::harness::{Host, Project};

/// Stops the host and gives its project back.
async fn stopped(mut host: Host) -> Project {
    host.stop().await;
    let project = host.project.clone();
    drop(host);
    Arc::into_inner(project).expect("nobody else has the project")
}

/// `blog` with some fields of posts changed; null takes one away.
fn posts_with(changes: &Value) -> Value {
    let mut config = blog();
    let fields = config["collections"]["posts"]["fields"].as_object_mut().expect("fields of posts");
    for (name, field) in changes.as_object().expect("fields by name") {
        match field {
            Value::Null => drop(fields.shift_remove(name)),
            field => drop(fields.insert(name.clone(), field.clone())),
        }
    }
    config
}

/// The project with these collections, and no others.
fn configured(project: Project, config: Value) -> Project {
    project.config(json!({"collections": null})).config(config)
}

#[tokio::test]
async fn d11_a_restart_finds_the_data_as_it_was() {
    let host = project().serve().await;
    let data = json!({"title": "kept", "tags": {"$int": "x"}, "photo": {"@bytes": "AAEC"}});
    let mut docs = Vec::new();
    for probe in probes(&host) {
        docs.push(probe.created("posts", data.clone()).await);
    }
    let before = probes(&host)[0].done(list("posts", json!({}))).await;
    let host = stopped(host).await.serve().await;
    for (probe, doc) in probes(&host).iter().zip(&docs) {
        assert_eq!(probe.done(get("posts", &doc["id"])).await, *doc, "{}", probe.name);
        assert_eq!(probe.done(list("posts", json!({}))).await, before, "{}", probe.name);
    }
}

#[tokio::test]
async fn d11_additions_to_alyx_yaml_are_made_at_the_start() {
    let host = project().serve().await;
    let old = probes(&host)[0].created("posts", json!({"title": "old", "slug": "s"})).await;
    let mut config = posts_with(&json!({
        "rank": {"type": "int", "default": 5, "max": 9},
        "editor_id": {"type": "uuid", "references": "users.id", "on_delete": "set_null"},
        "mail": {"type": "string", "index": true},
        "bag": {"type": "json", "default": {}},
        "at": {"type": "timestamp", "default": "now"},
    }));
    config["collections"]["tags"] = json!({"fields": {"name": {"type": "string", "unique": true}}});
    let host = configured(stopped(host).await, config).serve().await;
    for probe in probes(&host) {
        let doc = probe.done(get("posts", &old["id"])).await;
        assert_eq!((&doc["rank"], &doc["editor_id"]), (&json!(5), &Value::Null), "{}", probe.name);
        assert_eq!(doc["updated_at"], old["updated_at"], "{}: nobody changed it", probe.name);
        assert_eq!((&doc["bag"], doc["at"].is_string()), (&json!({}), true), "{}", probe.name);
        let raw = exec("INSERT INTO posts (title) VALUES (?)", json!([probe.name]));
        probe.done(raw).await;
        let page = probe.done(list("posts", json!({"filter": {"title": probe.name}}))).await;
        let raw = &page["docs"][0];
        assert_eq!((&raw["rank"], &raw["bag"]), (&json!(5), &json!({})), "{}", probe.name);
        assert_eq!(raw["at"], raw["created_at"], "{}: {raw}", probe.name);
        let over = update("posts", &old["id"], json!({"rank": 10}));
        assert_eq!(probe.refused("VALIDATION_ERROR", over).await["field"], "rank");
        probe.created("tags", json!({"name": probe.name})).await;
        let twice = create("tags", json!({"name": probe.name}));
        probe.refused("UNIQUE_VIOLATION", twice).await;
        // The format of mail is gone, and so is its rule.
        probe.created("posts", json!({"title": "new", "mail": "anything"})).await;
    }
}

#[tokio::test]
async fn d11_a_destructive_change_stops_the_start_and_changes_nothing() {
    let host = project().serve().await;
    let probe = probes(&host)[0];
    probe.created("posts", json!({"title": "a", "views": 3})).await;
    probe.created("posts", json!({"title": "a", "tags": [1]})).await;
    let mut project = stopped(host).await;
    let file = std::fs::read(project.path("alyx.db")).expect("the database is beside alyx.yaml");
    for (changes, difference) in [
        (
            json!({"views": null}),
            "posts.views: in the file, with a value in 2 documents, but not declared",
        ),
        (
            json!({"views": {"type": "bool"}}),
            "posts.views: INTEGER in the file, BOOLEAN as declared",
        ),
        (
            json!({"tags": {"type": "json", "required": true}}),
            "posts.tags: declared required, but 1 documents lack it",
        ),
        (
            json!({"title": {"type": "string", "unique": true}}),
            "posts.title: declared unique, but 1 values occur more than once",
        ),
        (
            json!({"author_id": {"type": "uuid"}}),
            "posts.author_id: refers to users.id (on delete cascade) in the file, to nothing as declared",
        ),
        (
            json!({"extra": {"type": "int", "required": true}}),
            "posts.extra: declared required without a default, but 2 documents lack it",
        ),
    ] {
        // What comes with it is not done either.
        let mut config = posts_with(&changes);
        config["collections"]["later"] = json!({"fields": {"a": {"type": "int"}}});
        project = configured(project, config);
        let Ran { code, stderr, .. } = project.run(&["serve", "--port", "0"]).await;
        assert_eq!(code, Some(2), "{changes}: {stderr}");
        let says = stderr.replace("\\n", "\n");
        assert!(says.contains(difference), "{changes}: {stderr}");
        assert!(says.contains("nothing was changed") && says.contains("alyx.db"), "{stderr}");
        let now = std::fs::read(project.path("alyx.db")).expect("it is still there");
        assert!(now == file, "{changes}: the file has changed");
    }
    let host = configured(project, blog()).serve().await;
    assert_eq!(probes(&host)[0].done(list("posts", json!({}))).await["total"], 2);
}

#[tokio::test]
async fn d11_a_declaration_that_makes_no_sense_stops_the_start() {
    for (field, says) in [
        (json!({"type": "int", "default": "x"}), "default is \"x\"; it must be an integer"),
        (json!({"type": "json", "default": {}, "min": 1}), "min says nothing of type json"),
        (json!({"type": "string", "pattern": "("}), "pattern is not valid: unclosed group"),
        (json!({"type": "strnig"}), "type is the text 'strnig'"),
        (json!({"type": "uuid", "references": "nowhere"}), "references is 'nowhere'"),
        (
            json!({"type": "uuid", "references": "nowhere.id"}),
            "references names no collection 'nowhere'; declare it under collections",
        ),
        (
            json!({"type": "uuid", "references": "users.login"}),
            "references names no field 'login' of 'users'",
        ),
        (
            json!({"type": "string", "references": "users.name"}),
            "references is 'users.name', whose values are not unique",
        ),
    ] {
        let project =
            bare_project().config(json!({"collections": {"a": {"fields": {"b": field}}}}));
        let ran = project.run(&["serve", "--port", "0"]).await;
        assert_eq!(ran.code, Some(2), "{field}: {ran:?}");
        assert!(ran.stderr.contains(says), "{field}: {}", ran.stderr);
        assert!(ran.stderr.contains("collections.a.fields.b."), "{field}: {}", ran.stderr);
        let place = ran.stderr.split("alyx.yaml:").nth(1).and_then(|rest| rest.split(':').next());
        assert!(place.is_some_and(|line| line.parse::<u32>().is_ok()), "{field}: {}", ran.stderr);
        assert!(!project.path("alyx.db").exists(), "{field}: the file was made");
    }
}

/// The file holds password hashes.
#[tokio::test]
async fn d11_the_file_is_for_the_hosts_user_alone() {
    use std::os::unix::fs::PermissionsExt;
    let host = project().serve().await;
    probes(&host)[0].created("posts", json!({"title": "a"})).await;
    for name in ["alyx.db", "alyx.db-wal", "alyx.db-shm"] {
        let mode = std::fs::metadata(host.project.path(name)).expect(name).permissions().mode();
        assert_eq!(mode & 0o077, 0, "{name}: {mode:o}");
    }
    let project = stopped(host).await;
    assert!(!project.path("alyx.db-wal").exists(), "a host that was stopped leaves one file");
}
