//! Every message of a shim against `protocol/v1/schema.json`.
//!
//! The schema says which methods there are, who sends them and what is in them; nothing of that
//! is repeated here. Knows nothing of the order of messages.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use jsonschema::Validator;
use serde_json::{Value, json};

const SCHEMA: &str = include_str!("../../protocol/v1/schema.json");
/// Differences told of one message.
const TOLD: usize = 3;

struct Schemas {
    envelope: Validator,
    methods: BTreeMap<String, Method>,
}

struct Method {
    from_shim: bool,
    capability: Option<String>,
    params: Validator,
    result: Option<Validator>,
}

fn schemas() -> &'static Schemas {
    static SCHEMAS: OnceLock<Schemas> = OnceLock::new();
    SCHEMAS.get_or_init(|| {
        let root: Value = serde_json::from_str(SCHEMA).expect("schema.json is JSON");
        let methods = root["x-methods"].as_object().into_iter().flatten();
        Schemas {
            envelope: compiled(&root, "#/$defs/envelope"),
            methods: methods.map(|(name, about)| (name.clone(), method(&root, about))).collect(),
        }
    })
}

fn method(root: &Value, about: &Value) -> Method {
    let part = |name: &str| about.get(name).and_then(Value::as_str);
    let from = about["from"].as_array().is_some_and(|all| all.contains(&json!("shim")));
    Method {
        from_shim: from,
        capability: part("capability").map(str::to_owned),
        params: compiled(root, part("params").unwrap_or("#/$defs/envelope")),
        result: part("result").map(|place| compiled(root, place)),
    }
}

fn compiled(root: &Value, place: &str) -> Validator {
    let mut schema = root.clone();
    schema["$ref"] = place.into();
    jsonschema::draft202012::new(&schema).expect("schema.json is a JSON Schema")
}

/// The capability without which a method is not served.
#[must_use]
pub fn capability_of(method: &str) -> Option<&'static str> {
    schemas().methods.get(method)?.capability.as_deref()
}

/// What is wrong with a message of a shim; `asked` is the method that an answer answers.
#[must_use]
pub fn of_shim(message: &Value, asked: Option<&str>) -> Vec<String> {
    let all = schemas();
    if !all.envelope.is_valid(message) {
        return vec![what_it_is_not(message)];
    }
    if let Some(method) = message.get("method").and_then(Value::as_str) {
        return call(all, method, message.get("params").unwrap_or(&json!({})));
    }
    if let Some(error) = message.get("error").filter(|error| !error.is_null()) {
        let coded = error.pointer("/data/code").is_some_and(Value::is_string);
        return if coded { Vec::new() } else { vec!["an error without `data.code`".into()] };
    }
    let schema = asked.and_then(|method| all.methods.get(method)?.result.as_ref());
    schema.map_or(Vec::new(), |schema| told("result", schema, &message["result"]))
}

fn call(all: &Schemas, method: &str, params: &Value) -> Vec<String> {
    match all.methods.get(method) {
        Some(known) if known.from_shim => told("params", &known.params, params),
        Some(_) => vec![format!("'{method}' is a method of the host")],
        None if method.starts_with("x-") || method.contains('.') => Vec::new(),
        None => vec![format!("'{method}' is no method of this protocol")],
    }
}

/// Each form a message may have tells nothing alone; the usual mistakes are named first.
fn what_it_is_not(message: &Value) -> String {
    if message.get("jsonrpc") != Some(&json!("2.0")) {
        return "`jsonrpc` is not \"2.0\"".into();
    }
    if message.get("result").is_some_and(|result| !result.is_object()) {
        return "`result` is no object".into();
    }
    "neither a request, a notification, a result nor an error by the schema".into()
}

fn told(part: &str, schema: &Validator, value: &Value) -> Vec<String> {
    let line = |error: jsonschema::ValidationError<'_>| {
        format!("{part}{} by the schema: {error}", error.instance_path())
    };
    schema.iter_errors(value).take(TOLD).map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_method_has_its_schemas() {
        assert!(schemas().methods.len() >= 20);
        assert!(schemas().methods["log"].from_shim);
        assert!(schemas().methods["invoke"].result.is_some());
        assert_eq!(capability_of("db.batch"), Some("batch"));
        assert_eq!(capability_of("ping"), None);
    }

    #[test]
    fn a_method_of_the_host_is_not_for_shims() {
        let call = |method: &str| json!({"jsonrpc": "2.0", "method": method, "params": {"id": 1}});
        assert_eq!(of_shim(&call("cancel"), None), ["'cancel' is a method of the host"]);
        assert_eq!(of_shim(&call("dance"), None), ["'dance' is no method of this protocol"]);
        assert_eq!(of_shim(&call("com.example.dance"), None), [""; 0]);
    }

    #[test]
    fn params_are_checked_by_the_schema_of_their_method() {
        let entries = json!([{"level": "info", "msg": "no time"}]);
        let log = json!({"jsonrpc": "2.0", "method": "log", "params": {"entries": entries}});
        assert!(of_shim(&log, None)[0].starts_with("params/entries/0 by the schema"));
    }
}
