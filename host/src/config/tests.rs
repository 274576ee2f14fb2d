//! What a user of alyx.yaml sees: values, precedence and the exact words of complaints.

use super::*;
use crate::config::model::{Backend, Level, LogFormat, Network, Synchronous};
use std::fs;
use std::time::Duration;

fn load(yaml: &str, variables: &[(&str, &str)]) -> Result<Config, ConfigError> {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join(FILE_NAME), yaml).unwrap();
    Config::load(None, folder.path(), owned(variables))
}

fn owned(variables: &[(&str, &str)]) -> Vec<(String, String)> {
    variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn good(yaml: &str, variables: &[(&str, &str)]) -> Config {
    load(yaml, variables).unwrap()
}

fn refused(yaml: &str, variables: &[(&str, &str)], expected: &str) {
    assert_eq!(load(yaml, variables).unwrap_err().to_string(), expected);
}

fn env(config: &Config) -> Vec<(&str, &str)> {
    config.functions.env.iter().map(|(name, value)| (name.as_str(), value.expose())).collect()
}

#[test]
fn everything_has_a_default() {
    let folder = tempfile::tempdir().unwrap();
    let config = Config::load(None, folder.path(), []).unwrap();
    assert_eq!((config.server.host.as_str(), config.server.port), ("127.0.0.1", 8090));
    assert_eq!(config.server.max_body_size, 6 << 20);
    assert_eq!(config.server.cors.allowed_origins, ["*"]);
    assert_eq!(config.database.synchronous, Synchronous::Full);
    assert_eq!(config.auth.jwt.refresh_ttl, Duration::from_secs(168 * 3600));
    assert!(config.auth.jwt.secret.is_empty() && config.auth.jwt.audience.is_none());
    assert_eq!(config.functions.path, folder.path().join("functions"));
    assert_eq!(config.functions.backend, Backend::Auto);
    assert_eq!(config.functions.pool.concurrency, None);
    assert_eq!(config.functions.pool.memory_limit, 256 << 20);
    assert_eq!(config.functions.runtimes.keys().collect::<Vec<_>>(), ["go", "node", "python"]);
    assert_eq!(config.functions.runtimes["python"].extensions, [".py"]);
    assert_eq!(config.history.retention, Duration::from_secs(30 * 86_400));
    assert!(config.file.is_none() && config.warnings.is_empty());
}

/// The contract's own sample must mean the same as no file at all.
#[test]
fn the_sample_of_the_contract_is_the_default() {
    let sample = include_str!("tests/sample.yaml");
    let mut config = good(sample, &[]);
    let mut bare = good("", &[]);
    assert!(config.warnings.is_empty());
    for config in [&mut config, &mut bare] {
        // Each was read from a temp folder of its own.
        config.folder = PathBuf::new();
        config.settings.functions.path = PathBuf::new();
        config.settings.database.path = PathBuf::new();
        config.settings.history.path = PathBuf::new();
    }
    assert_eq!(config.settings, bare.settings);
}

#[test]
fn the_guides_configuration_is_read() {
    let yaml = "functions:\n  enabled: true\n  timeout: 30s # Default\n  env:\n    APP_URL: https://myapp.com\n  pool:\n    cpu_limit: 1.0\n  runtimes:\n    go:\n      image: ghcr.io/watzon/alyx-runtime-go:latest\n      enabled: false\n";
    let config = good(yaml, &[("ALYX_FUNCTIONS_ENV_OPENAI_API_KEY", "sk-1")]);
    assert!(!config.functions.runtimes["go"].enabled && config.functions.runtimes["node"].enabled);
    assert_eq!(env(&config), [("APP_URL", "https://myapp.com"), ("OPENAI_API_KEY", "sk-1")]);
}

#[test]
fn every_choice_of_the_table_is_a_value_of_the_model() {
    for key in KEYS {
        let schema::Kind::Choice(words) = key.kind else { continue };
        for word in words {
            let posts = "collections: {posts: {fields: {f: {type: uuid, references: users.id}}}}";
            let yaml = if key.path.starts_with("collections") { posts } else { "" };
            let path = key.path.replacen('*', "posts", 1).replacen('*', "f", 1);
            let variable = environment::variable_of(&path);
            let loaded = load(yaml, &[(&variable, word)]);
            assert!(loaded.is_ok(), "{path} = {word}: {loaded:?}");
        }
    }
}

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
fn variables_are_replaced_in_any_value() {
    let yaml = "server:\n  host: ${HOST}\n  port: ${PORT:-9000}\n  max_body_size: \"${SIZE}mb\"\nauth: {jwt: {secret: \"${SECRET}\"}}\nfunctions:\n  env: {URL: \"http://${HOST}:${PORT:-1}/$$\"}\n  enabled: ${ON}\n  pool: {concurrency: \"${NONE:-}\"}\n";
    let variables = [("HOST", "::1"), ("SIZE", "2"), ("SECRET", "12345"), ("ON", "false")];
    let config = good(yaml, &variables);
    assert_eq!((config.server.host.as_str(), config.server.port), ("::1", 9000));
    assert_eq!(config.server.max_body_size, 2 << 20);
    assert_eq!(config.auth.jwt.secret.expose(), "12345");
    assert_eq!(env(&config), [("URL", "http://::1:1/$")]);
    assert!(!config.functions.enabled && config.functions.pool.concurrency.is_none());
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
fn env_values_are_texts_exactly_as_written() {
    let yaml = "functions: {env: {A: 1.10, B: true, C: '', Mixed_Case: 0x1F, E: \"a b\"}}";
    let expected = [("A", "1.10"), ("B", "true"), ("C", ""), ("E", "a b"), ("Mixed_Case", "0x1F")];
    assert_eq!(env(&good(yaml, &[])), expected);
    refused(
        "functions: {env: {A: , B: [1]}}",
        &[],
        "alyx.yaml:1: functions.env.A has no value; write \"\" for an empty text\nalyx.yaml:1: functions.env.B is a list; expected a text",
    );
}

#[test]
fn the_environment_wins_over_the_file() {
    let yaml = "server: {port: 1000}\nfunctions:\n  env: {A: file, B: file}\n";
    let variables = [
        ("ALYX_SERVER_PORT", "2000"),
        ("ALYX_FUNCTIONS_POOL_MIN_WARM", "3"),
        ("ALYX_FUNCTIONS_ENV_B", "$shell ${NOT_EXPANDED}"),
        ("ALYX_FUNCTIONS_ENV_lower_Case", "x"),
        ("ALYX_SERVER_CORS_ALLOWED_ORIGINS", "https://a.example, https://b.example"),
        ("ALYX_FUNCTIONS_RUNTIMES_GO_EXTENSIONS", "[.go, .golang]"),
        ("ALYX_LOGGING_FORMAT", "json"),
        ("ALYX_LOGGING_LEVEL", ""),
        ("ALYX_FUNCTIONS_ENV_EMPTY", ""),
        ("ALYX_JWT_SECRET", "s3cret"),
    ];
    let config = good(yaml, &variables);
    assert_eq!((config.server.port, config.functions.pool.min_warm), (2000, 3));
    let expected =
        [("A", "file"), ("B", "$shell ${NOT_EXPANDED}"), ("EMPTY", ""), ("lower_Case", "x")];
    assert_eq!(env(&config), expected);
    assert_eq!(config.server.cors.allowed_origins, ["https://a.example", "https://b.example"]);
    assert_eq!(config.functions.runtimes["go"].extensions, [".go", ".golang"]);
    assert_eq!((config.logging.format, config.logging.level), (LogFormat::Json, Level::Info));
    assert_eq!(config.auth.jwt.secret.expose(), "s3cret");
    assert!(config.warnings.is_empty(), "{:?}", config.warnings);
}

#[test]
fn every_key_can_be_set_by_its_variable() {
    let schema = Schema::new(KEYS);
    let names: std::collections::BTreeSet<_> =
        KEYS.iter().map(|key| environment::variable_of(key.path)).collect();
    assert_eq!(names.len(), KEYS.len(), "two keys share a variable");
    for key in KEYS.iter().filter(|key| !key.path.contains('*') && key.default != Some("null")) {
        let name = environment::variable_of(key.path);
        let value = key.default.unwrap().replace("${ALYX_JWT_SECRET:-}", "x");
        let variables: Variables = [(name.clone(), value)].into_iter().collect();
        let mut document = Node::empty_map(Origin::Default);
        assert!(environment::overlay(&mut document, &schema, &variables).is_empty(), "{name}");
        let checked = check(&schema, &document, &variables);
        assert_eq!(checked.issues, [], "{name}");
        if key.kind != schema::Kind::Map {
            assert_eq!(checked.origins[key.path], Origin::Variable(name.as_str().into()), "{name}");
        }
    }
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
fn each_value_knows_where_it_came_from() {
    let yaml = "server:\n  port: 1\nfunctions:\n  env: {A: x}\n";
    let variables = [("ALYX_LOGGING_LEVEL", "warn"), ("ALYX_JWT_SECRET", "x")];
    let config = good(yaml, &variables);
    let shown = |key: &str| config.origin(key).to_string();
    assert_eq!(shown("server.port"), "alyx.yaml:2");
    assert_eq!(shown("functions.env.A"), "alyx.yaml:4");
    assert_eq!(shown("logging.level"), "environment variable ALYX_LOGGING_LEVEL");
    assert_eq!(shown("auth.jwt.secret"), "environment variable ALYX_JWT_SECRET");
    assert_eq!(shown("functions.timeout"), "default");
    let plain = KEYS.iter().filter(|key| !key.path.contains('*'));
    let leaves = plain.filter(|key| key.kind != schema::Kind::Map);
    let missing: Vec<_> = leaves.filter(|key| !config.origins.contains_key(key.path)).collect();
    assert_eq!(missing, [] as [&schema::Key; 0]);
}

#[test]
fn the_file_may_be_named_and_paths_start_from_its_folder() {
    let folder = tempfile::tempdir().unwrap();
    let inner = folder.path().join("deploy");
    fs::create_dir(&inner).unwrap();
    fs::write(inner.join("prod.yaml"), "functions: {path: ../fn}\nauth: {jwt: {jwks: k.json}}\n")
        .unwrap();
    let named = Config::load(Some(Path::new("deploy/prod.yaml")), folder.path(), []).unwrap();
    assert_eq!(named.functions.path, inner.join("../fn"));
    assert_eq!(named.database.path, inner.join("alyx.db"));
    assert_eq!(named.auth.jwt.jwks.as_deref(), inner.join("k.json").to_str());
    let variables = owned(&[("ALYX_CONFIG", "deploy/prod.yaml")]);
    let by_variable = Config::load(None, folder.path(), variables).unwrap();
    assert_eq!(by_variable.file.as_deref(), Some(inner.join("prod.yaml").as_path()));
    let missing = Config::load(Some(Path::new("prod.yaml")), folder.path(), []).unwrap_err();
    let words = "configuration file 'prod.yaml' not found; create it or leave --config away";
    assert_eq!(missing.to_string(), words);
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
fn probe() {
    for y in [
        "admin: {token: ${T}}",
        "functions: {env: {A: ${T:-x}, B: b}}",
        "server: {cors: {allowed_origins: [${T}, b]}}",
        "functions:\n  env:\n\tA: b",
    ] {
        println!(
            "{y} => {:?}",
            load(y, &[("T", "https://x")])
                .map(|c| (c.admin.token.clone(), c.server.cors.allowed_origins.clone()))
                .map_err(|e| e.to_string())
        );
    }
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
fn an_empty_secret_is_no_token() {
    let config = good("admin: {token: \"${NONE:-}\"}", &[("ALYX_AUTH_JWT_AUDIENCE", "")]);
    assert!(config.admin.token.is_none() && config.auth.jwt.audience.is_none());
    assert!(good("admin: {token: ''}", &[]).admin.token.is_none());
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
