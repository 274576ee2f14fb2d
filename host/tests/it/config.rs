//! A configuration that cannot be meant: the start stops and says where, what and what instead.

use crate::harness::Project;
use crate::harness::project::Ran;

/// Runs `alyx serve` with this alyx.yaml; it has to end by itself with code 2.
async fn complaint(project: &Project, yaml: &str) -> String {
    project.write("alyx.yaml", yaml);
    let ran = Ran::of(project.bare_command(&["serve", "--port", "0"])).await;
    assert_eq!(ran.code, Some(2), "{yaml}\n{ran:?}");
    assert_eq!(ran.stdout, "", "{yaml}");
    ran.stderr
}

#[tokio::test]
async fn c2_each_complaint_has_file_line_key_and_a_suggestion() {
    let table: &[(&str, &[&str])] = &[
        ("server:\n  prot: 80\n", &["alyx.yaml:2", "server.prot", "did you mean 'port'"]),
        ("functoins: {}\n", &["alyx.yaml:1", "functoins", "did you mean 'functions'"]),
        (
            "functions:\n  pool:\n    min_wram: 1\n",
            &["alyx.yaml:3", "functions.pool.min_wram", "did you mean 'min_warm'"],
        ),
        ("server:\n  port: many\n", &["alyx.yaml:2", "server.port", "many"]),
        ("server:\n  port: 70000\n", &["alyx.yaml:2", "server.port", "70000"]),
        ("\n\nfunctions:\n  timeout: soon\n", &["alyx.yaml:4", "functions.timeout", "soon", "30s"]),
        ("functions:\n  timeout: -1s\n", &["alyx.yaml:2", "functions.timeout"]),
        ("server:\n  max_body_size: 6mbb\n", &["alyx.yaml:2", "server.max_body_size", "6mbb"]),
        (
            "functions:\n  backend: dokcer\n",
            &["alyx.yaml:2", "functions.backend", "did you mean 'docker'"],
        ),
        ("functions:\n  enabled: maybe\n", &["alyx.yaml:2", "functions.enabled", "maybe"]),
        ("logging:\n  format: xml\n", &["alyx.yaml:2", "logging.format", "json"]),
        ("server: 8090\n", &["alyx.yaml:1", "server"]),
        ("functions:\n  runtimes:\n    ndoe: {enabled: true}\n", &["alyx.yaml:3", "ndoe"]),
    ];
    let project = Project::new();
    for (yaml, parts) in table {
        let said = complaint(&project, yaml).await;
        for part in *parts {
            assert!(said.contains(part), "no '{part}' for {yaml:?}: {said}");
        }
    }
}

#[tokio::test]
async fn c2_values_that_exclude_each_other_are_an_error() {
    let project = Project::new();
    let said =
        complaint(&project, "functions:\n  pool:\n    min_warm: 5\n    max_instances: 2\n").await;
    for part in ["alyx.yaml:3", "min_warm", "max_instances"] {
        assert!(said.contains(part), "no '{part}' in {said}");
    }
}

#[tokio::test]
async fn c2_all_complaints_come_at_once() {
    let project = Project::new();
    let said = complaint(&project, "server:\n  prot: 80\nlogging:\n  level: loud\n").await;
    assert!(said.contains("server.prot") && said.contains("logging.level"), "{said}");
}

#[tokio::test]
async fn c2_what_is_no_yaml_is_told_with_its_line() {
    let project = Project::new();
    for yaml in [
        "server:\n  port: [\n",
        "a: 1\n b: 2\n",
        "server:\n\tport: 1\n",
        "server: {}\nserver: {}\n",
    ] {
        let said = complaint(&project, yaml).await;
        assert!(said.contains("alyx.yaml:"), "{yaml:?}: {said}");
    }
}

#[tokio::test]
async fn c2_an_unset_variable_is_an_error_outside_of_env_maps() {
    let project = Project::new();
    let said = complaint(&project, "server:\n  host: ${NOT_SET_ANYWHERE}\n").await;
    for part in ["alyx.yaml:2", "server.host", "NOT_SET_ANYWHERE"] {
        assert!(said.contains(part), "no '{part}' in {said}");
    }
}

#[tokio::test]
async fn c2_a_bad_value_in_a_variable_names_the_variable() {
    for (name, value, key) in [
        ("ALYX_SERVER_PORT", "many", "port"),
        ("ALYX_FUNCTIONS_POOL_MIN_WARM", "-1", "min_warm"),
        ("ALYX_FUNCTIONS_TIMEOUT", "soon", "timeout"),
    ] {
        let said = complaint(&Project::new().env(name, value), "").await;
        for part in [name, key, value] {
            assert!(said.contains(part), "no '{part}' in {said}");
        }
    }
}

#[tokio::test]
async fn c2_a_named_file_that_is_not_there_is_an_error() {
    let project = Project::new();
    let ran = Ran::of(project.bare_command(&["serve", "--config", "other.yaml"])).await;
    assert_eq!(ran.code, Some(2), "{ran:?}");
    assert!(ran.stderr.contains("other.yaml"), "{ran:?}");
}

#[tokio::test]
async fn c2_what_this_version_cannot_do_is_refused_and_not_ignored() {
    let project = Project::new();
    for (settings, parts) in [
        ("{backend: process, network: none, sandbox: off}", ["functions.network", "none", "open"]),
        (
            "{backend: process, network: proxy, sandbox: off}",
            ["functions.network", "proxy", "open"],
        ),
    ] {
        let said = complaint(&project, &format!("functions:\n  {settings}\n")).await;
        for part in parts {
            assert!(said.contains(part), "no '{part}' in {said}");
        }
    }
}

#[tokio::test]
async fn c2_every_command_reads_the_configuration() {
    let project = Project::new().file("alyx.yaml", "server:\n  prot: 80\n");
    for arguments in [&["list"][..], &["invoke", "hello"]] {
        let ran = Ran::of(project.bare_command(arguments)).await;
        assert_eq!(ran.code, Some(2), "{arguments:?}: {ran:?}");
        assert!(ran.stderr.contains("did you mean 'port'"), "{ran:?}");
    }
}

#[tokio::test]
async fn c2_secrets_are_in_no_complaint() {
    let project = Project::new().env("SECRET", "hunter2-hunter2");
    let said = complaint(&project, "server:\n  prot: 80\n  host: \"${SECRET}\"\n").await;
    assert!(!said.contains("hunter2"), "{said}");
}
