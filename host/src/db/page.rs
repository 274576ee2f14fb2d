//! `list`: a page of a collection and the count of all that match, from one snapshot.
//!
//! Knows nothing of filters beyond how to ask for a condition.

use crate::db::catalog::{Collection, Column};
use crate::db::datum::Datum;
use crate::db::documents::document;
use crate::db::error::DbError;
use crate::db::filter::{Condition, compiled};
use crate::db::limits::MOST_DOCUMENTS;
use crate::db::request::List;
use crate::db::session::Session;
use crate::db::written::Written;
use rusqlite::params_from_iter;

const DEFAULT_LIMIT: i64 = 100;
const MOST_KEYS: usize = 16;

pub(super) fn list(session: &Session, list: &List, out: &mut Written) -> Result<(), DbError> {
    let collection = session.catalog.find(&list.collection)?;
    let limit = within("limit", list.limit.unwrap_or(DEFAULT_LIMIT), MOST_DOCUMENTS)?;
    let offset = within("offset", list.offset.unwrap_or(0), i64::MAX)?;
    let order = order(collection, list.sort.as_deref().unwrap_or_default())?;
    let columns = chosen(collection, list.fields.as_deref())?;
    let kind_of = |name: &str| collection.column(name).map(|column| column.kind);
    let condition =
        compiled(&list.filter, &kind_of, &|name| collection.no_field(name, "", DbError::filter))?;

    let _strict = session.guard.strictly();
    let names = columns.iter().map(|column| column.quoted.as_str()).collect::<Vec<_>>().join(", ");
    let sql = format!(
        "SELECT {names} FROM {} WHERE {} ORDER BY {order} LIMIT ? OFFSET ?",
        collection.table, condition.sql
    );
    out.raw("{\"docs\":[");
    let page_args = [Datum::Int(limit), Datum::Int(offset)];
    let args = condition.args.iter().chain(&page_args);
    let found = page(session, &sql, args, &columns, out)?;
    out.raw("]");
    if !list.uncounted {
        // A page that is not full shows the end.
        let whole = found < limit && (found > 0 || offset == 0);
        let total = if whole { offset + found } else { count(session, collection, &condition)? };
        out.raw(",\"total\":");
        out.integer(total);
    }
    out.raw("}");
    Ok(())
}

fn within(name: &str, value: i64, most: i64) -> Result<i64, DbError> {
    if (0..=most).contains(&value) {
        return Ok(value);
    }
    let range = if most == i64::MAX { "0 or more".to_owned() } else { format!("0 to {most}") };
    Err(DbError::query(format!("{name} is {value}; choose {range}")).of_field(name))
}

/// Always ends with the id, so that no two pages share or lose a document.
fn order(collection: &Collection, sort: &str) -> Result<String, DbError> {
    let mut keys = Vec::new();
    let mut by_id = false;
    for key in sort.split(',').map(str::trim).filter(|_| !sort.trim().is_empty()) {
        let (name, direction) = match key.strip_prefix('-') {
            Some(name) => (name, "DESC"),
            None => (key, "ASC"),
        };
        let Some(column) = collection.column(name) else {
            return Err(collection.no_field(name, "sort: ", DbError::query));
        };
        by_id |= name == "id";
        keys.push(format!("{} {direction}", column.quoted));
    }
    if keys.len() > MOST_KEYS {
        return Err(DbError::query(format!("sort has over {MOST_KEYS} fields")).of_field("sort"));
    }
    if !by_id {
        keys.push("\"id\" ASC".to_owned());
    }
    Ok(keys.join(", "))
}

fn chosen<'a>(
    collection: &'a Collection,
    fields: Option<&[String]>,
) -> Result<Vec<&'a Column>, DbError> {
    let Some(fields) = fields else { return Ok(collection.columns.iter().collect()) };
    if let Some(stranger) = fields.iter().find(|name| collection.column(name).is_none()) {
        return Err(collection.no_field(stranger, "fields: ", DbError::query));
    }
    if fields.is_empty() {
        return Err(DbError::query("fields is empty; leave it out for all").of_field("fields"));
    }
    Ok(collection.columns.iter().filter(|column| fields.contains(&column.name)).collect())
}

fn page<'a>(
    session: &Session,
    sql: &str,
    args: impl Iterator<Item = &'a Datum>,
    columns: &[&Column],
    out: &mut Written,
) -> Result<i64, DbError> {
    let refused = |error| session.translated(error);
    let mut statement = session.prepared(sql).map_err(refused)?;
    let mut rows = statement.query(params_from_iter(args)).map_err(refused)?;
    let mut found = 0;
    while let Some(row) = rows.next().map_err(refused)? {
        out.raw(if found > 0 { "," } else { "" });
        document(columns.iter().copied(), row, out).map_err(refused)?;
        out.within_limit()?;
        found += 1;
    }
    Ok(found)
}

fn count(
    session: &Session,
    collection: &Collection,
    condition: &Condition,
) -> Result<i64, DbError> {
    let sql = format!("SELECT count(*) FROM {} WHERE {}", collection.table, condition.sql);
    let count = || {
        let mut statement = session.prepared(&sql)?;
        statement.query_row(params_from_iter(&condition.args), |row| row.get(0))
    };
    count().map_err(|error| session.translated(error))
}
