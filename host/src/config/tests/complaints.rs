//! The exact words in which alyx.yaml is refused.

use super::*;

#[test]
fn a_slip_names_file_line_key_and_the_word_that_was_meant() {
    let yaml = "functions:\n  pool:\n    max_instances: 4\n    min_wram: 1\n";
    refused(
        yaml,
        &[],
        "alyx.yaml:4: functions.pool.min_wram is not a known key; did you mean 'min_warm'?",
    );
    refused(
        "functions:\n  min_warm: 2\n",
        &[],
        "alyx.yaml:2: functions.min_warm is not a known key; did you mean 'functions.pool.min_warm'?",
    );
    refused(
        "database: {engine: x}\n",
        &[],
        "alyx.yaml:1: database.engine is not a known key; database has path, synchronous",
    );
}

#[test]
fn wrong_types_tell_what_is_there_and_what_belongs_there() {
    let yaml = "server:\n  port: eighty\n  host: 127\n  max_body_size: 5x\nfunctions:\n  timeout: soon\n  backend: dokcer\n  enabled: 'true'\n  env: [A]\n  pool: 3\nlogging: {level: [info]}\n";
    let expected = "\
alyx.yaml:2: server.port is the text 'eighty'; expected a whole number from 0 to 65535
alyx.yaml:3: server.host is the number 127; expected a text, so put it in quotes
alyx.yaml:4: server.max_body_size is the text '5x'; expected a size from 1b to 15mb, such as 64kb or 256mb
alyx.yaml:6: functions.timeout is the text 'soon'; expected a duration from 1ms to 1d, such as 500ms, 30s or 5m
alyx.yaml:7: functions.backend is the text 'dokcer'; expected one of auto, docker, podman, process; did you mean 'docker'?
alyx.yaml:8: functions.enabled is the text 'true'; expected true or false, without quotes
alyx.yaml:9: functions.env is a list; expected a map of names and texts
alyx.yaml:10: functions.pool is the number 3; expected a map
alyx.yaml:11: logging.level is a list; expected one of trace, debug, info, warn, error";
    refused(yaml, &[], expected);
}

#[test]
fn values_out_of_range_are_refused() {
    let cases = [
        (
            "server: {port: 70000}",
            "server.port is the number 70000; expected a whole number from 0 to 65535",
        ),
        (
            "server: {port: -1}",
            "server.port is the number -1; expected a whole number from 0 to 65535",
        ),
        (
            "server: {port: 80.5}",
            "server.port is the number 80.5; expected a whole number from 0 to 65535",
        ),
        (
            "functions: {pool: {cpu_limit: 0}}",
            "functions.pool.cpu_limit is the number 0; expected a number from 0.01 to 1024",
        ),
        (
            "functions: {pool: {cpu_limit: .nan}}",
            "functions.pool.cpu_limit is the number .nan; expected a number from 0.01 to 1024",
        ),
        (
            "functions: {timeout: 0}",
            "functions.timeout is the number 0; expected a duration from 1ms to 1d, such as 500ms, 30s or 5m",
        ),
        ("server: {port: }", "server.port is empty; expected a whole number from 0 to 65535"),
        ("server: {host: ''}", "server.host is the text ''; expected a text"),
    ];
    for (yaml, expected) in cases {
        refused(yaml, &[], &format!("alyx.yaml:1: {expected}"));
    }
    assert_eq!(good("server: {port: 0}", &[]).server.port, 0);
}

#[test]
fn contradictions_are_blamed_on_what_was_set() {
    let yaml = "functions:\n  pool:\n    min_warm: 12\n    max_instances: 10\n";
    let words =
        "functions.pool.min_warm is 12, more than functions.pool.max_instances (10); lower it";
    refused(yaml, &[], &format!("alyx.yaml:3: {words}"));
    let variables = [("ALYX_FUNCTIONS_POOL_MIN_WARM", "12")];
    let expected = format!("environment variable ALYX_FUNCTIONS_POOL_MIN_WARM: {words}");
    refused("", &variables, &expected);
    refused(
        "server:\n  cors:\n    allow_credentials: true\n",
        &[],
        "alyx.yaml:3: server.cors.allow_credentials is true, which browsers refuse with the origin '*'; list the origins in server.cors.allowed_origins",
    );
    refused(
        "admin: {path: /api/x}",
        &[],
        "alyx.yaml:1: admin.path is '/api/x', but '/api' is served already; choose another such as '/_admin'",
    );
    refused(
        "history: {path: alyx.db}",
        &[],
        "alyx.yaml:1: history.path is the file of database.path too; give each its own",
    );
}

#[test]
fn third_party_runtimes_say_what_to_start() {
    let yaml = "functions:\n  runtimes:\n    ruby: {command: [ruby, shim.rb], extensions: [.rb]}\n";
    let config = good(yaml, &[("ALYX_FUNCTIONS_RUNTIMES_RUBY_ENABLED", "false")]);
    let ruby = &config.functions.runtimes["ruby"];
    assert_eq!(ruby.command.as_deref(), Some(&["ruby".to_owned(), "shim.rb".to_owned()][..]));
    assert!(!ruby.enabled && ruby.image.is_none());
    let cases = [
        ("pyhton: {enabled: false}", "pyhton needs an image or a command; did you mean 'python'?"),
        ("ruby: {image: x}", "ruby needs extensions, such as ['.rb']"),
        (
            "ruby: {image: x, extensions: [.py]}",
            "ruby.extensions has '.py', which 'python' has too; remove one",
        ),
        (
            "ruby: {image: x, extensions: [rb]}",
            "ruby.extensions has 'rb'; expected a dot and letters, such as '.rb'; manifests keep .yaml and .yml",
        ),
        (
            "Ruby: {image: x, extensions: [.rb]}",
            "Ruby is no name for a runtime; use lower-case letters, digits, '-' and '_'",
        ),
        ("ruby: {comand: [x]}", "ruby.comand is not a known key; did you mean 'command'?"),
    ];
    for (line, expected) in cases {
        let yaml = format!("functions:\n  runtimes:\n    {line}\n");
        refused(&yaml, &[], &format!("alyx.yaml:3: functions.runtimes.{expected}"));
    }
}

#[test]
fn an_unset_variable_leaves_an_env_key_out_and_is_an_error_elsewhere() {
    let config = good("functions:\n  env:\n    A: ${NOPE}\n    B: b\n", &[]);
    assert_eq!(env(&config), [("B", "b")]);
    let warning = "alyx.yaml:3: functions.env.A is left out: it uses ${NOPE}, which is not set; set it or write ${NOPE:-default}";
    assert_eq!(config.warnings, [warning]);
    refused(
        "server:\n  host: ${NOPE}\n",
        &[],
        "alyx.yaml:2: server.host uses ${NOPE}, which is not set; set it or write ${NOPE:-default}",
    );
}

#[test]
fn a_wrong_variable_is_named() {
    refused(
        "server: {port: 80}",
        &[("ALYX_SERVER_PORT", "abc")],
        "environment variable ALYX_SERVER_PORT: server.port is the text 'abc'; expected a whole number from 0 to 65535",
    );
    let config = good(
        "admin: {token: \"${ALYX_ADMIN_TOKE:-}\"}",
        &[
            ("ALYX_SERVER_PROT", "1"),
            ("ALYX_FUNCTION_ENV_KEY", "v"),
            ("ALYX_ADMIN_TOKE", "asked for by the file"),
            ("ALYX_ADDR", "x"),
            ("ALYX_TEST_DOCKER", "1"),
            ("ALYX_SOMETHING_ELSE_ALTOGETHER", "1"),
        ],
    );
    let expected = [
        "environment variable ALYX_FUNCTION_ENV_KEY sets no key; did you mean ALYX_FUNCTIONS_ENV_KEY?",
        "environment variable ALYX_SERVER_PROT sets no key; did you mean ALYX_SERVER_PORT?",
    ];
    assert_eq!(config.warnings, expected);
}

#[test]
fn a_file_that_cannot_be_read_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join(FILE_NAME);
    let why = || Config::load(None, folder.path(), []).unwrap_err().to_string();
    fs::create_dir(&file).unwrap();
    assert_eq!(why(), "cannot read configuration file 'alyx.yaml': it is no regular file");
    fs::remove_dir(&file).unwrap();
    fs::write(&file, b"server:\n  host: \xff\n").unwrap();
    assert_eq!(why(), "cannot read configuration file 'alyx.yaml': line 2 is not UTF-8");
    fs::write(&file, "#".repeat(2 << 20)).unwrap();
    let words = "cannot read configuration file 'alyx.yaml': it is larger than 1048576 bytes";
    assert_eq!(why(), words);
    fs::write(&file, "- a\n").unwrap();
    assert_eq!(why(), "alyx.yaml:1: the document is a list; expected a map");
    fs::write(&file, "server:\n  port: 80\n host: x\n").unwrap();
    assert!(why().starts_with("alyx.yaml:3:"), "{}", why());
}

#[test]
fn secrets_stay_out_of_debug_and_complaints() {
    let yaml = "auth: {jwt: {secret: hunter2hunter2}}\nadmin: {token: hunter2}\nfunctions: {env: {K: hunter2}}\n";
    let config = good(yaml, &[("ALYX_FUNCTIONS_ENV_L", "hunter2"), ("OTHER", "hunter2")]);
    assert!(!format!("{config:?}").contains("hunter2"));
    for yaml in [
        "auth: {jwt: {secret: [hunter2]}}",
        "admin: {token: 1234567}",
        "functions: {env: hunter2}",
        "functions: {env: {A=hunter2: x}}",
    ] {
        let error = load(yaml, &[]).unwrap_err();
        let shown = format!("{error} {error:?}").replace("A=hunter2", "");
        assert!(!shown.contains("hunter2") && !shown.contains("1234567"), "{shown}");
    }
}

#[test]
fn null_is_a_value_only_where_it_is_the_default() {
    let config = good("functions:\n  pool:\n  env:\nauth: {jwt: {audience: null}}\n", &[]);
    assert_eq!(config.functions.pool.max_instances, 10);
    assert_eq!(config.functions.network, Network::Open);
    refused(
        "functions: {network: ~}",
        &[],
        "alyx.yaml:1: functions.network is empty; expected one of open, proxy, none",
    );
    assert_eq!(good("functions: {network: none}", &[]).functions.network, Network::None);
}
