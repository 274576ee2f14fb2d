//! What functions give to `ctx.db` and is of the wrong type, such as a limit that is a text: told
//! as an error that they can catch, in words that name the member.
//!
//! Knows the members and their types alone; what a right one may say is the store's business.

use alyx_protocol::syscall::method;
use serde_json::Value;

use crate::db::error::{DbError, DbErrorKind};

/// A member, what it has to be, and the code of the error where it is something else.
struct Member {
    name: &'static str,
    fits: fn(&Value) -> bool,
    expected: &'static str,
    code: &'static str,
}

const FILTER: &str = "INVALID_FILTER";
const QUERY: &str = "INVALID_QUERY";
const DATA: &str = "VALIDATION_ERROR";

const COLLECTION: Member =
    Member { name: "collection", fits: Value::is_string, expected: "a string", code: DATA };
const ID: Member = Member { name: "id", fits: is_id, expected: "a string", code: DATA };
const WRITTEN: Member =
    Member { name: "data", fits: Value::is_object, expected: "an object", code: DATA };
const LIST: [Member; 7] = [
    COLLECTION,
    Member { name: "filter", fits: Value::is_object, expected: "an object", code: FILTER },
    Member {
        name: "sort",
        fits: is_text,
        expected: "a string such as \"-created_at\"",
        code: QUERY,
    },
    Member { name: "limit", fits: is_integer, expected: "an integer", code: QUERY },
    Member { name: "offset", fits: is_integer, expected: "an integer", code: QUERY },
    Member { name: "fields", fits: are_names, expected: "a list of names of fields", code: QUERY },
    Member { name: "count", fits: Value::is_boolean, expected: "true or false", code: QUERY },
];
const SQL: [Member; 2] = [
    Member { name: "sql", fits: Value::is_string, expected: "a string", code: QUERY },
    Member { name: "args", fits: are_args, expected: "a list, or an object of names", code: QUERY },
];
const OPS: [Member; 1] =
    [Member { name: "ops", fits: Value::is_array, expected: "a list", code: QUERY }];

/// The first member of these params that no function may give so; none when it is something else
/// that makes them unreadable, which is the shim's mistake.
pub(crate) fn mistyped(of: &str, params: &Value) -> Option<DbError> {
    let members: &[Member] = match of {
        method::DB_LIST => &LIST,
        method::DB_GET | method::DB_DELETE => &[COLLECTION, ID],
        method::DB_CREATE => &[COLLECTION, WRITTEN],
        method::DB_UPDATE => &[COLLECTION, ID, WRITTEN],
        method::DB_QUERY | method::DB_EXEC => &SQL,
        method::DB_BATCH => &OPS,
        _ => &[],
    };
    let wrong =
        |member: &&Member| params.get(member.name).is_some_and(|value| !(member.fits)(value));
    let Member { name, expected, code, .. } = members.iter().find(wrong)?;
    let found = class(&params[*name]);
    let message = format!("{name} must be {expected}, not {found}");
    Some(DbError::new(DbErrorKind::Validation, code, message).of_field(name))
}

fn is_id(value: &Value) -> bool {
    value.is_string() || value.is_null()
}

fn is_text(value: &Value) -> bool {
    value.is_string() || value.is_null()
}

fn is_integer(value: &Value) -> bool {
    value.is_i64() || value.is_null()
}

fn are_names(value: &Value) -> bool {
    value.is_null() || value.as_array().is_some_and(|names| names.iter().all(Value::is_string))
}

fn are_args(value: &Value) -> bool {
    value.is_array() || value.is_object()
}

fn class(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(value) => value.to_string(),
        Value::Number(number) => number.to_string(),
        Value::String(_) => "a string".to_owned(),
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => "an object".to_owned(),
    }
}
