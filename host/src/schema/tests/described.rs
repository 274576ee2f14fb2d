//! The OpenAPI description.

use super::{FunctionSchema, parsed};
use crate::schema::openapi::{About, Described, document};

const ABOUT: About<'static> = About { title: "Blog", version: "1" };

fn described(schema: Option<&FunctionSchema>) -> String {
    document(ABOUT, [Described { name: "createPost", description: Some("Makes a post"), schema }])
}

#[test]
fn a_function_without_a_schema_takes_any_object() {
    let document = parsed(&described(None));
    let post = &document["paths"]["/api/functions/createPost"]["post"];
    assert_eq!(post["operationId"], "createPost");
    assert_eq!(post["description"], "Makes a post");
    assert_eq!(
        post["requestBody"]["content"]["application/json"]["schema"],
        parsed(r#"{"type": "object"}"#)
    );
    assert!(post["responses"].get("400").is_none());
}

#[test]
fn schemas_are_written_in_the_order_of_the_source() {
    let schema = FunctionSchema::read(
        r#"{"input": {"title": {"type": "string", "required": true, "max_length": 200},
                      "age": {"type": "integer", "min": 0, "default": 1}},
            "output": {"slug": {"type": "string"}}}"#,
    )
    .unwrap();
    let text = described(Some(&schema));
    let input = r#"{"type":"object","properties":{"title":{"type":"string","maxLength":200},"age":{"type":["integer","null"],"minimum":0,"default":1}},"required":["title"]}"#;
    assert!(text.contains(input), "{text}");
    assert!(text.contains(r#""slug":{"type":["string","null"]}"#), "{text}");
    assert!(text.contains("#/components/responses/Invalid\""));
}

#[test]
fn every_reference_leads_somewhere() {
    let schema = FunctionSchema::read(r#"{"input": {"a": {"required": true}}}"#).unwrap();
    let text = described(Some(&schema));
    let document = parsed(&text);
    let references: Vec<&str> =
        text.split(r##""$ref":"#"##).skip(1).filter_map(|rest| rest.split('"').next()).collect();
    assert!(references.len() > 4);
    for reference in references {
        assert!(document.pointer(reference).is_some(), "{reference}");
    }
}
