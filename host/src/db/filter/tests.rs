//! Filters as text, and as meaning: what SQLite finds is what a naive reading finds.

mod naive;
mod random;

use super::{Condition, compiled};
use crate::db::datum::{Datum, Kind, quoted};
use crate::db::error::DbError;
use naive::matches;
use random::Random;
use rusqlite::{Connection, params_from_iter};
use serde_json::{Map, Value, json};

/// One column of each kind that filters treat differently.
const COLUMNS: [(&str, Kind); 7] = [
    ("name", Kind::Text),
    ("count", Kind::Int),
    ("price", Kind::Float),
    ("open", Kind::Bool),
    ("seen_at", Kind::Timestamp),
    ("extra", Kind::Json),
    ("raw", Kind::Blob),
];

fn kind_of(name: &str) -> Option<Kind> {
    COLUMNS.iter().find(|(known, _)| *known == name).map(|(_, kind)| *kind)
}

fn compile(filter: &Value) -> Result<Condition, DbError> {
    let filter: &Map<String, Value> = filter.as_object().unwrap();
    compiled(filter, &kind_of, &|name| DbError::filter(format!("no field '{name}'")).of_field(name))
}

fn check(filter: Value, sql: &str, args: &[Datum]) {
    let condition = compile(&filter).unwrap();
    assert_eq!((condition.sql.as_str(), condition.args.as_slice()), (sql, args), "{filter}");
}

fn check_refused(filter: Value, field: Option<&str>, message: &str) {
    let error = compile(&filter).unwrap_err();
    assert_eq!((error.code, error.field.as_deref()), ("INVALID_FILTER", field), "{filter}");
    assert!(error.message.contains(message), "{}", error.message);
}

fn text(text: &str) -> Datum {
    Datum::Text(text.to_owned())
}

#[test]
fn operators_become_sql() {
    check(json!({}), "1", &[]);
    check(json!({"name": "x"}), "\"name\" = ?", &[text("x")]);
    check(json!({"name": null}), "\"name\" IS NULL", &[]);
    check(json!({"name": {"$ne": null}}), "\"name\" IS NOT NULL", &[]);
    check(json!({"name": {"$ne": "x"}}), "(\"name\" = ?) IS NOT TRUE", &[text("x")]);
    let range = json!({"count": {"$gte": 1, "$lt": 2.5}});
    check(range, "(\"count\" >= ? AND \"count\" < ?)", &[Datum::Int(1), Datum::Real(2.5)]);
    let list = json!({"name": {"$in": ["a", null, "b"]}});
    check(list, "(\"name\" IS NULL OR \"name\" IN (?, ?))", &[text("a"), text("b")]);
    check(json!({"name": {"$in": []}}), "0", &[]);
    check(json!({"name": {"$nin": []}}), "(0) IS NOT TRUE", &[]);
    check(json!({"name": {"$like": "a%"}}), "\"name\" LIKE ?", &[text("a%")]);
    check(json!({"open": true}), "\"open\" = ?", &[Datum::Int(1)]);
    check(json!({"count": {"$int": "7"}}), "\"count\" = ?", &[Datum::Int(7)]);
    let day = json!({"seen_at": {"$gte": "2026-01-01"}});
    check(day, "\"seen_at\" >= ?", &[text("2026-01-01T00:00:00.000Z")]);
    let either = json!({"$or": [{"name": "a"}, {"$not": {"count": 1}}]});
    check(either, "(\"name\" = ? OR (\"count\" = ?) IS NOT TRUE)", &[text("a"), Datum::Int(1)]);
    check(json!({"$and": []}), "1", &[]);
    check(json!({"$or": []}), "0", &[]);
}

#[test]
fn what_is_wrong_is_named() {
    check_refused(json!({"nope": 1}), Some("nope"), "no field 'nope'");
    check_refused(json!({"name\" = 1 --": 1}), Some("name\" = 1 --"), "no field");
    check_refused(json!({"name": {"$regex": "x"}}), Some("name"), "unknown operator '$regex'");
    check_refused(json!({"name": {"a": 1}}), Some("name"), "unknown operator 'a'");
    check_refused(json!({"name": {}}), Some("name"), "empty object");
    check_refused(json!({"name": ["a"]}), Some("name"), "no list");
    check_refused(json!({"name": {"$lit": {"a": 1}}}), Some("name"), "no object");
    check_refused(json!({"name": {"$eq": {"a": 1}}}), Some("name"), "no object");
    check_refused(json!({"name": 5}), Some("name"), "takes a string");
    check_refused(json!({"count": "5"}), Some("count"), "takes an integer");
    check_refused(json!({"open": 1}), Some("open"), "takes true or false");
    check_refused(json!({"open": {"$gt": false}}), Some("open"), "no order");
    check_refused(json!({"seen_at": {"$gt": "soon"}}), Some("seen_at"), "takes a timestamp");
    check_refused(json!({"name": {"$gt": null}}), Some("name"), "takes no null");
    check_refused(json!({"name": {"$in": "a"}}), Some("name"), "takes a list");
    check_refused(json!({"name": {"$in": [["a"]]}}), Some("name"), "no list");
    check_refused(json!({"name": {"$like": 1}}), Some("name"), "takes a string");
    check_refused(json!({"raw": {"$like": "a"}}), Some("raw"), "is for text");
    check_refused(json!({"name": "a\0b"}), Some("name"), "U+0000");
    check_refused(json!({"$where": "1"}), None, "unknown operator '$where'");
    check_refused(json!({"$or": {"name": 1}}), None, "$or takes a list of filters");
    check_refused(json!({"$or": [1]}), None, "$or takes a list of filters");
    check_refused(json!({"$not": []}), None, "$not takes a filter");
}

#[test]
fn what_is_too_large_is_refused() {
    let deep = (0..40).fold(json!({}), |inner, _| json!({"$not": inner}));
    check_refused(deep, None, "deeper");
    check_refused(json!({"name": {"$in": vec!["x"; 30_001]}}), None, "values");
    check_refused(json!({"$or": vec![json!({"name": "x"}); 501]}), None, "conditions");
    // The most that is taken, SQLite takes too.
    let most = json!({"$or": vec![json!({"name": {"$nin": ["x"]}}); 499]});
    let found = found(&table(&[]), &compile(&most).unwrap());
    assert_eq!(found, [0_usize; 0]);
}

/// A file in memory with the documents in it; the row's number stands for the document.
fn table(documents: &[Map<String, Value>]) -> Connection {
    let connection = Connection::open_in_memory().unwrap();
    let columns = COLUMNS.map(|(name, kind)| format!("{} {}", quoted(name), kind.column_type()));
    connection.execute_batch(&format!("CREATE TABLE t ({})", columns.join(", "))).unwrap();
    let marks = COLUMNS.map(|_| "?").join(", ");
    let mut insert = connection.prepare(&format!("INSERT INTO t VALUES ({marks})")).unwrap();
    for document in documents {
        let values =
            COLUMNS.map(|(name, kind)| crate::db::rules::stored(kind, &document[name]).unwrap());
        insert.execute(params_from_iter(values)).unwrap();
    }
    drop(insert);
    connection
}

fn found(connection: &Connection, condition: &Condition) -> Vec<usize> {
    let sql = format!("SELECT rowid - 1 FROM t WHERE {} ORDER BY rowid", condition.sql);
    let mut statement = connection.prepare(&sql).unwrap();
    let rows = statement.query_map(params_from_iter(&condition.args), |row| row.get::<_, i64>(0));
    rows.unwrap().map(|row| usize::try_from(row.unwrap()).unwrap()).collect()
}

/// 100,000 random filters, each on 16 random documents, on two threads.
#[test]
fn sqlite_finds_what_a_naive_reading_finds() {
    const THREADS: u64 = 2;
    const TABLES: usize = 100;
    const FILTERS: usize = 500;
    let seed = u64::from_le_bytes(uuid::Uuid::new_v4().as_bytes()[..8].try_into().unwrap());
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            scope.spawn(move || {
                let mut random = Random::new(seed ^ thread);
                let mut matched = 0;
                for _ in 0..TABLES {
                    let documents: Vec<_> = (0..16).map(|_| random.document()).collect();
                    let connection = table(&documents);
                    for _ in 0..FILTERS {
                        matched += agree(&connection, &documents, &random.filter(2), seed);
                    }
                }
                let cases = TABLES * FILTERS * 16;
                // Neither filters that nothing passes nor such that everything does prove much.
                assert!(matched > cases / 10 && matched < cases * 9 / 10, "{matched} of {cases}");
            });
        }
    });
}

fn agree(
    connection: &Connection,
    documents: &[Map<String, Value>],
    filter: &Value,
    seed: u64,
) -> usize {
    let condition =
        compile(filter).unwrap_or_else(|error| panic!("seed {seed}: {filter}: {error}"));
    let by_sqlite = found(connection, &condition);
    let by_hand: Vec<_> =
        (0..documents.len()).filter(|at| matches(filter, &documents[*at])).collect();
    assert_eq!(by_sqlite, by_hand, "seed {seed}: {filter}\n{}\n{documents:#?}", condition.sql);
    by_hand.len()
}
