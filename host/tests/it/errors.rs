//! What a handler throws is what the caller is told, in one shape.

use serde_json::{Value, json};

use crate::harness::{Project, RUNTIMES, Runtime};

#[tokio::test]
async fn h_errors_have_one_shape_everywhere() {
    let host = Project::with_probes().serve().await;
    for runtime in RUNTIMES {
        let input = json!({
            "do": "throw", "code": "VALIDATION_ERROR", "message": "Email is required",
            "fields": {"field": "email"},
        });
        let answer = host.probe(runtime, input).await;
        let expected = json!({"error": {
            "code": "VALIDATION_ERROR", "message": "Email is required", "field": "email",
        }});
        assert_eq!((answer.status, answer.json()), (400, expected), "{runtime}");
        assert_eq!(answer.header("content-type"), Some("application/json"), "{runtime}");
    }
}

#[tokio::test]
async fn h_each_code_has_its_status() {
    let table: &[(u16, &[&str])] = &[
        (
            400,
            &[
                "VALIDATION_ERROR",
                "INVALID_INPUT",
                "INVALID_X",
                "FAILED_PRECONDITION",
                "MY_OWN",
                "x",
            ],
        ),
        (401, &["UNAUTHENTICATED", "UNAUTHORIZED", "INVALID_TOKEN", "unauthenticated"]),
        (403, &["FORBIDDEN", "PERMISSION_DENIED", "permission_denied"]),
        (404, &["NOT_FOUND", "POST_NOT_FOUND", "not_found", "FUNCTION_NOT_FOUND"]),
        (
            409,
            &[
                "CONFLICT",
                "UNIQUE_VIOLATION",
                "FOREIGN_KEY_VIOLATION",
                "ALREADY_EXISTS",
                "already_exists",
            ],
        ),
        (429, &["RATE_LIMITED", "RESOURCE_EXHAUSTED", "resource_exhausted"]),
        (500, &["FUNCTION_ERROR"]),
        (503, &["UNAVAILABLE", "unavailable"]),
    ];
    let host = Project::with_probes().serve().await;
    for runtime in RUNTIMES {
        for (status, codes) in table {
            for code in *codes {
                let input = json!({"do": "throw", "code": code, "message": "m"});
                let error = host.probe(runtime, input).await.error(*status, code);
                assert_eq!(error, json!({"code": code, "message": "m"}), "{runtime}");
            }
        }
    }
}

#[tokio::test]
async fn h_codes_of_the_host_thrown_by_a_function_are_its_own() {
    let host = Project::with_probes().serve().await;
    for runtime in RUNTIMES {
        let worker = host.worker_of(runtime).await;
        for code in ["CANCELLED", "RESULT_NOT_SERIALIZABLE", "WORKER_CRASHED", "FUNCTION_TIMEOUT"] {
            let input = json!({"do": "throw", "code": code, "message": "mine"});
            let error = host.probe(runtime, input).await.error(400, code);
            assert_eq!(error["message"], "mine", "{runtime} {code}");
        }
        assert_eq!(host.worker_of(runtime).await, worker, "{runtime}");
    }
}

#[tokio::test]
async fn h_a_thrown_status_decides_when_it_is_one_of_an_error() {
    let host = Project::with_probes().serve().await;
    for runtime in RUNTIMES {
        for (given, status) in
            [(400, 400), (418, 418), (599, 599), (200, 404), (399, 404), (600, 404)]
        {
            let fields = json!({"status": given});
            let input =
                json!({"do": "throw", "code": "NOT_FOUND", "message": "m", "fields": fields});
            host.probe(runtime, input).await.error(status, "NOT_FOUND");
        }
    }
}

#[tokio::test]
async fn h_a_plain_error_is_500_with_its_message() {
    let host = Project::with_probes().serve().await;
    for runtime in RUNTIMES {
        let answer = host.probe(runtime, json!({"do": "plain", "message": "Post not found"})).await;
        let expected = json!({"code": "FUNCTION_ERROR", "message": "Post not found"});
        assert_eq!(answer.error(500, "FUNCTION_ERROR"), expected, "{runtime}");
    }
}

#[tokio::test]
async fn n7_extra_fields_arrive_whole_and_nested() {
    let host = Project::with_probes().serve().await;
    let fields = json!({"field": "tags[0]", "errors": [{"rule": "max", "limit": 3, "deep": {"x": [null, true]}}]});
    for runtime in RUNTIMES {
        let input = json!({"do": "throw", "code": "BAD", "message": "m", "fields": fields});
        let mut expected = json!({"code": "BAD", "message": "m"});
        expected.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        assert_eq!(host.probe(runtime, input).await.error(400, "BAD"), expected, "{runtime}");
    }
}

#[tokio::test]
async fn n7_numeric_codes_become_strings() {
    let host = Project::with_probes().serve().await;
    for runtime in RUNTIMES {
        let answer = host.probe(runtime, json!({"do": "throw", "code": 42, "message": "m"})).await;
        answer.error(400, "42");
    }
}

#[tokio::test]
async fn n7_a_message_of_a_megabyte_is_cut() {
    let host = Project::with_probes().serve().await;
    for runtime in RUNTIMES {
        let input = json!({"do": "plain", "message": "long ".repeat(200_000)});
        let message = host.probe(runtime, input).await.error_message(500, "FUNCTION_ERROR");
        assert!(message.starts_with("long long") && message.len() <= 5 * 1024, "{runtime}");
    }
}

/// Handlers that throw, each with what the caller is to be told.
fn thrown_forms(runtime: Runtime) -> Vec<(&'static str, u16, Value)> {
    let plain = |message: &str| json!({"code": "FUNCTION_ERROR", "message": message});
    let coded = json!({"code": "TEAPOT", "message": "short and stout", "handle": {"here": [1]}});
    match runtime {
        Runtime::Node => vec![
            ("throw new Error('m')", 500, plain("m")),
            ("throw new TypeError('m')", 500, plain("m")),
            ("throw 'a string'", 500, plain("a string")),
            ("throw 7", 500, plain("7")),
            ("throw null", 500, plain("null thrown")),
            ("throw undefined", 500, plain("undefined thrown")),
            ("await Promise.reject(new Error('m'))", 500, plain("m")),
            (
                "ctx.nothing.there()",
                500,
                plain("Cannot read properties of undefined (reading 'there')"),
            ),
            (
                "throw { code: 'TEAPOT', message: 'short and stout', handle: { here: [1] } }",
                400,
                coded.clone(),
            ),
            (
                "throw Object.assign(new Error('short and stout'), { code: 'TEAPOT', handle: { here: [1] } })",
                400,
                coded,
            ),
            (
                "throw { code: 'ONLY_CODE' }",
                400,
                json!({"code": "ONLY_CODE", "message": "ONLY_CODE"}),
            ),
            (
                "throw { message: 'm', field: 'f' }",
                500,
                json!({"code": "FUNCTION_ERROR", "message": "m", "field": "f"}),
            ),
            (
                "throw { code: 'C', message: 'm', big: 1n, f() {}, kept: 1 }",
                400,
                json!({"code": "C", "message": "m", "kept": 1}),
            ),
            (
                "throw Object.assign(new Error('m'), { code: 'C', details: { code: 'EVIL' } })",
                400,
                json!({"code": "C", "message": "m", "details": {"code": "EVIL"}}),
            ),
        ],
        Runtime::Python => vec![
            ("raise Exception('m')", 500, plain("m")),
            ("raise ValueError('m')", 500, plain("m")),
            ("raise ValueError", 500, plain("function failed")),
            ("raise SystemExit(3)", 500, plain("the handler called sys.exit(3)")),
            ("ctx.input['missing']", 500, plain("'missing'")),
            ("assert False, 'm'", 500, plain("m")),
            (
                "raise alyx.Error('TEAPOT', 'short and stout', handle={'here': [1]})",
                400,
                coded.clone(),
            ),
            (
                "e = RuntimeError('short and stout'); e.code = 'TEAPOT'; e.handle = {'here': [1]}; raise e",
                400,
                coded,
            ),
            (
                "raise alyx.Error('C', 'm', when=object(), kept=1)",
                400,
                json!({"code": "C", "message": "m", "kept": 1}),
            ),
            (
                "raise alyx.Error('C', 'm', **{'code': 'EVIL', 'message': 'evil'})",
                400,
                json!({"code": "C", "message": "m"}),
            ),
            ("raise alyx.Error(42, 'm')", 400, json!({"code": "42", "message": "m"})),
        ],
        Runtime::Go => vec![
            (r#"return nil, errors.New("m")"#, 500, plain("m")),
            (r#"return nil, fmt.Errorf("outer: %w", errors.New("m"))"#, 500, plain("outer: m")),
            (
                r#"return nil, &runtime.Error{Code: "TEAPOT", Message: "short and stout", Fields: map[string]any{"handle": map[string]any{"here": []int{1}}}}"#,
                400,
                coded.clone(),
            ),
            (
                r#"return nil, fmt.Errorf("wrapped: %w", &runtime.Error{Code: "TEAPOT", Message: "short and stout", Fields: map[string]any{"handle": map[string]any{"here": []int{1}}}})"#,
                400,
                coded,
            ),
            (
                r#"return nil, &runtime.Error{Code: "ONLY_CODE"}"#,
                400,
                json!({"code": "ONLY_CODE", "message": "ONLY_CODE"}),
            ),
            (r#"return nil, &runtime.Error{Message: "m"}"#, 500, plain("m")),
            (
                r#"return nil, &runtime.Error{Code: "C", Message: "m", Fields: map[string]any{"code": "EVIL", "message": "evil", "kept": 1}}"#,
                400,
                json!({"code": "C", "message": "m", "kept": 1}),
            ),
            (
                r#"return nil, &runtime.Error{Code: "C", Message: "m", Fields: map[string]any{"bad": make(chan int), "kept": 1}}"#,
                400,
                json!({"code": "C", "message": "m", "kept": 1}),
            ),
            (r#"return "ignored", errors.New("m")"#, 500, plain("m")),
        ],
    }
}

/// One function that runs the statement whose number it is given.
fn thrower(runtime: Runtime) -> String {
    let forms = thrown_forms(runtime);
    let cases = forms.iter().enumerate().map(|(number, (statement, ..))| match runtime {
        Runtime::Node => format!("    case {number}: {statement}; break;\n"),
        Runtime::Python => format!("    if form == {number}:\n        {statement}\n"),
        Runtime::Go => format!("\tcase {number}:\n\t\t{statement}\n"),
    });
    let cases: String = cases.collect();
    match runtime {
        Runtime::Node => format!(
            "export default async (ctx) => {{\n  switch (ctx.input.form) {{\n{cases}  }}\n}};\n"
        ),
        Runtime::Python => {
            format!("import alyx\n\ndef handler(ctx):\n    form = ctx.input['form']\n{cases}")
        }
        Runtime::Go => format!(
            "package main\n\nimport (\n\t\"errors\"\n\t\"fmt\"\n\n\t\"github.com/watzon/alyx/pkg/runtime\"\n)\n\n\
             func Handler(ctx *runtime.Context) (any, error) {{\n\tswitch ctx.Input[\"form\"].(float64) {{\n{cases}\t}}\n\treturn nil, nil\n}}\n"
        ),
    }
}

#[tokio::test]
async fn n7_every_form_of_throwing_is_understood_and_kills_nothing() {
    let project = RUNTIMES.into_iter().fold(Project::with_probes(), |project, runtime| {
        project.file(&runtime.file(&runtime.function("thrower")), &thrower(runtime))
    });
    let host = project.serve().await;
    for runtime in RUNTIMES {
        let function = runtime.function("thrower");
        for (number, (statement, status, expected)) in thrown_forms(runtime).into_iter().enumerate()
        {
            let answer = host.call(&function, json!({"form": number})).await;
            let found = (answer.status, answer.json()["error"].clone());
            assert_eq!(found, (status, expected), "{runtime}: {statement}");
        }
    }
    for death in ["crashed", "unresponsive"] {
        let reason = format!("reason=\"{death}\"");
        let deaths = host.metric("alyx_worker_deaths_total", &[&reason]).await;
        assert!(deaths < 1.0, "{death}: {deaths}");
    }
}

#[tokio::test]
async fn n7_no_stack_no_path_and_no_secret_reaches_the_caller() {
    let config = json!({"functions": {"env": {"API_KEY": "hunter2-hunter2"}}});
    let host = Project::with_probes().config(config).serve().await;
    let folder = host.project.path("").display().to_string();
    for runtime in RUNTIMES {
        let inputs = [
            json!({"do": "plain", "message": "m"}),
            json!({"do": "throw", "code": "C", "message": "m"}),
            json!({"do": "exit", "code": 1}),
            json!({"do": "panic"}),
            json!({"do": "bad_result", "kind": "nan"}),
        ];
        for input in inputs {
            let text = host.probe(runtime, input.clone()).await.text();
            for leak in [folder.trim_end_matches('/'), "hunter2", "probe_", "stack", "    at "] {
                let named = leak == "probe_" && text.contains(&format!("'{}'", runtime.probe()));
                assert!(named || !text.contains(leak), "{runtime} {input}: '{leak}' in {text}");
            }
        }
    }
}

#[tokio::test]
async fn n7_the_stack_of_an_error_is_in_the_log() {
    let host = Project::with_probes().serve().await;
    for runtime in [Runtime::Node, Runtime::Python] {
        let message = format!("look for me in {runtime}");
        host.probe(runtime, json!({"do": "plain", "message": message}))
            .await
            .error(500, "FUNCTION_ERROR");
        let line = host.log.wait_for("the error", |line| line.message().contains(&message)).await;
        let file = runtime.file(&runtime.probe());
        assert!(line.text("stack").contains(file.trim_start_matches("functions/")), "{line:?}");
    }
}

/// Handlers that return and then throw, with the word that finds it in the log. In Go an
/// unrecovered panic always ends the process; there is no late throw to survive.
fn late_throws(runtime: Runtime) -> &'static str {
    match runtime {
        Runtime::Node => {
            "export default async (ctx) => {\n  const late = new Error('late ' + ctx.input.n);\n  \
             if (ctx.input.how === 'timer') setTimeout(() => { throw late; }, 5);\n  \
             if (ctx.input.how === 'promise') Promise.resolve().then(() => { throw late; });\n  \
             return ctx.input.n;\n};\n"
        }
        Runtime::Python => {
            "import asyncio\n\nasync def fail(text):\n    await asyncio.sleep(0.005)\n    raise Exception(text)\n\n\
             def now(text):\n    raise Exception(text)\n\nkept = []\n\nasync def handler(ctx):\n    text = f\"late {ctx.input['n']}\"\n    \
             if ctx.input['how'] == 'timer':\n        asyncio.get_running_loop().call_later(0.005, now, text)\n    \
             if ctx.input['how'] == 'promise':\n        asyncio.ensure_future(fail(text))\n    return ctx.input['n']\n"
        }
        Runtime::Go => unreachable!("see above"),
    }
}

#[tokio::test]
async fn n7_a_late_throw_changes_nothing_and_kills_nothing() {
    for runtime in [Runtime::Node, Runtime::Python] {
        let function = runtime.function("late");
        let host =
            Project::new().file(&runtime.file(&function), late_throws(runtime)).serve().await;
        for how in ["timer", "promise"] {
            for n in 0..10 {
                let value = host.call(&function, json!({"n": n, "how": how})).await.value();
                assert_eq!(value, n, "{runtime} {how}");
            }
            host.log
                .wait_for(&format!("the late {how} of {runtime}"), |line| {
                    line.level() == "ERROR" && line.message().contains("late")
                })
                .await;
        }
        let deaths = host.metric("alyx_worker_deaths_total", &["reason=\"crashed\""]).await;
        assert!(deaths < 1.0, "{runtime}: {deaths}");
    }
}
