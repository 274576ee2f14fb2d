//! Writes compiled rules down as JSON Schema 2020-12, the dialect of OpenAPI 3.1.
//!
//! What it says and what `check` does are the same, which a test holds with another validator.
//! Fields keep the order of the source.

use indexmap::IndexMap;
use serde::Serialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::schema::number::Number;
use crate::schema::rules::{Fields, Length, Rules, Shape};

/// One schema; a member that says nothing is left out.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct JsonSchema {
    #[serde(
        rename = "type",
        skip_serializing_if = "Vec::is_empty",
        serialize_with = "one_or_many"
    )]
    kinds: Vec<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    properties: Option<IndexMap<String, JsonSchema>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    required: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    items: Option<Box<JsonSchema>>,
    #[serde(rename = "enum", skip_serializing_if = "Option::is_none")]
    choices: Option<Vec<Value>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    minimum: Option<Number>,
    #[serde(skip_serializing_if = "Option::is_none")]
    maximum: Option<Number>,
    #[serde(skip_serializing_if = "Option::is_none")]
    min_length: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_length: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    min_items: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_items: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pattern: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    format: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    default: Option<Box<RawValue>>,
}

/// An object with these fields; members that nothing is said of are allowed.
#[must_use]
pub fn of_fields(fields: &Fields, defaults_fill: bool) -> JsonSchema {
    let mut schema = JsonSchema { kinds: vec!["object"], ..JsonSchema::default() };
    describe(&mut schema, fields, defaults_fill);
    schema
}

/// An object of which nothing more is said.
#[must_use]
pub fn any_object() -> JsonSchema {
    JsonSchema { kinds: vec!["object"], ..JsonSchema::default() }
}

/// Anything at all.
#[must_use]
pub fn anything() -> JsonSchema {
    JsonSchema::default()
}

fn describe(schema: &mut JsonSchema, fields: &Fields, defaults_fill: bool) {
    let fields = fields.as_slice();
    let is_needed =
        |rules: &Rules| rules.is_required() && !(defaults_fill && rules.default.is_some());
    let needed = fields.iter().filter(|field| is_needed(&field.rules));
    schema.required = needed.map(|field| field.name.clone()).collect();
    let properties = fields.iter().map(|field| {
        let nullable = !is_needed(&field.rules);
        (field.name.clone(), of_rules(&field.rules, nullable, defaults_fill))
    });
    schema.properties = Some(properties.collect());
}

fn of_rules(rules: &Rules, nullable: bool, defaults_fill: bool) -> JsonSchema {
    let mut schema = JsonSchema {
        kinds: kinds(&rules.shape, nullable),
        choices: rules.choices.clone(),
        default: rules.default.as_ref().and_then(|text| RawValue::from_string(text.clone()).ok()),
        ..JsonSchema::default()
    };
    if nullable && let Some(choices) = &mut schema.choices {
        choices.push(Value::Null);
    }
    match &rules.shape {
        Shape::Any | Shape::Boolean => {}
        Shape::Text { length: Length { min, max }, pattern, format } => {
            (schema.min_length, schema.max_length) = (*min, *max);
            schema.pattern = pattern.as_ref().map(|pattern| pattern.source().to_owned());
            schema.format = format.map(|format| format.in_json_schema());
        }
        Shape::Number { range, .. } => {
            (schema.minimum, schema.maximum) = (range.min, range.max);
        }
        Shape::Array { length: Length { min, max }, items } => {
            (schema.min_items, schema.max_items) = (*min, *max);
            let items = items
                .as_ref()
                .map(|items| Box::new(of_rules(items, items.element_may_be_null(), defaults_fill)));
            schema.items = items;
        }
        Shape::Object(Some(fields)) => describe(&mut schema, fields, defaults_fill),
        Shape::Object(None) => {}
    }
    schema
}

fn kinds(shape: &Shape, nullable: bool) -> Vec<&'static str> {
    match (shape, nullable) {
        (Shape::Any, true) => Vec::new(),
        (Shape::Any, false) => vec!["string", "number", "boolean", "array", "object"],
        (shape, true) => vec![shape.name(), "null"],
        (shape, false) => vec![shape.name()],
    }
}

fn one_or_many<S: serde::Serializer>(
    kinds: &[&'static str],
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match kinds {
        [one] => serializer.serialize_str(one),
        many => many.serialize(serializer),
    }
}
