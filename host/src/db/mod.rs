//! The database: one async [`Store`] over SQLite, which works on threads of its own.
//!
//! Knows collections, documents and statements; nothing of invocations, the wire's frames or
//! HTTP. No type of the SQLite library leaves this module, and nothing else opens the file.

pub mod error;
pub mod request;
pub mod datum;
pub mod session;
mod work;
mod group;
mod accounts;
mod change;
mod tables;
mod triggers;
mod page;
mod documents;
mod trace;
mod fields;
mod statement;
mod filter;
mod catalog;
mod declared;
mod rules;
mod written;
mod wire;
mod moment;
mod refusal;
mod guard;
pub mod limits;

use crate::config::collection::CollectionConfig;
use crate::config::model::DatabaseConfig;
use crate::db::error::{DbError, StoreError};
use crate::db::guard::Writes;
use crate::db::request::{Request, Scope};
use crate::db::session::Session;
use crate::db::work::Queue;
use crate::db::written::Written;
use bytes::Bytes;
use indexmap::IndexMap;
use parking_lot::Mutex;
use std::io;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Instant;

/// More readers than this only fight for the processor's cache.
const MOST_READERS: usize = 4;
/// For SQLite's parser, which uses the stack.
const STACK: usize = 8 << 20;

/// A database, open. Cheap to clone; the threads end when [`Store::close`] is called or the last
/// clone goes.
#[derive(Debug, Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    writes: Arc<Queue>,
    reads: Arc<Queue>,
    /// The writer's first, then the readers'. Each gives its session back.
    threads: Mutex<Vec<JoinHandle<Session>>>,
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.writes.close();
        self.reads.close();
    }
}

impl Store {
    /// Opens the file, makes it if need be, and brings it up to what is declared. Blocks for as
    /// long as that takes, which is longer when a new index is built over many documents.
    pub fn open(
        config: &DatabaseConfig,
        collections: &IndexMap<String, CollectionConfig>,
    ) -> Result<Store, StoreError> {
        Store::open_with(config, collections, group::MOST)
    }

    /// As [`Store::open`]; `most` is how many writes may share a commit, for measurements.
    pub fn open_with(
        config: &DatabaseConfig,
        collections: &IndexMap<String, CollectionConfig>,
        most: usize,
    ) -> Result<Store, StoreError> {
        let declared = declared::declared(collections).map_err(StoreError::Declaration)?;
        let declared = Arc::new(declared);
        let mut writer = Session::open(config, declared.clone(), Writes::Allowed)?;
        change::apply(&mut writer.connection, &declared, &config.path)?;
        let failed = |error: io::Error| StoreError::Open {
            path: config.path.clone(),
            reason: error.to_string(),
        };
        let (writes, reads) = (Queue::new(), Queue::new());
        let inner = Inner { writes, reads, threads: Mutex::default() };
        let queue = inner.writes.clone();
        let work = move || {
            let end = End(queue);
            group::write(&mut writer, &end.0, most);
            writer
        };
        inner.threads.lock().push(started("db-writer", work).map_err(failed)?);
        let cores = thread::available_parallelism().map_or(1, usize::from);
        for number in 0..cores.clamp(1, MOST_READERS) {
            let mut reader = Session::open(config, declared.clone(), Writes::Refused)?;
            let queue = inner.reads.clone();
            let work = move || {
                let end = End(queue);
                group::read(&mut reader, &end.0);
                reader
            };
            let thread = started(&format!("db-reader-{number}"), work).map_err(failed)?;
            inner.threads.lock().push(thread);
        }
        Ok(Store { inner: Arc::new(inner) })
    }

    /// Makes a call for a function. The answer is the JSON text of the protocol's result object.
    ///
    /// A write is answered when it is on the disk. One whose caller stops waiting before it was
    /// begun is not done.
    pub async fn call(&self, request: Request, scope: Scope) -> Result<Bytes, DbError> {
        let Scope { deadline, invocation, call } = scope;
        tracing::trace!(invocation, call, "database call");
        let reads = request.only_reads();
        let work = move |session: &mut Session| session.answer(&request);
        if reads { self.read(deadline, work).await } else { self.write(deadline, work).await }
    }

    /// Host's own work that reads, all of it from one snapshot.
    pub async fn read<T, F>(&self, deadline: Instant, work: F) -> Result<T, DbError>
    where
        T: Send + 'static,
        F: FnMut(&mut Session) -> Result<T, DbError> + Send + 'static,
    {
        self.inner.reads.call(deadline, work).await
    }

    /// Host's own work that writes, all or nothing. It may be begun more than once when another
    /// write in the same commit goes wrong, so it must have no effect but on the session.
    pub async fn write<T, F>(&self, deadline: Instant, work: F) -> Result<T, DbError>
    where
        T: Send + 'static,
        F: FnMut(&mut Session) -> Result<T, DbError> + Send + 'static,
    {
        self.inner.writes.call(deadline, work).await
    }

    /// Does what waits, refuses what comes, and returns when the file is closed.
    pub async fn close(&self) {
        self.inner.writes.close();
        self.inner.reads.close();
        let threads = std::mem::take(&mut *self.inner.threads.lock());
        let closed = tokio::task::spawn_blocking(|| {
            let mut sessions: Vec<_> = threads.into_iter().map(JoinHandle::join).collect();
            let panicked = sessions.iter().filter(|session| session.is_err()).count();
            // The writer's goes last: who closes the file as the last one takes in the log beside
            // it, which a session that only reads cannot.
            while sessions.pop().is_some() {}
            panicked
        });
        match closed.await {
            Ok(0) => {}
            Ok(count) => tracing::error!(count, "threads of the database panicked"),
            Err(error) => tracing::error!(%error, "the database's threads cannot be awaited"),
        }
    }
}

/// What is wrong with declared collections, such as a default of another type, as pairs of key
/// path and complaint.
#[must_use]
pub fn mistakes(collections: &IndexMap<String, CollectionConfig>) -> Vec<(String, String)> {
    declared::declared(collections).err().unwrap_or_default()
}

/// The end of a thread, also by a panic.
struct End(Arc<Queue>);

impl Drop for End {
    fn drop(&mut self) {
        self.0.abandon();
    }
}

fn started(
    name: &str,
    work: impl FnOnce() -> Session + Send + 'static,
) -> io::Result<JoinHandle<Session>> {
    thread::Builder::new().name(name.to_owned()).stack_size(STACK).spawn(work)
}

impl Session {
    /// Makes a call for a function inside of other work.
    pub fn answer(&mut self, request: &Request) -> Result<Bytes, DbError> {
        let mut out = Written::default();
        self.put(request, &mut out)?;
        Ok(Bytes::from(out.done()))
    }

    fn put(&mut self, request: &Request, out: &mut Written) -> Result<(), DbError> {
        match request {
            Request::List(list) => page::list(self, list, out),
            Request::Get { collection, id } => documents::get(self, collection, id.as_deref(), out),
            Request::Create { collection, data } => documents::create(self, collection, data, out),
            Request::Update { collection, id, data } => {
                documents::update(self, collection, id.as_deref(), data, out)
            }
            Request::Delete { collection, id } => {
                documents::delete(self, collection, id.as_deref(), out)
            }
            Request::Query(sql) => statement::query(self, sql, out),
            Request::Exec(sql) => statement::exec(self, sql, out),
            Request::Batch(requests) => self.batch(requests, out),
        }
    }

    fn batch(&mut self, requests: &[Request], out: &mut Written) -> Result<(), DbError> {
        out.raw("{\"results\":[");
        for (op, request) in requests.iter().enumerate() {
            out.raw(if op > 0 { "," } else { "" });
            let put = match request {
                Request::Batch(_) => Err(DbError::query("a batch cannot hold a batch")),
                request => self.put(request, out),
            };
            put.and_then(|()| out.within_limit()).map_err(|error| error.with("op", op))?;
        }
        out.raw("]}");
        Ok(())
    }
}

#[cfg(test)]
mod tests;
