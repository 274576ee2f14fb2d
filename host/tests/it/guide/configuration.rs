//! The guide's configuration files are read as they stand, and do what they say.

use std::process::{Command, Stdio};

use serde_json::{Value, json};

use super::blocks::Block;
use super::blog::sample;
use crate::harness::project::Ran;
use crate::harness::{Project, RUNTIMES, Runtime};

pub(super) async fn the_server(block: &Block) {
    block.says("enabled: false # Disable if not needed");
    let project = with_file(Project::with_probes(), block);
    let rows = project.run(&["list", "--json"]).await.json();
    for row in rows.as_array().expect("a list") {
        assert_eq!(
            (&row["timeout_ms"], &row["memory"]),
            (&json!(30_000), &json!(256 << 20)),
            "{row}"
        );
    }
    let host = project.serve().await;
    host.ready().await;
    for runtime in [Runtime::Node, Runtime::Python] {
        assert_eq!(host.value(runtime, json!({"a": 1})).await, json!({"a": 1}), "{runtime}");
        let limit = host.value(runtime, json!({"do": "remaining"})).await;
        assert!(limit.as_f64().is_some_and(|ms| (20_000.0..=30_000.0).contains(&ms)), "{limit}");
    }
    host.probe(Runtime::Go, json!({})).await.error(503, "RUNTIME_DISABLED");
    let complaints = host.log.all(|line| ["WARN", "ERROR"].contains(&line.level()));
    let complaints: Vec<_> =
        complaints.iter().filter(|line| line.message().contains("yaml")).collect();
    assert!(complaints.is_empty(), "{complaints:?}");
}

/// The guide's values are the defaults, but for Go, which it disables.
#[tokio::test]
async fn the_guides_server_configuration_states_the_defaults() {
    let page = std::fs::read_to_string(sample("docs/configuration.md")).expect("the page is there");
    let block = super::block("Server Configuration (alyx.yaml)", 0);
    let stated: Value = serde_yaml::from_str(&block.text).expect("it is YAML");
    let mut keys = Vec::new();
    leaves("", &stated, &mut keys);
    assert!(keys.len() > 10, "{keys:?}");
    for (key, value) in keys {
        let row = page.lines().find(|line| line.starts_with(&format!("| `{key}` |")));
        let row = row.unwrap_or_else(|| panic!("docs/configuration.md does not know '{key}'"));
        let is_default = row.contains(&format!("| `{value}` |"));
        assert_eq!(is_default, key != "functions.runtimes.go.enabled", "{key}: {value}: {row}");
    }
}

fn leaves(path: &str, value: &Value, found: &mut Vec<(String, String)>) {
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                let dot = if path.is_empty() { "" } else { "." };
                leaves(&format!("{path}{dot}{name}"), value, found);
            }
        }
        Value::String(text) => found.push((path.to_owned(), text.clone())),
        other => found.push((path.to_owned(), other.to_string())),
    }
}

pub(super) async fn variables_in_the_file(block: &Block) {
    let project = with_file(Project::with_probes(), block)
        .env("OPENAI_API_KEY", "sk-of the host")
        .env("SENDGRID_API_KEY", "SG.of the host")
        .env("OF_THE_HOST", "alone");
    let host = project.serve().await;
    let expected = json!({
        "OPENAI_API_KEY": "sk-of the host", "SENDGRID_API_KEY": "SG.of the host",
        "APP_URL": "https://myapp.com",
    });
    for runtime in RUNTIMES {
        assert_eq!(host.value(runtime, json!({"do": "env"})).await, expected, "{runtime}");
    }
}

/// Also where alyx.yaml sets the same variable: the shell wins.
pub(super) async fn variables_in_the_shell(block: &Block) {
    let env = json!({"functions": {"env": {"OPENAI_API_KEY": "of alyx.yaml", "OTHER": "kept"}}});
    let mut project = Project::with_probes().config(env);
    for (name, value) in exported(&block.text).await {
        project = project.env(&name, value);
    }
    let host = project.serve().await;
    let expected = json!({"OPENAI_API_KEY": "sk-...", "OTHER": "kept"});
    for runtime in RUNTIMES {
        assert_eq!(host.value(runtime, json!({"do": "env"})).await, expected, "{runtime}");
    }
}

/// What a shell's programs find in their environment after these commands.
async fn exported(commands: &str) -> Vec<(String, String)> {
    let mut bash = Command::new("bash");
    bash.env_clear().args(["-e", "-c", &format!("{commands}\nexec /usr/bin/env -0")]);
    bash.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let ran = Ran::of(bash).await;
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let pairs = ran.stdout.split_terminator('\0').filter_map(|pair| pair.split_once('='));
    let ours = pairs.filter(|(name, _)| name.starts_with("ALYX_"));
    ours.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

/// The block as the project's configuration. How it logs is the test's own affair.
fn with_file(project: Project, block: &Block) -> Project {
    project
        .file("guide.yaml", &block.text)
        .env("ALYX_CONFIG", "guide.yaml")
        .env("ALYX_LOGGING_FORMAT", "json")
        .env("ALYX_LOGGING_LEVEL", "debug")
}
