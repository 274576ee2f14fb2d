//! What statements may touch, decided by SQLite's authorizer and never by reading the text.
//!
//! Knows two parties: the host, and functions. `_alyx_*` is the host's alone, by every road: a
//! view, a trigger or a nested statement of a function counts as the function, whatever its name.

use crate::db::error::DbError;
use parking_lot::Mutex;
use rusqlite::ffi;
use rusqlite::hooks::{AuthAction, AuthContext, Authorization};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Names that begin so are the host's.
pub(super) const OURS: &str = "_alyx_";
/// The trigger that takes away with a user what the host keeps of them.
pub(super) const FAREWELL: &str = "_alyx_farewell:users";
/// Where triggers mark a document while it is made. Nothing is in it when a statement is over.
pub(super) const NEWBORN: &str = "_alyx_newborn";
/// Before the name of a table stands this, for the index of its key.
const KEYS: &str = "sqlite_autoindex_";
/// The column by which it finds that, in tables of the host.
const KEPT_BY: &str = "user_id";

/// For whom the connection works just now, and why it last refused.
#[derive(Debug)]
pub(super) struct Guard {
    strict: AtomicBool,
    /// Tables that alyx.yaml declares: their shape is not for functions to change.
    declared: Vec<String>,
    writes: Writes,
    /// The farewell deletes from a table just now and has not looked for the user in it yet.
    parting: AtomicBool,
    refusal: Mutex<Option<DbError>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Writes {
    Allowed,
    Refused,
}

/// While it lives, statements are a function's.
#[derive(Debug)]
pub(super) struct Strict<'a>(&'a Guard);

impl Drop for Strict<'_> {
    fn drop(&mut self) {
        self.0.strict.store(false, Ordering::Relaxed);
    }
}

impl Guard {
    pub(super) fn new(declared: Vec<String>, writes: Writes) -> Arc<Guard> {
        let (strict, parting) = (AtomicBool::new(false), AtomicBool::new(false));
        Arc::new(Guard { strict, declared, writes, parting, refusal: Mutex::new(None) })
    }

    pub(super) fn strictly(&self) -> Strict<'_> {
        self.strict.store(true, Ordering::Relaxed);
        self.refusal.lock().take();
        Strict(self)
    }

    /// Why SQLite just said "not authorized".
    pub(super) fn refusal(&self) -> DbError {
        let refusal = self.refusal.lock().take();
        refusal.unwrap_or_else(|| DbError::forbidden("the statement may not do this"))
    }

    pub(super) fn judge(&self, context: &AuthContext<'_>) -> Authorization {
        let verdict = if self.parts(context) || marks(context) {
            Ok(())
        } else if self.strict.load(Ordering::Relaxed) {
            self.of_function(context)
        } else {
            of_host(context)
        };
        match verdict {
            Ok(()) => Authorization::Allow,
            Err(refusal) => {
                // The first reason is the most telling one.
                self.refusal.lock().get_or_insert(refusal);
                Authorization::Deny
            }
        }
    }

    /// Whether this is the farewell at work. Its name alone proves nothing, for anybody can give it
    /// to a WITH; but only a trigger deletes, and each deletion comes with one look for the user.
    fn parts(&self, context: &AuthContext<'_>) -> bool {
        if context.accessor != Some(FAREWELL) {
            return false;
        }
        match context.action {
            AuthAction::Delete { table_name } if ours(table_name) => {
                self.parting.store(true, Ordering::Relaxed);
                true
            }
            AuthAction::Read { table_name, column_name } => {
                let looks = ours(table_name) && column_name == KEPT_BY;
                looks && self.parting.swap(false, Ordering::Relaxed)
            }
            _ => false,
        }
    }

    fn of_function(&self, context: &AuthContext<'_>) -> Result<(), DbError> {
        use AuthAction as A;
        if context.database_name == Some("temp") {
            return Err(temporary(&context.action));
        }
        match context.action {
            A::Select | A::Recursive => Ok(()),
            A::Read { table_name, .. } => table(table_name),
            A::Function { function_name } => function(function_name),
            A::Pragma { pragma_name, .. } => {
                Err(DbError::forbidden(format!("PRAGMA {pragma_name} is not for functions")))
            }
            // Without a plain name of a file it comes as something unknown.
            A::Attach { .. } | A::Detach { .. } | A::Unknown { code: ffi::SQLITE_ATTACH, .. } => {
                Err(DbError::forbidden("functions cannot attach, detach or copy databases"))
            }
            A::Transaction { .. } | A::Savepoint { .. } => Err(DbError::forbidden(
                "transactions are the host's; use batch for several statements at once",
            )),
            A::CreateVtable { .. } | A::DropVtable { .. } => {
                Err(DbError::forbidden("virtual tables are not for functions"))
            }
            _ if self.writes == Writes::Refused => Err(DbError::read_only()),
            _ => self.write(&context.action),
        }
    }

    fn write(&self, action: &AuthAction<'_>) -> Result<(), DbError> {
        use AuthAction as A;
        match *action {
            A::Insert { table_name } | A::Delete { table_name } => table(table_name),
            A::Update { table_name, .. } => table(table_name),
            A::CreateIndex { index_name: name, table_name }
            | A::DropIndex { index_name: name, table_name }
            | A::CreateTrigger { trigger_name: name, table_name }
            | A::DropTrigger { trigger_name: name, table_name } => {
                self.dropped(action, table_name)?;
                table(name).and(table(table_name))
            }
            A::CreateTable { table_name: name }
            | A::CreateView { view_name: name }
            | A::DropView { view_name: name }
            | A::Analyze { table_name: name } => table(name),
            A::Reindex { index_name } => table(index_name.trim_start_matches(KEYS)),
            A::DropTable { table_name } | A::AlterTable { table_name, .. } => {
                self.shape(table_name).and(table(table_name))
            }
            _ => Err(DbError::forbidden("the statement may not do this")),
        }
    }

    /// A table takes its triggers along, and this is asked first: it names the real culprit.
    fn dropped(&self, action: &AuthAction<'_>, table_name: &str) -> Result<(), DbError> {
        match action {
            AuthAction::DropTrigger { trigger_name, .. } if ours(trigger_name) => {
                self.shape(table_name)
            }
            _ => Ok(()),
        }
    }

    fn shape(&self, table_name: &str) -> Result<(), DbError> {
        if self.declared.iter().any(|name| name.eq_ignore_ascii_case(table_name)) {
            let message =
                format!("the shape of '{table_name}' is kept by alyx.yaml; change it there");
            return Err(DbError::forbidden(message));
        }
        Ok(())
    }
}

/// Whether a trigger of the host's marks a new document, or looks for the mark. The name alone
/// proves nothing, for anybody can give it to a WITH; but that only reads, and finds nothing.
fn marks(context: &AuthContext<'_>) -> bool {
    use AuthAction as A;
    context.accessor.is_some_and(ours)
        && match context.action {
            A::Insert { table_name } | A::Delete { table_name } => table_name == NEWBORN,
            A::Read { table_name, .. } => table_name == NEWBORN,
            _ => false,
        }
}

/// The host may do anything; a trigger or view that a statement of the host runs into may not.
fn of_host(context: &AuthContext<'_>) -> Result<(), DbError> {
    use AuthAction as A;
    if context.accessor.is_none() {
        return Ok(());
    }
    match context.action {
        A::Read { table_name: name, .. }
        | A::Insert { table_name: name }
        | A::Delete { table_name: name }
        | A::Update { table_name: name, .. } => table(name),
        _ => Ok(()),
    }
}

/// Whatever an ALTER renames or drops, SQLite looks for it in temporary views as well. It does not
/// tell what the new name is, so that it could be one of the host's.
fn temporary(action: &AuthAction<'_>) -> DbError {
    DbError::forbidden(match action {
        AuthAction::Read { table_name, .. } | AuthAction::Update { table_name, .. }
            if table_name.starts_with("sqlite_temp_") =>
        {
            "functions can add columns to their tables, not rename or drop; make another table and copy"
        }
        _ => "temporary tables, views and triggers are not for functions; use ordinary ones",
    })
}

pub(super) fn ours(name: &str) -> bool {
    name.get(..OURS.len()).is_some_and(|start| start.eq_ignore_ascii_case(OURS))
}

fn table(name: &str) -> Result<(), DbError> {
    let lower = name.to_ascii_lowercase();
    if ours(name) {
        return Err(DbError::forbidden(format!(
            "'{lower}' belongs to the host; no function can use it"
        )));
    }
    let inner = ["dbstat", "sqlite_dbpage", "sqlite_stmt", "bytecode", "tables_used"];
    if lower.starts_with("pragma_") || inner.contains(&lower.as_str()) {
        return Err(DbError::forbidden(format!(
            "'{lower}' shows the inside of the database; it is not for functions"
        )));
    }
    Ok(())
}

fn function(name: &str) -> Result<(), DbError> {
    let lower = name.to_ascii_lowercase();
    if ["load_extension", "fts3_tokenizer", "readfile", "writefile", "edit"]
        .contains(&lower.as_str())
    {
        return Err(DbError::forbidden(format!("the SQL function '{lower}' is not for functions")));
    }
    Ok(())
}
