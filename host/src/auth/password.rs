//! Hashes and checks passwords with argon2id on threads of its own.
//!
//! Hashing is slow on purpose: it must not hold up the threads that serve calls, and only so
//! many may wait for it. Knows no accounts.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};

use argon2::password_hash::{Error as HashError, PasswordHasher, PasswordVerifier};
use argon2::{Algorithm, Argon2, Params, Version};
use parking_lot::Mutex;
use tokio::sync::oneshot;

use crate::config::secret::Secret;

/// Each takes `memory` while it hashes.
const THREADS: usize = 2;
/// Those who wait: at about 20 ms each, the last waits less than a second.
const MOST_WAITING: usize = 64;

/// How much work one hash is.
#[derive(Debug, Clone, Copy)]
pub struct Cost {
    /// KiB.
    pub memory: u32,
    pub passes: u32,
}

impl Cost {
    /// What OWASP asks for argon2id: 19 MiB, two passes.
    pub const STANDARD: Cost = Cost { memory: 19_456, passes: 2 };
    /// The least that argon2 takes, for tests that are not about it.
    pub const LEAST: Cost = Cost { memory: 8, passes: 1 };
}

/// Why a password was neither hashed nor checked.
#[derive(Debug, thiserror::Error)]
pub enum PasswordError {
    #[error("too many passwords are being checked; try again")]
    Busy,
    #[error("cannot hash passwords: {0}")]
    Failed(String),
}

/// The threads that hash. They end when this is dropped.
#[derive(Debug)]
pub struct Passwords {
    jobs: SyncSender<Job>,
}

enum Job {
    Hash(Secret, oneshot::Sender<Result<String, PasswordError>>),
    /// None is an account that there is not.
    Verify(Secret, Option<String>, oneshot::Sender<Result<bool, PasswordError>>),
}

impl Passwords {
    /// # Errors
    /// When the system gives no threads, or no randomness.
    pub fn new(cost: Cost) -> Result<Passwords, PasswordError> {
        let failed = |error: &dyn std::fmt::Display| PasswordError::Failed(error.to_string());
        let params = Params::new(cost.memory, cost.passes, 1, None).map_err(|e| failed(&e))?;
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        let nobodys: Arc<str> = hash_of_nobody(cost).into();
        let (jobs, queue) = sync_channel(MOST_WAITING);
        let queue = Arc::new(Mutex::new(queue));
        for number in 0..THREADS {
            let (argon2, queue, nobodys) = (argon2.clone(), queue.clone(), nobodys.clone());
            std::thread::Builder::new()
                .name(format!("alyx-passwords-{number}"))
                .spawn(move || work(&argon2, &queue, &nobodys))
                .map_err(|error| failed(&error))?;
        }
        Ok(Passwords { jobs })
    }

    /// The hash to keep, as a PHC string with its own salt.
    ///
    /// # Errors
    /// [`PasswordError::Busy`] at once when too many wait.
    pub async fn hash(&self, password: Secret) -> Result<String, PasswordError> {
        let (answer, hashed) = oneshot::channel();
        self.send(Job::Hash(password, answer))?;
        hashed.await.unwrap_or_else(|_| Err(ended()))
    }

    /// Whether it is the password that was hashed. Takes as long when there is no hash, so that
    /// nobody learns from the time whether an account exists.
    ///
    /// # Errors
    /// [`PasswordError::Busy`] at once when too many wait.
    pub async fn verify(
        &self,
        password: Secret,
        hash: Option<String>,
    ) -> Result<bool, PasswordError> {
        let (answer, verified) = oneshot::channel();
        self.send(Job::Verify(password, hash, answer))?;
        verified.await.unwrap_or_else(|_| Err(ended()))
    }

    fn send(&self, job: Job) -> Result<(), PasswordError> {
        self.jobs.try_send(job).map_err(|error| match error {
            TrySendError::Full(_) => PasswordError::Busy,
            TrySendError::Disconnected(_) => ended(),
        })
    }
}

fn work(argon2: &Argon2<'_>, queue: &Mutex<Receiver<Job>>, nobodys: &str) {
    loop {
        // The lock is held while waiting: the others wait for the lock instead.
        let Ok(job) = queue.lock().recv() else { return };
        match job {
            // Those who hung up meanwhile cost nothing, and neither does their answer.
            Job::Hash(_, answer) if answer.is_closed() => {}
            Job::Verify(_, _, answer) if answer.is_closed() => {}
            Job::Hash(password, answer) => {
                let _ = answer.send(hash(argon2, password.expose()));
            }
            Job::Verify(password, kept, answer) => {
                let known = kept.is_some();
                let kept = kept.as_deref().unwrap_or(nobodys);
                let matched = verify(argon2, password.expose(), kept);
                let _ = answer.send(matched.map(|matched| matched && known));
            }
        }
    }
}

fn hash(argon2: &Argon2<'_>, password: &str) -> Result<String, PasswordError> {
    let hashed = argon2.hash_password(password.as_bytes());
    hashed.map(|hash| hash.to_string()).map_err(|error| PasswordError::Failed(error.to_string()))
}

/// As much work to check as any, and no password that anybody could find has it.
fn hash_of_nobody(Cost { memory, passes }: Cost) -> String {
    let (salt, hash) = ("A".repeat(22), "A".repeat(43));
    format!("$argon2id$v=19$m={memory},t={passes},p=1${salt}${hash}")
}

fn verify(argon2: &Argon2<'_>, password: &str, kept: &str) -> Result<bool, PasswordError> {
    match argon2.verify_password(password.as_bytes(), kept) {
        Ok(()) => Ok(true),
        Err(HashError::PasswordInvalid) => Ok(false),
        Err(error) => Err(PasswordError::Failed(error.to_string())),
    }
}

fn ended() -> PasswordError {
    PasswordError::Failed("its thread has ended".to_owned())
}

#[cfg(test)]
mod tests {
    use super::{Cost, PasswordError, Passwords};
    use crate::config::secret::Secret;

    #[tokio::test]
    async fn a_password_matches_its_own_hash_alone() {
        let passwords = Passwords::new(Cost::LEAST).unwrap();
        let hash = passwords.hash(Secret::new("geheim")).await.unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=8,t=1,p=1$"), "{hash}");
        assert_ne!(hash, passwords.hash(Secret::new("geheim")).await.unwrap());
        let verify =
            |text: &str, hash: &str| passwords.verify(Secret::new(text), Some(hash.to_owned()));
        assert!(verify("geheim", &hash).await.unwrap());
        assert!(!verify("Geheim", &hash).await.unwrap());
        assert!(matches!(verify("geheim", "garbage").await, Err(PasswordError::Failed(_))));
        // Not even the password of nobody opens an account that there is not.
        assert!(!passwords.verify(Secret::new("the password of nobody"), None).await.unwrap());
    }

    #[tokio::test(flavor = "current_thread")]
    async fn those_who_would_wait_too_long_are_told_at_once() {
        let passwords = Passwords::new(Cost { memory: 4_096, passes: 1 }).unwrap();
        let all: Vec<_> = (0..200).map(|_| passwords.hash(Secret::new("x"))).collect();
        let results = futures_of(all).await;
        let busy = results.iter().filter(|one| matches!(one, Err(PasswordError::Busy))).count();
        let hashed = results.iter().filter(|one| one.is_ok()).count();
        assert!(busy > 0 && hashed >= 64 && busy + hashed == 200, "{busy} busy, {hashed} hashed");
    }

    /// Starts all before it waits for any.
    async fn futures_of<F: Future>(futures: Vec<F>) -> Vec<F::Output> {
        let mut waiting: Vec<_> = futures.into_iter().map(Box::pin).collect();
        let mut done: Vec<Option<F::Output>> = waiting.iter().map(|_| None).collect();
        std::future::poll_fn(|context| {
            for (future, done) in
                waiting.iter_mut().zip(&mut done).filter(|(_, done)| done.is_none())
            {
                if let std::task::Poll::Ready(output) = future.as_mut().poll(context) {
                    *done = Some(output);
                }
            }
            let all = done.iter().all(Option::is_some);
            if all { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
        })
        .await;
        done.into_iter().flatten().collect()
    }
}
