//! `list`: what it returns, how much of it, and in which order.

use serde_json::{Value, json};

use super::{Probe, create, exec, list, probes, project};
use crate::harness::Runtime;

/// That many posts: views repeat, scores are missing here and there.
const MANY: &str = "INSERT INTO posts (title, views, published, score) \
    WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?) \
    SELECT 'post ' || i, i % 7, i % 2, CASE WHEN i % 3 THEN i % 5 END FROM n";

async fn filled(probe: &Probe<'_>, count: u32) {
    probe.clear().await;
    let done = probe.done(exec(MANY, json!([count]))).await;
    assert_eq!(done["rows_affected"], count, "{}", probe.name);
}

fn docs(page: &Value) -> &Vec<Value> {
    page["docs"].as_array().expect("docs is a list")
}

#[tokio::test]
async fn d1_a_list_is_docs_and_total_and_nothing_more() {
    let host = project().serve().await;
    for probe in probes(&host) {
        probe.clear().await;
        let nothing = probe.done(list("posts", json!({}))).await;
        assert_eq!(nothing, json!({"docs": [], "total": 0}), "{}", probe.name);
        filled(&probe, 120).await;
        let members = |page: &Value| page.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
        for (options, count, total) in [
            (json!({}), 100, 120),
            (json!({"limit": 1000}), 120, 120),
            (json!({"limit": 7, "offset": 118}), 2, 120),
            (json!({"limit": 5, "offset": 500}), 0, 120),
            (json!({"filter": {"published": true}, "limit": 7, "offset": 3}), 7, 60),
            (json!({"filter": {"title": "nobody's"}}), 0, 0),
            (json!({"filter": {}}), 100, 120),
        ] {
            let page = probe.done(list("posts", options.clone())).await;
            let seen = (docs(&page).len(), page["total"].as_u64());
            assert_eq!(seen, (count, Some(total)), "{}: {options}", probe.name);
            assert_eq!(members(&page), ["docs", "total"], "{}: {options}", probe.name);
        }
        let uncounted = probe.done(list("posts", json!({"count": false, "limit": 1}))).await;
        assert_eq!(members(&uncounted), ["docs"], "{}", probe.name);
        let some = json!({"fields": ["title", "views"], "limit": 1, "sort": "title"});
        let some = probe.done(list("posts", some)).await;
        assert_eq!(some["docs"], json!([{"title": "post 1", "views": 1}]), "{}", probe.name);
    }
}

#[tokio::test]
async fn d1_bounds_of_a_page_are_told() {
    let host = project().serve().await;
    for probe in probes(&host) {
        for (options, field) in [
            (json!({"limit": 1001}), "limit"),
            (json!({"limit": -1}), "limit"),
            (json!({"offset": -1}), "offset"),
            (json!({"sort": "titel"}), "titel"),
            (json!({"sort": "-title,,views"}), ""),
            (json!({"sort": "title DESC"}), "title DESC"),
            (json!({"fields": ["title", "titel"]}), "titel"),
        ] {
            let error = probe.refused("INVALID_QUERY", list("posts", options.clone())).await;
            assert_eq!(error["field"], field, "{}: {options}", probe.name);
            let message = error["message"].as_str().unwrap();
            assert!(message.contains(field), "{}: {options}: {message}", probe.name);
        }
        if probe.runtime == Runtime::Node {
            let misspelt = list("posts", json!({"filters": {"title": "x"}}));
            let error = probe.refused("INVALID_QUERY", misspelt).await;
            assert!(error["message"].as_str().unwrap().contains("filters"), "{error}");
        }
        if probe.runtime != Runtime::Go {
            for (options, code, field) in [
                (json!({"limit": "5"}), "INVALID_QUERY", "limit"),
                (json!({"offset": 1.5}), "INVALID_QUERY", "offset"),
                (json!({"fields": [1]}), "INVALID_QUERY", "fields"),
                (json!({"filter": ["title"]}), "INVALID_FILTER", "filter"),
            ] {
                let error = probe.refused(code, list("posts", options.clone())).await;
                let says = error["message"].as_str().unwrap();
                assert!(
                    says.contains(&format!("{field} must be")),
                    "{}: {options}: {says}",
                    probe.name
                );
            }
            // In Go 0 is what an option is that was not given.
            filled(&probe, 3).await;
            let nothing = probe.done(list("posts", json!({"limit": 0}))).await;
            assert_eq!(nothing, json!({"docs": [], "total": 3}), "{}", probe.name);
        }
        let answer = host.call(probe.name, super::uncaught(list("posts", json!({"limit": 1001}))));
        answer.await.error(400, "INVALID_QUERY");
    }
}

#[tokio::test]
async fn d3_pages_neither_lose_nor_repeat_where_many_documents_tie() {
    let host = project().serve().await;
    for probe in probes(&host) {
        filled(&probe, 300).await;
        for sort in ["-views", "published,-views", "score", "-score,views", ""] {
            let pages = (0..300)
                .step_by(37)
                .map(|offset| list("posts", json!({"sort": sort, "limit": 37, "offset": offset})));
            let pages = probe.make_all(pages).await;
            assert!(pages.iter().all(|page| page["total"] == 300), "{}", probe.name);
            let seen: Vec<Value> = pages.iter().flat_map(docs).cloned().collect();
            let mut ids: Vec<_> = seen.iter().map(|doc| doc["id"].to_string()).collect();
            check_order(&seen, sort, probe.name);
            ids.sort();
            ids.dedup();
            assert_eq!((seen.len(), ids.len()), (300, 300), "{}: '{sort}'", probe.name);
        }
    }
}

/// Each document comes after the one before it, by `sort` and then by id; null is least.
fn check_order(docs: &[Value], sort: &str, who: &str) {
    let keys: Vec<_> = sort.split(',').filter(|key| !key.is_empty()).collect();
    let number = |doc: &Value, key: &str| match &doc[key] {
        Value::Null => f64::NEG_INFINITY,
        Value::Bool(value) => f64::from(u8::from(*value)),
        value => value.as_f64().expect("these fields hold numbers"),
    };
    for pair in docs.windows(2) {
        let by_keys = keys.iter().map(|key| match key.strip_prefix('-') {
            Some(key) => number(&pair[1], key).total_cmp(&number(&pair[0], key)),
            None => number(&pair[0], key).total_cmp(&number(&pair[1], key)),
        });
        let by_id = pair[0]["id"].as_str().cmp(&pair[1]["id"].as_str());
        let order = by_keys.fold(std::cmp::Ordering::Equal, std::cmp::Ordering::then).then(by_id);
        assert_eq!(order, std::cmp::Ordering::Less, "{who}: '{sort}': {pair:?}");
    }
}

#[tokio::test]
async fn d3_a_sort_has_directions_of_its_own_for_each_field() {
    let host = project().serve().await;
    for probe in probes(&host) {
        probe.clear().await;
        let calls = [("b", 1), ("a", 2), ("b", 2), ("a", 1)];
        let calls = calls.into_iter().enumerate().map(|(day, (title, views))| {
            let seen = format!("2026-01-0{}", day + 1);
            create("posts", json!({"title": title, "views": views, "seen_at": seen}))
        });
        probe.make_all(calls).await;
        for (sort, expected) in [
            ("title,-views", "a2 a1 b2 b1"),
            ("-title,views", "b1 b2 a1 a2"),
            ("created_at", "b1 a2 b2 a1"),
            ("-seen_at", "a1 b2 a2 b1"),
            ("-id", "a1 b2 a2 b1"),
            (" -views , title ", "a2 b2 a1 b1"),
        ] {
            let page = probe.done(list("posts", json!({"sort": sort}))).await;
            let shown = docs(&page).iter().map(|doc| {
                format!("{}{}", doc["title"].as_str().unwrap_or_default(), doc["views"])
            });
            let shown = shown.collect::<Vec<_>>().join(" ");
            assert_eq!(shown, expected, "{}: '{sort}'", probe.name);
        }
    }
}
