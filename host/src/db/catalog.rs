//! The collections as they are in the file just now, declared or not.
//!
//! Read from SQLite's own tables whenever its schema version has moved; knows the declarations
//! for the rules that no table holds.

use crate::config::suggest::closest;
use crate::db::datum::{Kind, quoted};
use crate::db::declared::{Declared, OWN};
use crate::db::error::{DbError, DbErrorKind};
use crate::db::guard::ours;
use indexmap::IndexMap;
use rusqlite::Connection;
use std::sync::Arc;

/// Names that an error tells.
const MOST_KNOWN: usize = 50;

#[derive(Debug, Default)]
pub(super) struct Catalog {
    /// What it was read at.
    pub(super) version: i64,
    collections: IndexMap<String, Arc<Collection>>,
}

#[derive(Debug)]
pub(super) struct Collection {
    pub(super) name: String,
    /// As SQL takes it.
    pub(super) table: String,
    pub(super) columns: Vec<Column>,
    /// All columns, as SQL takes them.
    pub(super) list: String,
    pub(super) declared: bool,
    pub(super) references: Vec<Reference>,
}

#[derive(Debug)]
pub(super) struct Column {
    pub(super) name: String,
    /// As SQL takes it.
    pub(super) quoted: String,
    /// As a member name of a document: `"title":`.
    pub(super) member: String,
    pub(super) kind: Kind,
    /// Of tables that somebody else made: NULL is refused and SQL has no default.
    pub(super) demanded: bool,
    pub(super) generated: bool,
    /// The integer key of a table, which SQLite fills in.
    pub(super) counted: bool,
}

/// A foreign key of one column.
#[derive(Debug)]
pub(super) struct Reference {
    pub(super) column: String,
    pub(super) target: String,
    pub(super) target_column: String,
}

/// SQLite counts every change of its tables.
pub(super) fn version(connection: &Connection) -> rusqlite::Result<i64> {
    connection.prepare_cached("PRAGMA schema_version")?.query_row([], |row| row.get(0))
}

impl Catalog {
    pub(super) fn read(connection: &Connection, declared: &Declared) -> rusqlite::Result<Catalog> {
        let mut names = connection.prepare_cached(
            "SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'table' ORDER BY name",
        )?;
        let names = names.query_map([], |row| row.get::<_, String>(0))?;
        let mut collections = IndexMap::new();
        for name in names {
            let name = name?;
            if ours(&name) || name.starts_with("sqlite_") {
                continue;
            }
            if let Some(collection) = Collection::read(connection, &name, declared)? {
                collections.insert(name, Arc::new(collection));
            }
        }
        Ok(Catalog { version: version(connection)?, collections })
    }

    pub(super) fn find(&self, name: &str) -> Result<&Arc<Collection>, DbError> {
        self.collections.get(name).ok_or_else(|| {
            let message = format!("no collection '{name}'");
            let error = DbError::new(DbErrorKind::NotFound, "COLLECTION_NOT_FOUND", message);
            let known = self.collections.keys().map(String::as_str);
            hinted(error.with("collection", name), name, known)
        })
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Collection> {
        self.collections.values().map(|collection| &**collection)
    }
}

impl Collection {
    /// None when the table has no primary key `id`.
    fn read(
        connection: &Connection,
        name: &str,
        declared: &Declared,
    ) -> rusqlite::Result<Option<Collection>> {
        let declaration = declared.get(name);
        let mut rows = connection.prepare_cached(
            "SELECT name, type, \"notnull\" AND dflt_value IS NULL, pk, hidden FROM pragma_table_xinfo(?)",
        )?;
        let mut rows = rows.query([name])?;
        let mut columns = Vec::new();
        let mut keys = Vec::new();
        while let Some(row) = rows.next()? {
            let column: String = row.get(0)?;
            let column_type: String = row.get(1)?;
            let in_key = row.get::<_, i64>(3)? > 0;
            let field = declaration.and_then(|declaration| declaration.fields.get(&column));
            let counted = in_key && column_type.eq_ignore_ascii_case("INTEGER");
            if in_key {
                keys.push(column.clone());
            }
            columns.push(Column {
                quoted: quoted(&column),
                member: format!("{}:", serde_json::Value::from(column.as_str())),
                kind: field.map_or_else(|| Kind::of_column_type(&column_type), |field| field.kind),
                demanded: row.get(2)?,
                generated: row.get::<_, i64>(4)? != 0,
                counted,
                name: column,
            });
        }
        if keys != ["id"] {
            return Ok(None);
        }
        let list = columns.iter().map(|c| c.quoted.as_str()).collect::<Vec<_>>().join(", ");
        let references = references(connection, name)?;
        let (table, declared) = (quoted(name), declaration.is_some());
        Ok(Some(Collection { name: name.to_owned(), table, columns, list, declared, references }))
    }

    pub(super) fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|column| column.name == name)
    }

    /// Whether the host keeps that field: `created_at` and `updated_at` of declared collections.
    pub(super) fn keeps(&self, name: &str) -> bool {
        self.declared && OWN[1..].contains(&name)
    }

    /// For people who named a field that is not there. `place` begins the message.
    pub(super) fn no_field(
        &self,
        field: &str,
        place: &str,
        class: fn(String) -> DbError,
    ) -> DbError {
        let error = class(format!("{place}'{}' has no field '{field}'", self.name));
        let known = self.columns.iter().map(|column| column.name.as_str());
        hinted(error.of_field(field).with("collection", self.name.as_str()), field, known)
    }
}

/// Adds what there is and what was meant. As details and not in the message, for the function that
/// gets the error may see it and whoever called the function may not: HTTP leaves these two out.
fn hinted<'a>(error: DbError, name: &str, known: impl Iterator<Item = &'a str> + Clone) -> DbError {
    let error = error.with("known", known.clone().take(MOST_KNOWN).collect::<Vec<_>>());
    match closest(name, known) {
        Some(meant) => error.with("did_you_mean", meant),
        None => error,
    }
}

fn references(connection: &Connection, name: &str) -> rusqlite::Result<Vec<Reference>> {
    let mut rows = connection.prepare_cached(
        "SELECT \"from\", \"table\", coalesce(\"to\", 'id') FROM pragma_foreign_key_list(?1) \
         WHERE id IN (SELECT id FROM pragma_foreign_key_list(?1) GROUP BY id HAVING count(*) = 1)",
    )?;
    let rows = rows.query_map([name], |row| {
        Ok(Reference { column: row.get(0)?, target: row.get(1)?, target_column: row.get(2)? })
    })?;
    rows.collect()
}
