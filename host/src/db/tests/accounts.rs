//! Accounts on a real file: what two do at once, what breaks a rule, and what outlives a restart.

use super::{Database, blog, open};
use crate::auth::store::{
    AccountStore, Created, Exchange, Exchanged, Family, MOST_FAMILIES, NewUser, StoreFault,
};
use crate::auth::throttle::{Charge, Rule};
use crate::auth::user::User;
use crate::config::secret::Secret;
use serde_json::{Map, Value, json};
use std::time::Duration;
use tempfile::TempDir;

const NOW: u64 = 1_800_000_000_000;
const HOUR: u64 = 3_600_000;

fn someone(email: &str) -> NewUser {
    let password_hash = Secret::new("hash");
    NewUser { email: email.into(), name: None, metadata: Map::new(), password_hash }
}

async fn registered(db: &Database, email: &str) -> User {
    match db.store.create_user(someone(email)).await.unwrap() {
        Created::User(user) => user,
        Created::EmailTaken => panic!("{email} is taken"),
    }
}

fn family(id: &str, user: &str, expires: u64) -> Family {
    Family { id: id.into(), user: user.into(), current: "first".into(), expires }
}

fn exchange(presented: &str, next: &str, now: u64) -> Exchange {
    Exchange {
        family: "f".into(),
        user: "u".into(),
        presented: presented.into(),
        next: next.into(),
        expires: now + HOUR,
        now,
    }
}

fn document(user: &User) -> Value {
    serde_json::from_str(user.document().get()).unwrap()
}

#[tokio::test]
async fn a_user_is_a_document_and_the_hash_is_not_in_it() {
    let db = blog();
    let metadata = json!({"$int": "1", "deep": {"$lit": {"a": [9_007_199_254_740_993_u64]}}});
    let Value::Object(metadata) = metadata else { unreachable!("an object") };
    let name = Some("Ann".to_owned());
    let user = NewUser { name, metadata: metadata.clone(), ..someone("ann@x.org") };
    let Created::User(user) = db.store.create_user(user).await.unwrap() else { panic!("taken") };
    let seen = document(&user);
    assert_eq!(seen["metadata"], Value::Object(metadata));
    assert_eq!(
        (&seen["name"], &seen["role"], &seen["verified"]),
        (&json!("Ann"), &json!("user"), &json!(false))
    );
    assert!(!user.document().get().contains("hash"), "{seen}");
    let found = db.store.user(user.id()).await.unwrap().unwrap();
    assert_eq!(document(&found), seen);
    assert!(db.store.user("nobody").await.unwrap().is_none());
}

#[tokio::test]
async fn an_address_is_one_account_in_any_case() {
    let db = blog();
    let ann = registered(&db, "ann@x.org").await;
    // A function may write it as it likes.
    db.update("users", &ann.id().into(), json!({"email": "Ann@X.org"})).await.unwrap();
    let found = db.store.credentials("ann@x.org").await.unwrap().unwrap();
    assert_eq!((found.user.id(), found.password_hash.expose()), (ann.id(), "hash"));
    let again = db.store.create_user(someone("ann@x.org")).await.unwrap();
    assert!(matches!(again, Created::EmailTaken));
    // Somebody whom a function made has no password.
    db.user("bob@x.org").await;
    assert!(db.store.credentials("bob@x.org").await.unwrap().is_none());
    assert!(db.store.credentials("nobody@x.org").await.unwrap().is_none());
}

#[tokio::test]
async fn of_two_who_register_at_once_one_is_first() {
    let db = blog();
    let (one, two) = tokio::join!(
        db.store.create_user(someone("ann@x.org")),
        db.store.create_user(someone("ANN@x.org"))
    );
    let taken = [one, two].map(|outcome| matches!(outcome.unwrap(), Created::EmailTaken));
    assert_eq!(taken.into_iter().filter(|taken| *taken).count(), 1);
}

#[tokio::test]
async fn what_the_app_demands_of_users_is_demanded_here() {
    let folder = TempDir::new().unwrap();
    let yaml = "collections: {users: {fields: {plan: {type: string, required: true}}}}";
    let db = Database { store: open(folder.path(), yaml).unwrap(), folder };
    match db.store.create_user(someone("ann@x.org")).await {
        Err(StoreFault::Rejected { field: Some(field), message }) => {
            assert_eq!((field.as_str(), message.as_str()), ("plan", "plan is required"));
        }
        other => panic!("{other:?}"),
    }
    assert!(db.store.credentials("ann@x.org").await.unwrap().is_none());
}

#[tokio::test]
async fn of_two_exchanges_of_one_token_one_is_done_and_the_session_is_over() {
    let db = blog();
    db.store.open_family(family("f", "u", NOW + HOUR), NOW).await.unwrap();
    let (one, two) = tokio::join!(
        db.store.exchange(exchange("first", "a", NOW)),
        db.store.exchange(exchange("first", "b", NOW))
    );
    let mut outcomes = [one.unwrap(), two.unwrap()];
    outcomes.sort_by_key(|outcome| *outcome != Exchanged::Done);
    assert_eq!(outcomes, [Exchanged::Done, Exchanged::Reused]);
    for token in ["a", "b", "first"] {
        let outcome = db.store.exchange(exchange(token, "c", NOW)).await.unwrap();
        assert_eq!(outcome, Exchanged::Unknown, "{token}");
    }
}

#[tokio::test]
async fn a_family_goes_on_until_it_expires_or_is_closed() {
    let db = blog();
    db.store.open_family(family("f", "u", NOW + HOUR), NOW).await.unwrap();
    let someone_elses = Exchange { user: "v".into(), ..exchange("first", "x", NOW) };
    assert_eq!(db.store.exchange(someone_elses).await.unwrap(), Exchanged::Unknown);
    let later = NOW + HOUR - 1;
    let outcome = db.store.exchange(exchange("first", "second", later)).await.unwrap();
    assert_eq!(outcome, Exchanged::Done);
    // The exchange has prolonged it.
    let outcome = db.store.exchange(exchange("second", "third", NOW + HOUR)).await.unwrap();
    assert_eq!(outcome, Exchanged::Done);
    let outcome = db.store.exchange(exchange("third", "x", NOW + 3 * HOUR)).await.unwrap();
    assert_eq!(outcome, Exchanged::Unknown);
    db.store.close_family("f").await.unwrap();
    db.store.close_family("f").await.unwrap();
    let outcome = db.store.exchange(exchange("third", "x", NOW)).await.unwrap();
    assert_eq!(outcome, Exchanged::Unknown);
}

#[tokio::test]
async fn old_families_make_room_for_new_ones() {
    let db = blog();
    for number in 0..=MOST_FAMILIES as u64 + 1 {
        let opened = family(&format!("f{number:02}"), "u", NOW + HOUR);
        db.store.open_family(opened, NOW + number).await.unwrap();
    }
    db.store.open_family(family("f", "v", NOW + HOUR), NOW).await.unwrap();
    let of = async |user: &'static str| {
        let sql = "SELECT id FROM _alyx_refresh_families WHERE user_id = ? ORDER BY id";
        let args = [crate::db::datum::Datum::Text(user.into())];
        let deadline = std::time::Instant::now() + Duration::from_secs(9);
        let read = db.store.read(deadline, move |session| session.rows(sql, &args));
        read.await.unwrap().len()
    };
    assert_eq!((of("u").await, of("v").await), (MOST_FAMILIES, 1));
    let gone = Exchange { family: "f01".into(), ..exchange("first", "x", NOW) };
    assert_eq!(db.store.exchange(gone).await.unwrap(), Exchanged::Unknown);
    let kept = Exchange { family: "f02".into(), ..exchange("first", "x", NOW) };
    assert_eq!(db.store.exchange(kept).await.unwrap(), Exchanged::Done);
    // Once they have expired, the next login of anyone removes them.
    db.store.open_family(family("g", "w", NOW + 9 * HOUR), NOW + 2 * HOUR).await.unwrap();
    assert_eq!((of("u").await, of("v").await, of("w").await), (0, 0, 1));
}

#[tokio::test]
async fn a_refused_try_counts_under_no_key_and_outlives_a_restart() {
    let db = blog();
    let rule = Rule { burst: 2, period: Duration::from_secs(60) };
    let wide = Rule { burst: 9, period: Duration::from_secs(60) };
    let both =
        || vec![Charge { key: "all".into(), rule: wide }, Charge { key: "one".into(), rule }];
    for _ in 0..2 {
        assert_eq!(db.store.charge(both(), NOW).await.unwrap(), Ok(()));
    }
    let refused = db.store.charge(both(), NOW).await.unwrap().unwrap_err();
    assert_eq!((refused.key.as_str(), refused.wait), ("one", Duration::from_secs(60)));
    let db = db.reopened(super::BLOG).await.unwrap();
    let refused = db.store.charge(both(), NOW + 20_000).await.unwrap().unwrap_err();
    assert_eq!(refused.wait, Duration::from_secs(40));
    let back = Charge { key: "all".into(), rule: wide };
    db.store.forgive(vec!["one".into(), "nobody".into()], back).await.unwrap();
    for _ in 0..2 {
        assert_eq!(db.store.charge(both(), NOW).await.unwrap(), Ok(()));
    }
    // Three of nine: one was taken back, and those that were refused did not count.
    let six = (0..6).map(|_| Charge { key: "all".into(), rule: wide }).collect::<Vec<_>>();
    for charge in six {
        assert_eq!(db.store.charge(vec![charge], NOW).await.unwrap(), Ok(()));
    }
    assert!(db.store.charge(both(), NOW).await.unwrap().is_err());
}

#[tokio::test]
async fn with_the_user_goes_all_that_was_kept_of_them() {
    let db = blog();
    let ann = registered(&db, "ann@x.org").await;
    db.store.open_family(family("f", ann.id(), NOW + HOUR), NOW).await.unwrap();
    db.delete("users", &ann.id().into()).await.unwrap();
    let mine = Exchange { user: ann.id().to_owned(), ..exchange("first", "x", NOW) };
    assert_eq!(db.store.exchange(mine).await.unwrap(), Exchanged::Unknown);
    // The address is free again, and its old password is no key to it.
    let again = registered(&db, "ann@x.org").await;
    assert_ne!(again.id(), ann.id());
}
