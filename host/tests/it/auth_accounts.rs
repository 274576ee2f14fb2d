//! Accounts: registering, logging in, and what is told to whom.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use crate::auth_issuer::{CHALLENGE, SECRET, callers, check_refused, claims, claims_of, own};
use crate::harness::{Answer, Host, in_every_runtime};

pub(crate) const PASSWORD: &str = "correct horse battery";

pub(crate) fn credentials(email: &str, password: &str) -> Value {
    json!({"email": email, "password": password})
}

/// Registers somebody; the answer's body.
pub(crate) async fn registered(host: &Host, email: &str) -> Value {
    let answer = host.account("register", &credentials(email, PASSWORD)).await;
    assert_eq!(answer.status, 201, "{}", answer.text());
    answer.json()
}

pub(crate) async fn logged_in(host: &Host, email: &str) -> Value {
    host.account("login", &credentials(email, PASSWORD)).await.value()
}

pub(crate) fn access(session: &Value) -> &str {
    session["tokens"]["access_token"].as_str().expect("an access token")
}

pub(crate) fn refresh_of(session: &Value) -> Value {
    json!({"refresh_token": session["tokens"]["refresh_token"]})
}

pub(crate) async fn refreshed(host: &Host, session: &Value) -> Answer {
    host.account("refresh", &refresh_of(session)).await
}

pub(crate) fn keys(value: &Value) -> Vec<&str> {
    value.as_object().expect("an object").keys().map(String::as_str).collect()
}

#[tokio::test]
async fn a1_who_registers_is_known_to_every_function() {
    let host = callers().serve().await;
    let body = json!({
        "email": "Ann@X.org", "password": PASSWORD, "name": "Ann", "metadata": {"team": "blue", "$int": "1"},
        "role": "admin", "verified": true, "id": "chosen",
    });
    let answer = host.account("register", &body).await;
    assert_eq!(answer.status, 201, "{}", answer.text());
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert!(answer.header("x-request-id").is_some());
    let session = answer.json();
    assert_eq!(keys(&session), ["user", "tokens"]);
    let tokens = &session["tokens"];
    assert_eq!(keys(tokens), ["access_token", "refresh_token", "token_type", "expires_in"]);
    assert_eq!((&tokens["token_type"], &tokens["expires_in"]), (&json!("Bearer"), &json!(900)));
    let user = &session["user"];
    assert_eq!((&user["email"], &user["name"]), (&json!("ann@x.org"), &json!("Ann")));
    // Nobody becomes an admin by saying so, and not by being the first.
    assert_eq!((&user["role"], &user["verified"]), (&json!("user"), &json!(false)));
    assert_eq!(user["metadata"], body["metadata"]);
    assert_ne!(user["id"], "chosen");
    let text = answer.text();
    assert!(!text.contains(PASSWORD) && !text.contains("argon2"), "{text}");

    let token = access(&session);
    assert_eq!(host.me(token).await.value(), *user);
    in_every_runtime(async |runtime| {
        let auth = host.auth(runtime, token).await;
        for name in ["id", "email", "role", "verified", "metadata"] {
            assert_eq!(auth[name], user[name], "{runtime}: {name}");
        }
    })
    .await;
    let claims = claims_of(token);
    assert_eq!((&claims["sub"], &claims["iss"]), (&user["id"], &json!("alyx")));
    let lasts = claims["exp"].as_f64().zip(claims["iat"].as_f64()).map(|(exp, iat)| exp - iat);
    assert!((900.0..902.0).contains(&lasts.expect("both are numbers")), "{claims}");
    assert_eq!(claims["token_use"], "access");
}

#[tokio::test]
async fn a1_an_address_is_one_account_in_any_case() {
    let host = callers().serve().await;
    let id = registered(&host, "Ann@Example.org").await["user"]["id"].take();
    for email in ["ann@example.org", "ANN@EXAMPLE.ORG", "Ann@Example.org"] {
        assert_eq!(logged_in(&host, email).await["user"]["id"], id, "{email}");
        let again = host.account("register", &credentials(email, "another password")).await;
        assert_eq!(again.error(409, "ALREADY_EXISTS")["field"], "email", "{email}");
    }
}

#[tokio::test]
async fn a1_what_cannot_be_registered_says_which_field() {
    let host = callers().serve().await;
    let deep = (0..40).fold(json!(1), |inner, _| json!([inner]));
    let table = [
        (credentials("no address", PASSWORD), "email"),
        (credentials("", PASSWORD), "email"),
        (credentials("a@", PASSWORD), "email"),
        (json!({"password": PASSWORD}), "email"),
        (json!({"email": 7, "password": PASSWORD}), "email"),
        (json!({"email": null, "password": PASSWORD}), "email"),
        (credentials("a@x.org", "7 chars"), "password"),
        (credentials("a@x.org", ""), "password"),
        (json!({"email": "a@x.org"}), "password"),
        (json!({"email": "a@x.org", "password": 12_345_678}), "password"),
        (credentials("a@x.org", &"long".repeat(1_000)), "password"),
        (json!({"email": "a@x.org", "password": PASSWORD, "name": 7}), "name"),
        (json!({"email": "a@x.org", "password": PASSWORD, "name": "a\0b"}), "name"),
        (json!({"email": "a@x.org", "password": PASSWORD, "metadata": "x"}), "metadata"),
        (json!({"email": "a@x.org", "password": PASSWORD, "metadata": {"a": deep}}), "metadata"),
        (
            json!({"email": "a@x.org", "password": PASSWORD, "metadata": {"a": "x".repeat(9_000)}}),
            "metadata",
        ),
    ];
    for (body, field) in table {
        let error = host.account("register", &body).await.error(400, "VALIDATION_ERROR");
        assert_eq!(error["field"], field, "{body}: {error}");
        assert!(!error.to_string().contains(PASSWORD), "{error}");
    }
    let both = host.account("register", &credentials("x", "y")).await;
    let errors = both.error(400, "VALIDATION_ERROR")["errors"].take();
    let fields: Vec<_> = errors.as_array().expect("a list").iter().map(|e| &e["field"]).collect();
    assert_eq!(fields, ["email", "password"], "{errors}");
    // Eight characters are enough, whatever their bytes, and none of the above has left a trace.
    let answer = host.account("register", &credentials("a@x.org", "äöüßäöüß")).await;
    assert_eq!(answer.status, 201, "{}", answer.text());
}

#[tokio::test]
async fn a1_bodies_are_read_as_those_of_functions() {
    let host = callers().config(json!({"server": {"max_body_size": "2kb"}})).serve().await;
    for action in ["register", "login", "refresh", "logout"] {
        let post = || host.request("POST", &format!("/api/auth/{action}"));
        let error = post().body("{\"email\": }").send().await.error(400, "INVALID_JSON");
        assert_eq!((&error["line"], &error["column"]), (&json!(1), &json!(11)), "{error}");
        post().body("[1]").send().await.error(400, "INVALID_INPUT");
        for nothing in ["", "null", "{}"] {
            post().body(nothing).send().await.error(400, "VALIDATION_ERROR");
        }
        post().body("x".repeat(3_000)).send().await.error(413, "PAYLOAD_TOO_LARGE");
        let got = host.get(&format!("/api/auth/{action}")).await;
        got.error(405, "METHOD_NOT_ALLOWED");
        assert_eq!(got.header("allow"), Some("POST"), "{action}");
    }
}

#[tokio::test]
async fn a1_a_wrong_password_and_an_unknown_address_are_one_answer() {
    let host = callers().serve().await;
    registered(&host, "ann@x.org").await;
    let (mut known, mut unknown) = (Duration::MAX, Duration::MAX);
    for _ in 0..5 {
        let wrong = host.account("login", &credentials("ann@x.org", "wrong")).await;
        let nobody = host.account("login", &credentials("bob@x.org", "wrong")).await;
        wrong.error(401, "UNAUTHENTICATED");
        assert_eq!((wrong.status, wrong.text()), (nobody.status, nobody.text()));
        for name in ["content-type", "content-length", "www-authenticate", "cache-control"] {
            assert_eq!(wrong.header(name), nobody.header(name), "{name}");
        }
        (known, unknown) = (known.min(wrong.took), unknown.min(nobody.took));
    }
    // The work is the same: an account that there is not takes no fifth of the time.
    assert!(unknown > known / 3 && known > unknown / 3, "{known:?} and {unknown:?}");
}

#[tokio::test]
async fn a1_me_is_for_those_who_say_who_they_are() {
    let host = callers().serve().await;
    let answer = host.get("/api/auth/me").await;
    answer.error(401, "UNAUTHENTICATED");
    assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
    check_refused(&host.me("abc").await, "abc");
    // A token needs no row: then it speaks for itself.
    let stranger = own(&claims(&json!({"role": "admin"})));
    let me = host.me(&stranger).await.value();
    assert_eq!((&me["id"], &me["role"]), (&json!("u1"), &json!("admin")));
    let answer = host.request("POST", "/api/auth/me").send().await;
    answer.error(405, "METHOD_NOT_ALLOWED");
}

#[tokio::test]
async fn a1_closed_registration_is_403_and_logins_go_on() {
    let mut host = callers().serve().await;
    registered(&host, "ann@x.org").await;
    host.stop().await;
    let project = host.project.clone();
    drop(host);
    let project = Arc::into_inner(project).expect("nobody else has it");
    let closed = project.config(json!({"auth": {"allow_registration": false}}));
    let host = closed.serve().await;
    let answer = host.account("register", &credentials("bob@x.org", PASSWORD)).await;
    answer.error(403, "FORBIDDEN");
    logged_in(&host, "ann@x.org").await;
}

#[tokio::test]
async fn a1_what_the_app_demands_of_users_is_demanded_at_registering() {
    let fields = json!({"plan": {"type": "string", "required": true}});
    let project = callers().config(json!({"collections": {"users": {"fields": fields}}}));
    let host = project.serve().await;
    let answer = host.account("register", &credentials("ann@x.org", PASSWORD)).await;
    assert_eq!(answer.error(400, "VALIDATION_ERROR")["field"], "plan");
}

#[tokio::test]
async fn a1_nothing_secret_is_logged_or_kept_readable() {
    let mut host = callers().serve().await;
    let session = registered(&host, "ann@x.org").await;
    host.account("login", &credentials("ann@x.org", "a wrong password")).await;
    let again = refreshed(&host, &session).await.value();
    check_refused(&refreshed(&host, &session).await, "");
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    let mut secrets =
        vec![PASSWORD.to_owned(), "a wrong password".to_owned(), "argon2id".to_owned()];
    for session in [&session, &again] {
        secrets.push(text(&session["tokens"]["refresh_token"]));
        secrets.push(text(&session["tokens"]["access_token"]));
    }
    secrets.push(SECRET.to_owned());
    host.stop().await;
    for line in host.log.lines() {
        let line = line.0.to_string();
        assert!(!secrets.iter().any(|secret| line.contains(secret)), "{line}");
    }
    let file = std::fs::read(host.project.path("alyx.db")).expect("the database is there");
    let file = String::from_utf8_lossy(&file);
    let jti = text(&claims_of(&text(&again["tokens"]["refresh_token"]))["jti"]);
    let plain = [PASSWORD.to_owned(), jti, SECRET.to_owned()];
    assert!(file.contains("$argon2id$v=19$m=19456,t=2,p=1$"));
    assert!(!plain.iter().any(|secret| file.contains(secret)));
}

#[tokio::test]
async fn a1_challenges_are_as_in_the_rfc() {
    let host = callers().serve().await;
    let login = host.account("login", &credentials("a@x.org", "x")).await;
    assert_eq!(login.header("www-authenticate"), Some("Bearer"));
    let refresh = host.account("refresh", &json!({"refresh_token": "x"})).await;
    assert_eq!(refresh.header("www-authenticate"), Some(CHALLENGE));
}
