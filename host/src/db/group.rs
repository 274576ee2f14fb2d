//! The writer: all writes that wait become one transaction and one commit.
//!
//! Each write keeps its own fate by a savepoint, and is answered after the commit, never before.

use crate::db::error::DbError;
use crate::db::session::Session;
use crate::db::work::{Job, Queue};
use std::collections::VecDeque;
use std::time::Instant;

/// Writes in one commit.
pub(super) const MOST: usize = 256;

/// Serves a queue until it is closed.
pub(super) fn write(session: &mut Session, queue: &Queue, most: usize) {
    while let Some(jobs) = queue.take(most) {
        let now = Instant::now();
        let mut alive = Vec::with_capacity(jobs.len());
        for job in jobs {
            match (job.work.abandoned(), job.deadline <= now) {
                (true, _) => {}
                (_, true) => job.work.finish(Err(DbError::deadline())),
                _ => alive.push(job),
            }
        }
        commit_together(session, alive);
    }
}

/// Reads need no group; they only share the shape of the loop.
pub(super) fn read(session: &mut Session, queue: &Queue) {
    while let Some(jobs) = queue.take(1) {
        for mut job in jobs.into_iter().filter(|job| !job.work.abandoned()) {
            session.until(Some(job.deadline));
            let outcome = session.control("BEGIN").and_then(|()| {
                let outcome = session.refresh().and_then(|()| job.work.attempt(session));
                session.until(None);
                // Ends the snapshot; there is nothing to keep.
                let ended = session.control("ROLLBACK");
                outcome.and(ended)
            });
            job.work.finish(outcome);
        }
    }
}

/// What became of an attempt at a group.
enum Group {
    /// Committed, or failed as a whole for this reason.
    Over(Result<(), DbError>),
    /// SQLite gave the transaction up because of the job at this place.
    Lost(usize),
}

fn commit_together(session: &mut Session, jobs: Vec<Job>) {
    let mut groups = VecDeque::from([jobs]);
    while let Some(mut jobs) = groups.pop_front().filter(|jobs| !jobs.is_empty()) {
        let mut failures: Vec<Option<DbError>> = Vec::new();
        match attempt(session, &mut jobs, &mut failures) {
            Group::Lost(at) => {
                let failure = failures.pop().flatten();
                let culprit = jobs.remove(at);
                culprit.work.finish(Err(failure.unwrap_or_else(DbError::deadline)));
                groups.push_front(jobs);
            }
            Group::Over(Err(_)) if jobs.len() > 1 => {
                // Perhaps one of them breaks the commit, such as by a deferred reference.
                groups = jobs.into_iter().map(|job| vec![job]).chain(groups).collect();
            }
            Group::Over(outcome) => {
                for (job, failure) in jobs.into_iter().zip(failures) {
                    job.work.finish(failure.map_or_else(|| outcome.clone(), Err));
                }
            }
        }
    }
}

/// Runs every job in one transaction; `failures` tells of each that was run how it went.
fn attempt(session: &mut Session, jobs: &mut [Job], failures: &mut Vec<Option<DbError>>) -> Group {
    let count = jobs.len();
    if let Err(error) = session.control("BEGIN IMMEDIATE").and_then(|()| session.refresh()) {
        roll_back(session);
        failures.resize(count, Some(error.clone()));
        return Group::Over(Err(error));
    }
    for (at, job) in jobs.iter_mut().enumerate() {
        let failure = one(session, job).err();
        if session.connection.is_autocommit() {
            failures.push(failure);
            return Group::Lost(at);
        }
        if count == 1 && failure.is_some() {
            roll_back(session);
            failures.push(failure);
            return Group::Over(Ok(()));
        }
        failures.push(failure);
    }
    match session.control("COMMIT") {
        Ok(()) => Group::Over(Ok(())),
        Err(error) => {
            roll_back(session);
            Group::Over(Err(error))
        }
    }
}

fn one(session: &mut Session, job: &mut Job) -> Result<(), DbError> {
    if !job.work.begin() {
        return Err(DbError::deadline());
    }
    session.control("SAVEPOINT job")?;
    session.until(Some(job.deadline));
    let outcome = job.work.attempt(session);
    session.until(None);
    if outcome.is_err() && !session.connection.is_autocommit() {
        session.control("ROLLBACK TO job")?;
        // A table that it made is gone again.
        session.refresh()?;
    }
    if !session.connection.is_autocommit() {
        session.control("RELEASE job")?;
    }
    outcome
}

fn roll_back(session: &Session) {
    if !session.connection.is_autocommit()
        && let Err(error) = session.control("ROLLBACK")
    {
        tracing::error!(%error, "the database's writer cannot roll back");
    }
}
