//! What the tests of auth share: an issuer that signs any header and any claims with any key,
//! and a host whose functions tell who calls.
//!
//! Signs by itself: nothing here uses the host's code.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256,
    RsaKeyPair, RsaPublicKeyComponents,
};
use serde_json::{Value, json};

use crate::harness::{Answer, Host, Project, Runtime};

/// The secret of the hosts under test.
pub(crate) const SECRET: &str = "it-0123456789abcdef0123456789abcdef";
/// `ring` makes no RSA keys; this one exists for tests alone.
const RSA: &[u8] = include_bytes!("../../src/auth/tests/rsa_for_tests.pk8");
/// The challenge of a token that does not count.
pub(crate) const CHALLENGE: &str = "Bearer error=\"invalid_token\"";

/// Something to sign with.
#[derive(Debug)]
pub(crate) enum Key {
    Secret(Vec<u8>),
    Rsa(Box<RsaKeyPair>),
    Ec(EcdsaKeyPair),
    Ed(Ed25519KeyPair),
}

impl Key {
    pub(crate) fn secret(text: &str) -> Key {
        Key::Secret(text.as_bytes().to_vec())
    }

    pub(crate) fn rsa() -> Key {
        Key::Rsa(Box::new(RsaKeyPair::from_pkcs8(RSA).expect("a key")))
    }

    pub(crate) fn ec() -> Key {
        let (random, kind) = (SystemRandom::new(), &ECDSA_P256_SHA256_FIXED_SIGNING);
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(kind, &random).expect("randomness");
        Key::Ec(EcdsaKeyPair::from_pkcs8(kind, pkcs8.as_ref(), &random).expect("a key"))
    }

    pub(crate) fn ed() -> Key {
        let pkcs8 = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).expect("randomness");
        Key::Ed(Ed25519KeyPair::from_pkcs8(pkcs8.as_ref()).expect("a key"))
    }

    /// The public half as it stands in a key set.
    pub(crate) fn jwk(&self, kid: &str) -> Value {
        match self {
            Key::Secret(secret) => json!({"kty": "oct", "kid": kid, "k": encode(secret)}),
            Key::Rsa(key) => {
                let public = RsaPublicKeyComponents::<Vec<u8>>::from(key.public());
                json!({"kty": "RSA", "kid": kid, "use": "sig", "n": encode(&public.n), "e": encode(&public.e)})
            }
            Key::Ec(key) => {
                let (x, y) = key.public_key().as_ref()[1..].split_at(32);
                json!({"kty": "EC", "crv": "P-256", "kid": kid, "alg": "ES256", "x": encode(x), "y": encode(y)})
            }
            Key::Ed(key) => {
                let x = encode(key.public_key().as_ref());
                json!({"kty": "OKP", "crv": "Ed25519", "kid": kid, "x": x})
            }
        }
    }

    fn sign(&self, message: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match self {
            Key::Secret(secret) => {
                let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, secret);
                ring::hmac::sign(&key, message).as_ref().to_vec()
            }
            Key::Rsa(key) => {
                let mut signature = vec![0; key.public().modulus_len()];
                key.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature).expect("signs");
                signature
            }
            Key::Ec(key) => key.sign(&random, message).expect("signs").as_ref().to_vec(),
            Key::Ed(key) => key.sign(message).as_ref().to_vec(),
        }
    }
}

/// A key set of these.
pub(crate) fn jwks(keys: &[Value]) -> String {
    json!({ "keys": keys }).to_string()
}

pub(crate) fn encode(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The claims of a token, unverified.
pub(crate) fn claims_of(token: &str) -> Value {
    let middle = token.split('.').nth(1).expect("three parts");
    let bytes = URL_SAFE_NO_PAD.decode(middle).expect("base64url");
    serde_json::from_slice(&bytes).expect("claims are JSON")
}

pub(crate) fn token(header: &Value, claims: &Value, key: &Key) -> String {
    let part = |value: &Value| encode(value.to_string().as_bytes());
    let message = format!("{}.{}", part(header), part(claims));
    let signature = encode(&key.sign(message.as_bytes()));
    format!("{message}.{signature}")
}

/// A token such as any program makes that has the secret.
pub(crate) fn own(claims: &Value) -> String {
    token(&json!({"alg": "HS256", "typ": "JWT"}), claims, &Key::secret(SECRET))
}

/// Seconds since 1970, `ahead` of now.
pub(crate) fn at(ahead: i64) -> Value {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    json!(now.expect("after 1970").as_secs().cast_signed() + ahead)
}

/// A good set of claims with some changed; null takes one away.
pub(crate) fn claims(changes: &Value) -> Value {
    let mut claims = json!({"sub": "u1", "exp": at(600)});
    for (name, value) in changes.as_object().expect("changes are members") {
        claims[name] = value.clone();
        if value.is_null() {
            claims.as_object_mut().expect("an object").remove(name);
        }
    }
    claims
}

/// Functions that tell who calls: one in each runtime, served by one worker.
pub(crate) fn callers() -> Project {
    Project::new().with_all("caller").config(json!({
        "auth": {"jwt": {"secret": SECRET}},
        "functions": {"pool": {"max_instances": 1}},
    }))
}

impl Host {
    /// Asks the function of `runtime` who calls.
    pub(crate) async fn who(&self, runtime: Runtime, token: &str) -> Answer {
        let call = self.post(&runtime.function("caller"));
        call.header("Authorization", &format!("Bearer {token}")).json(&json!({})).send().await
    }

    /// The ctx.auth of a token that counts.
    pub(crate) async fn auth(&self, runtime: Runtime, token: &str) -> Value {
        self.who(runtime, token).await.value()["auth"].take()
    }

    /// Something about an account.
    pub(crate) async fn account(&self, action: &str, body: &Value) -> Answer {
        self.request("POST", &format!("/api/auth/{action}")).json(body).send().await
    }

    /// `GET /api/auth/me`.
    pub(crate) async fn me(&self, token: &str) -> Answer {
        let me = self.request("GET", "/api/auth/me");
        me.header("Authorization", &format!("Bearer {token}")).send().await
    }
}

/// Checks that a token does not count, and that the answer says no more than it should.
pub(crate) fn check_refused(answer: &Answer, token: &str) -> String {
    let message = answer.error_message(401, "INVALID_TOKEN");
    assert_eq!(answer.header("www-authenticate"), Some(CHALLENGE), "{message}");
    assert!(token.is_empty() || !answer.text().contains(token), "{message}");
    message
}
