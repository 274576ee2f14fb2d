//! Tokens signed with the host's secret: which count, and what becomes of their claims.

use serde_json::{Value, json};

use super::issuer::{Key, own, token};
use super::{SECRET, ann, at, base64, config, minter, verifier};
use crate::auth::minter::RefreshId;
use crate::auth::token_error::TokenError;
use crate::auth::verifier::Verifier;

fn refused(token: &str) -> TokenError {
    verifier().verify_now(token).unwrap_err()
}

/// A good set of claims with some changed; null takes one away.
fn claims(changes: Value) -> Value {
    let mut claims = json!({"sub": "u1", "exp": at(60)});
    for (name, value) in changes.as_object().unwrap() {
        claims[name] = value.clone();
    }
    claims
}

#[test]
fn what_is_minted_is_accepted_and_says_the_same() {
    let auth = verifier().verify_now(&minter().access(&ann())).unwrap();
    assert_eq!(*auth, ann());
}

#[test]
fn a_token_needs_little_and_the_rest_has_defaults() {
    let auth = verifier().verify_now(&own(&claims(json!({})))).unwrap();
    assert_eq!((auth.id.as_str(), auth.role.as_str()), ("u1", "user"));
    assert_eq!((auth.email.as_deref(), auth.verified), (None, false));
    assert_eq!(auth.metadata, json!({}));
    let nulls =
        json!({"email": null, "role": null, "metadata": null, "verified": null, "aud": "x"});
    assert!(verifier().verify_now(&own(&claims(nulls))).is_ok());
}

#[test]
fn each_wrong_claim_has_its_own_answer() {
    let mut deep = json!(1);
    for _ in 0..40 {
        deep = json!([deep]);
    }
    let wrong = [
        (json!({"exp": at(-1)}), TokenError::Expired),
        (json!({"exp": null}), TokenError::Claim("exp")),
        (json!({"exp": "tomorrow"}), TokenError::Malformed),
        (json!({"nbf": at(60)}), TokenError::NotYetValid),
        (json!({"iss": "somebody"}), TokenError::Issuer),
        (json!({"iss": ["alyx"]}), TokenError::Malformed),
        (json!({"token_use": "refresh"}), TokenError::WrongUse),
        (json!({"token_use": "id"}), TokenError::WrongUse),
        (json!({"sub": null}), TokenError::Claim("sub")),
        (json!({"sub": ""}), TokenError::Claim("sub")),
        (json!({"sub": 7}), TokenError::Malformed),
        (json!({"role": ["admin"]}), TokenError::Malformed),
        (json!({"metadata": "x"}), TokenError::Malformed),
        (json!({"metadata": {"a": deep}}), TokenError::Claim("metadata")),
    ];
    for (changes, error) in wrong {
        assert_eq!(refused(&own(&claims(changes.clone()))), error, "{changes}");
    }
    for fine in [json!({"iss": "alyx"}), json!({"nbf": at(2)}), json!({"token_use": "access"})] {
        assert!(verifier().verify_now(&own(&claims(fine.clone()))).is_ok(), "{fine}");
    }
}

#[test]
fn an_audience_is_asked_for_once_it_is_set() {
    let config = crate::config::model::JwtConfig { audience: Some("blog".into()), ..config() };
    let verifier = Verifier::new(&config, None);
    let verify = |changes| verifier.verify_now(&own(&claims(changes))).map(|_| ());
    assert_eq!(verify(json!({"aud": "blog"})), Ok(()));
    assert_eq!(verify(json!({"aud": ["shop", "blog"]})), Ok(()));
    for wrong in [json!({}), json!({"aud": "shop"}), json!({"aud": []})] {
        assert_eq!(verify(wrong), Err(TokenError::Audience));
    }
    let minted = crate::auth::minter::Minter::new(&config).unwrap().access(&ann());
    assert!(verifier.verify_now(&minted).is_ok());
}

#[test]
fn signatures_and_algorithms_are_not_negotiable() {
    let good = claims(json!({}));
    let secret = Key::secret(SECRET);
    let other = Key::secret("another secret of at least 32 bytes");
    assert_eq!(refused(&token(json!({"alg": "HS256"}), &good, &other)), TokenError::Signature);
    for alg in ["none", "None", "NONE", "HS257", ""] {
        let header = json!({ "alg": alg });
        assert_eq!(refused(&token(header.clone(), &good, &secret)), TokenError::Malformed, "{alg}");
        let unsigned = format!(
            "{}.{}.",
            base64(header.to_string().as_bytes()),
            base64(good.to_string().as_bytes())
        );
        assert_eq!(refused(&unsigned), TokenError::Malformed, "{alg}");
    }
    for alg in ["HS384", "HS512", "PS256", "ES384"] {
        assert_eq!(refused(&token(json!({ "alg": alg }), &good, &secret)), TokenError::Algorithm);
    }
    let critical = json!({"alg": "HS256", "crit": ["b64"], "b64": false});
    assert_eq!(refused(&token(critical, &good, &secret)), TokenError::Malformed);
}

#[test]
fn every_changed_letter_is_noticed() {
    let token = minter().access(&ann());
    let verifier = verifier();
    verifier.verify_now(&token).unwrap();
    for at in 0..token.len() {
        let mut changed = token.clone().into_bytes();
        changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
        let changed = String::from_utf8(changed).unwrap();
        // The last letter of a part has bits that say nothing; a strict decoder refuses those.
        assert!(verifier.verify_now(&changed).is_err(), "letter {at}");
    }
}

#[test]
fn what_is_no_jwt_is_refused() {
    let good = own(&claims(json!({})));
    let huge = own(&claims(json!({"metadata": {"a": "x".repeat(9_000)}})));
    for text in
        ["", ".", "..", "a.b.c", "a.b", &format!("{good}."), &format!("{good}.{good}"), &huge]
    {
        assert_eq!(refused(text), TokenError::Malformed, "{text}");
    }
}

#[test]
fn a_host_without_a_good_secret_accepts_nothing() {
    for secret in ["", "short", "change-me-change-me-change-me-change-me"] {
        let secret = crate::config::secret::Secret::new(secret);
        let config = crate::config::model::JwtConfig { secret: secret.clone(), ..config() };
        let verifier = Verifier::new(&config, None);
        let forged =
            token(json!({"alg": "HS256"}), &claims(json!({})), &Key::secret(secret.expose()));
        assert_eq!(verifier.verify_now(&forged).unwrap_err(), TokenError::UnknownKey);
        assert!(crate::auth::minter::Minter::new(&config).is_err());
    }
}

#[test]
fn refresh_and_access_tokens_do_not_pass_for_each_other() {
    let refresh = minter().refresh("u1", RefreshId { family: "f", token: "t" });
    assert_eq!(refused(&refresh), TokenError::WrongUse);
    let verifier = verifier();
    let claims = verifier.refresh_claims(&refresh).unwrap();
    assert_eq!((claims.family.as_deref(), claims.jti.as_deref()), (Some("f"), Some("t")));
    let access = minter().access(&ann());
    assert_eq!(verifier.refresh_claims(&access).unwrap_err(), TokenError::NotRefresh);
}

#[test]
fn a_remembered_token_expires_all_the_same() {
    let verifier = verifier();
    let now = crate::auth::claims::now();
    let token = minter().access(&ann());
    for _ in 0..3 {
        assert!(verifier.verify_at(&token, now).is_ok());
    }
    assert_eq!(verifier.verify_at(&token, now + 902.0).unwrap_err(), TokenError::Expired);
    assert!(verifier.verify_at(&token, now).is_ok());
}
