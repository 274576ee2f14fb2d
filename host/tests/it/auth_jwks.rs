//! Tokens of an external issuer: its keys from a file and over HTTP, their rotation, and the
//! mixing up of keys and algorithms.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use crate::auth_issuer::{Key, callers, check_refused, claims, encode, jwks, own, token};
use crate::harness::project::Ran;
use crate::harness::{Host, PATIENCE, Project, Runtime, eventually, in_every_runtime};

fn signed(alg: &str, kid: &str, key: &Key) -> String {
    token(&json!({"alg": alg, "kid": kid}), &claims(&json!({"role": "guest"})), key)
}

/// A project whose issuer's keys are in the file `keys.json`.
fn with_keys(set: &[Value]) -> Project {
    callers().file("keys.json", &jwks(set)).config(json!({"auth": {"jwt": {"jwks": "keys.json"}}}))
}

fn kinds() -> [(&'static str, Key); 3] {
    [("RS256", Key::rsa()), ("ES256", Key::ec()), ("EdDSA", Key::ed())]
}

#[tokio::test]
async fn a2_each_kind_of_key_counts_in_every_runtime() {
    let keys = kinds();
    let set: Vec<Value> = keys.iter().map(|(alg, key)| key.jwk(alg)).collect();
    let host = with_keys(&set).serve().await;
    in_every_runtime(async |runtime| {
        for (alg, key) in &keys {
            let auth = host.auth(runtime, &signed(alg, alg, key)).await;
            assert_eq!((&auth["id"], &auth["role"]), (&json!("u1"), &json!("guest")), "{alg}");
            let unnamed = token(&json!({ "alg": alg }), &claims(&json!({})), key);
            assert_eq!(host.who(runtime, &unnamed).await.status, 200, "{runtime}, {alg}");
        }
        // Tokens of our own count as before.
        assert_eq!(host.auth(runtime, &own(&claims(&json!({})))).await["id"], "u1", "{runtime}");
    })
    .await;
}

#[tokio::test]
async fn a2_keys_and_algorithms_cannot_be_mixed_up() {
    let keys = kinds();
    let set: Vec<Value> = keys.iter().map(|(alg, key)| key.jwk(alg)).collect();
    let text = jwks(&set);
    let host = with_keys(&set).serve().await;
    let mut bad = Vec::new();
    for (alg, key) in &keys {
        bad.push((format!("{alg} of a stranger"), signed(alg, "stranger", key)));
        for (other, _) in kinds().iter().filter(|(other, _)| other != alg) {
            bad.push((format!("{alg} key as {other}"), signed(other, alg, key)));
            bad.push((format!("{alg} signature as {other}"), signed(other, other, key)));
        }
        // What everyone can read is no secret.
        let jwk = key.jwk(alg);
        let parts = ["n", "x"].map(|name| jwk[name].as_str().unwrap_or_default().to_owned());
        for public in [text.clone(), jwk.to_string()].into_iter().chain(parts) {
            let key = Key::secret(&public);
            bad.push((format!("HS256 with {public}"), signed("HS256", alg, &key)));
        }
        let head = encode(json!({"alg": "none", "kid": alg}).to_string().as_bytes());
        let claims = encode(claims(&json!({})).to_string().as_bytes());
        bad.push((format!("none with {alg}"), format!("{head}.{claims}.")));
    }
    bad.push(("another RSA-shaped signature".into(), signed("RS256", "RS256", &Key::ed())));
    bad.push(("another key of the same name".into(), signed("ES256", "ES256", &Key::ec())));
    in_every_runtime(async |runtime| {
        for (what, token) in &bad {
            let answer = host.who(runtime, token).await;
            assert_eq!(answer.status, 401, "{runtime}, {what}: {}", answer.text());
            check_refused(&answer, token);
        }
    })
    .await;
}

#[tokio::test]
async fn a2_claims_of_an_issuer_are_checked_and_its_refresh_tokens_are_none_of_ours() {
    let key = Key::ed();
    let project = with_keys(&[key.jwk("k")]);
    let issuer = "https://login.example.org/";
    let host = project.config(json!({"auth": {"jwt": {"issuer": issuer}}})).serve().await;
    let of = |changes: &Value| token(&json!({"alg": "EdDSA", "kid": "k"}), &claims(changes), &key);
    let good = of(&json!({"iss": issuer, "aud": "whoever"}));
    assert_eq!(host.who(Runtime::Node, &good).await.status, 200);
    for changes in [
        json!({"iss": "https://elsewhere"}),
        json!({"exp": 1}),
        json!({"exp": null}),
        json!({"nbf": crate::auth_issuer::at(60)}),
        json!({"token_use": "refresh"}),
    ] {
        let bad = of(&changes);
        check_refused(&host.who(Runtime::Node, &bad).await, &bad);
    }
    let refresh = of(&json!({"token_use": "refresh", "family": "f", "jti": "t"}));
    let body = json!({"refresh_token": refresh});
    check_refused(&host.account("refresh", &body).await, &refresh);
}

#[tokio::test]
async fn a2_keys_in_a_file_are_rotated_without_a_restart() {
    let (old, new) = (Key::ec(), Key::ed());
    let host = with_keys(&[old.jwk("old")]).serve().await;
    let (of_old, of_new) = (signed("ES256", "old", &old), signed("EdDSA", "new", &new));
    assert_eq!(host.who(Runtime::Node, &of_old).await.status, 200);
    check_refused(&host.who(Runtime::Node, &of_new).await, &of_new);
    // A file that is half written takes no key away.
    host.project.write("keys.json", "{\"keys\": [");
    check_refused(&host.who(Runtime::Node, &of_new).await, &of_new);
    assert_eq!(host.who(Runtime::Node, &of_old).await.status, 200);
    host.project.write("keys.json", &jwks(&[new.jwk("new")]));
    eventually("the new key counts", PATIENCE, async || {
        (host.who(Runtime::Node, &of_new).await.status == 200).then_some(())
    })
    .await;
    in_every_runtime(async |runtime| {
        assert_eq!(host.who(runtime, &of_new).await.status, 200, "{runtime}");
        check_refused(&host.who(runtime, &of_old).await, &of_old);
    })
    .await;
}

/// An issuer's server: answers with what is set, and counts how often it was asked.
struct Server {
    url: String,
    answer: Arc<Mutex<(u16, String)>>,
    asked: Arc<AtomicUsize>,
}

impl Server {
    fn start(status: u16, body: String) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let url = format!("http://{}/keys", listener.local_addr().expect("it is bound"));
        let answer = Arc::new(Mutex::new((status, body)));
        let asked = Arc::new(AtomicUsize::new(0));
        let (now, count) = (answer.clone(), asked.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(mut stream) = stream else { return };
                count.fetch_add(1, Ordering::SeqCst);
                let _request = stream.read(&mut [0; 4_096]);
                let (status, body) = now.lock().expect("nobody panics with the lock").clone();
                let length = body.len();
                let head = format!("HTTP/1.1 {status} X\r\nContent-Length: {length}\r\n");
                let whole = format!("{head}Connection: close\r\n\r\n{body}");
                let _hung_up = stream.write_all(whole.as_bytes());
            }
        });
        Server { url, answer, asked }
    }

    fn set(&self, status: u16, body: String) {
        *self.answer.lock().expect("nobody panics with the lock") = (status, body);
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    async fn host(&self) -> Host {
        callers().config(json!({"auth": {"jwt": {"jwks": self.url}}})).serve().await
    }
}

#[tokio::test]
async fn a2_keys_come_over_http_and_are_rotated_without_hammering_the_issuer() {
    let (old, new) = (Key::rsa(), Key::ec());
    let server = Server::start(200, jwks(&[old.jwk("old")]));
    let host = server.host().await;
    let (of_old, of_new) = (signed("RS256", "old", &old), signed("ES256", "new", &new));
    in_every_runtime(async |runtime| {
        assert_eq!(host.auth(runtime, &of_old).await["id"], "u1", "{runtime}");
    })
    .await;
    let before = server.asked();
    for number in 0..50 {
        let made_up = signed("ES256", &format!("x{number}"), &new);
        check_refused(&host.who(Runtime::Node, &made_up).await, &made_up);
    }
    assert!(server.asked() <= before + 1, "asked {} times", server.asked());
    server.set(200, jwks(&[new.jwk("new"), old.jwk("old")]));
    eventually("the new key counts", PATIENCE, async || {
        (host.who(Runtime::Node, &of_new).await.status == 200).then_some(())
    })
    .await;
    in_every_runtime(async |runtime| {
        for token in [&of_new, &of_old] {
            assert_eq!(host.auth(runtime, token).await["id"], "u1", "{runtime}");
        }
    })
    .await;
    assert!(server.asked() <= before + 5, "asked {} times", server.asked());
}

#[tokio::test]
async fn a2_an_issuer_that_is_away_is_no_fault_of_the_token() {
    let key = Key::ed();
    let server = Server::start(500, "oops".into());
    let host = server.host().await;
    let good = signed("EdDSA", "k", &key);
    let answer = host.who(Runtime::Node, &good).await;
    answer.error(503, "UNAVAILABLE");
    assert!(answer.header("retry-after").is_some());
    assert_eq!(answer.header("www-authenticate"), None);
    // Whoever needs no key of the issuer does not mind.
    assert_eq!(host.call("caller_node", json!({})).await.value()["auth"], Value::Null);
    assert_eq!(host.who(Runtime::Node, &own(&claims(&json!({})))).await.status, 200);
    server.set(200, jwks(&[key.jwk("k")]));
    eventually("the issuer's key counts", PATIENCE, async || {
        (host.who(Runtime::Node, &good).await.status == 200).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a2_without_a_secret_an_issuers_tokens_are_all_there_is() {
    let key = Key::ec();
    let project = with_keys(&[key.jwk("k")]).config(json!({"auth": {"jwt": {"secret": ""}}}));
    let host = project.serve().await;
    let good = signed("ES256", "k", &key);
    in_every_runtime(async |runtime| {
        assert_eq!(host.auth(runtime, &good).await["id"], "u1", "{runtime}");
        for secret in [crate::auth_issuer::SECRET, ""] {
            let ours = token(&json!({"alg": "HS256"}), &claims(&json!({})), &Key::secret(secret));
            check_refused(&host.who(runtime, &ours).await, &ours);
        }
    })
    .await;
    assert_eq!(host.me(&good).await.value()["role"], "guest");
    let body = json!({"email": "a@x.org", "password": "long enough"});
    for action in ["register", "login"] {
        let message = host.account(action, &body).await.error_message(503, "AUTH_NOT_CONFIGURED");
        assert!(message.contains("auth.jwt.secret"), "{message}");
    }
}

#[tokio::test]
async fn a2_keys_that_cannot_be_read_stop_the_start() {
    let shared = Key::secret(crate::auth_issuer::SECRET).jwk("oct");
    let table = [
        ("missing.json", "No such file"),
        ("keys.json", "none of its keys"),
        ("functions/caller_node.js", "not a JSON Web Key Set"),
        ("ftp://example.org/keys", "'ftp://' is not supported"),
    ];
    for (place, says) in table {
        let project = with_keys(std::slice::from_ref(&shared));
        let project = project.config(json!({"auth": {"jwt": {"jwks": place}}}));
        let ran = Ran::of(project.command(&["serve", "--port", "0"])).await;
        assert_eq!(ran.code, Some(2), "{place}: {ran:?}");
        for part in ["auth.jwt.jwks", says, "alyx.yaml:1"] {
            assert!(ran.stderr.contains(part), "no '{part}' for {place}: {}", ran.stderr);
        }
    }
}
