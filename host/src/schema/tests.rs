//! Schemas as a whole: guide's examples, messages, defaults, faults, and agreement with JSON Schema.
//!
//! Each file below looks at one side; this one holds what they share.

mod agreement;
mod described;
mod faults;
mod filled;
mod values;

use bytes::Bytes;
use serde_json::Value;

use crate::schema::FunctionSchema;

/// A schema whose input has these fields.
fn schema(input: &str) -> FunctionSchema {
    FunctionSchema::read(&format!(r#"{{"input": {input}}}"#)).unwrap()
}

fn fill(input: &str, value: &str) -> String {
    let filled = schema(input).check_input(&Bytes::from(value.to_owned())).unwrap();
    String::from_utf8(filled.to_vec()).unwrap()
}

/// `field rule: message` for each violation; empty when there is none.
fn violations(input: &str, value: &str) -> Vec<String> {
    let result = schema(input).check_input(&Bytes::from(value.to_owned()));
    let list = result.err().map(|violations| violations.list().to_vec()).unwrap_or_default();
    list.iter().map(|one| format!("{} {}: {}", one.field, one.rule, one.message)).collect()
}

fn parsed(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}
