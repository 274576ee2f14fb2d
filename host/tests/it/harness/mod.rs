//! What the tests stand on: a project in a temporary folder, the running program, its log, its
//! processes, and a client that may misbehave.
//!
//! Knows the program only from outside; nothing here uses the host's code.

pub(crate) mod backend;
pub(crate) mod runtimes;
pub(crate) mod project;
pub(crate) mod engine;
pub(crate) mod own_engine;
pub(crate) mod host;
pub(crate) mod log;
pub(crate) mod processes;
pub(crate) mod client;

use std::time::Duration;

use tokio::time::Instant;

pub(crate) use client::Answer;
pub(crate) use host::{Host, new_id};
pub(crate) use project::Project;
pub(crate) use runtimes::{RUNTIMES, Runtime};

/// Longest wait for something that is sure to come, however busy the machine is.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);
/// How often a condition is looked at that tells nobody when it changes.
const GLANCE: Duration = Duration::from_millis(10);

/// Runs a check for all runtimes at the same time: for checks that mostly wait.
pub(crate) async fn in_every_runtime(check: impl AsyncFn(Runtime)) {
    tokio::join!(check(Runtime::Node), check(Runtime::Python), check(Runtime::Go));
}

/// Waits until `check` finds something; panics when that takes longer than `patience`.
pub(crate) async fn eventually<T>(
    what: &str,
    patience: Duration,
    mut check: impl AsyncFnMut() -> Option<T>,
) -> T {
    let deadline = Instant::now() + patience;
    loop {
        if let Some(found) = check().await {
            return found;
        }
        assert!(Instant::now() < deadline, "not within {patience:?}: {what}");
        tokio::time::sleep(GLANCE).await;
    }
}
