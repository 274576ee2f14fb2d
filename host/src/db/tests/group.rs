//! Writes that share a commit keep their own fates.

use super::{Database, blog, object, soon, statement};
use crate::db::error::{DbError, DbErrorKind};
use crate::db::request::Request;
use crate::db::session::Session;
use serde_json::json;
use std::pin::Pin;
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// A write that keeps the writer until it is let go. When this returns it waits in the queue.
struct Hold {
    open: mpsc::Sender<()>,
    begun: tokio::sync::mpsc::Receiver<()>,
    call: Pin<Box<dyn Future<Output = Result<(), DbError>> + Send>>,
}

impl Hold {
    async fn queued(db: &Database) -> Hold {
        let (open, gate) = mpsc::channel::<()>();
        let (arrived, begun) = tokio::sync::mpsc::channel(1);
        let store = db.store.clone();
        let work = move |_: &mut Session| {
            let _ = arrived.blocking_send(());
            gate.recv().map_err(|_| DbError::internal("no gate"))
        };
        let mut call: Pin<Box<dyn Future<Output = _> + Send>> =
            Box::pin(
                async move { store.write(soon(Duration::from_secs(30)).deadline, work).await },
            );
        assert!(futures_poll(&mut call).await.is_none());
        Hold { open, begun, call }
    }

    async fn begun(&mut self) {
        self.begun.recv().await.unwrap();
    }

    async fn ended(self) {
        self.open.send(()).unwrap();
        self.call.await.unwrap();
    }
}

/// Holds the writer until all requests wait, so that they form one group.
async fn together(db: &Database, requests: Vec<(Request, Duration)>) -> Vec<Result<(), DbError>> {
    let mut hold = Hold::queued(db).await;
    hold.begun().await;
    let mut calls: Vec<_> = requests
        .into_iter()
        .map(|(request, limit)| {
            let store = db.store.clone();
            Box::pin(async move { store.call(request, soon(limit)).await.map(drop) })
        })
        .collect();
    // Polled once, each waits in the queue, in this order.
    for call in &mut calls {
        assert!(futures_poll(call).await.is_none());
    }
    hold.ended().await;
    let mut outcomes = Vec::new();
    for call in calls {
        outcomes.push(call.await);
    }
    outcomes
}

async fn futures_poll<F: Future + Unpin>(future: &mut F) -> Option<F::Output> {
    std::future::poll_fn(|context| {
        std::task::Poll::Ready(match std::pin::Pin::new(&mut *future).poll(context) {
            std::task::Poll::Ready(output) => Some(output),
            std::task::Poll::Pending => None,
        })
    })
    .await
}

fn create(slug: &str) -> (Request, Duration) {
    let data = object(json!({"title": "T", "slug": slug}));
    (Request::Create { collection: "posts".into(), data }, Duration::from_secs(30))
}

fn exec(sql: &str) -> (Request, Duration) {
    (Request::Exec(statement(sql, json!([]))), Duration::from_secs(30))
}

async fn slugs(db: &Database) -> String {
    let sql = "SELECT group_concat(slug, ' ') FROM (SELECT slug FROM posts ORDER BY slug)";
    db.query(sql, json!([])).await.unwrap()["rows"][0][0].as_str().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn a_failure_is_its_own() {
    let db = blog();
    let outcomes = together(&db, vec![create("a"), create("a"), create("b")]).await;
    assert_eq!(outcomes[1].clone().unwrap_err().code, "UNIQUE_VIOLATION");
    assert_eq!((&outcomes[0], &outcomes[2]), (&Ok(()), &Ok(())));
    assert_eq!(slugs(&db).await, "a b");
}

#[tokio::test]
async fn a_lost_transaction_is_begun_again_without_its_culprit() {
    let db = blog();
    db.create("posts", json!({"title": "T", "slug": "x"})).await.unwrap();
    let rollback = "INSERT OR ROLLBACK INTO posts (title, slug) VALUES ('T', 'x')";
    let endless = "INSERT INTO posts (title) WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n";
    let endless = (exec(endless).0, Duration::from_millis(300));
    let outcomes = together(&db, vec![create("a"), exec(rollback), endless, create("b")]).await;
    assert_eq!(outcomes[1].clone().unwrap_err().code, "UNIQUE_VIOLATION");
    assert_eq!(outcomes[2].clone().unwrap_err().code, "DEADLINE_EXCEEDED");
    assert_eq!((&outcomes[0], &outcomes[3]), (&Ok(()), &Ok(())));
    assert_eq!(slugs(&db).await, "a b x");
}

#[tokio::test]
async fn a_failed_commit_hits_only_its_culprit() {
    let db = blog();
    let child = "CREATE TABLE child (id TEXT PRIMARY KEY, p TEXT REFERENCES posts (id) DEFERRABLE INITIALLY DEFERRED)";
    db.exec(child, json!([])).await.unwrap();
    let orphan = exec("INSERT INTO child VALUES ('1', 'nobody')");
    let outcomes = together(&db, vec![create("a"), orphan, create("b")]).await;
    assert_eq!(outcomes[1].clone().unwrap_err().code, "FOREIGN_KEY_VIOLATION");
    assert_eq!((&outcomes[0], &outcomes[2]), (&Ok(()), &Ok(())));
    assert_eq!(slugs(&db).await, "a b");
    assert_eq!(db.list("child", json!({}), "").await.unwrap()["total"], 0);
}

#[tokio::test]
async fn nobody_waits_so_nothing_is_done() {
    let db = blog();
    let late = (create("late").0, Duration::ZERO);
    let error = db.store.call(late.0, soon(late.1)).await.unwrap_err();
    assert_eq!(error.code, "DEADLINE_EXCEEDED");
    db.create("posts", json!({"title": "T", "slug": "x"})).await.unwrap();
    assert_eq!(slugs(&db).await, "x");
}

#[tokio::test]
async fn a_closed_store_says_so_and_did_what_waited() {
    let db = blog();
    let waiting: Vec<_> = ["a", "b", "c"]
        .map(|slug| {
            let store = db.store.clone();
            let mut call =
                Box::pin(
                    async move { store.call(create(slug).0, soon(Duration::from_secs(9))).await },
                );
            async move {
                let first = futures_poll(&mut call).await;
                (first, call)
            }
        })
        .into();
    let mut calls = Vec::new();
    for call in waiting {
        calls.push(call.await);
    }
    db.store.close().await;
    for (first, call) in calls {
        match first {
            Some(outcome) => drop(outcome.unwrap()),
            None => drop(call.await.unwrap()),
        }
    }
    let error = db.store.call(create("d").0, soon(Duration::from_secs(9))).await.unwrap_err();
    assert_eq!(error.code, "UNAVAILABLE");
    let db = db.reopened(super::BLOG).await.unwrap();
    assert_eq!(slugs(&db).await, "a b c");
}

#[tokio::test]
async fn a_closed_store_is_one_file() {
    let db = blog();
    db.user("a@b.io").await;
    db.store.close().await;
    let names =
        std::fs::read_dir(db.folder.path()).unwrap().map(|entry| entry.unwrap().file_name());
    let mut names: Vec<_> = names.collect();
    names.sort();
    assert_eq!(names, ["alyx.yaml", "data.db"]);
}

#[tokio::test]
async fn a_panic_leaves_nobody_waiting() {
    let db = blog();
    let deadline = soon(Duration::from_secs(30)).deadline;
    let panicked =
        db.store.write(deadline, |_| -> Result<(), DbError> { panic!("on purpose") }).await;
    assert_eq!(panicked.unwrap_err().code, "UNAVAILABLE");
    let error = db.store.call(create("a").0, soon(Duration::from_secs(30))).await.unwrap_err();
    assert_eq!(error.code, "UNAVAILABLE");
}

/// A new document that is written in time, and whose commit waits behind the returned hold.
async fn written_early(
    db: &Database,
    limit: Duration,
) -> (impl Future<Output = Result<(), DbError>> + Unpin, Hold) {
    let mut first = Hold::queued(db).await;
    first.begun().await;
    let store = db.store.clone();
    let mut call =
        Box::pin(async move { store.call(create("late").0, soon(limit)).await.map(drop) });
    assert!(futures_poll(&mut call).await.is_none());
    let mut second = Hold::queued(db).await;
    first.ended().await;
    second.begun().await;
    (call, second)
}

#[tokio::test]
async fn who_has_begun_to_write_learns_the_outcome_after_the_deadline() {
    let db = blog();
    let (mut call, hold) = written_early(&db, Duration::from_millis(300)).await;
    let early = tokio::time::timeout(Duration::from_millis(600), &mut call).await;
    assert!(early.is_err(), "answered before the outcome was known: {early:?}");
    hold.ended().await;
    call.await.unwrap();
    assert_eq!(slugs(&db).await, "late");
}

#[tokio::test]
async fn an_outcome_that_does_not_come_is_called_unknown() {
    let db = blog();
    let (call, hold) = written_early(&db, Duration::from_millis(300)).await;
    let error = call.await.unwrap_err();
    assert_eq!((error.kind, error.code), (DbErrorKind::OutcomeUnknown, "DB_OUTCOME_UNKNOWN"));
    hold.ended().await;
    db.create("posts", json!({"title": "T", "slug": "x"})).await.unwrap();
    assert_eq!(slugs(&db).await, "late x");
}

/// Somebody else has the lock of the file, so nothing was begun.
#[tokio::test]
async fn a_deadline_before_the_beginning_means_not_done() {
    let db = blog();
    let other = rusqlite::Connection::open(db.folder.path().join("data.db")).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let began = Instant::now();
    let (request, _) = create("never");
    let error = db.store.call(request, soon(Duration::from_millis(200))).await.unwrap_err();
    assert_eq!(error.code, "DEADLINE_EXCEEDED");
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
    other.execute_batch("ROLLBACK").unwrap();
    db.create("posts", json!({"title": "T", "slug": "x"})).await.unwrap();
    assert_eq!(slugs(&db).await, "x");
}
