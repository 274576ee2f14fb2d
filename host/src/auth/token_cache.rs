//! Remembers tokens that were verified, by their hash, so that they need not be verified again.
//!
//! Bounded: what was not asked for during a whole filling is forgotten. Knows no keys; what was
//! verified under another generation of them does not count.

use std::collections::HashMap;
use std::sync::Arc;

use alyx_protocol::worker::Auth;
use parking_lot::Mutex;
use sha2::{Digest, Sha256};

/// Tokens in each of the two halves. An entry is a few hundred bytes.
const HALF: usize = 4_096;

type Hash = [u8; 32];

/// A verified token's user, for as long as the token is valid.
#[derive(Debug, Clone)]
pub struct Verified {
    pub auth: Arc<Auth>,
    /// Seconds since 1970.
    pub expires: f64,
    /// Of the keys that verified it.
    pub generation: u64,
}

/// The tokens seen lately.
#[derive(Debug, Default)]
pub struct TokenCache(Mutex<Halves>);

#[derive(Debug, Default)]
struct Halves {
    young: HashMap<Hash, Verified>,
    old: HashMap<Hash, Verified>,
}

impl TokenCache {
    /// The user of a token that still counts.
    #[must_use]
    pub fn get(&self, hash: &Hash, generation: u64, now: f64) -> Option<Arc<Auth>> {
        let mut halves = self.0.lock();
        let found = match halves.young.get(hash) {
            Some(found) => found.clone(),
            None => {
                let found = halves.old.remove(hash)?;
                halves.put(*hash, found.clone());
                found
            }
        };
        (found.generation == generation && now < found.expires).then_some(found.auth)
    }

    pub fn put(&self, hash: Hash, verified: Verified) {
        self.0.lock().put(hash, verified);
    }
}

impl Halves {
    fn put(&mut self, hash: Hash, verified: Verified) {
        if self.young.len() >= HALF {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(hash, verified);
    }
}

#[must_use]
pub fn hash(token: &str) -> Hash {
    Sha256::digest(token.as_bytes()).into()
}
