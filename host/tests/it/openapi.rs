//! `GET /api/openapi.json`: the functions as the world is told of them.
//!
//! Whether it is OpenAPI by the book is for `scripts/check-openapi` to say, which asks a validator
//! that others wrote.

use serde_json::{Value, json};

use crate::harness::{Host, Project, RUNTIMES, Runtime};

async fn described(host: &Host) -> Value {
    let answer = host.get("/api/openapi.json").await;
    assert_eq!(answer.header("content-type"), Some("application/json"));
    answer.value()
}

fn operation<'a>(document: &'a Value, function: &str) -> &'a Value {
    &document["paths"][format!("/api/functions/{function}")]["post"]
}

fn input(operation: &Value) -> &Value {
    &operation["requestBody"]["content"]["application/json"]["schema"]
}

fn output(operation: &Value) -> &Value {
    &operation["responses"]["200"]["content"]["application/json"]["schema"]
}

#[tokio::test]
async fn v4_openapi_has_each_functions_schemas_also_before_the_first_call() {
    let host = Project::new().with_all("schemas").with_all("probe").serve().await;
    let document = described(&host).await;
    assert_eq!(document["openapi"], "3.1.0");
    let paths: Vec<_> = document["paths"].as_object().unwrap().keys().collect();
    assert_eq!(paths.len(), 6, "{paths:?}");
    let node = operation(&document, "schemas_node");
    assert_eq!(input(node)["required"], json!(["title"]), "{node}");
    let title = json!({"type": "string", "minLength": 2, "maxLength": 5});
    assert_eq!(input(node)["properties"]["title"], title);
    assert_eq!(input(node)["properties"]["kind"]["default"], "draft");
    assert_eq!(output(node)["required"], json!(["title"]));
    for runtime in RUNTIMES {
        let own = operation(&document, &runtime.function("schemas"));
        assert_eq!(own["operationId"], runtime.function("schemas"), "{runtime}");
        // The same schema, in whatever language it was written.
        assert_eq!(input(own), input(node), "{runtime}");
        assert_eq!(output(own), output(node), "{runtime}");
        let names =
            |side: &Value| side["properties"].as_object().unwrap().keys().cloned().collect();
        let order: Vec<String> = names(input(own));
        assert_eq!(order[..3], ["title", "slug", "count"], "{runtime}: in the source's order");
        // One that says nothing takes and returns anything.
        let plain = operation(&document, &runtime.probe());
        assert_eq!(input(plain), &json!({"type": "object"}), "{runtime}");
        assert_eq!(output(plain), &json!({}), "{runtime}");
    }
    // Nobody has called anything for it.
    for runtime in RUNTIMES {
        let first = host.call(&runtime.function("schemas"), json!({"title": "Hello"})).await;
        assert_eq!(first.value()["calls"], 1, "{runtime}");
    }
    assert_eq!(described(&host).await, document, "calls change nothing");
}

#[tokio::test]
async fn v4_openapi_says_what_the_host_enforces() {
    let host = Project::new().with_all("schemas").serve().await;
    let document = described(&host).await;
    for runtime in RUNTIMES {
        let function = runtime.function("schemas");
        let schema = input(operation(&document, &function));
        assert!(jsonschema::meta::is_valid(schema), "{runtime}: {schema}");
        let judge = jsonschema::options().should_validate_formats(true).build(schema).unwrap();
        for input in [
            json!({"title": "Hello"}),
            json!({}),
            json!({"title": null}),
            json!({"title": "🎉🎉🎉🎉🎉"}),
            json!({"title": "🎉🎉🎉🎉🎉🎉"}),
            json!({"title": "Hello", "count": 1.0}),
            json!({"title": "Hello", "count": 1.5}),
            json!({"title": "Hello", "count": true}),
            json!({"title": "Hello", "kind": null, "mail": null, "tags": null}),
            json!({"title": "Hello", "kind": "gone"}),
            json!({"title": "Hello", "tags": ["a", null]}),
            json!({"title": "Hello", "author": {"name": "x", "mails": [{}]}}),
            json!({"title": "Hello", "author": {"name": "x", "mails": [{"address": "a"}]}}),
            json!({"title": "Hello", "mail": "nobody"}),
            json!({"title": "Hello", "other": [1]}),
        ] {
            let answer = host.call(&function, input.clone()).await;
            assert!([200, 400].contains(&answer.status), "{runtime}: {input}: {}", answer.text());
            assert_eq!(judge.is_valid(&input), answer.status == 200, "{runtime}: {input}");
            if answer.status == 400 {
                check_described(&document, &answer.json());
            }
        }
    }
}

/// An error is what the document says that errors are.
fn check_described(document: &Value, error: &Value) {
    let mut schema = document["components"]["schemas"]["ValidationError"].clone();
    schema["components"] = document["components"].clone();
    let judge = jsonschema::validator_for(&schema).expect("a schema");
    assert!(judge.is_valid(error), "{error}");
}

#[tokio::test]
async fn v4_openapi_bears_functions_that_do_not_load() {
    let broken = "export const config = { input: { a: { type: 'strnig' } } };\nexport default 1;\n";
    let project = Project::new().with_all("schemas");
    let project = project.file(&Runtime::Node.file("broken"), broken);
    let project = project.file("functions/disabled.js", "export default () => 1;\n");
    let host = project.file("functions/disabled.yaml", "tiemout: 5s\n").serve().await;
    let document = described(&host).await;
    for runtime in RUNTIMES {
        let own = operation(&document, &runtime.function("schemas"));
        assert_eq!(input(own)["required"], json!(["title"]), "{runtime}");
    }
    assert_eq!(operation(&document, "disabled"), &Value::Null);
    host.call("broken", json!({})).await.error(500, "FUNCTION_LOAD_ERROR");
}
