//! The guide's list of filter operators: each filter is given to `list` as it stands there.

use serde_json::{Value, json};

use super::blocks::Block;
use super::blog::{self, Person, created_at, database};
use super::context::rows;
use super::snippets::{handler, objects};
use crate::harness::Host;

/// The filters in the guide's order, each with the names of the items that it finds.
const FOUND: [(&str, &[&str]); 11] = [
    ("{ status: 'active' }", &["a", "d"]),
    ("{ status: { $eq: 'active' } }", &["a", "d"]),
    ("{ status: { $ne: 'deleted' } }", &["a", "c", "d", "e"]),
    ("{ price: { $gt: 100 } }", &["c", "d"]),
    ("{ price: { $gte: 100 } }", &["a", "c", "d"]),
    ("{ price: { $lt: 1000 } }", &["a", "b"]),
    ("{ price: { $lte: 1000 } }", &["a", "b", "c"]),
    ("{ category: { $in: ['tech', 'science'] } }", &["a", "b"]),
    ("{ title: { $like: '%tutorial%' } }", &["a", "b", "d"]),
    (COMBINED, &["a", "f"]),
    // Not in the guide; shows that the table above is held against something.
    ("{}", &["a", "b", "c", "d", "e", "f"]),
];

const COMBINED: &str =
    "{\n  published: true,\n  author_id: ctx.auth.id,\n  created_at: { $gte: '2026-01-01' }\n}";

const BEFORE: &str = "2025-12-31T23:59:59.999Z";
const AFTER: &str = "2026-01-01T00:00:00.000Z";

pub(super) async fn every_operator(block: &Block) {
    let mut filters = objects(&block.text);
    filters.push("{}".to_owned());
    assert_eq!(filters, FOUND.map(|(filter, _)| filter));
    let mut project = blog::project_with(collection());
    for (n, filter) in filters.iter().enumerate() {
        let body = format!("return ctx.db.items.list({{ filter: {filter}, sort: 'name' }});");
        project = project.file(&format!("functions/filter_{n}.js"), &handler(&body));
    }
    let host = project.serve().await;
    let ada = Person::register(&host, "Ada").await;
    fill(&host, &ada.id).await;
    for (n, (filter, expected)) in FOUND.iter().enumerate() {
        let found = ada.call(&host, &format!("filter_{n}"), json!({})).await.value();
        let names: Vec<_> = rows(&found).iter().map(|item| item["name"].clone()).collect();
        assert_eq!(names, *expected, "{filter}");
        assert_eq!(found["total"], expected.len(), "{filter}");
    }
}

fn collection() -> Value {
    json!({"items": {"fields": {
        "name": {"type": "string"}, "status": {"type": "string"}, "price": {"type": "float"},
        "category": {"type": "string"}, "title": {"type": "string"},
        "published": {"type": "bool"}, "author_id": {"type": "uuid"},
    }}})
}

async fn fill(host: &Host, author: &str) {
    let nobody = "00000000-0000-7000-8000-000000000000";
    let items = [
        json!(["a", "active", 100, "tech", "A tutorial", true, author]),
        json!(["b", "deleted", 99.5, "science", "TUTORIALS", false, author]),
        json!(["c", "draft", 1000, "art", "News", true, author]),
        json!(["d", "active", 1000.5, "technology", "My tutorial.", true, nobody]),
        json!(["e", null, null, null, null, null, null]),
        json!(["f", "deleted", null, null, "Tutor", true, author]),
    ];
    let sql = "INSERT INTO items (name, status, price, category, title, published, author_id) \
               VALUES (?, ?, ?, ?, ?, ?, ?)";
    for item in items {
        let done = database(host, "exec", json!([sql, item])).await;
        assert_eq!(done["rows_affected"], 1);
    }
    let time = format!("CASE WHEN name IN ('c', 'e') THEN '{BEFORE}' ELSE '{AFTER}' END");
    created_at(host, "items", &time);
}
