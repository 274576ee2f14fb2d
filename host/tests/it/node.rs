//! JavaScript and TypeScript in all the forms that Node.js takes.

use serde_json::json;

use crate::harness::backend::in_containers;
use crate::harness::runtimes::node_version;
use crate::harness::{Project, Runtime};

/// Serves files of the functions folder and checks that each function says its own name.
async fn check_all_answer(files: &[(&str, &str)], functions: &[&str]) {
    let project = files.iter().fold(Project::new(), |project, (path, text)| {
        project.file(&format!("functions/{path}"), text)
    });
    let host = project.serve().await;
    for function in functions {
        let value = host.call(function, json!({"name": function})).await.value();
        assert_eq!(value, json!({"hello": function}), "{function}");
    }
}

#[tokio::test]
async fn n1_default_exports_sync_async_and_arrow() {
    let files = [
        (
            "async_function.js",
            "export default async function handler(ctx) { return { hello: ctx.input.name }; }",
        ),
        ("sync_function.js", "export default function (ctx) { return { hello: ctx.input.name }; }"),
        ("arrow.js", "export default (ctx) => ({ hello: ctx.input.name });"),
        ("async_arrow.mjs", "export default async ({ input }) => ({ hello: input.name });"),
        (
            "thenable.js",
            "export default ({ input }) => ({ then: (done) => done({ hello: input.name }) });",
        ),
        (
            "named_later.js",
            "const handler = ({ input }) => ({ hello: input.name });\n\
             export { handler as default };",
        ),
    ];
    let functions =
        ["async_function", "sync_function", "arrow", "async_arrow", "thenable", "named_later"];
    check_all_answer(&files, &functions).await;
}

#[tokio::test]
async fn n1_commonjs_by_extension_and_by_package() {
    let files = [
        (
            "by_extension.cjs",
            "const path = require('node:path');\n\
             module.exports = async ({ input }) => ({ hello: path.basename(input.name) });",
        ),
        ("package/package.json", "{\"type\": \"commonjs\"}"),
        ("package/index.js", "module.exports = ({ input }) => ({ hello: input.name });"),
        ("exports_default.cjs", "exports.default = ({ input }) => ({ hello: input.name });"),
    ];
    check_all_answer(&files, &["by_extension", "package", "exports_default"]).await;
}

#[tokio::test]
async fn n1_a_commonjs_package_for_the_whole_folder() {
    let files = [
        ("package.json", "{\"type\": \"commonjs\"}"),
        ("plain.js", "module.exports = ({ input }) => ({ hello: input.name });"),
        ("module.mjs", "export default ({ input }) => ({ hello: input.name });"),
    ];
    check_all_answer(&files, &["plain", "module"]).await;
}

#[tokio::test]
async fn n1_esm_without_a_package_and_with_one() {
    let files = [
        (
            "plain.js",
            "import { basename } from 'node:path';\n\
             export default ({ input }) => ({ hello: basename(input.name) });",
        ),
        ("package/package.json", "{\"type\": \"module\"}"),
        ("package/index.js", "export default ({ input }) => ({ hello: input.name });"),
        ("untyped/package.json", "{\"name\": \"untyped\"}"),
        (
            "untyped/index.js",
            "import 'node:fs';\nexport default ({ input }) => ({ hello: input.name });",
        ),
    ];
    check_all_answer(&files, &["plain", "package", "untyped"]).await;
}

#[tokio::test]
async fn n1_top_level_await_works() {
    let files = [(
        "awaiting.js",
        "import { setTimeout as pause } from 'node:timers/promises';\n\
         const ready = await pause(50, 'ready');\n\
         export default ({ input }) => ({ hello: ready === 'ready' ? input.name : 'too early' });",
    )];
    check_all_answer(&files, &["awaiting"]).await;
}

#[tokio::test]
async fn n1_typescript_works_where_node_strips_types_and_else_says_why_not() {
    let text = "type Input = { name: string };\n\
                type Context = { input: Input };\n\
                export default ({ input }: Context) => ({ hello: input.name as string });\n";
    let names = ["plain.ts", "module.mts"];
    let functions = ["plain", "module"];
    // The one in the image is new.
    if in_containers() || node_version() >= (22, 18) {
        return check_all_answer(&names.map(|name| (name, text)), &functions).await;
    }
    let project = names
        .iter()
        .fold(Project::new(), |project, name| project.file(&format!("functions/{name}"), text));
    let host = project.serve().await;
    for (function, name) in functions.iter().zip(names) {
        host.call(function, json!({})).await.error(500, "FUNCTION_LOAD_ERROR");
        let line = host.log.wait_for("why it does not load", |line| {
            line.level() == "ERROR" && line.text("function") == *function
        });
        let line = line.await;
        for part in ["22.18", name] {
            assert!(line.0.to_string().contains(part), "no '{part}' in {line:?}");
        }
    }
}

#[tokio::test]
async fn n8_the_signal_aborts_with_the_call() {
    let host = Project::new().with_own(Runtime::Node, "signal").serve().await;
    let (sent, id) = host.begin("signal", json!({})).await;
    drop(sent);
    host.log.wait_for("the abort", |line| line.says(&id, "aborted")).await;
}
