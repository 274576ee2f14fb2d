//! Where a value comes from: file, variables inside it, the environment over it.

use super::*;

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
fn variables_stand_inside_flow_maps_and_lists_too() {
    let yaml = "admin: {token: ${T:-x}}\nserver: {cors: {allowed_origins: [\"*\", ${O}]}}\n";
    let config = good(yaml, &[("O", "https://o.example")]);
    assert_eq!(config.admin.token.as_ref().unwrap().expose(), "x");
    assert_eq!(config.server.cors.allowed_origins, ["*", "https://o.example"]);
}

#[test]
fn an_empty_secret_is_no_token() {
    let config = good("admin: {token: \"${NONE:-}\"}", &[("ALYX_AUTH_JWT_AUDIENCE", "")]);
    assert!(config.admin.token.is_none() && config.auth.jwt.audience.is_none());
    assert!(good("admin: {token: ''}", &[]).admin.token.is_none());
}

#[test]
fn a_variable_may_hold_a_whole_map() {
    let variables = [
        ("ALYX_FUNCTIONS_ENV", "{A: \"${NOT_EXPANDED} $$\", B: 007}"),
        ("ALYX_FUNCTIONS_ENV_B", "wins"),
        ("ALYX_COLLECTIONS", "{posts: {fields: {title: {type: string}}}}"),
    ];
    let config = good("functions: {env: {C: replaced}}", &variables);
    assert_eq!(env(&config), [("A", "${NOT_EXPANDED} $$"), ("B", "wins")]);
    assert_eq!(config.collections["posts"].fields.len(), 1);
    refused(
        "",
        &[("ALYX_COLLECTIONS", "{posts: [")],
        "environment variable ALYX_COLLECTIONS: collections is the text '{posts: ['; expected a map",
    );
}
