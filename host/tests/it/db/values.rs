//! Values of every type, on every way into the database and out of it.

use serde_json::{Value, json};

use super::{Probe, create, exec, get, list, probes, project, query, uncaught, update};
use crate::harness::Runtime;

/// Data that comes back as it went in.
fn lossless() -> Vec<(&'static str, Value)> {
    let bytes = "AAECAwT/";
    vec![
        ("published", json!(true)),
        ("published", json!(false)),
        ("published", json!(null)),
        ("views", json!(0)),
        ("views", json!(9_007_199_254_740_991_i64)),
        ("views", json!({"@int": "9007199254740993"})),
        ("views", json!({"@int": "9223372036854775807"})),
        ("score", json!(0.1)),
        ("score", json!(-1.5e300)),
        ("score", json!(5e-324)),
        ("photo", json!({"@bytes": bytes})),
        ("photo", json!({"@bytes": ""})),
        ("day", json!("2024-02-29")),
        ("title", json!("")),
        ("title", json!("Grüße, 世界 👩‍👩‍👧 \u{202e}abc e\u{301} \u{2028}\u{ffff}")),
        ("title", json!("quotes ' \" ` \\ \\u0041 %_?: ; -- \t\r\n\u{1} </script>")),
        ("slug", json!("x".repeat(5000))),
        ("tags", json!(null)),
        ("tags", json!([])),
        ("tags", json!({})),
        ("tags", json!("text")),
        ("tags", json!(false)),
        ("tags", json!(1.5)),
        ("tags", json!({"a": [1, null, {"b": [[]]}], "ü\"\\": "ü", "": 0})),
        // What looks like a value in disguise, or like an operator, is an ordinary object.
        ("tags", json!({"$int": "x"})),
        ("tags", json!({"$int": "5"})),
        ("tags", json!({"$bytes": "AAEC"})),
        ("tags", json!({"$lit": {"$int": "5"}})),
        ("tags", json!({"__proto__": {"a": 1}, "constructor": 1})),
        ("tags", json!([{"$lit": 1}, {"$gt": {"$int": "7"}}, {"a": 1, "$int": "5"}])),
        (
            "tags",
            json!({"deep": {"big": {"@int": "9007199254740993"}, "least": {"@int": "-9223372036854775808"}}}),
        ),
    ]
}

#[tokio::test]
async fn d4_values_of_every_type_survive_in_documents() {
    let host = project().serve().await;
    for probe in probes(&host) {
        probe.clear().await;
        let doc = probe.created("posts", json!({"title": "t"})).await;
        for (field, value) in lossless() {
            let expected = json!({field: value});
            let calls = [
                update("posts", &doc["id"], expected.clone()),
                get("posts", &doc["id"]),
                list("posts", json!({"fields": [field]})),
                query(&format!("SELECT {field} FROM posts"), json!([])),
            ];
            let results = probe.make_all(calls).await;
            let [updated, stored, page, rows] = &results[..] else { panic!("{results:?}") };
            assert_eq!(updated[field], expected[field], "{}: update: {updated}", probe.name);
            assert_eq!(stored[field], expected[field], "{}: get: {stored}", probe.name);
            assert_eq!(page["docs"], json!([expected]), "{}: list", probe.name);
            assert_eq!(*rows, json!([expected]), "{}: query", probe.name);
        }
        let all = json!({
            "title": "all", "published": true, "views": {"@int": "9007199254740993"},
            "tags": {"$int": "x"}, "score": 0.5, "photo": {"@bytes": "AAEC"}, "day": "2024-02-29",
        });
        let doc = probe.created("posts", all.clone()).await;
        for (field, value) in all.as_object().unwrap() {
            assert_eq!(doc[field], *value, "{}: create: {field}", probe.name);
        }
    }
}

#[tokio::test]
async fn d4_values_of_every_type_survive_in_statements() {
    let host = project().serve().await;
    for probe in probes(&host) {
        let params = json!([
            {"@int": "-9223372036854775808"}, 9_007_199_254_740_991_i64, 1.5, "tëxt",
            {"@bytes": "AP8="}, null,
        ]);
        let sql = "SELECT ? AS a, ? AS b, ? AS c, ? AS d, ? AS e, ? AS f";
        let rows = probe.rows(sql, params.clone()).await;
        let row: Vec<_> = rows[0].as_object().unwrap().values().cloned().collect();
        assert_eq!(json!(row), params, "{}", probe.name);
        let types = "SELECT typeof(:a) AS a, typeof(:b) AS b, typeof(:c) AS c, typeof(:d) AS d, \
            :e AS e, :f AS f, :g AS g";
        let named = json!({
            "a": {"@int": "5"}, "b": 1.5, "c": {"@bytes": "AA=="}, "d": null, "e": true, "f": false,
            "g": {"@time": "2026-01-24T10:30:00+02:00"},
        });
        let expected = json!([{
            "a": "integer", "b": "real", "c": "blob", "d": "null", "e": 1, "f": 0,
            "g": "2026-01-24T08:30:00.000Z",
        }]);
        assert_eq!(probe.rows(types, named).await, expected, "{}", probe.name);
    }
}

#[tokio::test]
async fn d4_times_are_kept_in_utc_with_milliseconds() {
    let host = project().serve().await;
    let moments = [
        (json!("2026-01-24T10:30:00+02:00"), "2026-01-24T08:30:00.000Z"),
        (json!("2026-01-24T10:30:00.123456Z"), "2026-01-24T10:30:00.123Z"),
        (json!("2026-01-24"), "2026-01-24T00:00:00.000Z"),
        (json!("2026-01-24 10:30"), "2026-01-24T10:30:00.000Z"),
        (json!({"@time": "2026-01-24T23:30:00-02:30"}), "2026-01-25T02:00:00.000Z"),
    ];
    for probe in probes(&host) {
        probe.clear().await;
        for (given, expected) in &moments {
            let doc = probe.created("posts", json!({"title": "t", "seen_at": given})).await;
            assert_eq!(doc["seen_at"], *expected, "{}: {given}", probe.name);
        }
        let day = json!({"@time": "2026-01-24T23:30:00-02:30"});
        let doc = probe.created("posts", json!({"title": "t", "day": day})).await;
        assert_eq!(doc["day"], "2026-01-25", "{}", probe.name);
        for kept in ["created_at", "updated_at"] {
            let text = doc[kept].as_str().unwrap();
            assert!(text.len() == 24 && text.ends_with('Z'), "{}: {doc}", probe.name);
        }
        for bad in ["today", "2026-13-01", "2026-02-29", "1769250600"] {
            let call = create("posts", json!({"title": "t", "seen_at": bad}));
            let error = probe.refused("VALIDATION_ERROR", call).await;
            assert_eq!(error["field"], "seen_at", "{}: {bad}", probe.name);
        }
    }
}

/// What a handler holds in its hands, in the words of its language.
#[tokio::test]
async fn d4_each_language_sees_its_own_types() {
    let data = json!({
        "title": "t", "published": true, "views": 5, "score": 2, "photo": {"@bytes": "AA=="},
        "tags": [1], "day": "2026-01-24",
    });
    let host = project().serve().await;
    for probe in probes(&host) {
        probe.clear().await;
        let doc = probe.created("posts", data.clone()).await;
        let call = json!({"do": "kinds", "call": get("posts", &doc["id"])});
        let kinds = probe.done(call).await;
        let big = update("posts", &doc["id"], json!({"views": {"@int": "9007199254740993"}}));
        let big = probe.done(json!({"do": "kinds", "call": big})).await;
        let fields = ["title", "published", "views", "score", "photo", "tags", "slug"];
        let seen: Vec<_> = fields.iter().map(|field| kinds[field].as_str().unwrap()).collect();
        let (expected, big_int) = match probe.runtime {
            Runtime::Node => ("string boolean number number bytes list null", "bigint"),
            Runtime::Python => ("string boolean int float bytes list null", "int"),
            Runtime::Go => ("string bool int64 float64 []uint8 []interface {} <nil>", "int64"),
        };
        assert_eq!(seen.join(" "), expected, "{}", probe.name);
        assert_eq!(big["views"], big_int, "{}", probe.name);
    }
}

#[tokio::test]
async fn d4_what_no_field_can_hold_is_refused_and_named() {
    let host = project().serve().await;
    for probe in probes(&host) {
        probe.clear().await;
        let doc = probe.created("posts", json!({"title": "t"})).await;
        for (data, field) in [
            (json!({"title": "a\u{0}b"}), "title"),
            (json!({"tags": ["a\u{0}"]}), "tags"),
            (json!({"tags": {"a\u{0}": 1}}), "tags"),
            (json!({"views": {"@int": "9223372036854775808"}}), "views"),
            (json!({"views": 1.5}), "views"),
            (json!({"views": true}), "views"),
            (json!({"title": 5}), "title"),
            (json!({"title": {"@bytes": "AA=="}}), "title"),
            (json!({"photo": "AA=="}), "photo"),
            (json!({"tags": {"x": {"@bytes": "AA=="}}}), "tags"),
        ] {
            let call = update("posts", &doc["id"], data.clone());
            let error = probe.refused("VALIDATION_ERROR", call).await;
            let told = error["field"].as_str().unwrap_or_default();
            assert!(told.contains(field), "{}: {data}: {error}", probe.name);
        }
        check_nul(&probe).await;
        let now = probe.done(get("posts", &doc["id"])).await;
        assert_eq!(now, doc, "{}", probe.name);
    }
}

/// U+0000 ends a text in some databases and not in others, so it is in none of ours.
async fn check_nul(probe: &Probe<'_>) {
    let filter = json!({"filter": {"title": "a\u{0}"}});
    probe.refused("INVALID_FILTER", list("posts", filter)).await;
    for call in [
        query("SELECT 1 -- \u{0}", json!([])),
        query("SELECT ?", json!(["\u{0}"])),
        exec("UPDATE posts SET title = ?", json!(["\u{0}"])),
    ] {
        let error = probe.refused("VALIDATION_ERROR", call).await;
        let told = error["message"].as_str().is_some_and(|message| message.contains("U+0000"));
        assert!(told, "{}: {error}", probe.name);
    }
    // Nothing has such an id or name.
    let none = probe.make(get("posts", &json!("\u{0}"))).await;
    assert!(
        none.is_null() || none["error"]["code"] == "VALIDATION_ERROR",
        "{}: {none}",
        probe.name
    );
    let call = uncaught(get("posts\u{0}", &json!("x")));
    probe.host.call(probe.name, call).await.error(404, "COLLECTION_NOT_FOUND");
}
