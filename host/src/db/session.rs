//! One connection with what belongs to it: the guard, the deadline and the catalog.
//!
//! Knows how a statement is run, for the host or for a function; not what the statements are for.

use crate::config::model::{DatabaseConfig, Synchronous};
use crate::db::catalog::{Catalog, version};
use crate::db::datum::Datum;
use crate::db::declared::Declared;
use crate::db::error::{DbError, StoreError};
use crate::db::guard::{Guard, Writes};
use crate::db::limits::{LARGEST_VALUE, LONGEST_PATTERN, LONGEST_SQL};
use crate::db::refusal::translated;
use rusqlite::config::DbConfig;
use rusqlite::limits::Limit;
use rusqlite::{CachedStatement, Connection, ErrorCode, OpenFlags, Statement, params_from_iter};
use std::fs::OpenOptions;
use std::io;
use std::ops::{Deref, DerefMut};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// How long a connection waits for another process that writes.
const PATIENCE: Duration = Duration::from_secs(5);
/// How often it looks where SQLite itself does not wait.
const GLANCE: Duration = Duration::from_millis(5);
/// Steps of SQLite's machine between two looks at the clock.
const STEPS: i32 = 1000;
/// Statements kept ready by each connection.
const STATEMENTS: usize = 200;
/// Longer ones are not kept: their like will not come again, and a few hundred of them are much.
const KEPT: usize = 4096;
/// What the host puts around a statement comes on top of the longest.
const AROUND: usize = 64;

/// A connection at work. Work for the accounts of users comes here as well, through
/// [`Session::rows`] and [`Session::run`].
#[derive(Debug)]
pub struct Session {
    pub(super) connection: Connection,
    pub(super) guard: Arc<Guard>,
    pub(super) declared: Arc<Declared>,
    pub(super) catalog: Arc<Catalog>,
    clock: Arc<Clock>,
}

/// When the statement at work is interrupted.
#[derive(Debug)]
struct Clock {
    start: Instant,
    /// Nanoseconds after `start`.
    deadline: AtomicU64,
}

impl Clock {
    fn passed(&self) -> bool {
        let deadline = self.deadline.load(Ordering::Relaxed);
        deadline != u64::MAX && self.start.elapsed().as_nanos() >= u128::from(deadline)
    }
}

/// A statement, ready to run.
pub(super) enum Prepared<'a> {
    Kept(CachedStatement<'a>),
    Once(Statement<'a>),
}

impl<'a> Deref for Prepared<'a> {
    type Target = Statement<'a>;

    fn deref(&self) -> &Statement<'a> {
        match self {
            Prepared::Kept(statement) => statement,
            Prepared::Once(statement) => statement,
        }
    }
}

impl<'a> DerefMut for Prepared<'a> {
    fn deref_mut(&mut self) -> &mut Statement<'a> {
        match self {
            Prepared::Kept(statement) => statement,
            Prepared::Once(statement) => statement,
        }
    }
}

impl Session {
    pub(super) fn open(
        config: &DatabaseConfig,
        declared: Arc<Declared>,
        writes: Writes,
    ) -> Result<Session, StoreError> {
        let refused = |error: rusqlite::Error| StoreError::Open {
            path: config.path.clone(),
            reason: error.to_string(),
        };
        let guard = Guard::new(declared.keys().cloned().collect(), writes);
        let clock = Arc::new(Clock { start: Instant::now(), deadline: AtomicU64::new(u64::MAX) });
        let opened = private(&config.path).map_err(|error| StoreError::Open {
            path: config.path.clone(),
            reason: error.to_string(),
        });
        opened?;
        let mut connection = connected(&config.path, writes).map_err(refused)?;
        let mut setup = || {
            settled(&connection, config.synchronous, writes)?;
            let (judge, watch) = (guard.clone(), clock.clone());
            connection.authorizer(Some(move |context: rusqlite::hooks::AuthContext<'_>| {
                judge.judge(&context)
            }))?;
            connection.progress_handler(STEPS, Some(move || watch.passed()))
        };
        setup().map_err(refused)?;
        Ok(Session { connection, guard, declared, catalog: Arc::default(), clock })
    }

    /// From now on statements are interrupted then.
    pub(super) fn until(&self, deadline: Option<Instant>) {
        let nanos = deadline.map_or(u64::MAX, |deadline| {
            let left = deadline.saturating_duration_since(self.clock.start);
            u64::try_from(left.as_nanos()).unwrap_or(u64::MAX)
        });
        self.clock.deadline.store(nanos, Ordering::Relaxed);
    }

    /// Looks whether the tables have changed; to be called inside of the transaction.
    pub(super) fn refresh(&mut self) -> Result<(), DbError> {
        let read = version(&self.connection).and_then(|version| {
            if version == self.catalog.version {
                return Ok(());
            }
            self.catalog = Arc::new(Catalog::read(&self.connection, &self.declared)?);
            Ok(())
        });
        read.map_err(|error| self.translated(error))
    }

    /// A statement of the host without values, such as those around transactions.
    pub(super) fn control(&self, sql: &'static str) -> Result<(), DbError> {
        let run = || self.connection.prepare_cached(sql)?.execute([]);
        run().map(drop).map_err(|error| self.translated(error))
    }

    pub(super) fn prepared(&self, sql: &str) -> rusqlite::Result<Prepared<'_>> {
        if sql.len() > KEPT {
            return self.connection.prepare(sql).map(Prepared::Once);
        }
        self.connection.prepare_cached(sql).map(Prepared::Kept)
    }

    pub(super) fn translated(&self, error: rusqlite::Error) -> DbError {
        translated(error, &self.guard, 0)
    }

    /// Runs a statement of the host that reads, such as of the `_alyx_*` tables.
    pub fn rows(&self, sql: &'static str, args: &[Datum]) -> Result<Vec<Vec<Datum>>, DbError> {
        let run = || {
            let mut statement = self.connection.prepare_cached(sql)?;
            let width = statement.column_count();
            let mut rows = statement.query(params_from_iter(args))?;
            let mut read = Vec::new();
            while let Some(row) = rows.next()? {
                let values = (0..width).map(|at| row.get_ref(at).map(Datum::copied));
                read.push(values.collect::<rusqlite::Result<Vec<_>>>()?);
            }
            Ok(read)
        };
        run().map_err(|error| self.translated(error))
    }

    /// Runs a statement of the host that writes; the answer is how many rows it changed.
    pub fn run(&self, sql: &'static str, args: &[Datum]) -> Result<usize, DbError> {
        let run = || self.connection.prepare_cached(sql)?.execute(params_from_iter(args));
        run().map_err(|error| self.translated(error))
    }
}

/// A new file is for the host's user alone: it will hold password hashes. What SQLite puts beside
/// it follows its permissions.
fn private(path: &Path) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map(drop)
}

fn connected(path: &Path, writes: Writes) -> rusqlite::Result<Connection> {
    let mode = match writes {
        Writes::Allowed => OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE,
        Writes::Refused => OpenFlags::SQLITE_OPEN_READ_ONLY,
    };
    // One thread owns a connection, so SQLite need not lock it; no URI, so a path is a path.
    Connection::open_with_flags(path, mode | OpenFlags::SQLITE_OPEN_NO_MUTEX)
}

/// Several hosts may open a new database at once. While one changes how the file is kept, SQLite
/// tells the others that it is locked without waiting for as long as it was told to.
#[expect(clippy::disallowed_methods, reason = "the other process tells nobody when it is done")]
fn use_wal(connection: &Connection) -> rusqlite::Result<()> {
    let until = Instant::now() + PATIENCE;
    loop {
        match connection.pragma_update(None, "journal_mode", "wal") {
            Err(error) if is_locked(&error) && Instant::now() < until => thread::sleep(GLANCE),
            told => return told,
        }
    }
}

fn is_locked(error: &rusqlite::Error) -> bool {
    let locked = [Some(ErrorCode::DatabaseBusy), Some(ErrorCode::DatabaseLocked)];
    locked.contains(&error.sqlite_error_code())
}

fn settled(
    connection: &Connection,
    synchronous: Synchronous,
    writes: Writes,
) -> rusqlite::Result<()> {
    connection.busy_timeout(PATIENCE)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    for (limit, most) in [
        (Limit::SQLITE_LIMIT_SQL_LENGTH, LONGEST_SQL + AROUND),
        (Limit::SQLITE_LIMIT_LENGTH, LARGEST_VALUE),
        (Limit::SQLITE_LIMIT_LIKE_PATTERN_LENGTH, LONGEST_PATTERN),
        (Limit::SQLITE_LIMIT_ATTACHED, 0),
    ] {
        connection.set_limit(limit, i32::try_from(most).unwrap_or(i32::MAX))?;
    }
    if writes == Writes::Allowed {
        use_wal(connection)?;
        connection.pragma_update(None, "journal_size_limit", 64 << 20)?;
    }
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.pragma_update(None, "trusted_schema", false)?;
    connection.pragma_update(None, "cache_size", -8192)?;
    connection.pragma_update(
        None,
        "synchronous",
        match synchronous {
            Synchronous::Full => "full",
            Synchronous::Normal => "normal",
        },
    )?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    // Double quotes are for names alone: a misspelt one is an error, not a string.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DQS_DML, false)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DQS_DDL, false)?;
    Ok(())
}
