//! Tokens of another issuer: key sets from files and over HTTP, rotation, and mixed-up keys.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;
use serde_json::{Value, json};

use super::issuer::{Key, jwks, token};
use super::{at, config};
use crate::auth::key_fetch::Location;
use crate::auth::key_set::KeySet;
use crate::auth::key_source::KeySource;
use crate::auth::token_error::TokenError;
use crate::auth::verifier::Verifier;

fn good() -> Value {
    json!({"sub": "u2", "exp": at(60)})
}

fn header(alg: &str, kid: &str) -> Value {
    json!({"alg": alg, "kid": kid})
}

/// A verifier with the keys of this set, from a file.
async fn with_keys(set: &str) -> (Verifier, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keys.json");
    std::fs::write(&path, set).unwrap();
    let source = KeySource::new(Location::new(path.to_str().unwrap()).unwrap());
    source.look().await.unwrap();
    (Verifier::new(&config(), Some(source)), folder)
}

#[tokio::test]
async fn each_kind_of_key_verifies_its_own_algorithm_alone() {
    let keys = [("RS256", Key::rsa()), ("ES256", Key::ec()), ("EdDSA", Key::ed())];
    let set: Vec<Value> = keys.iter().map(|(alg, key)| key.jwk(alg)).collect();
    let (verifier, _folder) = with_keys(&jwks(&set)).await;
    for (alg, key) in &keys {
        let token = |header| token(header, &good(), key);
        assert_eq!(verifier.verify_now(&token(header(alg, alg))).unwrap().id, "u2");
        // Each kind is there once, so its id may be left out.
        assert!(verifier.verify_now(&token(json!({ "alg": alg }))).is_ok());
        let stranger = verifier.verify_now(&token(header(alg, "x"))).unwrap_err();
        assert_eq!(stranger, TokenError::UnknownKey);
        for (other, _) in keys.iter().filter(|(other, _)| other != alg) {
            let confused = verifier.verify_now(&token(header(other, alg))).unwrap_err();
            assert_eq!(confused, TokenError::Algorithm, "{alg} key as {other}");
            let swapped = verifier.verify_now(&token(header(other, other))).unwrap_err();
            assert_eq!(swapped, TokenError::Signature, "{alg} signature as {other}");
        }
    }
}

#[tokio::test]
async fn a_public_key_does_not_pass_for_the_secret() {
    let rsa = Key::rsa();
    let set = jwks(&[rsa.jwk("k")]);
    let (verifier, _folder) = with_keys(&set).await;
    let Value::String(modulus) = rsa.jwk("k")["n"].clone() else { panic!("a text") };
    for guess in [set.as_str(), modulus.as_str(), &rsa.jwk("k").to_string()] {
        let forged = token(header("HS256", "k"), &good(), &Key::secret(guess));
        assert_eq!(verifier.verify_now(&forged).unwrap_err(), TokenError::Signature);
    }
}

#[tokio::test]
async fn claims_of_other_issuers_are_checked_as_well() {
    let key = Key::ed();
    let (verifier, _folder) = with_keys(&jwks(&[key.jwk("k")])).await;
    let verify = |claims: Value| verifier.verify_now(&token(header("EdDSA", "k"), &claims, &key));
    let mut claims = good();
    claims["iss"] = json!("https://elsewhere");
    assert_eq!(verify(claims).unwrap_err(), TokenError::Issuer);
    let mut refresh = good();
    refresh["token_use"] = json!("refresh");
    let refresh = token(header("EdDSA", "k"), &refresh, &key);
    assert_eq!(verifier.verify_now(&refresh).unwrap_err(), TokenError::WrongUse);
    // Refresh tokens are our own, whoever else signs with that name.
    assert_eq!(verifier.refresh_claims(&refresh).unwrap_err(), TokenError::NotRefresh);
}

#[test]
fn a_set_gives_only_the_keys_that_may_sign_for_us() {
    let mut encryption = Key::rsa().jwk("enc");
    encryption["use"] = json!("enc");
    let mut other_algorithm = Key::rsa().jwk("ps");
    other_algorithm["alg"] = json!("PS256");
    let strange = json!({"kty": "new", "kid": "n"});
    let useless = [encryption, other_algorithm, strange, Key::secret("x").jwk("oct"), json!(1)];
    let refused = KeySet::read(&jwks(&useless)).unwrap_err();
    assert!(refused.starts_with("none of its keys"), "{refused}");
    let mut set = useless.to_vec();
    set.push(Key::ec().jwk("ec"));
    assert_eq!(KeySet::read(&jwks(&set)).unwrap().len(), 1);
    for text in ["", "{}", "[]", r#"{"keys": 1}"#] {
        assert!(KeySet::read(text).is_err(), "{text}");
    }
}

#[tokio::test]
async fn a_new_key_in_the_file_is_found_when_a_token_names_it() {
    let (old, new) = (Key::ec(), Key::ec());
    let (verifier, folder) = with_keys(&jwks(&[old.jwk("old")])).await;
    let of_old = token(header("ES256", "old"), &good(), &old);
    let of_new = token(header("ES256", "new"), &good(), &new);
    assert!(verifier.verify(&of_old).await.is_ok());
    std::fs::write(folder.path().join("keys.json"), jwks(&[new.jwk("new")])).unwrap();
    // Remembered: nothing asks for the file.
    assert!(verifier.verify(&of_old).await.is_ok());
    tokio::time::pause();
    tokio::time::advance(std::time::Duration::from_secs(1)).await;
    tokio::time::resume();
    assert!(verifier.verify(&of_new).await.is_ok());
    // The old key is gone, and with it what it had verified.
    assert_eq!(verifier.verify_now(&of_old).unwrap_err(), TokenError::UnknownKey);
}

/// Serves `body` to whoever asks; counts how often.
fn serve(body: Arc<Mutex<(u16, String)>>) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let asked = Arc::new(AtomicUsize::new(0));
    let count = asked.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            count.fetch_add(1, Ordering::SeqCst);
            let _ = stream.read(&mut [0; 4_096]);
            let (status, body) = body.lock().clone();
            let length = body.len();
            let head = format!(
                "HTTP/1.1 {status} X\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n"
            );
            let _ = stream.write_all(format!("{head}{body}").as_bytes());
        }
    });
    (format!("http://{address}/jwks?secret=1"), asked)
}

#[tokio::test]
async fn keys_come_over_http_and_unknown_ones_do_not_hammer_the_issuer() {
    let key = Key::ec();
    let body = Arc::new(Mutex::new((500, String::new())));
    let (url, asked) = serve(body.clone());
    let source = KeySource::new(Location::new(&url).unwrap());
    assert!(source.look().await.is_err());
    let verifier = Verifier::new(&config(), Some(source.clone()));
    let good_token = token(header("ES256", "k"), &good(), &key);
    let answer = verifier.verify(&good_token).await.unwrap_err();
    assert!(answer.is_temporary(), "{answer}");
    *body.lock() = (200, jwks(&[key.jwk("k")]));
    source.look().await.unwrap();
    let before = asked.load(Ordering::SeqCst);
    assert!(verifier.verify(&good_token).await.is_ok());
    for n in 0..50 {
        let forged = token(header("ES256", &format!("x{n}")), &good(), &key);
        assert_eq!(verifier.verify(&forged).await.unwrap_err(), TokenError::UnknownKey);
    }
    assert_eq!(asked.load(Ordering::SeqCst), before);
    // An issuer that fails for a while takes no key away.
    *body.lock() = (200, "oops".into());
    assert!(source.look().await.is_err());
    assert!(
        verifier
            .verify_now(&token(header("ES256", "k"), &json!({"sub": "3", "exp": at(9)}), &key))
            .is_ok()
    );
}

#[test]
fn locations_are_read_and_shown_without_their_query() {
    assert!(Location::new("keys.json").unwrap().is_file());
    assert_eq!(Location::new("https://a.b/c?key=1").unwrap().to_string(), "https://a.b/c");
    assert!(Location::new("ftp://a").unwrap_err().contains("'ftp://' is not supported"));
    let missing = Location::new("/no/such/file").unwrap().read().unwrap_err();
    assert!(missing.contains("No such file"), "{missing}");
}
