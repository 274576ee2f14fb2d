//! `ctx.auth`: who calls is told by the token's claims alone, and a bad token calls nothing.

use serde_json::{Value, json};

use crate::auth_issuer::{
    CHALLENGE, Key, SECRET, at, callers, check_refused, claims, encode, own, token,
};
use crate::harness::{Answer, Host, PATIENCE, RUNTIMES, Runtime, eventually, in_every_runtime};

async fn with_header(host: &Host, runtime: Runtime, value: &str) -> Answer {
    let call = host.post(&runtime.function("caller"));
    call.header("Authorization", value).json(&json!({})).send().await
}

#[tokio::test]
async fn n4_nobody_calls_without_a_token() {
    let host = callers().serve().await;
    in_every_runtime(async |runtime| {
        let answer = host.call(&runtime.function("caller"), json!({})).await;
        assert_eq!(answer.value()["auth"], Value::Null, "{runtime}");
        // Another scheme is somebody else's business.
        let answer = with_header(&host, runtime, "Basic dXNlcjpwdw==").await;
        assert_eq!(answer.value()["auth"], Value::Null, "{runtime}");
    })
    .await;
}

#[tokio::test]
async fn a2_any_token_signed_with_the_secret_is_as_good_as_ours() {
    let host = callers().serve().await;
    let metadata = json!({"team": {"name": "blue", "seats": [1, 2.5, null]}, "ü": "🌍"});
    let everything = json!({
        "email": "ann@x.org", "role": "editor", "metadata": metadata, "verified": true,
        "iss": "alyx", "iat": at(0), "nbf": at(-1), "token_use": "access", "more": "ignored",
    });
    let all = json!({"id": "u1", "email": "ann@x.org", "role": "editor", "verified": true, "metadata": metadata});
    in_every_runtime(async |runtime| {
        assert_eq!(host.auth(runtime, &own(&claims(&everything))).await, all, "{runtime}");
        let little = host.auth(runtime, &own(&claims(&json!({})))).await;
        let parts = ["id", "role", "verified", "metadata"].map(|name| little[name].clone());
        assert_eq!(parts, [json!("u1"), json!("user"), json!(false), json!({})], "{runtime}");
        assert!(little["email"].is_null(), "{runtime}: {little}");
        let scheme = format!("bEARER   {}", own(&claims(&json!({}))));
        assert_eq!(with_header(&host, runtime, &scheme).await.value()["auth"]["id"], "u1");
    })
    .await;
}

type Bad = Vec<(&'static str, String)>;

/// Well signed, and with claims that do not count.
fn bad_claims() -> Bad {
    let signed = |changes: Value| own(&claims(&changes));
    vec![
        ("expired", signed(json!({"exp": at(-1)}))),
        ("expired long ago", signed(json!({"exp": 1}))),
        ("without an expiry", signed(json!({"exp": null}))),
        ("not valid yet", signed(json!({"nbf": at(60)}))),
        ("of another issuer", signed(json!({"iss": "somebody"}))),
        ("a refresh token", signed(json!({"token_use": "refresh"}))),
        ("an id token", signed(json!({"token_use": "id"}))),
        ("of nobody", signed(json!({"sub": null}))),
        ("of an empty name", signed(json!({"sub": ""}))),
        ("of a number", signed(json!({"sub": 7}))),
        ("with strange metadata", signed(json!({"metadata": "x"}))),
    ]
}

/// Good claims, and nothing that vouches for them.
fn bad_signatures() -> Bad {
    let good = claims(&json!({}));
    let header = |header: Value| token(&header, &good, &Key::secret(SECRET));
    let with = |secret: &str| token(&json!({"alg": "HS256"}), &good, &Key::secret(secret));
    let own_key = json!({"alg": "EdDSA", "jwk": Key::ed().jwk("k")});
    vec![
        ("signed with another secret", with("another secret of thirty-two bytes")),
        ("signed with nothing", with("")),
        ("alg none, signed", header(json!({"alg": "none"}))),
        ("no alg", header(json!({"typ": "JWT"}))),
        ("alg HS384", header(json!({"alg": "HS384"}))),
        ("alg HS512", header(json!({"alg": "HS512"}))),
        ("alg RS256 without keys", header(json!({"alg": "RS256"}))),
        ("alg ES256 without keys", header(json!({"alg": "ES256"}))),
        ("alg EdDSA without keys", header(json!({"alg": "EdDSA"}))),
        ("a critical extension", header(json!({"alg": "HS256", "crit": ["exp"]}))),
        ("a key in the header", token(&own_key, &good, &Key::ed())),
    ]
}

/// Put together by hand.
fn bad_parts() -> Bad {
    let good = own(&claims(&json!({})));
    let (unsigned, signature) = good.rsplit_once('.').expect("three parts");
    let head = good.split('.').next().expect("three parts");
    let admin = encode(claims(&json!({"role": "admin"})).to_string().as_bytes());
    let none = |alg: &str| {
        let head = encode(json!({"alg": alg, "typ": "JWT"}).to_string().as_bytes());
        format!("{head}.{admin}.")
    };
    vec![
        ("alg none", none("none")),
        ("alg None", none("None")),
        ("alg nOnE", none("nOnE")),
        ("no signature", unsigned.to_owned()),
        ("an empty signature", format!("{unsigned}.")),
        ("other claims under the signature", format!("{head}.{admin}.{signature}")),
        ("four parts", format!("{good}.x")),
        ("no JWT", "abc".to_owned()),
        ("dots", "..".to_owned()),
        ("too long", format!("{good}{}", "A".repeat(9_000))),
    ]
}

#[tokio::test]
async fn n4_a_bad_token_is_refused_and_the_handler_does_not_run() {
    let host = callers().serve().await;
    in_every_runtime(async |runtime| {
        let good = own(&claims(&json!({})));
        let before = host.who(runtime, &good).await.value()["before"].as_i64();
        for (what, bad) in [bad_claims(), bad_signatures(), bad_parts()].concat() {
            let answer = host.who(runtime, &bad).await;
            assert_eq!(answer.status, 401, "{runtime}, {what}: {}", answer.text());
            check_refused(&answer, &bad);
        }
        for value in ["Bearer", "Bearer ", "Bearer a b", "Bearer a,Bearer b", "bearer \u{fc}"] {
            check_refused(&with_header(&host, runtime, value).await, "");
        }
        let twice = host.post(&runtime.function("caller"));
        let twice = twice.header("Authorization", &format!("Bearer {good}"));
        let twice = twice.header("Authorization", &format!("Bearer {good}"));
        check_refused(&twice.json(&json!({})).send().await, &good);
        let after = host.who(runtime, &good).await.value()["before"].as_i64();
        assert_eq!(after, before.map(|before| before + 1), "{runtime}");
    })
    .await;
}

#[tokio::test]
async fn n4_each_refusal_says_why() {
    let host = callers().serve().await;
    let table = [
        (json!({"exp": at(-1)}), "expired"),
        (json!({"exp": null}), "'exp'"),
        (json!({"nbf": at(60)}), "not valid yet"),
        (json!({"iss": "somebody"}), "another issuer"),
        (json!({"token_use": "refresh"}), "not an access token"),
        (json!({"sub": null}), "'sub'"),
    ];
    for (changes, says) in table {
        let bad = own(&claims(&changes));
        let message = check_refused(&host.who(Runtime::Node, &bad).await, &bad);
        assert!(message.contains(says), "{changes}: {message}");
    }
}

#[tokio::test]
async fn n4_every_changed_letter_of_a_token_is_noticed() {
    let host = callers().serve().await;
    let good = own(&claims(&json!({"role": "editor"})));
    assert_eq!(host.who(Runtime::Node, &good).await.status, 200);
    for at in (0..good.len()).filter(|at| &good[*at..=*at] != ".") {
        // Of the last letter of a part only some bits count; 'A' and 'w' differ in those.
        let other = if &good[at..=at] == "A" { "w" } else { "A" };
        let bad = format!("{}{other}{}", &good[..at], &good[at + 1..]);
        let answer = host.who(Runtime::Node, &bad).await;
        assert_eq!(answer.status, 401, "letter {at}: {}", answer.text());
    }
}

#[tokio::test]
async fn a2_a_token_is_for_the_audience_that_is_configured() {
    let project = callers().config(json!({"auth": {"jwt": {"audience": "blog", "issuer": "me"}}}));
    let host = project.serve().await;
    in_every_runtime(async |runtime| {
        for fine in [json!({"aud": "blog"}), json!({"aud": ["shop", "blog"], "iss": "me"})] {
            assert_eq!(host.auth(runtime, &own(&claims(&fine))).await["id"], "u1", "{runtime}");
        }
        let bad = [
            json!({}),
            json!({"aud": "shop"}),
            json!({"aud": []}),
            json!({"aud": "blog", "iss": "alyx"}),
        ];
        for changes in bad {
            let bad = own(&claims(&changes));
            check_refused(&host.who(runtime, &bad).await, &bad);
        }
    })
    .await;
}

#[tokio::test]
async fn a2_a_token_that_counted_counts_no_longer_once_it_has_expired() {
    let host = callers().serve().await;
    // Its time is not to pass while workers start.
    let long = own(&claims(&json!({})));
    in_every_runtime(async |runtime| {
        assert_eq!(host.who(runtime, &long).await.status, 200, "{runtime}");
    })
    .await;
    let short = own(&claims(&json!({"exp": at(3)})));
    for runtime in RUNTIMES {
        assert_eq!(host.who(runtime, &short).await.status, 200, "{runtime}");
    }
    eventually("the token expires", PATIENCE, async || {
        (host.who(Runtime::Node, &short).await.status == 401).then_some(())
    })
    .await;
    for runtime in RUNTIMES {
        check_refused(&host.who(runtime, &short).await, &short);
    }
}

#[tokio::test]
async fn n4_a_bad_token_is_told_before_a_bad_body() {
    let host = callers().serve().await;
    let call = host.post("caller_node").header("Authorization", "Bearer x").body("{");
    let answer = call.send().await;
    assert_eq!(answer.header("www-authenticate"), Some(CHALLENGE), "{}", answer.text());
}

#[tokio::test]
async fn n4_other_routes_do_not_mind_tokens() {
    let host = callers().serve().await;
    for path in ["/health", "/api/functions", "/metrics"] {
        let answer = host.request("GET", path).header("Authorization", "Bearer x").send().await;
        assert_eq!(answer.status, 200, "{path}");
    }
}
