//! The OpenAPI 3.1 description of all functions, from what is known of each.
//!
//! A pure function of its arguments: the same functions give the same bytes. Knows no server and
//! no registry.

use indexmap::IndexMap;
use serde::Serialize;
use serde_json::{Value, json};

use crate::schema::FunctionSchema;
use crate::schema::json_schema::{JsonSchema, any_object, anything, of_fields};

/// What stands at the top of the description.
#[derive(Debug, Clone, Copy)]
pub struct About<'a> {
    pub title: &'a str,
    pub version: &'a str,
}

/// One function, as far as it is known.
#[derive(Debug, Clone, Copy)]
pub struct Described<'a> {
    pub name: &'a str,
    pub description: Option<&'a str>,
    /// None while the function has not been loaded, or when it has no schema.
    pub schema: Option<&'a FunctionSchema>,
}

/// Builds the whole document as JSON. Functions stand in the order given.
#[must_use]
pub fn document<'a>(
    about: About<'a>,
    functions: impl IntoIterator<Item = Described<'a>>,
) -> String {
    let paths = functions.into_iter().map(|function| {
        let path = format!("/api/functions/{}", function.name);
        (path, PathItem { post: operation(&function) })
    });
    let document = Document {
        openapi: "3.1.0",
        info: json!({"title": about.title, "version": about.version}),
        paths: paths.collect(),
        components: components(),
    };
    serde_json::to_string(&document).expect("keys are strings and numbers are finite")
}

#[derive(Serialize)]
struct Document {
    openapi: &'static str,
    info: Value,
    paths: IndexMap<String, PathItem>,
    components: Value,
}

#[derive(Serialize)]
struct PathItem {
    post: Operation,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Operation {
    operation_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    tags: [&'static str; 1],
    /// Empty first: a token is looked at but not asked for, the handler decides.
    security: Value,
    request_body: Body,
    responses: Responses,
}

#[derive(Serialize)]
struct Body {
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'static str>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    required: bool,
    content: Content,
}

#[derive(Serialize)]
struct Content {
    #[serde(rename = "application/json")]
    json: Media,
}

#[derive(Serialize)]
struct Media {
    schema: JsonSchema,
}

#[derive(Serialize)]
struct Responses {
    #[serde(rename = "200")]
    ok: Body,
    #[serde(rename = "400", skip_serializing_if = "Option::is_none")]
    invalid: Option<Value>,
    #[serde(rename = "401")]
    token: Value,
    default: Value,
}

fn operation(function: &Described<'_>) -> Operation {
    let input = function.schema.and_then(FunctionSchema::input);
    let output = function.schema.and_then(FunctionSchema::output);
    let body = input.map_or_else(any_object, |fields| of_fields(fields, true));
    let result = output.map_or_else(anything, |fields| of_fields(fields, false));
    let must_have_members = input.is_some_and(|fields| {
        fields
            .as_slice()
            .iter()
            .any(|field| field.rules.is_required() && field.rules.default.is_none())
    });
    let media = |schema| Content { json: Media { schema } };
    Operation {
        operation_id: function.name.to_owned(),
        description: function.description.map(str::to_owned),
        tags: ["functions"],
        security: json!([{}, {"token": []}]),
        request_body: Body { description: None, required: must_have_members, content: media(body) },
        responses: Responses {
            ok: Body {
                description: Some("What the function returned"),
                required: false,
                content: media(result),
            },
            invalid: input.map(|_| json!({"$ref": "#/components/responses/Invalid"})),
            token: json!({"$ref": "#/components/responses/InvalidToken"}),
            default: json!({"$ref": "#/components/responses/Error"}),
        },
    }
}

fn components() -> Value {
    let answer = |description: &str, schema: &str| {
        let schema = json!({"$ref": format!("#/components/schemas/{schema}")});
        json!({"description": description, "content": {"application/json": {"schema": schema}}})
    };
    json!({
        "securitySchemes": {"token": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}},
        "responses": {
            "Invalid": answer("The input breaks the function's schema", "ValidationError"),
            "InvalidToken": answer("The token is not valid", "Error"),
            "Error": answer("The function failed, or could not run", "Error"),
        },
        "schemas": {"Error": error_schema(), "ValidationError": validation_error_schema()},
    })
}

fn error_schema() -> Value {
    json!({
        "type": "object",
        "required": ["error"],
        "properties": {"error": {
            "type": "object",
            "required": ["code", "message"],
            "properties": {"code": {"type": "string"}, "message": {"type": "string"}},
        }},
    })
}

fn validation_error_schema() -> Value {
    let text = json!({"type": "string"});
    json!({
        "type": "object",
        "required": ["error"],
        "properties": {"error": {
            "type": "object",
            "required": ["code", "message", "field", "errors"],
            "properties": {
                "code": {"const": "VALIDATION_ERROR"},
                "message": text,
                "field": text,
                "errors": {"type": "array", "items": {
                    "type": "object",
                    "required": ["field", "rule", "message"],
                    "properties": {"field": text, "rule": text, "message": text},
                }},
            },
        }},
    })
}
