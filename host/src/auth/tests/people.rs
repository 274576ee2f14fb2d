//! Accounts from registering to logging out.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use bytes::Bytes;
use serde_json::{Value, json};

use super::memory::Memory;
use super::{ann, config, minter, verifier};
use crate::auth::account_error::AccountError;
use crate::auth::accounts::{Accounts, Session, me_of};
use crate::auth::password::{Cost, Passwords};
use crate::auth::token_error::TokenError;
use crate::auth::user::User;
use crate::config::model::{AuthConfig, PasswordConfig};

const HOME: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

fn settings() -> AuthConfig {
    AuthConfig {
        jwt: config(),
        allow_registration: true,
        password: PasswordConfig { min_length: 8 },
    }
}

fn accounts_with(settings: &AuthConfig) -> (Accounts<Memory>, Memory) {
    let store = Memory::default();
    let passwords = Passwords::new(Cost::LEAST).unwrap();
    let accounts =
        Accounts::new(store.clone(), settings, Arc::new(verifier()), minter(), passwords);
    (accounts, store)
}

fn accounts() -> (Accounts<Memory>, Memory) {
    accounts_with(&settings())
}

fn body(value: Value) -> Bytes {
    value.to_string().into()
}

fn ann_and(password: &str) -> Bytes {
    body(json!({"email": "Ann@X.org", "password": password}))
}

fn refresh_token(session: &Session) -> Bytes {
    body(json!({"refresh_token": session.tokens.refresh_token}))
}

#[tokio::test]
async fn who_registers_is_logged_in_and_can_log_in_again() {
    let (accounts, store) = accounts();
    let wanted = json!({"email": "Ann@X.org", "password": "correct horse", "name": "Ann", "metadata": {"a": 1}, "role": "admin"});
    let session = accounts.register(&body(wanted), HOME).await.unwrap();
    let answer: Value = serde_json::from_str(&session.to_json()).unwrap();
    assert_eq!(answer["user"]["email"], "ann@x.org");
    assert_eq!(answer["user"]["of_the_app"], 1);
    assert_eq!(answer["tokens"]["token_type"], "Bearer");
    assert_eq!(answer["tokens"]["expires_in"], 900);
    let auth = verifier().verify_now(&session.tokens.access_token).unwrap();
    assert_eq!((auth.id.as_str(), auth.role.as_str()), ("user-0", "user"));
    assert_eq!(auth.metadata, json!({"a": 1}));
    let again = accounts.login(&ann_and("correct horse"), HOME).await.unwrap();
    assert_eq!(again.user.id(), "user-0");
    assert_eq!(me_of(&store, &auth).await.unwrap().document().get(), session.user.document().get());
    assert_eq!(me_of(&store, &ann()).await.unwrap().id(), "u1");
    assert!(!format!("{session:?}").contains(&session.tokens.access_token));
}

#[tokio::test]
async fn what_cannot_be_registered_says_why() {
    let (accounts, store) = accounts();
    accounts.register(&ann_and("correct horse"), HOME).await.unwrap();
    let refused = async |wanted: Value| {
        let error = accounts.register(&body(wanted), HOME).await.unwrap_err();
        (error.code(), error.to_string(), error.field().unwrap_or_default().to_owned())
    };
    let with = |email: &str, password: &str| json!({"email": email, "password": password});
    let (code, _, field) = refused(with("ANN@x.ORG", "correct horse")).await;
    assert_eq!((code, field.as_str()), ("ALREADY_EXISTS", "email"));
    let short = refused(with("b@x.org", "1234567")).await;
    assert_eq!(short.1, "password must have at least 8 characters");
    assert_eq!(refused(with("b", "12345678")).await.1, "email must be a valid email address");
    assert_eq!(
        refused(json!({})).await,
        ("VALIDATION_ERROR", "email is required".into(), "email".into())
    );
    let mut large = with("b@x.org", "12345678");
    large["metadata"] = json!({"a": "x".repeat(3_000)});
    assert_eq!(refused(large).await.2, "metadata");
    for (text, code) in
        [("{", "INVALID_JSON"), ("[]", "VALIDATION_ERROR"), ("", "VALIDATION_ERROR")]
    {
        let error = accounts.register(&Bytes::from(text), HOME).await.unwrap_err();
        assert_eq!(error.code(), code, "{text}");
    }
    assert_eq!(store.0.lock().users.len(), 1);
    let (closed, _) = accounts_with(&AuthConfig { allow_registration: false, ..settings() });
    let error = closed.register(&ann_and("correct horse"), HOME).await.unwrap_err();
    assert_eq!(error.code(), "FORBIDDEN");
}

#[tokio::test]
async fn a_wrong_password_and_an_unknown_address_look_the_same() {
    let (accounts, _) = accounts();
    accounts.register(&ann_and("correct horse"), HOME).await.unwrap();
    let wrong = accounts.login(&ann_and("wrong horse"), HOME).await.unwrap_err();
    let unknown = json!({"email": "bob@x.org", "password": "correct horse"});
    let unknown = accounts.login(&body(unknown), HOME).await.unwrap_err();
    assert_eq!(wrong.code(), "UNAUTHENTICATED");
    assert_eq!((wrong.code(), wrong.to_string()), (unknown.code(), unknown.to_string()));
}

#[tokio::test]
async fn a_refresh_token_works_once_and_its_copy_ends_the_session() {
    let (accounts, _) = accounts();
    let first = accounts.register(&ann_and("correct horse"), HOME).await.unwrap();
    let other = accounts.login(&ann_and("correct horse"), HOME).await.unwrap();
    let second = accounts.refresh(&refresh_token(&first)).await.unwrap();
    assert_eq!(second.user.id(), "user-0");
    assert_ne!(second.tokens.refresh_token, first.tokens.refresh_token);
    let third = accounts.refresh(&refresh_token(&second)).await.unwrap();
    let stolen = accounts.refresh(&refresh_token(&first)).await.unwrap_err();
    assert_eq!(stolen.code(), "INVALID_TOKEN");
    // The newest is worth nothing now; the other login is not touched.
    assert!(matches!(
        accounts.refresh(&refresh_token(&third)).await,
        Err(AccountError::RefreshSpent)
    ));
    assert!(accounts.refresh(&refresh_token(&other)).await.is_ok());
}

#[tokio::test]
async fn of_many_refreshes_at_once_one_wins() {
    let (accounts, _) = accounts();
    let accounts = Arc::new(accounts);
    let session = accounts.register(&ann_and("correct horse"), HOME).await.unwrap();
    let tries: Vec<_> = (0..8)
        .map(|_| {
            let (accounts, token) = (accounts.clone(), refresh_token(&session));
            tokio::spawn(async move { accounts.refresh(&token).await.is_ok() })
        })
        .collect();
    let mut won = 0;
    for one in tries {
        won += usize::from(one.await.unwrap());
    }
    assert_eq!(won, 1);
}

#[tokio::test]
async fn logging_out_ends_one_session_and_may_be_repeated() {
    let (accounts, store) = accounts();
    let session = accounts.register(&ann_and("correct horse"), HOME).await.unwrap();
    let token = refresh_token(&session);
    for _ in 0..2 {
        accounts.logout(&token).await.unwrap();
    }
    assert!(store.0.lock().families.is_empty());
    assert!(matches!(accounts.refresh(&token).await, Err(AccountError::RefreshSpent)));
    let access = body(json!({"refresh_token": session.tokens.access_token}));
    for result in [accounts.logout(&access).await, accounts.refresh(&access).await.map(|_| ())] {
        assert!(matches!(result, Err(AccountError::Token(TokenError::NotRefresh))), "{result:?}");
    }
}

#[tokio::test]
async fn a_user_who_is_gone_stays_logged_in_no_longer() {
    let (accounts, store) = accounts();
    let session = accounts.register(&ann_and("correct horse"), HOME).await.unwrap();
    store.0.lock().users.clear();
    let error = accounts.refresh(&refresh_token(&session)).await.unwrap_err();
    assert_eq!(error.code(), "INVALID_TOKEN");
    assert!(store.0.lock().families.is_empty());
}

#[tokio::test]
async fn guessing_is_slowed_down_and_others_are_not() {
    let (accounts, store) = accounts();
    accounts.register(&ann_and("correct horse"), HOME).await.unwrap();
    let mut limited = 0;
    for _ in 0..20 {
        match accounts.login(&ann_and("wrong horse"), HOME).await.unwrap_err() {
            AccountError::WrongCredentials => {}
            error => {
                assert_eq!(error.code(), "RATE_LIMITED");
                assert!((1..=30).contains(&error.retry_after().unwrap()));
                limited += 1;
            }
        }
    }
    assert_eq!(limited, 10);
    // Nine of the refusals cost the store nothing: one for registering, 11 for the rest.
    assert_eq!(store.0.lock().charges, 12);
    let elsewhere = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1));
    assert!(accounts.login(&ann_and("correct horse"), elsewhere).await.is_ok());
}

#[tokio::test]
async fn logging_in_well_is_not_counted() {
    let (accounts, _) = accounts();
    accounts.register(&ann_and("correct horse"), HOME).await.unwrap();
    for _ in 0..80 {
        accounts.login(&ann_and("correct horse"), HOME).await.unwrap();
    }
}

#[tokio::test]
async fn registering_in_bulk_is_slowed_down() {
    let (accounts, store) = accounts();
    for n in 0..40 {
        let wanted = json!({"email": format!("u{n}@x.org"), "password": "correct horse"});
        let result = accounts.register(&body(wanted), HOME).await;
        assert_eq!(result.is_ok(), n < 30, "{n}: {result:?}");
    }
    assert_eq!(store.0.lock().users.len(), 30);
}

#[tokio::test]
async fn what_is_too_much_for_a_token_is_left_out_of_it() {
    let (accounts, store) = accounts();
    let first = accounts.register(&ann_and("correct horse"), HOME).await.unwrap();
    let deep = (0..40).fold(json!({}), |inner, _| json!({"a": inner}));
    for metadata in [json!({"a": "x".repeat(9_000)}), deep] {
        let row = json!({"id": first.user.id(), "email": "ann@x.org", "role": "editor", "metadata": metadata});
        let user = User::read(&row.to_string()).unwrap();
        store.0.lock().users.get_mut("ann@x.org").unwrap().0 = user;
        let session = accounts.login(&ann_and("correct horse"), HOME).await.unwrap();
        let auth = verifier().verify_now(&session.tokens.access_token).unwrap();
        assert_eq!((auth.role.as_str(), &auth.metadata), ("editor", &json!({})));
    }
}
