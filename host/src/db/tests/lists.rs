//! Pages: exact, complete, in order, and refused with the reason.

use super::{Database, blog, check_error};
use crate::db::error::DbError;
use crate::db::request::{List, Request};
use serde_json::{Value, json};

async fn page(db: &Database, list: List) -> Result<Value, DbError> {
    db.call(Request::List(List { collection: "posts".into(), ..list })).await
}

async fn filled(count: i64) -> Database {
    let db = blog();
    for number in 0..count {
        let data = json!({"title": format!("t{number}"), "views": number % 3});
        db.create("posts", data).await.unwrap();
    }
    db
}

#[tokio::test]
async fn pages_neither_lose_nor_repeat() {
    let db = filled(23).await;
    let mut seen = Vec::new();
    for offset in [0, 5, 10, 15, 20, 25] {
        let (sort, limit) = (Some("-views".to_owned()), Some(5));
        let list = List { sort, limit, offset: Some(offset), ..List::default() };
        let answer = page(&db, list).await.unwrap();
        assert_eq!(answer["total"], 23, "{offset}");
        seen.extend(answer["docs"].as_array().unwrap().iter().map(|doc| doc["id"].clone()));
    }
    assert_eq!(seen.len(), 23);
    seen.sort_by_key(Value::to_string);
    seen.dedup();
    assert_eq!(seen.len(), 23);
}

#[tokio::test]
async fn order_fields_and_count_are_as_asked() {
    let db = filled(4).await;
    let fields = Some(vec!["title".to_owned(), "views".to_owned()]);
    let list =
        List { sort: Some("views, -title".into()), fields, uncounted: true, ..List::default() };
    let docs = json!([
        {"title": "t3", "views": 0}, {"title": "t0", "views": 0},
        {"title": "t1", "views": 1}, {"title": "t2", "views": 2}
    ]);
    assert_eq!(page(&db, list).await.unwrap(), json!({"docs": docs}));
    let none = List { limit: Some(0), ..List::default() };
    assert_eq!(page(&db, none).await.unwrap(), json!({"docs": [], "total": 4}));
}

#[tokio::test]
async fn bad_pages_are_refused() {
    let db = filled(0).await;
    let sort = |sort: &str| List { sort: Some(sort.into()), ..List::default() };
    let cases = [
        (List { limit: Some(1001), ..List::default() }, Some("limit")),
        (List { limit: Some(-1), ..List::default() }, Some("limit")),
        (List { offset: Some(-1), ..List::default() }, Some("offset")),
        (List { fields: Some(vec!["nope".into()]), ..List::default() }, Some("nope")),
        (sort("nope"), Some("nope")),
        (sort("title,,views"), Some("")),
        (sort("title; DROP TABLE posts"), Some("title; DROP TABLE posts")),
        (sort("(SELECT 1)"), Some("(SELECT 1)")),
    ];
    for (list, field) in cases {
        check_error(page(&db, list).await, "INVALID_QUERY", field);
    }
}

#[tokio::test]
async fn a_filter_meets_the_file() {
    let db = filled(6).await;
    let many: Vec<_> = (0..1000).map(|n| json!(format!("t{n}"))).collect();
    for (filter, total) in [
        (json!({"title": {"$in": many}}), 6),
        (json!({"published": false, "views": {"$gte": 1, "$lt": 2}}), 2),
        (json!({"created_at": {"$gte": "2020-01-01"}}), 6),
        (json!({"title": {"$like": "T%"}}), 6),
        (json!({"title": {"$in": []}}), 0),
        (json!({"$or": [{"title": "t1"}, {"$not": {"views": {"$lt": 2}}}]}), 3),
    ] {
        let answer = db.list("posts", filter.clone(), "").await.unwrap();
        assert_eq!(answer["total"], total, "{filter}");
    }
    let bad = db.list("posts", json!({"1=1 --": 1}), "").await;
    let error = check_error(bad, "INVALID_FILTER", Some("1=1 --"));
    assert_eq!(error.message, "'posts' has no field '1=1 --'");
    assert_eq!(error.details["known"][0], "id");
    assert_eq!(error.details.get("did_you_mean"), None);
}

#[tokio::test]
async fn a_pattern_of_like_has_a_limit_with_a_name() {
    let db = filled(1).await;
    let most = db.list("posts", json!({"title": {"$like": "%".repeat(4096)}}), "").await.unwrap();
    assert_eq!(most["total"], 1);
    let over = db.list("posts", json!({"title": {"$like": "%".repeat(4097)}}), "").await;
    let error = check_error(over, "INVALID_FILTER", Some("title"));
    assert_eq!(error.message, "field 'title': $like takes 4096 bytes at most, not 4097");
    let over = db.list("posts", json!({"views": {"$gt": {"$int": "99999999999999999999"}}}), "");
    let error = check_error(over.await, "INVALID_FILTER", Some("views"));
    assert_eq!(error.message, "field 'views': $gt is 99999999999999999999, beyond 64 bits");
}
