//! What the tests stand on: a project in a temporary folder, the running program, its log, its
//! processes, and a client that may misbehave.
//!
//! Knows the program only from outside; nothing here uses the host's code.

pub mod runtimes;
pub mod project;
pub mod host;
pub mod log;
pub mod processes;
pub mod client;

use std::time::Duration;

use tokio::time::Instant;

pub use client::Answer;
pub use host::Host;
pub use project::Project;
pub use runtimes::{RUNTIMES, Runtime};

/// Longest wait for something that is sure to come, however busy the machine is.
pub const PATIENCE: Duration = Duration::from_secs(30);
/// How often a condition is looked at that tells nobody when it changes.
const GLANCE: Duration = Duration::from_millis(10);

/// Waits until `check` finds something; panics when that takes longer than `patience`.
pub async fn eventually<T>(
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
