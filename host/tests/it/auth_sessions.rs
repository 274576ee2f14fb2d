//! Sessions: staying logged in and logging out; and what guessing comes to.

use serde_json::{Value, json};

use crate::auth_accounts::{
    PASSWORD, access, credentials, keys, logged_in, refresh_of, refreshed, registered,
};
use crate::auth_issuer::{at, callers, check_refused, claims_of};
use crate::harness::log::Line;
use crate::harness::{Host, PATIENCE, RUNTIMES, Runtime, eventually, in_every_runtime};

#[tokio::test]
async fn a1_a_refresh_token_works_once_and_its_copy_ends_the_session() {
    let host = callers().serve().await;
    let first = registered(&host, "ann@x.org").await;
    let other = logged_in(&host, "ann@x.org").await;
    let second = refreshed(&host, &first).await.value();
    assert_eq!(keys(&second), ["user", "tokens"]);
    assert_eq!(second["user"], first["user"]);
    for name in ["access_token", "refresh_token"] {
        assert_ne!(second["tokens"][name], first["tokens"][name]);
    }
    assert_eq!(host.who(Runtime::Node, access(&second)).await.status, 200);
    let third = refreshed(&host, &second).await.value();
    // Somebody has kept a copy of the first.
    check_refused(&refreshed(&host, &first).await, "");
    for ended in [&third, &second, &first] {
        check_refused(&refreshed(&host, ended).await, "");
    }
    // Another login of the same user is another session.
    assert_eq!(refreshed(&host, &other).await.status, 200);
    let warned = |line: &Line| line.message().contains("spent refresh token");
    assert_eq!(host.log.wait_for("a warning", warned).await.level(), "WARN");
}

#[tokio::test]
async fn a1_of_many_refreshes_at_once_one_wins() {
    let host = callers().serve().await;
    let session = registered(&host, "ann@x.org").await;
    let tries: Vec<_> = (0..8).map(|_| refreshed(&host, &session)).collect();
    let answers = futures_util::future::join_all(tries).await;
    let won = answers.iter().filter(|answer| answer.status == 200).count();
    let lost = answers.iter().filter(|answer| answer.status == 401).count();
    assert_eq!((won, lost), (1, 7));
}

#[tokio::test]
async fn a1_access_and_refresh_tokens_do_not_pass_for_each_other() {
    let host = callers().serve().await;
    let session = registered(&host, "ann@x.org").await;
    let refresh = session["tokens"]["refresh_token"].as_str().expect("a token");
    in_every_runtime(async |runtime| {
        check_refused(&host.who(runtime, refresh).await, refresh);
    })
    .await;
    check_refused(&host.me(refresh).await, refresh);
    let swapped = json!({"refresh_token": access(&session)});
    for action in ["refresh", "logout"] {
        check_refused(&host.account(action, &swapped).await, access(&session));
        let garbage = json!({"refresh_token": "garbage"});
        check_refused(&host.account(action, &garbage).await, "garbage");
    }
    // None of it has cost the session anything.
    assert_eq!(refreshed(&host, &session).await.status, 200);
}

#[tokio::test]
async fn a1_logging_out_ends_one_session() {
    let host = callers().serve().await;
    let first = registered(&host, "ann@x.org").await;
    let second = logged_in(&host, "ann@x.org").await;
    for _ in 0..2 {
        let answer = host.account("logout", &refresh_of(&first)).await;
        assert_eq!((answer.status, answer.text().as_str()), (204, ""));
    }
    check_refused(&refreshed(&host, &first).await, "");
    assert_eq!(refreshed(&host, &second).await.status, 200);
    // Access tokens are not asked after: they end by themselves.
    assert_eq!(host.who(Runtime::Node, access(&first)).await.status, 200);
}

#[tokio::test]
async fn a1_sessions_outlive_a_restart_and_a_crash() {
    let mut host = callers().serve().await;
    let first = registered(&host, "ann@x.org").await;
    let spent = refreshed(&host, &first).await.value();
    host.stop().await;
    let mut host = Host::start(host.project.clone()).await;
    let session = refreshed(&host, &spent).await.value();
    host.signal(rustix::process::Signal::KILL);
    host.ended(PATIENCE).await;
    let host = Host::start(host.project.clone()).await;
    let session = refreshed(&host, &session).await.value();
    for runtime in RUNTIMES {
        let auth = host.auth(runtime, access(&session)).await;
        assert_eq!(auth["id"], first["user"]["id"], "{runtime}");
    }
    logged_in(&host, "ann@x.org").await;
    // What was spent before the restart is known to be.
    check_refused(&refreshed(&host, &first).await, "");
    check_refused(&refreshed(&host, &session).await, "");
}

#[tokio::test]
async fn a1_tokens_live_as_long_as_configured() {
    let jwt = json!({"access_ttl": "2s", "refresh_ttl": "4s"});
    let host = callers().config(json!({"auth": {"jwt": jwt}})).serve().await;
    let session = registered(&host, "ann@x.org").await;
    assert_eq!(session["tokens"]["expires_in"], 2);
    assert_eq!(host.who(Runtime::Node, access(&session)).await.status, 200);
    eventually("the access token expires", PATIENCE, async || {
        (host.who(Runtime::Node, access(&session)).await.status == 401).then_some(())
    })
    .await;
    let refresh = refresh_of(&session);
    eventually("the refresh token expires", PATIENCE, async || {
        // Asking the host would prolong it.
        let claims = claims_of(refresh["refresh_token"].as_str().expect("a token"));
        (at(0).as_i64() >= claims["exp"].as_i64()).then_some(())
    })
    .await;
    let message = check_refused(&refreshed(&host, &session).await, "");
    assert!(message.contains("expired"), "{message}");
    // Logging out with it is no error.
    assert_eq!(host.account("logout", &refresh).await.status, 204);
}

#[tokio::test]
async fn a1_guessing_is_slowed_down_also_over_a_restart() {
    let mut host = callers().serve().await;
    registered(&host, "ann@x.org").await;
    registered(&host, "bob@x.org").await;
    let guess = credentials("ann@x.org", "wrong password");
    for _ in 0..10 {
        host.account("login", &guess).await.error(401, "UNAUTHENTICATED");
    }
    let check_limited = async |host: &Host| {
        // The right password does not help: else it would tell that it is the right one.
        for body in [&guess, &credentials("ANN@x.org", PASSWORD)] {
            let answer = host.account("login", body).await;
            answer.error(429, "RATE_LIMITED");
            let wait = answer.header("retry-after").and_then(|wait| wait.parse::<u64>().ok());
            assert!(wait.is_some_and(|wait| (1..=30).contains(&wait)), "{wait:?}");
            assert_eq!(answer.header("www-authenticate"), None);
        }
        logged_in(host, "bob@x.org").await;
    };
    check_limited(&host).await;
    host.stop().await;
    check_limited(&Host::start(host.project.clone()).await).await;
}

#[tokio::test]
async fn a1_registering_in_bulk_is_slowed_down() {
    let host = callers().serve().await;
    let register = async |number: usize| {
        let body = credentials(&format!("user{number}@x.org"), PASSWORD);
        host.account("register", &body).await
    };
    for number in 0..30 {
        assert_eq!(register(number).await.status, 201, "{number}");
    }
    // One more may have become free while those were made.
    let mut answer = register(30).await;
    if answer.status == 201 {
        answer = register(31).await;
    }
    answer.error(429, "RATE_LIMITED");
    assert!(answer.header("retry-after").is_some());
    // Those who are there can log in all the same.
    logged_in(&host, "user0@x.org").await;
}

const PROMOTE: &str = "
export default async ({ db, auth, input }) => {
  if (input.role) return db.users.update(auth.id, { role: input.role, metadata: { by: 'hand' } });
  await db.users.delete(auth.id);
};
";

#[tokio::test]
async fn a1_what_functions_change_of_a_user_shows_with_the_next_refresh() {
    let host = callers().file("functions/promote.js", PROMOTE).serve().await;
    let session = registered(&host, "ann@x.org").await;
    let promote = async |input: &Value| {
        let call =
            host.post("promote").header("Authorization", &format!("Bearer {}", access(&session)));
        call.json(input).send().await.value()
    };
    promote(&json!({"role": "admin"})).await;
    assert_eq!(host.auth(Runtime::Node, access(&session)).await["role"], "user");
    assert_eq!(host.me(access(&session)).await.value()["role"], "admin");
    let next = refreshed(&host, &session).await.value();
    let auth = host.auth(Runtime::Node, access(&next)).await;
    assert_eq!((&auth["role"], &auth["metadata"]), (&json!("admin"), &json!({"by": "hand"})));
    // With the account go its sessions and its password; a token speaks for itself to its end.
    promote(&json!({})).await;
    check_refused(&refreshed(&host, &next).await, "");
    let login = host.account("login", &credentials("ann@x.org", PASSWORD)).await;
    login.error(401, "UNAUTHENTICATED");
    assert_eq!(host.me(access(&next)).await.value()["id"], auth["id"]);
    assert_ne!(registered(&host, "ann@x.org").await["user"]["id"], auth["id"]);
}
