//! Schemas of functions: what is refused before the handler runs, and what a result is held to.
//! Rows V1 to V4 of the contract, in every runtime.

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::harness::log::Line;
use crate::harness::{Host, PATIENCE, Project, RUNTIMES, Runtime, eventually, new_id};

/// What every function needs here.
const TITLE: &str = "Hello";

fn project() -> Project {
    Project::new().with_all("schemas").with_all("probe")
}

/// `{"title": …}` with one more field.
fn with(field: &str, value: Value) -> Value {
    json!({"title": TITLE, field: value})
}

#[tokio::test]
async fn v3_the_body_of_a_refusal_is_exact_and_in_the_order_of_the_schema() {
    let host = project().serve().await;
    for runtime in RUNTIMES {
        let function = runtime.function("schemas");
        // The first call learns the schema and is held to it already.
        let input = json!({"tags": ["a", 1], "count": 1.5, "kind": "gone"});
        let answer = host.call(&function, input).await;
        let expected = concat!(
            r#"{"error":{"code":"VALIDATION_ERROR","message":"title is required","field":"title","#,
            r#""errors":[{"field":"title","rule":"required","message":"title is required"},"#,
            r#"{"field":"count","rule":"type","message":"count must be an integer"},"#,
            r#"{"field":"kind","rule":"enum","message":"kind must be one of draft, live"},"#,
            r#"{"field":"tags[1]","rule":"type","message":"tags[1] must be a string"}]}}"#,
        );
        assert_eq!((answer.status, answer.text().as_str()), (400, expected), "{runtime}");
        assert_eq!(answer.header("content-type"), Some("application/json"), "{runtime}");
        // The handler has not run.
        let first = host.call(&function, json!({"title": TITLE})).await.value();
        assert_eq!(first["calls"], 1, "{runtime}");
    }
}

/// Inputs, and what they break: `field rule` for each, in the order of the schema.
fn breaches() -> Vec<(Value, &'static [&'static str])> {
    vec![
        (json!({}), &["title required"]),
        // Null counts as missing.
        (json!({"title": null}), &["title required"]),
        (with("slug", json!(null)), &[]),
        // Code points count: not bytes, not halves of a surrogate pair.
        (json!({"title": "🎉🎉🎉🎉🎉"}), &[]),
        (json!({"title": "🎉🎉🎉🎉🎉🎉"}), &["title maxLength"]),
        (json!({"title": "🎉"}), &["title minLength"]),
        (json!({"title": "ééééé"}), &[]),
        (with("slug", json!("")), &["slug minLength", "slug pattern"]),
        (with("slug", json!("abcd")), &["slug maxLength"]),
        (with("slug", json!("a1")), &["slug pattern"]),
        // True is no number, and half of one is no integer.
        (with("count", json!(true)), &["count type"]),
        (with("count", json!(1.5)), &["count type"]),
        (with("count", json!(3.0)), &[]),
        (with("count", json!("3")), &["count type"]),
        (with("count", json!(-1)), &["count min"]),
        (with("count", json!(11)), &["count max"]),
        (with("ratio", json!(1.5)), &[]),
        (with("ratio", json!(-1e300)), &[]),
        (with("ratio", json!(1.500_001)), &["ratio max"]),
        (with("ratio", json!(false)), &["ratio type"]),
        (with("live", json!(0)), &["live type"]),
        (with("live", json!("true")), &["live type"]),
        (with("kind", json!("Draft")), &["kind enum"]),
        (with("mail", json!("nobody")), &["mail format"]),
        (with("mail", json!("a@example.com")), &[]),
        (with("tags", json!("a")), &["tags type"]),
        (with("tags", json!({"0": "a"})), &["tags type"]),
        (with("tags", json!(["a", 1, null])), &["tags[1] type", "tags[2] type"]),
        (with("tags", json!(["a", "b", "c", "d"])), &["tags maxLength"]),
        (with("author", json!([])), &["author type"]),
        (with("author", json!({})), &["author.name required"]),
        (with("author", json!({"name": "x", "role": 1})), &["author.role type"]),
        (
            with("author", json!({"name": "x", "mails": [{"address": "a"}, {}, 5]})),
            &["author.mails[1].address required", "author.mails[2] type"],
        ),
        (with("extra", json!([{"deep": [null]}])), &[]),
        (with("unknown", json!({"any": "thing"})), &[]),
        (
            json!({"mail": 1, "live": 1, "slug": 1, "title": 1}),
            &["title type", "slug type", "live type", "mail type"],
        ),
    ]
}

#[tokio::test]
async fn v2_each_rule_means_the_same_in_every_language() {
    let host = project().serve().await;
    for runtime in RUNTIMES {
        let function = runtime.function("schemas");
        for (input, expected) in breaches() {
            let answer = host.call(&function, input.clone()).await;
            if expected.is_empty() {
                assert_eq!(answer.status, 200, "{runtime}: {input}: {}", answer.text());
                continue;
            }
            let error = answer.error(400, "VALIDATION_ERROR");
            let broken: Vec<_> = error["errors"].as_array().unwrap().iter().collect();
            let text = |value: &Value| value.as_str().unwrap().to_owned();
            let told = broken.iter().map(|one| text(&one["field"]) + " " + &text(&one["rule"]));
            assert_eq!(told.collect::<Vec<_>>(), expected, "{runtime}: {input}");
            // The first stands for all.
            for member in ["field", "message"] {
                assert_eq!(error[member], broken[0][member], "{runtime}: {input}");
            }
            for one in broken {
                let message = text(&one["message"]);
                assert!(message.starts_with(&text(&one["field"])), "{runtime}: {message}");
            }
        }
    }
}

#[tokio::test]
async fn v2_defaults_are_filled_in_and_everything_else_passes_untouched() {
    let host = project().serve().await;
    for runtime in RUNTIMES {
        let function = runtime.function("schemas");
        for (input, expected) in [
            (json!({"title": TITLE}), json!({"title": TITLE, "kind": "draft"})),
            (with("kind", json!(null)), with("kind", json!("draft"))),
            (with("kind", json!("live")), with("kind", json!("live"))),
            (
                json!({"title": TITLE, "kind": "live", "author": {"name": "x"}}),
                json!({"title": TITLE, "kind": "live", "author": {"name": "x", "role": "guest"}}),
            ),
            (
                json!({"zz": [1.5, "ü\"\\", null], "kind": "live", "title": TITLE, "": {"a": []}}),
                json!({"zz": [1.5, "ü\"\\", null], "kind": "live", "title": TITLE, "": {"a": []}}),
            ),
        ] {
            let mut seen = host.call(&function, input.clone()).await.value();
            seen.as_object_mut().unwrap().remove("calls");
            assert_eq!(seen, expected, "{runtime}: {input}");
        }
    }
}

/// Its worker does not even have to be awake.
#[tokio::test]
async fn v1_a_known_schema_is_enforced_before_a_worker_is_taken() {
    let host = project().serve().await;
    host.ready().await;
    for runtime in RUNTIMES {
        let function = runtime.function("schemas");
        assert_eq!(host.call(&function, json!({"title": TITLE})).await.status, 200);
    }
    let workers = host.workers();
    for worker in &workers {
        worker.signal(Signal::STOP);
    }
    for worker in &workers {
        eventually("it is stopped", PATIENCE, async || worker.is_stopped().then_some(())).await;
    }
    for runtime in RUNTIMES {
        let answer = host.call(&runtime.function("schemas"), json!({"title": 1})).await;
        let message = answer.error_message(400, "VALIDATION_ERROR");
        assert_eq!(message, "title must be a string", "{runtime}");
    }
    for worker in &workers {
        worker.signal(Signal::CONT);
    }
}

#[tokio::test]
async fn v4_a_result_that_breaks_the_schema_is_a_warning_under_serve() {
    let host = project().serve().await;
    for runtime in RUNTIMES {
        let function = runtime.function("schemas");
        for (result, says) in [
            (json!({"calls": 1}), "title is required"),
            (json!({"title": 5, "calls": "x"}), "title must be a string; calls must be an integer"),
            (json!(["no object"]), "result must be an object"),
        ] {
            let id = new_id();
            let input = json!({"title": TITLE, "result": result});
            let answer = host.post(&function).header("X-Request-Id", &id).json(&input).send().await;
            assert_eq!(answer.value(), result, "{runtime}: it is served all the same");
            let is_it = |line: &Line| line.level() == "WARN" && line.request_id() == id;
            let line = host.log.wait_for("the warning", is_it).await;
            assert!(line.message().contains(says), "{runtime}: {says}: {line:?}");
            assert_eq!(line.text("function"), function, "{line:?}");
        }
        let fine = new_id();
        let call = host.post(&function).header("X-Request-Id", &fine);
        call.json(&json!({"title": TITLE})).send().await.value();
        host.settle_log(runtime).await;
        let lines = host.log.all(|line| line.level() == "WARN" && line.request_id() == fine);
        assert!(lines.is_empty(), "{runtime}: {lines:?}");
    }
}

/// On the command line, where functions are tried out, it is an error.
#[tokio::test]
async fn v4_a_result_that_breaks_the_schema_fails_a_call_without_a_server() {
    let project = project().config(json!({"server": {"port": 1}}));
    for runtime in RUNTIMES {
        let function = runtime.function("schemas");
        for (input, code, says) in [
            (
                json!({"title": TITLE, "result": {"title": 5}}),
                "OUTPUT_INVALID",
                "title must be a string",
            ),
            (json!({"title": 5}), "VALIDATION_ERROR", "title must be a string"),
        ] {
            let ran = project.run(&["invoke", &function, "--data", &input.to_string()]).await;
            assert_eq!(ran.code, Some(1), "{runtime}: {ran:?}");
            assert!(ran.stderr.contains(code) && ran.stderr.contains(says), "{runtime}: {ran:?}");
        }
    }
}

/// A schema in the words of each language: the fields of the input.
fn source(runtime: Runtime, fields: &str) -> String {
    match runtime {
        Runtime::Node => {
            format!("export const config = {{ input: {{ {fields} }} }};\nexport default () => 1;\n")
        }
        Runtime::Python => {
            format!("SCHEMA = {{\"input\": {{{fields}}}}}\n\n\ndef handler(ctx):\n    return 1\n")
        }
        Runtime::Go => format!(
            "package main\n\nimport \"github.com/watzon/alyx/pkg/runtime\"\n\n\
             var Schema = runtime.Schema{{Input: runtime.Fields{{{fields}}}}}\n\n\
             func Handler(*runtime.Context) (any, error) {{ return 1, nil }}\n"
        ),
    }
}

/// By name: the fields in each language, and what the log says of them.
fn faulty() -> Vec<(Runtime, &'static str, &'static str, &'static str)> {
    use Runtime::{Go, Node, Python};
    let both = "input.a.required: contradicts 'optional'";
    let kind = "input.a.type: unknown type 'strnig'; did you mean 'string'?";
    let rule = "input.a.maxlenght: unknown rule 'maxlenght'; did you mean 'maxLength'?";
    let default = "input.a.default: must be an integer";
    vec![
        (Node, "both", "a: { type: 'string', required: true, optional: true }", both),
        (Python, "both", "'a': {'type': 'string', 'required': True, 'optional': True}", both),
        (Go, "both", "{Name: \"a\", Type: \"string\", Required: true, Optional: true}", both),
        (Node, "kind", "a: { type: 'strnig' }", kind),
        (Python, "kind", "'a': {'type': 'strnig'}", kind),
        (Go, "kind", "{Name: \"a\", Type: \"strnig\"}", kind),
        (Node, "rule", "a: { type: 'string', maxlenght: 3 }", rule),
        (Python, "rule", "'a': {'type': 'string', 'maxlenght': 3}", rule),
        // There the compiler knows the rules.
        (Go, "rule", "{Name: \"a\", Type: \"string\", Maxlenght: 3}", "unknown field Maxlenght"),
        (Node, "default", "a: { type: 'integer', default: 'x' }", default),
        (Python, "default", "'a': {'type': 'integer', 'default': 'x'}", default),
        (Go, "default", "{Name: \"a\", Type: \"integer\", Default: \"x\"}", default),
    ]
}

#[tokio::test]
async fn v2_a_faulty_schema_is_a_load_error_that_names_the_rule_and_the_file() {
    let mut project = project();
    for (runtime, name, fields, _) in faulty() {
        let file = runtime.file(&runtime.function(name));
        project = project.file(&file, &source(runtime, fields));
    }
    let host = project.serve().await;
    for (runtime, name, _, says) in faulty() {
        let function = runtime.function(name);
        let message =
            host.call(&function, json!({})).await.error_message(500, "FUNCTION_LOAD_ERROR");
        assert!(!message.contains("input.a"), "{function}: {message}");
        check_load_error(&host, runtime, &function, says).await;
    }
    for runtime in RUNTIMES {
        assert_eq!(host.value(runtime, json!({"a": 1})).await, json!({"a": 1}), "{runtime}");
    }
}

async fn check_load_error(host: &Host, runtime: Runtime, function: &str, says: &str) {
    let is_it = |line: &Line| {
        line.level() == "ERROR"
            && line.text("function") == function
            && line.message().contains("does not load")
    };
    let line = host.log.wait_for(&format!("why {function} fails"), is_it).await;
    assert!(line.0.to_string().contains(says), "{function}: no '{says}' in {line:?}");
    let file = runtime.file(function).replace("functions/", "");
    assert!(line.0.to_string().contains(&file), "{function}: no '{file}' in {line:?}");
}
