//! The guide's manifest, and what its table says of a function without one.

use serde_json::{Value, json};

use super::blocks::{Block, PAGE};
use crate::harness::{Project, RUNTIMES, Runtime};

pub(super) async fn a_manifest(block: &Block) {
    block.says("runtime: python").says("timeout: 60s").says("memory: 512mb");
    let file = block.file().expect("the block names its file");
    // One function, two sources: the manifest's runtime picks one.
    let project = Project::new()
        .file(file, &block.text)
        .file("functions/processImage.js", &Runtime::Node.fixture("probe"))
        .file("functions/processImage.py", &Runtime::Python.fixture("probe"))
        .env("OPENAI_API_KEY", "sk-of the host");
    let rows = project.run(&["list", "--json"]).await.json();
    assert_eq!(rows.as_array().map(Vec::len), Some(1), "{rows}");
    let expected = [
        ("name", json!("processImage")),
        ("runtime", json!("python")),
        ("status", json!("ok")),
        ("timeout_ms", json!(60_000)),
        ("memory", json!(512 << 20)),
    ];
    for (member, value) in expected {
        assert_eq!(rows[0][member], value, "{member} of {rows}");
    }
    let host = project.serve().await;
    let env = host.call("processImage", json!({"do": "env"})).await.value();
    assert_eq!(env, json!({"OPENAI_API_KEY": "sk-of the host"}));
}

#[tokio::test]
async fn the_table_of_options_states_the_defaults() {
    let expected = [
        ["`name`", "filename"],
        ["`runtime`", "auto-detected"],
        ["`timeout`", "`30s`"],
        ["`memory`", "`256mb`"],
        ["`env`", "`{}`"],
    ];
    assert_eq!(options(), expected);
    let defaults = json!({"functions": {"timeout": "30s"}});
    let project = Project::with_probes().config(defaults);
    let rows = project.run(&["list", "--json"]).await.json();
    let host = project.serve().await;
    for runtime in RUNTIMES {
        let row =
            rows.as_array().and_then(|rows| rows.iter().find(|r| r["name"] == runtime.probe()));
        let row = row.unwrap_or_else(|| panic!("no {runtime} in {rows}"));
        assert_eq!((&row["runtime"], &row["status"]), (&json!(runtime.name()), &json!("ok")));
        assert_eq!((&row["timeout_ms"], &row["memory"]), (&json!(30_000), &json!(256 << 20)));
        assert_eq!(host.value(runtime, json!({"do": "env"})).await, json!({}), "{runtime}");
    }
}

#[tokio::test]
async fn each_option_of_the_table_is_taken() {
    let values = ["other", "node", "20s", "64mb", "{A: b}"];
    let names = options();
    let names = names.iter().map(|option| option[0].trim_matches('`'));
    let manifest: Vec<_> =
        names.zip(values).map(|(name, value)| format!("{name}: {value}")).collect();
    let project = Project::new()
        .with(Runtime::Node, "probe")
        .file("functions/probe_node.yaml", &manifest.join("\n"));
    let rows = project.run(&["list", "--json"]).await.json();
    let row = &rows[0];
    assert_eq!((&row["name"], &row["runtime"]), (&json!("other"), &json!("node")), "{rows}");
    assert_eq!((&row["timeout_ms"], &row["memory"]), (&json!(20_000), &json!(64 << 20)), "{rows}");
    let host = project.serve().await;
    assert_eq!(host.call("other", json!({"do": "env"})).await.value(), json!({"A": "b"}));
    assert_eq!(
        host.call("other", json!({"do": "pid"})).await.value().as_i64().map(|_| ()),
        Some(())
    );
    let gone = host.call("probe_node", Value::Null).await;
    gone.error(404, "FUNCTION_NOT_FOUND");
}

/// Name and default of each row.
fn options() -> Vec<[&'static str; 2]> {
    let after = PAGE.split_once("### Manifest Options").expect("the heading is there").1;
    let lines = after.lines().skip_while(|line| !line.starts_with('|'));
    let table = lines.take_while(|line| line.starts_with('|')).skip(2);
    let row = |line: &'static str| {
        let mut cells = line.split('|').skip(1).map(str::trim);
        [(); 2].map(|()| cells.next().expect("a cell"))
    };
    table.map(row).collect()
}
