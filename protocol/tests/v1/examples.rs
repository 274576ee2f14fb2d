//! Every golden message is what its file says, fits the schema and the types of this crate.

use alyx_protocol::database::{
    BatchParams, BatchResult, BeginParams, BeginResult, DeleteResult, DocumentParams,
    DocumentResult, EndParams, ExecResult, ListParams, ListResult, QueryResult, SqlParams,
    WriteParams,
};
use alyx_protocol::invocation::Invocation;
use alyx_protocol::syscall::{LogParams, StreamCreditParams, StreamOpenParams};
use alyx_protocol::worker::{
    CancelParams, Concurrency, FunctionKey, GoawayParams, HelloParams, HelloResult, LoadParams,
    LoadResult, ShutdownParams, UnloadResult,
};
use alyx_protocol::{ErrorCode, Message, json, syscall, worker};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::golden::{Example, Schema, examples};

type Read = fn(&str) -> Result<Value, serde_json::Error>;

/// Into a type and back to JSON.
fn through<T: DeserializeOwned + Serialize>(text: &str) -> Result<Value, serde_json::Error> {
    serde_json::to_value(json::read::<T>(text)?)
}

/// How the params and the result of a method are read.
fn types_of(method: &str) -> (Read, Read) {
    use syscall::method as sys;
    use worker::method as work;
    let object: Read = through::<Map<String, Value>>;
    let document: Read = through::<DocumentResult>;
    match method {
        work::HELLO => (through::<HelloParams>, through::<HelloResult>),
        work::PING => (object, object),
        work::LOAD => (through::<LoadParams>, through::<LoadResult>),
        work::UNLOAD => (through::<FunctionKey>, through::<UnloadResult>),
        work::INVOKE => (through::<Invocation>, object),
        work::CANCEL => (through::<CancelParams>, object),
        work::CONCURRENCY => (through::<Concurrency>, object),
        work::GOAWAY => (through::<GoawayParams>, object),
        work::SHUTDOWN => (through::<ShutdownParams>, object),
        sys::LOG => (through::<LogParams>, object),
        sys::DB_LIST => (through::<ListParams>, through::<ListResult>),
        sys::DB_GET => (through::<DocumentParams>, document),
        sys::DB_CREATE | sys::DB_UPDATE => (through::<WriteParams>, document),
        sys::DB_DELETE => (through::<DocumentParams>, through::<DeleteResult>),
        sys::DB_QUERY => (through::<SqlParams>, through::<QueryResult>),
        sys::DB_EXEC => (through::<SqlParams>, through::<ExecResult>),
        sys::DB_BATCH => (through::<BatchParams>, through::<BatchResult>),
        sys::TX_BEGIN => (through::<BeginParams>, through::<BeginResult>),
        sys::TX_COMMIT | sys::TX_ROLLBACK => (through::<EndParams>, object),
        sys::STREAM_OPEN => (through::<StreamOpenParams>, object),
        sys::STREAM_CREDIT => (through::<StreamCreditParams>, object),
        "profile" => (object, object),
        other => panic!("no types for method {other}"),
    }
}

fn payload(example: &Example) -> String {
    example.content["message"].to_string()
}

#[test]
fn each_message_is_of_the_kind_its_file_says() {
    for example in examples(false) {
        let payload = payload(&example);
        let message = Message::parse(payload.as_bytes())
            .unwrap_or_else(|e| panic!("{}: {e}", example.place()));
        let (kind, method) = match &message {
            Message::Request { method, .. } => ("request", Some(method.to_string())),
            Message::Notification { method, .. } => ("notification", Some(method.to_string())),
            Message::Result { .. } => ("response", None),
            Message::Error { .. } => ("error", None),
        };
        assert_eq!(kind, example.text("kind"), "{}", example.place());
        if let Some(method) = method.filter(|_| example.folder != "profile") {
            assert_eq!(method, example.folder, "{} is in the wrong folder", example.place());
        }
    }
}

#[test]
fn each_message_fits_the_schema() {
    let schema = Schema::read();
    for example in examples(false) {
        let place = example.place();
        let message = &example.content["message"];
        let definition = match example.text("kind") {
            "request" | "notification" => "call",
            "response" => "result",
            _ => "error",
        };
        let mut faults = schema.faults("example", &example.content);
        faults += &schema.faults(definition, message);
        let result = format!("{}.result", example.folder);
        if definition == "result" && schema.has(&result) {
            faults += &schema.faults(&result, &message["result"]);
        }
        if example.folder == "load" && definition == "error" {
            faults += &schema.faults("load.details", &message["error"]["data"]["details"]);
        }
        assert_eq!(faults, "", "{place}");
    }
}

#[test]
fn each_sender_may_send_what_it_sends() {
    let schema = Schema::read();
    for example in examples(false).iter().filter(|example| example.folder != "profile") {
        let method = &schema.0["x-methods"][&example.folder];
        let callers = method["from"].as_array().unwrap();
        let from_caller = callers.contains(&example.content["from"]);
        let is_call = matches!(example.text("kind"), "request" | "notification");
        let both = callers.len() == 2;
        assert!(both || is_call == from_caller, "{}: wrong direction", example.place());
    }
}

/// Members that are in both must be equal.
fn agree(typed: &Value, original: &Value) -> bool {
    match (typed, original) {
        (Value::Object(typed), Value::Object(original)) => typed
            .iter()
            .all(|(key, value)| original.get(key).is_none_or(|other| agree(value, other))),
        (Value::Array(typed), Value::Array(original)) => {
            typed.len() == original.len() && typed.iter().zip(original).all(|(a, b)| agree(a, b))
        }
        (Value::Number(a), Value::Number(b)) => a.as_f64() == b.as_f64(),
        _ => typed == original,
    }
}

#[test]
fn each_message_reads_as_its_type_and_loses_nothing_it_defines() {
    let schema = Schema::read();
    for example in examples(false) {
        let place = example.place();
        let (params, result) = types_of(&example.folder);
        let (read, member) = match example.text("kind") {
            "request" | "notification" => (params, "params"),
            "response" => (result, "result"),
            _ => continue,
        };
        let Some(original) = example.content["message"].get(member) else { continue };
        let typed = read(&original.to_string()).unwrap_or_else(|e| panic!("{place}: {e}"));
        let open_value = example.name.starts_with("unknown-") || place.contains("-unknown-");
        assert!(open_value || agree(&typed, original), "{place}: read as {typed}");
        let definition = &schema.0["$defs"][format!("{}.{member}", example.folder)];
        for name in definition["properties"].as_object().into_iter().flat_map(Map::keys) {
            let lost = original.get(name).is_some() && typed.get(name).is_none();
            let default = matches!(original.get(name), Some(Value::Object(o)) if o.is_empty());
            assert!(!lost || default, "{place}: the type does not know {name}");
        }
    }
}

#[test]
fn each_error_carries_the_code_of_the_registry() {
    for example in examples(false).iter().filter(|example| example.text("kind") == "error") {
        let payload = payload(example);
        let Ok(Message::Error { error, .. }) = Message::parse(payload.as_bytes()) else {
            panic!("{}", example.place())
        };
        let known = ErrorCode::from_number(error.code);
        let later = example.name == "error-unknown-code.json";
        assert_eq!(known.is_none(), later, "{}: {}", example.place(), error.code);
        if let (Some(code), Some(data)) = (known, &error.data) {
            assert_eq!(code.retryable(), data.retryable == Some(true), "{}", example.place());
        }
    }
}

#[test]
fn every_error_code_a_peer_sends_has_an_example() {
    let sent: Vec<i64> = examples(false)
        .iter()
        .filter_map(|example| example.content["message"]["error"]["code"].as_i64())
        .collect();
    let missing: Vec<&str> = ErrorCode::ALL
        .iter()
        .filter(|code| !sent.contains(&i64::from(code.number())))
        .map(|code| code.text())
        .collect();
    // The function's own database calls are allowed everything; kept for later hosts.
    assert_eq!(missing, Vec::<&str>::new());
}
