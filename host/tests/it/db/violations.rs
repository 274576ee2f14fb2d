//! What the collections refuse: errors that functions can catch, and what callers see of those
//! that nobody catches.

use serde_json::{Value, json};

use super::{create, delete, get, list, probes, project, uncaught, update};

const NOBODY: &str = "0190a1b2-0000-7000-8000-000000000001";

#[tokio::test]
async fn d6_violations_of_a_field_are_validation_errors_with_the_field() {
    let table = [
        (json!({}), "title", "title is required"),
        (json!({"title": null}), "title", "title is required"),
        (json!({"title": "t".repeat(201)}), "title", "title must have at most 200 characters"),
        (json!({"title": 5}), "title", "title must be"),
        (json!({"title": "T", "titel": "T"}), "titel", "'posts' has no field 'titel'"),
        (json!({"title": "T", "views": -1}), "views", "views must be at least 0"),
        (json!({"title": "T", "published": 1}), "published", "published must be"),
        (json!({"title": "T", "day": "today"}), "day", "day must be"),
        (json!({"title": "T", "status": "gone"}), "status", "status must be one of draft, live"),
        (json!({"title": "T", "mail": "me"}), "mail", "mail must be a valid email address"),
        (json!({"title": "T", "mail": "a..b@c.de"}), "mail", "mail must be a valid email address"),
        (
            json!({"title": "T", "author_id": "0190a1b2000070008000000000000001"}),
            "author_id",
            "author_id must be a uuid",
        ),
        (json!({"title": "T", "author_id": "u1"}), "author_id", "author_id must be"),
        (json!({"title": "T", "id": "mine"}), "id", "id must be"),
    ];
    let host = project().serve().await;
    for probe in probes(&host) {
        probe.clear().await;
        for (data, field, says) in &table {
            let error = probe.refused("VALIDATION_ERROR", create("posts", data.clone())).await;
            assert_eq!(error["field"], *field, "{}: {data}: {error}", probe.name);
            let message = error["message"].as_str().unwrap();
            assert!(message.contains(says), "{}: {data}: {message}", probe.name);
        }
        // Code points count, not bytes and not UTF-16.
        probe.created("posts", json!({"title": "🎉".repeat(200)})).await;
        let bad = create("notes", json!({"body": "UPPER"}));
        assert_eq!(probe.refused("VALIDATION_ERROR", bad).await["rule"], "pattern");
        let page = probe.done(list("posts", json!({}))).await;
        assert_eq!(page["total"], 1, "{}: a refused document is not there", probe.name);
    }
}

#[tokio::test]
async fn d6_unique_and_foreign_keys_are_told_apart() {
    let host = project().serve().await;
    for probe in probes(&host) {
        probe.clear().await;
        let user = probe.created("users", json!({"email": "a@example.com"})).await;
        let post = json!({"title": "T", "slug": "s", "author_id": user["id"]});
        let post = probe.created("posts", post).await;
        let note = probe.created("notes", json!({"post_id": post["id"], "body": "b"})).await;
        for (call, code, field) in [
            (create("posts", json!({"title": "U", "slug": "s"})), "UNIQUE_VIOLATION", "slug"),
            (
                create("posts", json!({"title": "U", "author_id": NOBODY})),
                "FOREIGN_KEY_VIOLATION",
                "author_id",
            ),
            (
                update("posts", &post["id"], json!({"author_id": NOBODY})),
                "FOREIGN_KEY_VIOLATION",
                "author_id",
            ),
            (delete("posts", &post["id"]), "FOREIGN_KEY_VIOLATION", "post_id"),
        ] {
            let error = probe.refused(code, call.clone()).await;
            assert_eq!(error["field"], field, "{}: {call}: {error}", probe.name);
        }
        let other = probe.created("posts", json!({"title": "U", "slug": "other"})).await;
        let taken = update("posts", &other["id"], json!({"slug": "s"}));
        assert_eq!(probe.refused("UNIQUE_VIOLATION", taken).await["field"], "slug");
        // What refers with cascade goes along.
        probe.done(delete("notes", &note["id"])).await;
        probe.done(delete("users", &user["id"])).await;
        assert_eq!(probe.make(get("posts", &post["id"])).await, Value::Null, "{}", probe.name);
    }
}

#[tokio::test]
async fn d6_an_unknown_collection_is_told_the_known_ones() {
    let host = project().serve().await;
    for probe in probes(&host) {
        for call in [
            list("postss", json!({})),
            get("postss", &json!("x")),
            create("postss", json!({})),
            update("postss", &json!("x"), json!({})),
            delete("postss", &json!("x")),
        ] {
            let error = probe.refused("COLLECTION_NOT_FOUND", call).await;
            let known = error["known"].as_array().expect("the known names");
            let has = |name: &str| known.iter().any(|one| one == name);
            assert!(has("notes") && has("posts") && has("users"), "{}: {error}", probe.name);
            let message = error["message"].as_str().unwrap();
            assert_eq!(message, "no collection 'postss'", "{}", probe.name);
            assert_eq!(error["did_you_mean"], "posts", "{}: {error}", probe.name);
        }
    }
}

#[tokio::test]
async fn d6_an_error_that_nobody_catches_keeps_its_code_and_status() {
    let host = project().serve().await;
    for probe in probes(&host) {
        probe.clear().await;
        let post = probe.created("posts", json!({"title": "T", "slug": "s"})).await;
        for (call, status, expected) in [
            (
                create("posts", json!({"title": "U", "slug": "s"})),
                409,
                json!({"code": "UNIQUE_VIOLATION", "message": "posts.slug 's' exists already",
                       "collection": "posts", "field": "slug"}),
            ),
            (
                create("posts", json!({"title": "U", "author_id": NOBODY})),
                409,
                json!({"code": "FOREIGN_KEY_VIOLATION",
                       "message": "author_id refers to a document of 'users' that does not exist",
                       "collection": "posts", "field": "author_id"}),
            ),
            (
                update("posts", &post["id"], json!({"title": null})),
                400,
                json!({"code": "VALIDATION_ERROR", "message": "title is required",
                       "rule": "required", "collection": "posts", "field": "title"}),
            ),
        ] {
            let answer = host.call(probe.name, uncaught(call.clone())).await;
            let code = expected["code"].as_str().unwrap();
            let error = answer.error(status, code);
            for member in ["code", "message", "field"] {
                assert_eq!(error[member], expected[member], "{}: {call}: {error}", probe.name);
            }
            for (member, value) in error.as_object().unwrap() {
                assert_eq!(expected.get(member), Some(value), "{}: {call}: {member}", probe.name);
            }
        }
        // What there is the function may know, and whoever calls it not.
        let answer = host.call(probe.name, uncaught(get("postss", &json!("x")))).await;
        let expected = json!({"code": "COLLECTION_NOT_FOUND", "message": "no collection 'postss'",
                              "collection": "postss"});
        assert_eq!(answer.error(404, "COLLECTION_NOT_FOUND"), expected, "{}", probe.name);
        let answer = host.call(probe.name, uncaught(create("posts", json!({"titel": "T"})))).await;
        let expected = json!({"code": "VALIDATION_ERROR",
                              "message": "'posts' has no field 'titel'",
                              "collection": "posts", "field": "titel"});
        assert_eq!(answer.error(400, "VALIDATION_ERROR"), expected, "{}", probe.name);
    }
}
