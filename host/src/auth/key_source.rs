//! Keeps the keys of an external issuer at hand and up to date.
//!
//! Readers take what is there and wait for nothing. A task looks for new keys from time to time;
//! a token with an unknown key makes it look at once, though not more often than it should.
//! Knows nothing of tokens.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::RwLock;
use tokio::sync::Mutex;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

use crate::auth::key_fetch::Location;
use crate::auth::key_set::KeySet;

/// How often a set is read when nothing asks for it: rotated keys are published days ahead.
const PERIOD_OF_URLS: Duration = Duration::from_secs(300);
const PERIOD_OF_FILES: Duration = Duration::from_secs(5);
/// Between two looks that tokens with unknown keys ask for: anyone can make up such tokens.
const PAUSE_OF_URLS: Duration = Duration::from_secs(10);
const PAUSE_OF_FILES: Duration = Duration::from_millis(500);
/// How long a call waits for a look that its token asked for.
const PATIENCE: Duration = Duration::from_secs(3);

/// The keys of one issuer.
#[derive(Debug)]
pub struct KeySource {
    location: Location,
    keys: RwLock<Option<Arc<KeySet>>>,
    /// Counts changes, so that what was verified with older keys can be told apart.
    generation: AtomicU64,
    looked: Mutex<Looked>,
}

#[derive(Debug, Default)]
struct Looked {
    at: Option<Instant>,
    /// The text that the present keys were read from.
    text: String,
}

impl KeySource {
    #[must_use]
    pub fn new(location: Location) -> Arc<KeySource> {
        Arc::new(KeySource {
            location,
            keys: RwLock::default(),
            generation: AtomicU64::new(0),
            looked: Mutex::default(),
        })
    }

    /// The keys as they were found last; none when they were never found.
    #[must_use]
    pub fn keys(&self) -> Option<Arc<KeySet>> {
        self.keys.read().clone()
    }

    #[must_use]
    pub fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// Looks for new keys if that was not done just now. Waits, but not for long.
    pub async fn look_again(self: &Arc<Self>) {
        let source = self.clone();
        // In a task of its own: a caller that hangs up must not stop a look others wait for.
        let look = tokio::spawn(async move {
            let pause = if source.location.is_file() { PAUSE_OF_FILES } else { PAUSE_OF_URLS };
            source.look_unless_within(pause).await;
        });
        let _ = timeout(PATIENCE, look).await;
    }

    /// Looks now, for the start of the host.
    ///
    /// # Errors
    /// Why there are no keys; a later look may find them.
    pub async fn look(&self) -> Result<(), String> {
        let mut looked = self.looked.lock().await;
        self.look_holding(&mut looked).await
    }

    /// Looks for new keys from time to time until it is dropped.
    pub async fn keep_fresh(self: Arc<Self>) {
        let period = if self.location.is_file() { PERIOD_OF_FILES } else { PERIOD_OF_URLS };
        let mut ticks = interval(period);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            self.look_unless_within(period / 2).await;
        }
    }

    async fn look_unless_within(&self, pause: Duration) {
        // Those who come while one looks wait here, and then find that it was just done.
        let mut looked = self.looked.lock().await;
        if looked.at.is_some_and(|at| at.elapsed() < pause) {
            return;
        }
        if let Err(problem) = self.look_holding(&mut looked).await {
            tracing::warn!(jwks = %self.location, "cannot read the issuer's keys: {problem}");
        }
    }

    async fn look_holding(&self, looked: &mut Looked) -> Result<(), String> {
        let location = self.location.clone();
        let read = tokio::task::spawn_blocking(move || location.read()).await;
        looked.at = Some(Instant::now());
        let text = read.map_err(|error| error.to_string())??;
        if text == looked.text {
            return Ok(());
        }
        // A set that cannot be read leaves the old keys in place.
        let keys = KeySet::read(&text)?;
        tracing::info!(jwks = %self.location, keys = keys.len(), "read the issuer's keys");
        *self.keys.write() = Some(Arc::new(keys));
        self.generation.fetch_add(1, Ordering::AcqRel);
        looked.text = text;
        Ok(())
    }
}
