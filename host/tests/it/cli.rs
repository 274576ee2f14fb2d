//! The commands: what they print, and with which code they end.

use std::io::Write;
use std::net::TcpListener;
use std::process::Stdio;

use serde_json::json;

use crate::harness::log::Log;
use crate::harness::processes::{Process, of_project};
use crate::harness::project::Ran;
use crate::harness::{Host, Project, RUNTIMES, Runtime};
use crate::stop::check_no_run_folder;

const BROKEN: &str = "export default () => {\n  return {;\n};\n";

#[tokio::test]
async fn c1_every_command_has_help_with_an_example() {
    let project = Project::new();
    for arguments in [
        &["--help"][..],
        &["serve", "--help"],
        &["list", "--help"],
        &["invoke", "--help"],
        &["runtimes", "build", "--help"],
        &["runtimes", "list", "--help"],
    ] {
        let ran = project.run(arguments).await;
        assert_eq!(ran.code, Some(0), "{ran:?}");
        assert!(ran.stdout.contains("Example") && ran.stdout.contains("alyx"), "{ran:?}");
    }
}

#[tokio::test]
async fn c1_wrong_usage_is_2_and_goes_to_stderr() {
    let project = Project::new();
    let table = [
        (&[][..], "Usage"),
        (&["sevre"], "serve"),
        (&["serve", "--prot", "1"], "--port"),
        (&["serve", "--port", "many"], "many"),
        (&["invoke"], "NAME"),
        (&["invoke", "f", "--data", "{"], "--data"),
        (&["invoke", "f", "--data", "@nowhere.json"], "nowhere.json"),
    ];
    for (arguments, says) in table {
        let ran = project.run(arguments).await;
        assert_eq!(ran.code, Some(2), "{arguments:?}: {ran:?}");
        assert!(ran.stderr.contains(says) && ran.stdout.is_empty(), "{arguments:?}: {ran:?}");
    }
}

#[tokio::test]
async fn c1_list_is_a_table_of_functions_and_their_status() {
    let project = Project::with_probes()
        .file("functions/broken.js", BROKEN)
        .file("functions/disabled.js", "export default () => 1;\n")
        .file("functions/disabled.yaml", "timeuot: 5s\n");
    let ran = project.run(&["list"]).await;
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let mut lines = ran.stdout.lines();
    let header: Vec<_> = lines.next().unwrap_or_default().split_whitespace().collect();
    assert_eq!(
        header,
        ["NAME", "RUNTIME", "REVISION", "TIMEOUT", "MEMORY", "STATUS"],
        "{}",
        ran.stdout
    );
    let row = |name: &str| {
        let line = ran.stdout.lines().find(|line| line.split_whitespace().next() == Some(name));
        line.unwrap_or_else(|| panic!("no row '{name}' in\n{}", ran.stdout)).to_owned()
    };
    for runtime in RUNTIMES {
        let cells = row(&runtime.probe());
        let cells: Vec<_> = cells.split_whitespace().collect();
        assert_eq!((cells[1], cells.last()), (runtime.name(), Some(&"ok")), "{cells:?}");
    }
    for part in ["load error", "broken.js:2", "SyntaxError"] {
        assert!(row("broken").contains(part), "no '{part}' in {}", row("broken"));
    }
    for part in ["disabled", "functions/disabled.yaml:1", "timeuot"] {
        assert!(row("disabled").contains(part), "no '{part}' in {}", row("disabled"));
    }
}

#[tokio::test]
async fn c1_list_as_json_has_the_same_in_fields() {
    let config = json!({"functions": {"runtimes": {"python": {"enabled": false}}}});
    let project = Project::with_probes().file("functions/broken.js", BROKEN).config(config);
    let ran = project.run(&["list", "--json"]).await;
    let rows = ran.json();
    let rows = rows.as_array().expect("a list");
    let status: Vec<_> =
        rows.iter().map(|row| (row["name"].clone(), row["status"].clone())).collect();
    let expected = [
        (json!("broken"), json!("load error")),
        (json!("probe_go"), json!("ok")),
        (json!("probe_node"), json!("ok")),
        (json!("probe_python"), json!("disabled")),
    ];
    assert_eq!(status, expected, "{}", ran.stdout);
    for row in rows {
        assert!(row["revision"].as_str().is_some_and(|r| r.len() >= 12), "{row}");
        assert_eq!(
            (&row["timeout_ms"], &row["memory"]),
            (&json!(60_000), &json!(256 << 20)),
            "{row}"
        );
    }
}

#[tokio::test]
async fn c1_list_leaves_no_process_and_no_folder_behind() {
    let project = Project::with_probes();
    project.run(&["list"]).await;
    assert_eq!(of_project(&project), []);
    check_no_run_folder(&project);
}

/// `alyx invoke` beside a running host, as if both had the same alyx.yaml.
async fn invoke(host: &Host, arguments: &[&str]) -> Ran {
    let mut command = host.project.command(&[&["invoke"], arguments].concat());
    command.env("ALYX_SERVER_PORT", host.address.port().to_string());
    Ran::of(command).await
}

#[tokio::test]
async fn c1_invoke_calls_the_running_server() {
    let host = Project::with_probes().serve().await;
    for runtime in RUNTIMES {
        let worker = host.worker_of(runtime).await;
        let ran = invoke(&host, &[&runtime.probe(), "--data", r#"{"do": "pid"}"#]).await;
        let pid = ran.stdout.trim().parse().expect("'pid' returns a number");
        assert_eq!((ran.code, Process::at(pid)), (Some(0), Some(worker)), "{ran:?}");
        let ran = invoke(&host, &[&runtime.probe()]).await;
        assert_eq!((ran.code, ran.stdout.trim()), (Some(0), "{}"), "{ran:?}");
    }
}

#[tokio::test]
async fn c1_invoke_reads_its_input_from_a_file_or_stdin() {
    let host = Project::with_probes().file("input.json", r#"{"from": "file ü"}"#).serve().await;
    for runtime in RUNTIMES {
        let ran = invoke(&host, &[&runtime.probe(), "--data", "@input.json"]).await;
        assert_eq!(ran.json(), json!({"from": "file ü"}), "{runtime}");
        let mut command = host.project.command(&["invoke", &runtime.probe(), "--data", "-"]);
        command.env("ALYX_SERVER_PORT", host.address.port().to_string()).stdin(Stdio::piped());
        let mut child = command.spawn().expect("the program starts");
        let mut stdin = child.stdin.take().expect("stdin is piped");
        stdin.write_all(br#"{"from": "stdin"}"#).expect("it reads");
        drop(stdin);
        let waited = tokio::task::spawn_blocking(move || child.wait_with_output());
        let output = waited.await.expect("no panic").expect("it ends");
        let value: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
        assert_eq!(value, json!({"from": "stdin"}), "{runtime}");
    }
}

#[tokio::test]
async fn c1_a_failed_invoke_is_1_and_says_what_failed() {
    let host = Project::with_probes().serve().await;
    for runtime in RUNTIMES {
        let input =
            json!({"do": "throw", "code": "TEAPOT", "message": "short and stout"}).to_string();
        let ran = invoke(&host, &[&runtime.probe(), "--data", &input]).await;
        assert_eq!(ran.code, Some(1), "{ran:?}");
        let said = ran.stdout.clone() + &ran.stderr;
        assert!(said.contains("TEAPOT") && said.contains("short and stout"), "{ran:?}");
    }
    let ran = invoke(&host, &["prob_node"]).await;
    let said = ran.stdout.clone() + &ran.stderr;
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(said.contains("did you mean 'probe_node'"), "{ran:?}");
}

/// A port on which nobody listens any more.
fn free_port() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("it is bound").port().to_string()
}

#[tokio::test]
async fn c1_without_a_server_invoke_runs_the_function_once_here() {
    let project = Project::with_probes().env("ALYX_SERVER_PORT", free_port());
    for runtime in RUNTIMES {
        let input = json!({"do": "echo", "value": {"n": [1]}}).to_string();
        let ran = project.run(&["invoke", &runtime.probe(), "--data", &input]).await;
        assert_eq!((ran.code, ran.json()), (Some(0), json!({"n": [1]})), "{ran:?}");
        let input = json!({"do": "levels"}).to_string();
        let ran = project.run(&["invoke", &runtime.probe(), "--data", &input]).await;
        assert_eq!(ran.stdout.trim(), "null", "logs are no output: {ran:?}");
        assert!(ran.stderr.contains("at warn"), "{ran:?}");
        let input =
            json!({"do": "throw", "code": "TEAPOT", "message": "short and stout"}).to_string();
        let ran = project.run(&["invoke", &runtime.probe(), "--data", &input]).await;
        assert_eq!(ran.code, Some(1), "{ran:?}");
        assert!(ran.stderr.contains("TEAPOT") && ran.stderr.contains("short and stout"), "{ran:?}");
    }
    let ran = project.run(&["invoke", "prob_node"]).await;
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(ran.stderr.contains("did you mean 'probe_node'"), "{ran:?}");
    check_no_run_folder(&project);
}

#[tokio::test]
async fn c1_a_local_invoke_says_where_a_function_does_not_load() {
    let project =
        Project::new().file("functions/broken.js", BROKEN).env("ALYX_SERVER_PORT", free_port());
    let ran = project.run(&["invoke", "broken"]).await;
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(ran.stderr.contains("FUNCTION_LOAD_ERROR"), "{ran:?}");
    assert!(ran.stderr.contains("broken.js") && ran.stderr.contains("SyntaxError"), "{ran:?}");
}

#[tokio::test]
async fn c1_invoke_does_not_mistake_another_server_for_alyx() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let port = listener.local_addr().expect("it is bound").port().to_string();
    let other = tokio::spawn(async move {
        use tokio::io::AsyncWriteExt;
        loop {
            let (mut stream, _) = listener.accept().await.expect("it listens");
            let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi";
            let _hung_up = stream.write_all(answer).await;
        }
    });
    let project = Project::with_probes().env("ALYX_SERVER_PORT", &port);
    let ran = project.run(&["invoke", "probe_node"]).await;
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(ran.stderr.contains(&port) && ran.stderr.contains("server.port"), "{ran:?}");
    other.abort();
}

#[tokio::test]
async fn c1_a_taken_port_is_1_and_names_the_next_step() {
    let host = Project::new().with(Runtime::Node, "probe").serve().await;
    let port = host.address.port().to_string();
    let ran = Project::new().run(&["serve", "--port", &port]).await;
    assert_eq!(ran.code, Some(1), "{ran:?}");
    for part in [&format!("127.0.0.1:{port}"), "--port", "server.port"] {
        assert!(ran.stderr.contains(part), "no '{part}' in {ran:?}");
    }
    assert_eq!(host.get("/health").await.status, 200, "the first one is not harmed");
}

#[tokio::test]
async fn c1_flags_win_over_the_configuration() {
    let config = json!({"server": {"host": "0.0.0.0", "port": 1}});
    let project = Project::new().with(Runtime::Node, "probe").config(config);
    let mut child = project
        .command(&["serve", "--host", "127.0.0.1", "--port", "0"])
        .spawn()
        .expect("the program starts");
    let log = Log::collect(child.stderr.take().expect("stderr is piped"));
    let line = log.try_wait_for(|line| line.message().starts_with("serving")).await;
    let _ended = child.kill();
    let _ended = child.wait();
    let message = line.expect("it serves").message().to_owned();
    assert!(message.contains("http://127.0.0.1:") && !message.contains(":1/"), "{message}");
}

#[tokio::test]
async fn c1_with_no_file_at_all_everything_has_a_default() {
    let project = Project::with_probes();
    let ran = Ran::of(project.bare_command(&["list", "--json"])).await;
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let rows = ran.json();
    assert_eq!(rows[0]["timeout_ms"], 30_000, "{rows}");
}

#[tokio::test]
async fn c1_limits_are_shown_with_value_and_origin() {
    let config = json!({"functions": {"pool": {"max_instances": 3}, "timeout": "12s"}});
    let project = Project::with_probes().config(config);
    let project = project.file("functions/probe_node.yaml", "memory: 128mb\nconcurrency: 4\n");
    let shown = async |arguments: &[&str]| {
        let mut command = project.command(arguments);
        command.env("ALYX_FUNCTIONS_POOL_QUEUE_TIMEOUT", "3s");
        let ran = Ran::of(command).await;
        assert_eq!(ran.code, Some(0), "{ran:?}");
        serde_json::from_str::<Vec<serde_json::Value>>(&ran.stdout).expect("JSON")
    };
    let of = |rows: &[serde_json::Value], name: &str| {
        let row = rows.iter().find(|row| row["name"] == name).unwrap_or_else(|| panic!("{name}"));
        (
            row["value"].as_str().unwrap_or("").to_owned(),
            row["from"].as_str().unwrap_or("").to_owned(),
        )
    };
    let all = shown(&["limits", "--json"]).await;
    assert_eq!(of(&all, "functions.timeout").0, "12s");
    assert!(of(&all, "functions.timeout").1.starts_with("alyx.yaml:"), "{all:?}");
    let waits = ("3s".into(), "environment variable ALYX_FUNCTIONS_POOL_QUEUE_TIMEOUT".into());
    assert_eq!(of(&all, "functions.pool.queue_timeout"), waits);
    assert_eq!(of(&all, "functions.pool.cpu_limit"), ("1".into(), "default".into()));
    assert_eq!(of(&all, "logs of a call"), ("256kb".into(), "built in".into()));
    let one = shown(&["limits", "probe_node", "--json"]).await;
    assert_eq!(of(&one, "memory"), ("128mb".into(), "functions/probe_node.yaml".into()));
    assert_eq!(of(&one, "concurrency").0, "4");
    assert!(of(&one, "timeout").1.starts_with("alyx.yaml:"), "{one:?}");
    let table = project.run(&["limits", "probe_node"]).await;
    assert!(table.stdout.contains("128mb") && table.stdout.contains("MEANING"), "{table:?}");
    let unknown = project.run(&["limits", "prob_node"]).await;
    assert_eq!(unknown.code, Some(1), "{unknown:?}");
    assert!(unknown.stderr.contains("did you mean 'probe_node'?"), "{unknown:?}");
}
