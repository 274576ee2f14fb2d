//! Go functions: each file a program of its own.

use serde_json::json;

use crate::harness::Project;

fn program(imports: &str, body: &str) -> String {
    let imports = format!("import (\n{imports}\n\t\"github.com/watzon/alyx/pkg/runtime\"\n)");
    format!("package main\n\n{imports}\n\n{body}\n")
}

#[tokio::test]
async fn n3_files_with_their_own_handler_build_apart() {
    // The same names at package level in each file, which one package could not have.
    let file = |own: &str| {
        let body = format!(
            "const own = \"{own}\"\n\nfunc help() string {{ return own }}\n\n\
             func Handler(ctx *runtime.Context) (any, error) {{ return help(), nil }}"
        );
        program("", &body)
    };
    let host = Project::new()
        .file("functions/first.go", &file("first"))
        .file("functions/second.go", &file("second"))
        .file(
            "functions/broken.go",
            &program("", "func Handler(ctx *runtime.Context) (any, error) { return oops, nil }"),
        )
        .serve()
        .await;
    for function in ["first", "second"] {
        assert_eq!(host.call(function, json!({})).await.value(), function);
    }
    host.call("broken", json!({})).await.error(500, "FUNCTION_LOAD_ERROR");
    let line = host.log.wait_for("the compiler's complaint", |line| {
        line.level() == "ERROR" && line.text("function") == "broken"
    });
    let line = line.await;
    assert!(line.text("place").starts_with("broken.go:"), "{line:?}");
    assert!(line.message().contains("undefined: oops"), "{line:?}");
    for function in ["first", "second"] {
        assert_eq!(host.call(function, json!({})).await.value(), function);
    }
}

#[tokio::test]
async fn n3_the_context_is_a_context_and_the_log_a_slog() {
    let body = "func Handler(ctx *runtime.Context) (any, error) {\n\
                \tvar c context.Context = ctx\n\
                \tinner, stop := context.WithTimeout(c, time.Millisecond)\n\tdefer stop()\n\t<-inner.Done()\n\
                \tvar log *slog.Logger = ctx.Log\n\
                \tlog.With(\"a\", 1).WithGroup(\"g\").Info(\"grouped\", \"b\", 2)\n\
                \t_, bounded := ctx.Deadline()\n\
                \treturn map[string]any{\"inner\": inner.Err().Error(), \"bounded\": bounded, \"env\": ctx.Env[\"NAME\"]}, nil\n}";
    let text = program("\t\"context\"\n\t\"log/slog\"\n\t\"time\"\n", body);
    let config = json!({"functions": {"env": {"NAME": "value"}}});
    let host = Project::new().file("functions/typed.go", &text).config(config).serve().await;
    let expected = json!({"inner": "context deadline exceeded", "bounded": true, "env": "value"});
    assert_eq!(host.call("typed", json!({})).await.value(), expected);
    let line = host.log.wait_for("the line", |line| line.message() == "grouped").await;
    assert_eq!(line.fields(), json!({"a": 1, "g": {"b": 2}}));
}

#[tokio::test]
async fn n3_output_of_goroutines_and_of_the_log_package_belongs_to_the_call() {
    let body = "func Handler(ctx *runtime.Context) (any, error) {\n\tdone := make(chan bool)\n\
                \tgo func() { fmt.Println(\"from a goroutine\"); close(done) }()\n\t<-done\n\
                \tlog.SetFlags(0)\n\tlog.Print(\"from package log\")\n\treturn nil, nil\n}";
    let text = program("\t\"fmt\"\n\t\"log\"\n", body);
    let host = Project::new().file("functions/talking.go", &text).serve().await;
    let id = crate::harness::new_id();
    host.post("talking").header("X-Request-Id", &id).json(&json!({})).send().await.value();
    for message in ["from a goroutine", "from package log"] {
        host.log.wait_for(message, |line| line.says(&id, message)).await;
    }
}

#[tokio::test]
async fn n3_structs_with_tags_are_results() {
    let body = "type Post struct {\n\tID string `json:\"id\"`\n\tTags []string `json:\"tags\"`\n\tHidden int `json:\"-\"`\n}\n\n\
                func Handler(*runtime.Context) (any, error) { return []Post{{ID: \"p1\", Tags: []string{\"<a>\"}}}, nil }";
    let host = Project::new().file("functions/posts.go", &program("", body)).serve().await;
    assert_eq!(host.call("posts", json!({})).await.value(), json!([{"id": "p1", "tags": ["<a>"]}]));
}
