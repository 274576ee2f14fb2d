//! Which variables a function sees, and that there are no others.

use serde_json::{Value, json};

use crate::harness::backend::in_containers;
use crate::harness::{Project, RUNTIMES, Runtime};

#[tokio::test]
async fn n5_config_then_environment_then_manifest_the_later_wins() {
    let env = json!({"A": "config", "B": "config", "C": "config", "Case": "kept"});
    let mut project = Project::with_probes()
        .config(json!({"functions": {"env": env}}))
        .env("ALYX_FUNCTIONS_ENV_B", "environment")
        .env("ALYX_FUNCTIONS_ENV_C", "environment")
        .env("ALYX_FUNCTIONS_ENV_only_here", "environment");
    for runtime in RUNTIMES {
        let manifest = format!("functions/{}.yaml", runtime.probe());
        project = project.file(&manifest, "env:\n  C: manifest\n  D: manifest\n");
    }
    let host = project.serve().await;
    let expected = json!({
        "A": "config", "B": "environment", "C": "manifest", "D": "manifest", "Case": "kept",
        "only_here": "environment",
    });
    for runtime in RUNTIMES {
        assert_eq!(host.value(runtime, json!({"do": "env"})).await, expected, "{runtime}");
    }
}

#[tokio::test]
async fn n5_values_are_strings_whatever_they_look_like() {
    let env = "functions:\n  env:\n    NUMBER: 007\n    SWITCH: true\n    EMPTY: \"\"\n    \
               DOLLAR: $$HOME\n    UNICODE: ü🌍\n";
    let host = Project::with_probes()
        .file("own.yaml", env)
        .env("ALYX_CONFIG", "own.yaml")
        .env("ALYX_LOGGING_FORMAT", "json")
        .serve()
        .await;
    let expected = json!({
        "NUMBER": "007", "SWITCH": "true", "EMPTY": "", "DOLLAR": "$HOME", "UNICODE": "ü🌍",
    });
    for runtime in RUNTIMES {
        assert_eq!(host.value(runtime, json!({"do": "env"})).await, expected, "{runtime}");
    }
}

#[tokio::test]
async fn n5_variables_of_the_host_are_filled_in_where_they_are_named() {
    let env = json!({"functions": {"env": {
        "KEY": "${FROM_HOST}", "URL": "http://${FROM_HOST}:${PORT:-80}/",
        "GONE": "${NOT_SET_ANYWHERE}",
    }}});
    let host = Project::with_probes().config(env).env("FROM_HOST", "value").serve().await;
    let expected = json!({"KEY": "value", "URL": "http://value:80/"});
    for runtime in RUNTIMES {
        assert_eq!(host.value(runtime, json!({"do": "env"})).await, expected, "{runtime}");
    }
    let said =
        host.log.all(|line| line.level() == "WARN" && line.message().contains("NOT_SET_ANYWHERE"));
    assert_eq!(said.len(), 1, "{said:?}");
}

#[tokio::test]
async fn n5_the_hosts_environment_is_not_visible() {
    let project = Project::with_probes()
        .config(json!({"functions": {"env": {"API_KEY": "of the function"}}}))
        .env("HOST_SECRET", "hunter2")
        .env("NODE_OPTIONS", "--no-warnings")
        .env("PYTHONPATH", "/nowhere")
        .env("GODEBUG", "madvdontneed=1")
        .env("ALYX_AUTH_JWT_SECRET", "0123456789abcdef0123456789abcdef");
    let host = project.serve().await;
    let own_home = std::env::var_os("HOME").expect("there is a HOME");
    for runtime in RUNTIMES {
        assert_eq!(
            host.value(runtime, json!({"do": "env"})).await,
            json!({"API_KEY": "of the function"})
        );
        let seen = host.value(runtime, json!({"do": "process_env"})).await;
        assert_eq!(names(&seen), allowed(runtime), "{runtime}: {seen}");
        assert_ne!(seen["HOME"], own_home.to_string_lossy().as_ref(), "{runtime}");
        let started_with = host.worker_of(runtime).await.environment();
        for secret in
            ["hunter2", "0123456789abcdef", "of the function", "--no-warnings", "/nowhere"]
        {
            assert!(!started_with.contains(secret), "{runtime}: '{secret}' in {started_with}");
        }
    }
}

fn names(env: &Value) -> Vec<&str> {
    let mut names: Vec<_> =
        env.as_object().expect("it is a map").keys().map(String::as_str).collect();
    // Set by engines, and by the shell of the image.
    let by_engines = ["HOSTNAME", "PWD", "TERM", "container"];
    names.retain(|name| !in_containers() || !by_engines.contains(name));
    names.sort_unstable();
    names
}

/// What a process needs to run at all, and nothing else. Where an image brings the program, memory is
/// told by a variable.
fn allowed(runtime: Runtime) -> Vec<&'static str> {
    let own: &[_] = match runtime {
        Runtime::Node if in_containers() => &["NODE_OPTIONS"],
        Runtime::Node | Runtime::Python => &[],
        Runtime::Go => &["GOMAXPROCS", "GOMEMLIMIT"],
    };
    let mut all = [own, &["HOME", "LANG", "PATH", "TMPDIR"]].concat();
    all.sort_unstable();
    all
}

#[tokio::test]
async fn n5_one_functions_variables_are_not_anothers() {
    for runtime in RUNTIMES {
        let (one, two) = (runtime.function("one"), runtime.function("two"));
        let text = runtime.fixture("probe");
        let host = Project::new()
            .file(&runtime.file(&one), &text)
            .file(&runtime.file(&two), &text)
            .file(&format!("functions/{one}.yaml"), "env: {OWN: of one}\n")
            .file(&format!("functions/{two}.yaml"), "env: {OWN: of two}\n")
            .serve()
            .await;
        for (function, own) in [(&one, "of one"), (&two, "of two"), (&one, "of one")] {
            let env = host.call(function, json!({"do": "env"})).await.value();
            assert_eq!(env, json!({"OWN": own}), "{runtime}");
        }
    }
}

#[tokio::test]
async fn n5_secrets_are_in_no_log_line() {
    let config = json!({"functions": {"env": {"API_KEY": "hunter2-hunter2"}}});
    let host = Project::with_probes().config(config).serve().await;
    for runtime in RUNTIMES {
        host.value(runtime, json!({})).await;
        host.probe(runtime, json!({"do": "plain", "message": "m"})).await;
        host.probe(runtime, json!({"do": "exit", "code": 1})).await;
        host.settle_log(runtime).await;
    }
    let leaks = host.log.all(|line| line.0.to_string().contains("hunter2"));
    assert!(leaks.is_empty(), "{leaks:?}");
}
