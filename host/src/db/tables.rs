//! The SQL of tables and indexes that declarations stand for.
//!
//! Pure text; whether any of it is to be run is decided in `change`. Defaults are in plain SQL, so
//! that the file stays whole for any other SQLite program.

use crate::db::datum::{Datum, Kind, quoted};
use crate::db::declared::{Declaration, Field, Index};
use crate::db::guard::OURS;
use crate::db::moment::NOW;
use crate::db::rules::Fill;
use std::fmt::Write;

/// Stands in the column of a field that was added to documents, where SQLite takes no default that
/// is computed. The trigger of new documents puts the default in its place.
pub(super) const LATE: &str = "'_alyx_default'";
/// A uuid v7 for rows that raw SQL makes.
const NEW_ID: &str = "lower(\
    substr(printf('%012x', CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)), 1, 8) || '-' || \
    substr(printf('%012x', CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)), 9, 4) || '-7' || \
    substr(hex(randomblob(2)), 2) || '-' || substr('89ab', 1 + (random() & 3), 1) || \
    substr(hex(randomblob(2)), 2) || '-' || hex(randomblob(6)))";

/// The host's own tables. No function can read or write them, by any road.
pub(super) const INTERNAL: &str = "
    CREATE TABLE IF NOT EXISTS _alyx_meta (key TEXT NOT NULL PRIMARY KEY, value) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS _alyx_credentials (
        user_id TEXT NOT NULL PRIMARY KEY, password_hash TEXT NOT NULL, changed_at INTEGER NOT NULL
    ) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS _alyx_refresh_families (
        id TEXT NOT NULL PRIMARY KEY, user_id TEXT NOT NULL, newest TEXT NOT NULL,
        used_at INTEGER NOT NULL, expires_at INTEGER NOT NULL
    ) WITHOUT ROWID;
    CREATE INDEX IF NOT EXISTS _alyx_refresh_user ON _alyx_refresh_families (user_id);
    CREATE INDEX IF NOT EXISTS _alyx_refresh_expiry ON _alyx_refresh_families (expires_at);
    CREATE TABLE IF NOT EXISTS _alyx_throttles (
        key TEXT NOT NULL PRIMARY KEY, whole_at INTEGER NOT NULL
    ) WITHOUT ROWID;
    CREATE INDEX IF NOT EXISTS _alyx_throttles_whole ON _alyx_throttles (whole_at);
    -- Documents while they are being made: empty between two statements.
    CREATE TABLE IF NOT EXISTS _alyx_newborn (id);
";

/// A trigger or an index by its name.
#[derive(Debug, PartialEq)]
pub(super) struct Named {
    pub(super) name: String,
    pub(super) sql: String,
}

pub(super) fn table(name: &str, declaration: &Declaration) -> String {
    let mut columns = vec![
        format!("\"id\" TEXT NOT NULL PRIMARY KEY DEFAULT ({NEW_ID})"),
        format!("\"created_at\" TIMESTAMP_TEXT NOT NULL DEFAULT ({NOW})"),
        format!("\"updated_at\" TIMESTAMP_TEXT NOT NULL DEFAULT ({NOW})"),
    ];
    columns.extend(declaration.fields.iter().map(|(field_name, field)| {
        let default = default_of(field).map(|sql| format!(" DEFAULT ({sql})"));
        format!("{}{}", column(field_name, field), default.unwrap_or_default())
    }));
    format!("CREATE TABLE {} (\n  {}\n)", quoted(name), columns.join(",\n  "))
}

/// Name, type, comparison and reference of a column; without its default.
pub(super) fn column(name: &str, field: &Field) -> String {
    let mut sql = format!("{} {}", quoted(name), field.kind.column_type());
    if field.nocase {
        sql.push_str(" COLLATE NOCASE");
    }
    if let Some((collection, target, action)) = &field.references {
        let (collection, target) = (quoted(collection), quoted(target));
        write!(sql, " REFERENCES {collection} ({target}) ON DELETE {action}")
            .expect("a string can be written to");
    }
    sql
}

/// The default for a column that is added to documents, where SQLite takes constants alone, and
/// nothing for a reference.
pub(super) fn late_default(field: &Field) -> Option<String> {
    match field.rules.fill.as_ref()? {
        _ if field.references.is_some() => None,
        Fill::Id | Fill::Now => Some(LATE.to_owned()),
        Fill::Fixed(_) => default_of(field),
    }
}

/// A default as an expression of SQL.
pub(super) fn default_of(field: &Field) -> Option<String> {
    Some(match field.rules.fill.as_ref()? {
        Fill::Id => NEW_ID.to_owned(),
        Fill::Now if field.kind == Kind::Date => "date('now')".to_owned(),
        Fill::Now => NOW.to_owned(),
        Fill::Fixed(Datum::Null) => return None,
        Fill::Fixed(Datum::Int(number)) => number.to_string(),
        Fill::Fixed(Datum::Real(number)) => format!("{number:?}"),
        Fill::Fixed(Datum::Text(text)) => literal(text),
        Fill::Fixed(Datum::Bytes(bytes)) => {
            let hex = bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
            format!("x'{hex}'")
        }
    })
}

pub(super) fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

pub(super) fn index(table: &str, index: &Index) -> Named {
    let unique = if index.unique { "UNIQUE " } else { "" };
    let kind = if index.unique { "unique" } else { "index" };
    let name = format!("{OURS}{kind}:{table}:{}", index.fields.join(","));
    let fields = index.fields.iter().map(|field| quoted(field)).collect::<Vec<_>>().join(", ");
    let sql = format!("CREATE {unique}INDEX {} ON {} ({fields})", quoted(&name), quoted(table));
    Named { name, sql }
}
