//! Jobs for the database's threads, and the bounded queue in which they wait.
//!
//! Knows nothing of SQL: a job is anything that can be done with a session.

use crate::db::error::DbError;
use crate::db::session::Session;
use parking_lot::{Condvar, Mutex};
use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::oneshot;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Jobs that wait at once; more wait for room, on the async side.
const ROOM: usize = 1024;
/// How long past the deadline the outcome of a write is waited for.
const PATIENCE: Duration = Duration::from_secs(2);

/// Work of any result, done at least once: a lost transaction is begun again.
pub(super) trait Work: Send {
    /// Whether nobody waits for it any more.
    fn abandoned(&self) -> bool;
    /// From here on its caller waits for the outcome; false when the caller gave up before.
    fn begin(&self) -> bool;
    fn attempt(&mut self, session: &mut Session) -> Result<(), DbError>;
    /// Answers with what the last attempt gave, or with that error.
    fn finish(self: Box<Self>, outcome: Result<(), DbError>);
}

pub(super) struct Job {
    pub(super) work: Box<dyn Work>,
    pub(super) deadline: Instant,
    /// Its place in the queue.
    pub(super) _room: OwnedSemaphorePermit,
}

impl fmt::Debug for Job {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Job").field("deadline", &self.deadline).finish_non_exhaustive()
    }
}

/// Whether work was begun or given up, whichever comes first: what is given up is never done.
#[derive(Debug, Default)]
struct Fate(AtomicU8);

const WAITING: u8 = 0;
const BEGUN: u8 = 1;
const GIVEN_UP: u8 = 2;

impl Fate {
    fn begin(&self) -> bool {
        self.decided(BEGUN)
    }

    fn give_up(&self) -> bool {
        self.decided(GIVEN_UP)
    }

    fn decided(&self, fate: u8) -> bool {
        let decided = self.0.compare_exchange(WAITING, fate, Ordering::AcqRel, Ordering::Acquire);
        decided == Ok(WAITING) || decided == Err(fate)
    }
}

struct Task<T, F> {
    attempt: F,
    value: Option<T>,
    fate: Arc<Fate>,
    reply: oneshot::Sender<Result<T, DbError>>,
}

impl<T, F> Work for Task<T, F>
where
    T: Send,
    F: FnMut(&mut Session) -> Result<T, DbError> + Send,
{
    fn abandoned(&self) -> bool {
        self.reply.is_closed()
    }

    fn begin(&self) -> bool {
        self.fate.begin()
    }

    fn attempt(&mut self, session: &mut Session) -> Result<(), DbError> {
        self.value = Some((self.attempt)(session)?);
        Ok(())
    }

    fn finish(self: Box<Self>, outcome: Result<(), DbError>) {
        let Task { value, reply, .. } = *self;
        let missing = || DbError::internal("the work was not done");
        // The caller may have gone; the work is done all the same.
        let _ = reply.send(outcome.and_then(|()| value.ok_or_else(missing)));
    }
}

/// Waiting jobs, first in first out.
#[derive(Debug)]
pub(super) struct Queue {
    waiting: Mutex<Waiting>,
    changed: Condvar,
    room: Arc<Semaphore>,
}

#[derive(Debug, Default)]
struct Waiting {
    jobs: VecDeque<Job>,
    closed: bool,
}

impl Queue {
    pub(super) fn new() -> Arc<Queue> {
        let room = Arc::new(Semaphore::new(ROOM));
        Arc::new(Queue { waiting: Mutex::default(), changed: Condvar::new(), room })
    }

    /// Waits for room, for a thread, and for the answer, none of it past the deadline; but who has
    /// begun to write is waited for a little longer.
    pub(super) async fn call<T, F>(&self, deadline: Instant, attempt: F) -> Result<T, DbError>
    where
        T: Send + 'static,
        F: FnMut(&mut Session) -> Result<T, DbError> + Send + 'static,
    {
        let (reply, mut answer) = oneshot::channel();
        let fate = Arc::<Fate>::default();
        let work = Box::new(Task { attempt, value: None, fate: fate.clone(), reply });
        let waited = tokio::time::timeout_at(deadline.into(), async {
            let room = self.room.clone().acquire_owned().await.map_err(|_| DbError::closed())?;
            self.push(Job { work, deadline, _room: room })?;
            (&mut answer).await.map_err(|_| DbError::closed())?
        });
        match waited.await {
            Ok(outcome) => outcome,
            Err(_) if fate.give_up() => Err(DbError::deadline()),
            // A statement is interrupted at its deadline, but the commit that it shares takes its
            // time: only its outcome tells whether the work is done.
            Err(_) => match tokio::time::timeout(PATIENCE, answer).await {
                Ok(outcome) => outcome.map_err(|_| DbError::closed())?,
                Err(_) => Err(DbError::outcome_unknown()),
            },
        }
    }

    fn push(&self, job: Job) -> Result<(), DbError> {
        let mut waiting = self.waiting.lock();
        if waiting.closed {
            return Err(DbError::closed());
        }
        waiting.jobs.push_back(job);
        drop(waiting);
        self.changed.notify_one();
        Ok(())
    }

    /// Up to `most` jobs; none when the queue is closed and empty.
    pub(super) fn take(&self, most: usize) -> Option<Vec<Job>> {
        let mut waiting = self.waiting.lock();
        while waiting.jobs.is_empty() {
            if waiting.closed {
                return None;
            }
            self.changed.wait(&mut waiting);
        }
        let most = most.min(waiting.jobs.len());
        Some(waiting.jobs.drain(..most).collect())
    }

    /// For the end of a thread, orderly or by a panic: nobody is left waiting for it.
    pub(super) fn abandon(&self) {
        self.close();
        self.waiting.lock().jobs.clear();
    }

    /// What waits is still done; nothing new is taken in.
    pub(super) fn close(&self) {
        self.waiting.lock().closed = true;
        self.room.close();
        self.changed.notify_all();
    }
}
