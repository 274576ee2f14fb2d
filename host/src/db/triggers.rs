//! What the host's tables do by themselves, so that raw SQL and other programs are held as well.
//!
//! Pure text; when it is put into the file is decided in `change`. Plain SQL throughout, so that
//! the file stays whole for any other SQLite program.

use crate::db::datum::{Kind, quoted};
use crate::db::declared::{Declaration, Field, USERS};
use crate::db::guard::{FAREWELL, NEWBORN, OURS};
use crate::db::moment::{NOW, next};
use crate::db::refusal::HELD;
use crate::db::tables::{LATE, Named, default_of, literal};

/// `late` are the fields whose columns hold [`LATE`] by default.
pub(super) fn triggers(table: &str, declaration: &Declaration, late: &[String]) -> Vec<Named> {
    let mut triggers = vec![born(table, declaration, late), touch(table)];
    if !declaration.fields.is_empty() {
        triggers.extend(["INSERT", "UPDATE"].map(|event| held(table, declaration, event)));
    }
    if table == USERS {
        triggers.push(farewell());
    }
    triggers
}

/// A new document begins now, whatever the statement says. While this changes it, it is marked:
/// else `touch` would take the change back.
fn born(table: &str, declaration: &Declaration, late: &[String]) -> Named {
    let name = format!("{OURS}born:{table}");
    let mut strange =
        format!("NEW.\"created_at\" IS NOT {NOW} OR NEW.\"updated_at\" IS NOT NEW.\"created_at\"");
    let mut changes = format!("\"created_at\" = {NOW}, \"updated_at\" = {NOW}");
    for field in late {
        let default = declaration.fields.get(field).and_then(default_of);
        let (column, default) = (quoted(field), default.unwrap_or_else(|| "NULL".to_owned()));
        strange += &format!(" OR NEW.{column} IS {LATE}");
        changes +=
            &format!(", {column} = CASE WHEN {column} IS {LATE} THEN {default} ELSE {column} END");
    }
    let sql = format!(
        "CREATE TRIGGER {} AFTER INSERT ON {table} FOR EACH ROW WHEN {strange} BEGIN \
         INSERT INTO {NEWBORN} VALUES (NEW.\"id\"); \
         UPDATE {table} SET {changes} WHERE \"id\" = NEW.\"id\"; \
         DELETE FROM {NEWBORN} WHERE id IS NEW.\"id\"; END",
        quoted(&name),
        table = quoted(table)
    );
    Named { name, sql }
}

/// An update moves `updated_at` and nothing moves `created_at`, whatever the statement says.
fn touch(table: &str) -> Named {
    let name = format!("{OURS}touch:{table}");
    let next = next("OLD.");
    let sql = format!(
        "CREATE TRIGGER {} AFTER UPDATE ON {table} FOR EACH ROW \
         WHEN (NEW.\"updated_at\" IS NOT {next} OR NEW.\"created_at\" IS NOT OLD.\"created_at\") \
         AND NOT EXISTS (SELECT 1 FROM {NEWBORN} WHERE id IS NEW.\"id\") BEGIN \
         UPDATE {table} SET \"updated_at\" = {next}, \"created_at\" = OLD.\"created_at\" \
         WHERE \"id\" = NEW.\"id\"; END",
        quoted(&name),
        table = quoted(table)
    );
    Named { name, sql }
}

/// What is required, and the types. As triggers, because a NOT NULL or CHECK of the table could
/// never be taken back. An update is held to the types of what it changes alone: a value of before
/// that does not fit must not lock its document.
fn held(table: &str, declaration: &Declaration, event: &str) -> Named {
    let name = format!("{OURS}held:{table}:{}", event.to_ascii_lowercase());
    let (mut broken, mut cases) = (Vec::new(), Vec::new());
    let mut rule = |condition: String, rule: &str, field_name: &str, complaint: &str| {
        let message = literal(&format!("{HELD}{rule} {table}.{field_name} {complaint}"));
        cases.push(format!("WHEN {condition} THEN RAISE(ABORT, {message})"));
        broken.push(condition);
    };
    for (field_name, field) in &declaration.fields {
        let column = quoted(field_name);
        if field.rules.required {
            rule(format!("NEW.{column} IS NULL"), "required", field_name, "is required");
        }
        let mut condition = mistyped(field, &column);
        if event == "UPDATE" {
            condition += &format!(" AND NEW.{column} IS NOT OLD.{column}");
        }
        rule(condition, "type", field_name, &format!("must be {}", field.kind.expectation()));
    }
    let sql = format!(
        "CREATE TRIGGER {} BEFORE {event} ON {} FOR EACH ROW WHEN {} BEGIN \
         SELECT CASE {} END; END",
        quoted(&name),
        quoted(table),
        broken.join(" OR "),
        cases.join(" ")
    );
    Named { name, sql }
}

/// By then the column has made of a value what it can, such as a number of digits.
fn mistyped(field: &Field, column: &str) -> String {
    let classes = match field.kind {
        Kind::Bool => return format!("NEW.{column} NOT IN (0, 1)"),
        Kind::Int => "'integer'",
        Kind::Float => "'real', 'integer'",
        Kind::Blob => "'blob'",
        _ => "'text'",
    };
    format!("typeof(NEW.{column}) NOT IN ({classes}, 'null')")
}

/// With a user goes what the host keeps of them. The guard knows these statements.
fn farewell() -> Named {
    let name = FAREWELL.to_owned();
    let sql = format!(
        "CREATE TRIGGER {} AFTER DELETE ON \"{USERS}\" FOR EACH ROW BEGIN \
         DELETE FROM _alyx_credentials WHERE user_id = OLD.id; \
         DELETE FROM _alyx_refresh_families WHERE user_id = OLD.id; END",
        quoted(&name)
    );
    Named { name, sql }
}
