//! `query` and `exec`: one statement of a function, its parameters and its rows.
//!
//! Knows nothing of collections; what the statement may touch is the guard's to say.

use crate::db::datum::{Datum, Kind};
use crate::db::error::DbError;
use crate::db::limits::LONGEST_SQL;
use crate::db::refusal::translated;
use crate::db::request::{Args, Sql};
use crate::db::rules::stored;
use crate::db::session::{Prepared, Session};
use crate::db::wire::{clean, is_masked};
use crate::db::written::Written;
use rusqlite::fallible_iterator::FallibleIterator;
use rusqlite::{Batch, Statement};

/// Before each statement of a function, so that no cached one of the host can be mistaken for it.
const MARK: &str = "/*fn*/ ";

pub(super) fn query(session: &Session, sql: &Sql, out: &mut Written) -> Result<(), DbError> {
    let _strict = session.guard.strictly();
    let mut statement = prepared(session, sql)?;
    if !statement.readonly() {
        return Err(DbError::read_only());
    }
    bind(session, &mut statement, &sql.args)?;
    rows(&mut statement, out).map_err(|error| error.refused(session))
}

/// Writes, or does nothing: what it answers is how many rows changed.
pub(super) fn exec(session: &mut Session, sql: &Sql, out: &mut Written) -> Result<(), DbError> {
    let (changes, key) = written(session, sql)?;
    out.raw("{\"changes\":");
    out.integer(i64::try_from(changes).unwrap_or(i64::MAX));
    if let Some(key) = key {
        out.raw(",\"lastInsertId\":");
        out.integer(key);
    }
    out.raw("}");
    // It may have made a table.
    session.refresh()
}

fn written(session: &Session, sql: &Sql) -> Result<(u64, Option<i64>), DbError> {
    let _strict = session.guard.strictly();
    let connection = &session.connection;
    let mut statement = prepared(session, sql)?;
    bind(session, &mut statement, &sql.args)?;
    let (total, key) = (connection.total_changes(), connection.last_insert_rowid());
    let mut step = || {
        let mut rows = statement.raw_query();
        while rows.next()?.is_some() {}
        Ok(())
    };
    step().map_err(|error| refused(session, error))?;
    // Without a row changed, SQLite still tells the count of an earlier statement.
    let changed = connection.total_changes() != total && !statement.readonly();
    let changes = if changed { connection.changes() } else { 0 };
    let now = connection.last_insert_rowid();
    let inserts = now != key || inserts(&sql.text);
    Ok((changes, (inserts && changes > 0).then_some(now)))
}

/// Only decides whether a key is told, so a look at the text is good enough.
fn inserts(text: &str) -> bool {
    let word = text.trim_start().get(..7).unwrap_or_default();
    word.eq_ignore_ascii_case("insert ") || word.eq_ignore_ascii_case("replace")
}

fn refused(session: &Session, error: rusqlite::Error) -> DbError {
    translated(error, &session.guard, MARK.len())
}

fn prepared<'a>(session: &'a Session, sql: &Sql) -> Result<Prepared<'a>, DbError> {
    let text = clean(&sql.text)
        .map_err(|complaint| DbError::invalid(format!("the statement {complaint}")))?;
    if text.len() > LONGEST_SQL {
        let length = text.len();
        return Err(DbError::invalid(format!(
            "the statement has {length} bytes, {LONGEST_SQL} at most; give values as parameters"
        )));
    }
    let text = format!("{MARK}{text}");
    let connection = &session.connection;
    let blank = |c: char| c == ';' || c.is_whitespace();
    if text.trim_end_matches(blank).contains(';') {
        // rusqlite looks for further statements by preparing them inside each other, which a
        // thousand of them turn into an overflow of the stack; here they are taken in a row.
        let mut batch = Batch::new(connection, &text);
        batch.next().map_err(|error| refused(session, error))?;
        if batch.next().map_err(|error| refused(session, error))?.is_some() {
            return Err(refused(session, rusqlite::Error::MultipleStatement));
        }
    }
    let statement = session.prepared(&text).map_err(|error| refused(session, error))?;
    // Only no statement at all, such as a comment, neither writes nor has columns.
    if statement.column_count() == 0 && statement.readonly() {
        return Err(DbError::sql("there is no statement"));
    }
    Ok(statement)
}

fn bind(session: &Session, statement: &mut Statement<'_>, args: &Args) -> Result<(), DbError> {
    let count = statement.parameter_count();
    let refused = |error| session.translated(error);
    match args {
        Args::Positional(values) if values.len() == count => {
            for (at, value) in values.iter().enumerate() {
                let datum = parameter(&format!("parameter {}", at + 1), value)?;
                statement.raw_bind_parameter(at + 1, datum).map_err(refused)?;
            }
        }
        Args::Named(values) if count > 0 || !values.is_empty() => {
            let mut given = 0;
            for at in 1..=count {
                let name = statement.parameter_name(at).map(str::to_owned).unwrap_or_default();
                let Some(plain) = name.strip_prefix([':', '@', '$']) else {
                    let message = format!(
                        "parameter {at} of the statement has no name; give a list, or write :name"
                    );
                    return Err(DbError::invalid(message));
                };
                let Some(value) = values.get(plain) else {
                    return Err(DbError::invalid(format!("the parameter '{name}' is not given")));
                };
                let datum = parameter(&format!("parameter '{name}'"), value)?;
                statement.raw_bind_parameter(at, datum).map_err(refused)?;
                given += 1;
            }
            if given < values.len() {
                let stranger = values.keys().find(|name| !has(statement, name));
                let stranger = stranger.map(String::as_str).unwrap_or_default();
                return Err(DbError::invalid(format!(
                    "the statement has no parameter ':{stranger}'"
                )));
            }
        }
        Args::Named(_) => {}
        Args::Positional(values) => {
            let plural = if count == 1 { "" } else { "s" };
            let message =
                format!("the statement has {count} parameter{plural}, {} given", values.len());
            return Err(DbError::invalid(message));
        }
    }
    Ok(())
}

fn has(statement: &Statement<'_>, name: &str) -> bool {
    let names = (1..=statement.parameter_count()).filter_map(|at| statement.parameter_name(at));
    names.into_iter().any(|full| full.get(1..) == Some(name))
}

fn parameter(shown: &str, value: &serde_json::Value) -> Result<Datum, DbError> {
    stored(Kind::Any, value).map_err(|broken| {
        let tree = value.is_array() || value.as_object().is_some_and(|object| !is_masked(object));
        let hint = if tree { "; a list or an object goes in as its JSON text" } else { "" };
        DbError::invalid(format!("{shown} {}{hint}", broken.complaint))
    })
}

/// Either SQLite's error or ours.
enum Stop {
    Sqlite(rusqlite::Error),
    Ours(DbError),
}

impl From<rusqlite::Error> for Stop {
    fn from(error: rusqlite::Error) -> Stop {
        Stop::Sqlite(error)
    }
}

impl Stop {
    fn refused(self, session: &Session) -> DbError {
        match self {
            Stop::Sqlite(error) => refused(session, error),
            Stop::Ours(error) => error,
        }
    }
}

fn rows(statement: &mut Statement<'_>, out: &mut Written) -> Result<(), Stop> {
    out.raw("{\"columns\":[");
    let mut kinds = Vec::new();
    for (at, column) in statement.columns().enumerate() {
        // A column that comes straight from a table still tells its type.
        kinds.push(column.decl_type().map_or(Kind::Any, Kind::of_column_type));
        out.raw(if at > 0 { "," } else { "" });
        out.string(column.name());
    }
    out.raw("],\"rows\":[");
    let mut rows = statement.raw_query();
    let mut first = true;
    while let Some(row) = rows.next()? {
        out.raw(if first { "[" } else { ",[" });
        first = false;
        for (at, kind) in kinds.iter().enumerate() {
            out.raw(if at > 0 { "," } else { "" });
            out.value(*kind, row.get_ref(at)?);
        }
        out.raw("]");
        out.within_limit().map_err(Stop::Ours)?;
    }
    out.raw("]}");
    Ok(())
}
