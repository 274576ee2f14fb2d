//! Brings the file up to what is declared, in one transaction: adds what is missing, and refuses
//! what would lose or reinterpret data.
//!
//! Runs once, at the start, before any function does.

use crate::db::datum::{Kind, quoted};
use crate::db::declared::{Declaration, Declared, Field, OWN};
use crate::db::error::StoreError;
use crate::db::guard::OURS;
use crate::db::moment::NOW;
use crate::db::tables::{self, LATE, Named};
use crate::db::triggers::triggers;
use indexmap::IndexMap;
use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior};
use std::path::Path;

/// Makes the file fit the declarations, or says what is in the way.
pub(super) fn apply(
    connection: &mut Connection,
    declared: &Declared,
    path: &Path,
) -> Result<(), StoreError> {
    let failed = |error: rusqlite::Error| StoreError::Change {
        path: path.to_owned(),
        reason: error.to_string(),
    };
    let transaction =
        connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
    let mut change = Change { transaction: &transaction, differences: Vec::new() };
    change.all(declared).map_err(failed)?;
    let differences = change.differences;
    if !differences.is_empty() {
        return Err(StoreError::Destructive { path: path.to_owned(), differences });
    }
    transaction.commit().map_err(failed)
}

struct Change<'a> {
    transaction: &'a Transaction<'a>,
    differences: Vec<String>,
}

/// A column as it is in the file.
struct Present {
    column_type: String,
    in_key: bool,
}

impl Change<'_> {
    fn all(&mut self, declared: &Declared) -> rusqlite::Result<()> {
        self.transaction.execute_batch(tables::INTERNAL)?;
        for (name, declaration) in declared {
            let present = self.columns(name)?;
            if present.is_empty() {
                self.transaction.execute_batch(&tables::table(name, declaration))?;
            } else {
                self.table(name, declaration, &present)?;
            }
        }
        // References may point forward, so indexes and triggers come when all tables are there.
        if !self.differences.is_empty() {
            return Ok(());
        }
        for (name, declaration) in declared {
            self.indexes(name, declaration)?;
            let wanted = triggers(name, declaration, &self.late(name, declaration)?);
            self.replace("trigger", name, &wanted)?;
        }
        Ok(())
    }

    /// The fields whose default is left to the trigger of new documents.
    fn late(&self, table: &str, declaration: &Declaration) -> rusqlite::Result<Vec<String>> {
        let sql = "SELECT name FROM pragma_table_xinfo(?) WHERE dflt_value = ?";
        let mut statement = self.transaction.prepare(sql)?;
        let names = statement.query_map([table, LATE], |row| row.get::<_, String>(0))?;
        let names = names.collect::<rusqlite::Result<Vec<_>>>()?;
        Ok(names.into_iter().filter(|name| declaration.fields.contains_key(name)).collect())
    }

    fn columns(&self, table: &str) -> rusqlite::Result<IndexMap<String, Present>> {
        let sql = "SELECT name, type, pk > 0 FROM pragma_table_xinfo(?)";
        let mut statement = self.transaction.prepare(sql)?;
        let rows = statement.query_map([table], |row| {
            Ok((row.get(0)?, Present { column_type: row.get(1)?, in_key: row.get(2)? }))
        })?;
        rows.collect()
    }

    fn table(
        &mut self,
        name: &str,
        declaration: &Declaration,
        present: &IndexMap<String, Present>,
    ) -> rusqlite::Result<()> {
        let key = present.iter().filter(|(_, column)| column.in_key).map(|(name, _)| name);
        if key.collect::<Vec<_>>() != ["id"] {
            self.differ(format!("{name}: its primary key is not 'id'"));
        }
        for column in present.keys() {
            if !declaration.fields.contains_key(column) && !OWN.contains(&column.as_str()) {
                let count = self.count(name, &format!("{} IS NOT NULL", quoted(column)))?;
                self.differ(format!(
                    "{name}.{column}: in the file, with a value in {count} documents, but not declared"
                ));
            }
        }
        self.own_columns(name, present)?;
        for (field_name, field) in &declaration.fields {
            match present.get(field_name) {
                None => self.add(name, field_name, field)?,
                Some(column) => self.compare(name, field_name, field, column)?,
            }
        }
        Ok(())
    }

    /// A table that somebody else made gets the host's timestamps.
    fn own_columns(
        &mut self,
        name: &str,
        present: &IndexMap<String, Present>,
    ) -> rusqlite::Result<()> {
        let table = quoted(name);
        for own in OWN.iter().filter(|own| !present.contains_key(**own)) {
            self.transaction.execute_batch(&format!(
                "ALTER TABLE {table} ADD COLUMN \"{own}\" TIMESTAMP_TEXT; \
                 UPDATE {table} SET \"{own}\" = {}",
                NOW
            ))?;
        }
        Ok(())
    }

    fn add(&mut self, name: &str, field_name: &str, field: &Field) -> rusqlite::Result<()> {
        let documents = self.count(name, "1")?;
        let default = tables::default_of(field);
        if field.rules.required && default.is_none() && documents > 0 {
            self.differ(format!(
                "{name}.{field_name}: declared required without a default, but {documents} documents lack it"
            ));
            return Ok(());
        }
        let (table, mut column) = (quoted(name), tables::column(field_name, field));
        let there = if documents > 0 { tables::late_default(field) } else { default.clone() };
        if let Some(there) = &there {
            // In brackets a constant counts as computed.
            column += &match documents {
                0 => format!(" DEFAULT ({there})"),
                _ => format!(" DEFAULT {there}"),
            };
        }
        self.transaction.execute_batch(&format!("ALTER TABLE {table} ADD COLUMN {column}"))?;
        if let Some(default) =
            default.filter(|default| documents > 0 && there.as_ref() != Some(default))
        {
            // The column exists in the old documents from now on; their time of change stays.
            self.drop_triggers(name)?;
            let column = quoted(field_name);
            self.transaction.execute_batch(&format!("UPDATE {table} SET {column} = {default}"))?;
        }
        Ok(())
    }

    fn compare(
        &mut self,
        name: &str,
        field_name: &str,
        field: &Field,
        present: &Present,
    ) -> rusqlite::Result<()> {
        // Others keep truth as integers; so it is, as long as it is nothing else. In a column of ours
        // the type decides alone: whatever raw SQL once put there stops no start.
        let strange = match field.kind {
            Kind::Bool if !present.column_type.eq_ignore_ascii_case(Kind::Bool.column_type()) => {
                self.count(name, &format!("{} NOT IN (0, 1)", quoted(field_name)))?
            }
            _ => 0,
        };
        if strange > 0 || !fits(field.kind, &present.column_type) {
            self.differ(format!(
                "{name}.{field_name}: {} in the file, {} as declared",
                present.column_type,
                field.kind.column_type()
            ));
        }
        let reference = self.reference(name, field_name)?;
        if reference
            != field
                .references
                .clone()
                .map(|(table, column, action)| (table, column, action.to_owned()))
        {
            self.differ(format!(
                "{name}.{field_name}: refers to {} in the file, to {} as declared",
                shown(reference.as_ref()),
                shown(field.references.as_ref())
            ));
        }
        if field.rules.required {
            let lacking = self.count(name, &format!("{} IS NULL", quoted(field_name)))?;
            if lacking > 0 {
                self.differ(format!(
                    "{name}.{field_name}: declared required, but {lacking} documents lack it"
                ));
            }
        }
        Ok(())
    }

    fn reference(
        &self,
        table: &str,
        field: &str,
    ) -> rusqlite::Result<Option<(String, String, String)>> {
        let sql = "SELECT \"table\", coalesce(\"to\", 'id'), on_delete FROM pragma_foreign_key_list(?) WHERE \"from\" = ?";
        let mut statement = self.transaction.prepare(sql)?;
        statement
            .query_row([table, field], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
            .optional()
    }

    fn indexes(&mut self, name: &str, declaration: &Declaration) -> rusqlite::Result<()> {
        for index in declaration.indexes.iter().filter(|index| index.unique) {
            let fields = index.fields.iter().map(|field| quoted(field)).collect::<Vec<_>>();
            let there =
                fields.iter().map(|field| format!("{field} IS NOT NULL")).collect::<Vec<_>>();
            let sql = format!(
                "SELECT count(*) FROM (SELECT 1 FROM {} WHERE {} GROUP BY {} HAVING count(*) > 1)",
                quoted(name),
                there.join(" AND "),
                fields.join(", ")
            );
            let twice: i64 = self.transaction.query_row(&sql, [], |row| row.get(0))?;
            if twice > 0 {
                let fields = index.fields.join(", ");
                self.differ(format!(
                    "{name}.{fields}: declared unique, but {twice} values occur more than once"
                ));
                return Ok(());
            }
        }
        let wanted = declaration.indexes.iter().map(|index| tables::index(name, index));
        self.replace("index", name, &wanted.collect::<Vec<_>>())
    }

    /// Drops ours of that type that are not wanted, and makes what is. What is there stays, so
    /// that an ordinary start changes nothing.
    fn replace(&self, r#type: &str, table: &str, wanted: &[Named]) -> rusqlite::Result<()> {
        let sql = "SELECT name, sql FROM sqlite_schema WHERE type = ? AND tbl_name = ? AND substr(name, 1, 6) = ?";
        let mut statement = self.transaction.prepare(sql)?;
        let present = statement.query_map((r#type, table, OURS), |row| {
            Ok(Named { name: row.get(0)?, sql: row.get(1)? })
        })?;
        let present = present.collect::<rusqlite::Result<Vec<_>>>()?;
        for gone in present.iter().filter(|named| !wanted.contains(named)) {
            self.transaction.execute_batch(&format!("DROP {type} {}", quoted(&gone.name)))?;
        }
        let mut made: Vec<&Named> = Vec::new();
        for new in wanted.iter().filter(|named| !present.contains(named)) {
            if !made.contains(&new) {
                self.transaction.execute_batch(&new.sql)?;
                made.push(new);
            }
        }
        Ok(())
    }

    fn drop_triggers(&self, table: &str) -> rusqlite::Result<()> {
        self.replace("trigger", table, &[])
    }

    fn count(&self, table: &str, condition: &str) -> rusqlite::Result<i64> {
        let sql = format!("SELECT count(*) FROM {} WHERE {condition}", quoted(table));
        self.transaction.query_row(&sql, [], |row| row.get(0))
    }

    fn differ(&mut self, difference: String) {
        self.differences.push(difference);
    }
}

fn shown<T: AsRef<str>>(reference: Option<&(String, String, T)>) -> String {
    reference.map_or_else(
        || "nothing".to_owned(),
        |(table, column, action)| {
            format!("{table}.{column} (on delete {})", action.as_ref().to_lowercase())
        },
    )
}

/// Whether a column of that type holds what the kind stores. Types that we name must be the very
/// same; those of others must have the same affinity by SQLite's rules.
fn fits(kind: Kind, column_type: &str) -> bool {
    if column_type.eq_ignore_ascii_case(kind.column_type()) {
        return true;
    }
    let upper = column_type.to_ascii_uppercase();
    if upper.ends_with("_TEXT") || upper == "BOOLEAN" {
        return false;
    }
    let has = |words: &[&str]| words.iter().any(|word| upper.contains(word));
    match kind {
        Kind::Bool => has(&["INT", "BOOL"]),
        Kind::Int => has(&["INT"]),
        Kind::Float => has(&["REAL", "FLOA", "DOUB"]),
        Kind::Blob => has(&["BLOB"]) || upper.is_empty(),
        _ => has(&["CHAR", "CLOB", "TEXT"]) && !has(&["INT"]),
    }
}
