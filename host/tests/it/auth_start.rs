//! Starting with and without a secret, and `alyx token`.

use serde_json::{Value, json};

use crate::auth_issuer::{SECRET, callers, check_refused, claims_of};
use crate::harness::project::Ran;
use crate::harness::{Project, RUNTIMES, Runtime, in_every_runtime};

/// Functions that tell who calls, on a host without any setting of auth.
fn unconfigured() -> Project {
    Project::new().with_all("caller")
}

#[tokio::test]
async fn a1_without_a_secret_functions_work_and_tokens_wait_for_one() {
    let host = unconfigured().serve().await;
    let body = json!({"email": "ann@x.org", "password": "long enough"});
    in_every_runtime(async |runtime| {
        let answer = host.call(&runtime.function("caller"), json!({})).await;
        assert_eq!(answer.value()["auth"], Value::Null, "{runtime}");
        for token in ["a.b.c", ""] {
            let answer = host.who(runtime, token).await;
            if token.is_empty() {
                check_refused(&answer, token);
            } else {
                let message = answer.error_message(503, "AUTH_NOT_CONFIGURED");
                assert!(message.contains("auth.jwt.secret"), "{message}");
            }
        }
    })
    .await;
    for action in ["register", "login", "refresh", "logout"] {
        let answer = host.account(action, &body).await;
        let message = answer.error_message(503, "AUTH_NOT_CONFIGURED");
        assert!(message.contains("auth.jwt.secret"), "{action}: {message}");
    }
    host.get("/api/auth/me").await.error(503, "AUTH_NOT_CONFIGURED");
}

/// Runs `alyx serve`, which has to refuse; what it says in its one line.
async fn refusal(project: &Project) -> String {
    let ran = project.run(&["serve", "--port", "0"]).await;
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(2), ""), "{ran:?}");
    assert_eq!(ran.stderr.lines().count(), 1, "{}", ran.stderr);
    assert!(!project.path("alyx.db").exists(), "the database was opened first");
    ran.stderr
}

#[tokio::test]
async fn a1_a_secret_that_anybody_could_guess_stops_the_start() {
    let bad = [
        "short",
        "   ",
        "0123456789abcdef0123456789abcde",
        "change-me-in-production-0123456789",
        "CHANGE_ME",
        "your-secret-key-0123456789abcdefghij",
        "replace_me_replace_me_replace_me_1",
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    ];
    for secret in bad {
        let project = Project::new().config(json!({"auth": {"jwt": {"secret": secret}}}));
        let said = refusal(&project).await;
        for part in ["alyx.yaml:1", "auth.jwt.secret", "openssl rand -hex 32"] {
            assert!(said.contains(part), "no '{part}' for '{secret}': {said}");
        }
        assert!(secret.trim().is_empty() || !said.contains(secret), "{said}");
    }
    for variable in ["ALYX_JWT_SECRET", "ALYX_AUTH_JWT_SECRET"] {
        let said = refusal(&Project::new().env(variable, "short")).await;
        assert!(said.contains("auth.jwt.secret") && said.contains(variable), "{said}");
    }
}

#[tokio::test]
async fn a1_settings_that_need_a_secret_ask_for_it_at_the_start() {
    let table = [
        (json!({"jwt": {"audience": "blog"}}), "auth.jwt.audience"),
        (json!({"jwt": {"issuer": "me"}}), "auth.jwt.issuer"),
        (json!({"jwt": {"access_ttl": "5m"}}), "auth.jwt.access_ttl"),
        (json!({"jwt": {"refresh_ttl": "1h", "secret": ""}}), "auth.jwt.refresh_ttl"),
        (json!({"password": {"min_length": 12}}), "auth.password.min_length"),
    ];
    for (auth, key) in table {
        let said = refusal(&Project::new().config(json!({ "auth": auth }))).await;
        for part in ["alyx.yaml:1", key, "auth.jwt.secret is empty", "openssl rand -hex 32"] {
            assert!(said.contains(part), "no '{part}' for {auth}: {said}");
        }
    }
}

#[tokio::test]
async fn a1_defaults_that_are_written_out_change_nothing() {
    let jwt = json!({
        "secret": "${ALYX_JWT_SECRET:-}", "issuer": "alyx", "audience": null,
        "access_ttl": "15m", "refresh_ttl": "168h", "jwks": null,
    });
    let auth = json!({"jwt": jwt, "allow_registration": true, "password": {"min_length": 8}});
    let host = unconfigured().config(json!({ "auth": auth })).serve().await;
    assert_eq!(host.call("caller_node", json!({})).await.status, 200);
    let warned =
        |line: &crate::harness::log::Line| line.message().contains("auth.jwt.secret is empty");
    assert_eq!(host.log.wait_for("a warning", warned).await.level(), "WARN");
}

#[tokio::test]
async fn a1_a_secret_from_the_environment_is_enough() {
    let host = unconfigured().env("ALYX_JWT_SECRET", SECRET).serve().await;
    let body = json!({"email": "ann@x.org", "password": "long enough"});
    assert_eq!(host.account("register", &body).await.status, 201);
}

async fn minted(project: &Project, arguments: &[&str]) -> String {
    let ran = project.run(&[&["token"], arguments].concat()).await;
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""), "{ran:?}");
    let token = ran.stdout.strip_suffix('\n').expect("one line").to_owned();
    assert!(!token.contains(char::is_whitespace), "{token}");
    token
}

#[tokio::test]
async fn c1_token_prints_a_token_that_every_function_knows() {
    let host = callers().serve().await;
    let little = minted(&host.project, &["--id", "u7"]).await;
    let metadata = json!({"team": "blue", "n": [1]});
    let all = [
        "--id",
        "u8",
        "--email",
        "ann@x.org",
        "--role",
        "admin",
        "--expires",
        "2h",
        "--metadata",
        &metadata.to_string(),
    ];
    let all = minted(&host.project, &all).await;
    in_every_runtime(async |runtime| {
        let auth = host.auth(runtime, &little).await;
        assert_eq!((&auth["id"], &auth["role"]), (&json!("u7"), &json!("user")), "{runtime}");
        let auth = host.auth(runtime, &all).await;
        let expected = json!({"id": "u8", "email": "ann@x.org", "role": "admin", "verified": false, "metadata": metadata});
        assert_eq!(auth, expected, "{runtime}");
    })
    .await;
    for (token, seconds) in [(little, 3_600), (all, 7_200)] {
        let claims = claims_of(&token);
        let lasts = claims["exp"].as_i64().zip(claims["iat"].as_i64()).map(|(exp, iat)| exp - iat);
        assert!((seconds..=seconds + 1).contains(&lasts.expect("integers")), "{claims}");
    }
}

#[tokio::test]
async fn c1_token_needs_no_database_and_takes_issuer_and_audience_from_the_file() {
    let jwt = json!({"secret": SECRET, "issuer": "me", "audience": "blog"});
    let project = Project::new().config(json!({"auth": {"jwt": jwt}}));
    let claims = claims_of(&minted(&project, &["--id", "u1"]).await);
    assert_eq!((&claims["iss"], &claims["aud"]), (&json!("me"), &json!("blog")));
    assert!(!project.path("alyx.db").exists());
    let elsewhere = json!({"auth": {"jwt": {"secret": SECRET, "issuer": "other"}}});
    project.write("other.yaml", &elsewhere.to_string());
    let other = minted(&project, &["--id", "u1", "--config", "other.yaml"]).await;
    assert_eq!(claims_of(&other)["iss"], "other");
}

#[tokio::test]
async fn c1_token_says_what_is_wrong_with_its_arguments() {
    let project = Project::new().config(json!({"auth": {"jwt": {"secret": SECRET}}}));
    let large = json!({"x": "x".repeat(9_000)}).to_string();
    let table: [(&[&str], &str); 10] = [
        (&[], "--id"),
        (&["--id", ""], "sub"),
        (&["--id", "u", "--expires", "soon"], "--expires"),
        (&["--id", "u", "--expires", "0"], "--expires"),
        (&["--id", "u", "--expires=-1h"], "--expires"),
        (&["--id", "u", "--email", "nobody"], "--email"),
        (&["--id", "u", "--metadata", "{"], "--metadata"),
        (&["--id", "u", "--metadata", "[1]"], "--metadata"),
        (&["--id", "u", "--metadata", &large], "refuse such a token"),
        (&["--id", "u", "--config", "nowhere.yaml"], "nowhere.yaml"),
    ];
    for (arguments, says) in table {
        let ran = project.run(&[&["token"], arguments].concat()).await;
        assert_eq!((ran.code, ran.stdout.as_str()), (Some(2), ""), "{arguments:?}: {ran:?}");
        assert!(ran.stderr.contains(says), "{arguments:?}: {ran:?}");
    }
    for (secret, says) in
        [("", "auth.jwt.secret is empty"), ("short", "auth.jwt.secret has 5 bytes")]
    {
        let project = Project::new().config(json!({"auth": {"jwt": {"secret": secret}}}));
        let ran = project.run(&["token", "--id", "u"]).await;
        assert_eq!((ran.code, ran.stdout.as_str()), (Some(2), ""), "{ran:?}");
        assert!(ran.stderr.contains(says) && ran.stderr.contains("openssl"), "{ran:?}");
    }
    let help = project.run(&["token", "--help"]).await;
    assert!(help.stdout.contains("Example") && help.stdout.contains("--metadata"), "{help:?}");
}

#[tokio::test]
async fn c1_invoke_calls_as_the_user_of_its_token_with_and_without_a_server() {
    // Nobody listens on that port: the call is made here.
    let project = callers().config(json!({"server": {"port": 1}}));
    let token = minted(&project, &["--id", "u9", "--role", "editor"]).await;
    for runtime in RUNTIMES {
        let name = runtime.function("caller");
        let auth = project.run(&["invoke", &name, "--token", &token]).await.json()["auth"].take();
        assert_eq!((&auth["id"], &auth["role"]), (&json!("u9"), &json!("editor")), "{runtime}");
    }
    let nobody = project.run(&["invoke", "caller_node"]).await.json();
    assert_eq!(nobody["auth"], Value::Null);
    let refused = project.run(&["invoke", "caller_node", "--token", "x.y.z"]).await;
    assert_eq!((refused.code, refused.stdout.as_str()), (Some(1), ""), "{refused:?}");
    assert!(refused.stderr.contains("INVALID_TOKEN"), "{refused:?}");

    let host = callers().serve().await;
    let port = format!("{}", host.address.port());
    let mut command = host.project.command(&["invoke", "caller_node", "--token", &token]);
    command.env("ALYX_SERVER_PORT", port);
    let remote = Ran::of(command).await.json();
    assert_eq!(remote["auth"]["id"], "u9");
    assert_eq!(host.auth(Runtime::Node, &token).await, remote["auth"]);
}
