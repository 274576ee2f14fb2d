//! `get`, `create`, `update` and `delete`: one document by its id.
//!
//! Knows nothing of transactions; each is one statement, and a failed one leaves no trace.

use crate::db::catalog::{Collection, Column};
use crate::db::datum::Datum;
use crate::db::error::DbError;
use crate::db::fields::{Given, assigned, completed};
use crate::db::moment;
use crate::db::session::Session;
use crate::db::trace::traced;
use crate::db::written::Written;
use rusqlite::{Row, params_from_iter};
use serde_json::{Map, Value};

pub(super) fn get(
    session: &Session,
    collection: &str,
    id: Option<&str>,
    out: &mut Written,
) -> Result<(), DbError> {
    let collection = session.catalog.find(collection)?;
    let Some(id) = id else {
        out.raw("{\"doc\":null}");
        return Ok(());
    };
    let sql = format!("SELECT {} FROM {} WHERE \"id\" = ?", collection.list, collection.table);
    let _strict = session.guard.strictly();
    let found = one(session, collection, &sql, &[Datum::Text(id.to_owned())], out);
    match found.map_err(|error| session.translated(error))? {
        Found::One => out.within_limit(),
        Found::None => {
            out.raw("{\"doc\":null}");
            Ok(())
        }
    }
}

pub(super) fn create(
    session: &Session,
    collection: &str,
    data: &Map<String, Value>,
    out: &mut Written,
) -> Result<(), DbError> {
    let collection = session.catalog.find(collection)?;
    let declaration = session.declared.get(&collection.name);
    let given = completed(collection, declaration, data, &moment::now())?;
    let mut names = given.columns.iter().map(|c| c.quoted.as_str()).collect::<Vec<_>>();
    let mut values = vec!["?"; names.len()];
    if collection.declared {
        // The clock of the statement, as the trigger of new documents reads it.
        names.extend(["\"created_at\"", "\"updated_at\""]);
        values.extend([moment::NOW, moment::NOW]);
    }
    let sql = if names.is_empty() {
        format!("INSERT INTO {} DEFAULT VALUES RETURNING {}", collection.table, collection.list)
    } else {
        format!(
            "INSERT INTO {} ({}) VALUES ({}) RETURNING {}",
            collection.table,
            names.join(", "),
            values.join(", "),
            collection.list
        )
    };
    let written = {
        let _strict = session.guard.strictly();
        one(session, collection, &sql, &given.values, out)
    };
    match written {
        Ok(_) => out.within_limit(),
        Err(error) => Err(traced(session, collection, &given, error)),
    }
}

pub(super) fn update(
    session: &Session,
    collection: &str,
    id: Option<&str>,
    data: &Map<String, Value>,
    out: &mut Written,
) -> Result<(), DbError> {
    let collection = session.catalog.find(collection)?;
    let id = id.ok_or_else(|| DbError::no_document(&collection.name, "null"))?;
    let declaration = session.declared.get(&collection.name);
    let mut given = assigned(collection, declaration, data, id)?;
    let mut parts = given.columns.iter().map(|c| format!("{} = ?", c.quoted)).collect::<Vec<_>>();
    if collection.declared {
        parts.push(format!("\"updated_at\" = {}", moment::next("")));
    }
    if parts.is_empty() {
        parts.push("\"id\" = \"id\"".to_owned());
    }
    let sql = format!(
        "UPDATE {} SET {} WHERE \"id\" = ? RETURNING {}",
        collection.table,
        parts.join(", "),
        collection.list
    );
    given.values.push(Datum::Text(id.to_owned()));
    let written = {
        let _strict = session.guard.strictly();
        one(session, collection, &sql, &given.values, out)
    };
    match written {
        Ok(Found::One) => out.within_limit(),
        Ok(Found::None) => Err(DbError::no_document(&collection.name, id)),
        Err(error) => Err(traced(session, collection, &given, error)),
    }
}

pub(super) fn delete(
    session: &Session,
    collection: &str,
    id: Option<&str>,
    out: &mut Written,
) -> Result<(), DbError> {
    let collection = session.catalog.find(collection)?;
    let id = id.ok_or_else(|| DbError::no_document(&collection.name, "null"))?;
    let sql = format!("DELETE FROM {} WHERE \"id\" = ?", collection.table);
    let deleted = {
        let _strict = session.guard.strictly();
        let delete = || session.prepared(&sql)?.execute([id]);
        delete()
    };
    match deleted {
        Ok(0) => Err(DbError::no_document(&collection.name, id)),
        Ok(_) => {
            out.raw("{\"deleted\":true}");
            Ok(())
        }
        Err(error) => Err(traced(session, collection, &Given::of_id(collection, id), error)),
    }
}

enum Found {
    One,
    None,
}

/// Runs a statement to its end and writes its first row, if it has one, as `{"doc": …}`.
fn one(
    session: &Session,
    collection: &Collection,
    sql: &str,
    args: &[Datum],
    out: &mut Written,
) -> rusqlite::Result<Found> {
    let mut statement = session.prepared(sql)?;
    let mut rows = statement.query(params_from_iter(args))?;
    let Some(row) = rows.next()? else { return Ok(Found::None) };
    out.raw("{\"doc\":");
    document(&collection.columns, row, out)?;
    out.raw("}");
    while rows.next()?.is_some() {}
    Ok(Found::One)
}

/// One document with these columns, which are those of the row.
pub(super) fn document<'a>(
    columns: impl IntoIterator<Item = &'a Column>,
    row: &Row<'_>,
    out: &mut Written,
) -> rusqlite::Result<()> {
    out.raw("{");
    for (at, column) in columns.into_iter().enumerate() {
        out.raw(if at > 0 { "," } else { "" });
        out.raw(&column.member);
        out.value(column.kind, row.get_ref(at)?);
    }
    out.raw("}");
    Ok(())
}
