//! The guide's schemas: one function in Node, one in Python, the same rules.

use serde_json::{Value, json};

use super::blocks::Block;
use super::blog;
use super::snippets::filled;
use crate::harness::{Host, Project, new_id};

/// Says that the handler runs, and returns what the schema of its output asks for.
const CODE: &str = "ctx.log.info('runs');
  return { id: 'id', slug: title, tags };";

pub(super) async fn a_schema(block: &Block) {
    block.says("// Input is already validated");
    let host = Project::new()
        .file("functions/verbatim.js", &block.text)
        .file("functions/filled.js", &filled(&block.text, CODE))
        .serve()
        .await;
    check_refusals(&host, "filled").await;
    for input in accepted() {
        let value = host.call("filled", input.clone()).await.value();
        assert_eq!(value["slug"], input["title"]);
        // As it stands in the guide it returns nothing.
        assert_eq!(host.call("verbatim", input).await.value(), Value::Null);
    }
    check_output(&host, block).await;
}

pub(super) async fn a_schema_in_python(block: &Block) {
    block.says("# Input is validated according to SCHEMA");
    let returning =
        format!("{}    ctx.log.info('runs')\n    return [title, content]\n", block.text);
    let project = blog::with(Project::new(), block).file("functions/filled.py", &returning);
    let host = project.serve().await;
    check_refusals(&host, "filled").await;
    for input in accepted() {
        let value = host.call("filled", input.clone()).await.value();
        assert_eq!(value, json!([input["title"], input["content"]]));
        assert_eq!(host.call("create_post", input).await.value(), Value::Null);
    }
}

fn accepted() -> [Value; 4] {
    [
        json!({"title": "A", "content": "b"}),
        json!({"title": "🌍".repeat(200), "content": ""}),
        json!({"title": "A", "content": "b", "tags": null}),
        json!({"title": "A", "content": "b", "tags": ["c", ""], "more": {"is": "let through"}}),
    ]
}

/// Bad inputs with the broken rules, in the order of the schema. The handler never runs.
async fn check_refusals(host: &Host, function: &str) {
    let table = [
        (json!({}), &[("title", "required"), ("content", "required")][..]),
        (json!({"title": "A", "content": null}), &[("content", "required")]),
        (json!({"title": "x".repeat(201), "content": "b"}), &[("title", "maxLength")]),
        (json!({"title": 5, "content": ["b"]}), &[("title", "type"), ("content", "type")]),
        (json!({"title": "A", "content": "b", "tags": "c"}), &[("tags", "type")]),
        (json!({"title": "A", "content": "b", "tags": ["c", 1]}), &[("tags[1]", "type")]),
    ];
    let id = new_id();
    for (input, broken) in table {
        let call = host.post(function).header("X-Request-Id", &id).json(&input);
        let error = call.send().await.error(400, "VALIDATION_ERROR");
        let errors = error["errors"].as_array().unwrap_or_else(|| panic!("no errors in {error}"));
        let told = errors.iter().map(|e| (e["field"].as_str(), e["rule"].as_str()));
        let expected = broken.iter().map(|(field, rule)| (Some(*field), Some(*rule)));
        assert_eq!(told.collect::<Vec<_>>(), expected.collect::<Vec<_>>(), "{input}: {error}");
        assert_eq!(error["field"], broken[0].0, "{error}");
        assert_eq!(error["message"], errors[0]["message"], "{error}");
    }
    let first = host.call(function, json!({})).await.error_message(400, "VALIDATION_ERROR");
    assert_eq!(first, "title is required");
    // A call that does run, and whose line comes after any that the others may have written.
    let accepted = accepted()[0].clone();
    let done = new_id();
    host.post(function).header("X-Request-Id", &done).json(&accepted).send().await.value();
    host.log.wait_for("the handler's line", |line| line.says(&done, "runs")).await;
    assert_eq!(host.log.of_call(&id).len(), 0, "the handler ran with bad input");
}

/// The schema of the output is kept in the host's log under `serve`, and in the description.
async fn check_output(host: &Host, block: &Block) {
    block.says("output: {");
    let wrong = |line: &crate::harness::log::Line| {
        line.level() == "WARN" && line.text("function") == "verbatim"
    };
    host.log.wait_for("the warning of a result that is no object", wrong).await;
    let described = host.get("/api/openapi.json").await.value();
    let pointer =
        "/paths/~1api~1functions~1filled/post/responses/200/content/application~1json/schema";
    let output = described.pointer(pointer).unwrap_or_else(|| panic!("no {pointer}: {described}"));
    assert_eq!(output["properties"]["slug"]["type"], json!(["string", "null"]), "{output}");
}
