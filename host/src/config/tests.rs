//! What a user of alyx.yaml sees: defaults and samples here, the rest in the files below.

mod complaints;
mod precedence;
mod reference;

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
            let yaml = match key.path {
                "collections.*.fields.*.type" => "collections: {posts: {fields: {f: {type: int}}}}",
                path if path.starts_with("collections") => {
                    "collections: {posts: {fields: {f: {type: string, references: users.email}}}}"
                }
                _ => "",
            };
            let path = key.path.replacen('*', "posts", 1).replacen('*', "f", 1);
            let variable = environment::variable_of(&path);
            let loaded = load(yaml, &[(&variable, word)]);
            assert!(loaded.is_ok(), "{path} = {word}: {loaded:?}");
        }
    }
}

proptest::proptest! {
    /// Whatever stands where: settings or complaints, never a panic.
    #[test]
    fn any_mix_of_values_loads_or_is_refused(
        picks in proptest::collection::vec((0..KEYS.len(), 0..VALUES.len()), 1..6)
    ) {
        let schema = Schema::new(KEYS);
        let mut document = Node::empty_map(Origin::Default);
        for (key, value) in picks {
            let path = KEYS[key].path.replace('*', "own");
            let path: Vec<_> = path.split('.').collect();
            let node = yaml::parse(&format!("k: {}", VALUES[value]), &yaml::in_file("f")).unwrap();
            document.set(&path, node.get("k").unwrap().clone());
        }
        let variables: Variables = owned(&[("SET", "5")]).into_iter().collect();
        match settle(&check(&schema, &document, &variables)) {
            Ok(_) => {}
            Err(error) => proptest::prop_assert!(!error.to_string().is_empty()),
        }
    }
}

const VALUES: [&str; 22] = [
    "",
    "null",
    "true",
    "0",
    "1",
    "-1",
    "5.5",
    ".nan",
    ".inf",
    "1e400",
    "99999999999999999999",
    "text",
    "'5'",
    "''",
    "10s",
    "64mb",
    "[]",
    "[a, 1, null]",
    "{}",
    "{a: b}",
    "${SET}",
    "${NOT_SET}",
];
