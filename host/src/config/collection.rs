//! The declared collections of the database and whether they make sense together.
//!
//! Knows nothing of SQL: it is the shape of `collections` in alyx.yaml.

use crate::config::suggest::closest;
use indexmap::IndexMap;
use serde::Deserialize;

/// Fields that the host keeps in every collection.
const OWN_FIELDS: [&str; 3] = ["id", "created_at", "updated_at"];
/// Fields that `users` has besides.
const USER_FIELDS: [&str; 5] = ["email", "name", "role", "verified", "metadata"];
const USERS: &str = "users";
const LONGEST_NAME: usize = 63;

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CollectionConfig {
    pub fields: IndexMap<String, FieldConfig>,
    pub indexes: Vec<IndexConfig>,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FieldConfig {
    pub r#type: FieldType,
    pub required: bool,
    pub unique: bool,
    pub index: bool,
    /// `auto`, `now` or a literal.
    pub default: Option<serde_json::Value>,
    /// `collection.field`
    pub references: Option<String>,
    pub on_delete: Option<OnDelete>,
    pub min_length: Option<u64>,
    pub max_length: Option<u64>,
    pub min: Option<f64>,
    pub max: Option<f64>,
    pub pattern: Option<String>,
    pub r#enum: Option<Vec<serde_json::Value>>,
    pub format: Option<FieldFormat>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FieldType {
    String,
    Text,
    Int,
    Float,
    Bool,
    Timestamp,
    Date,
    Json,
    Uuid,
    Blob,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnDelete {
    Cascade,
    SetNull,
    Restrict,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FieldFormat {
    Email,
    Url,
    Uuid,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IndexConfig {
    pub fields: Vec<String>,
    pub unique: bool,
}

/// What is impossible, as pairs of key path and complaint.
pub fn complaints(collections: &IndexMap<String, CollectionConfig>) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for (name, collection) in collections {
        let path = format!("collections.{name}");
        if let Some(complaint) = bad_name(name) {
            found.push((path.clone(), complaint));
        }
        for (field_name, field) in &collection.fields {
            let path = format!("{path}.fields.{field_name}");
            found.extend(bad_name(field_name).map(|complaint| (path.clone(), complaint)));
            if OWN_FIELDS.contains(&field_name.as_str()) {
                let complaint = "is kept by the host in every collection; remove it".to_owned();
                found.push((path.clone(), complaint));
            }
            field_complaints(field, &path, collections, &mut found);
        }
        for (position, index) in collection.indexes.iter().enumerate() {
            let path = format!("{path}.indexes[{position}].fields");
            index_complaints(index, &path, name, collection, &mut found);
        }
    }
    found
}

fn field_complaints(
    field: &FieldConfig,
    path: &str,
    collections: &IndexMap<String, CollectionConfig>,
    found: &mut Vec<(String, String)>,
) {
    let mut complain =
        |key: &str, complaint: String| found.push((format!("{path}.{key}"), complaint));
    if let (Some(min), Some(max)) = (field.min_length, field.max_length)
        && min > max
    {
        complain("min_length", format!("is {min}, more than max_length ({max}); lower it"));
    }
    if let (Some(min), Some(max)) = (field.min, field.max)
        && min > max
    {
        complain("min", format!("is {min}, more than max ({max}); lower it"));
    }
    match (&field.references, field.on_delete) {
        (Some(target), action) => {
            if let Some(complaint) = bad_reference(target, collections) {
                complain("references", complaint);
            }
            if action == Some(OnDelete::SetNull) && field.required {
                let complaint =
                    "is set_null, but the field is required; choose cascade or restrict";
                complain("on_delete", complaint.to_owned());
            }
        }
        (None, Some(_)) => {
            complain("on_delete", "says nothing without references; add or remove one".to_owned());
        }
        (None, None) => {}
    }
}

fn bad_reference(target: &str, collections: &IndexMap<String, CollectionConfig>) -> Option<String> {
    let Some((collection, field)) = target.split_once('.') else {
        return Some(format!("is '{target}'; expected collection.field, such as users.id"));
    };
    // A table that was there before may be a collection too, so only a slip can be told.
    let Some(config) = collections.get(collection) else {
        let known = collections.keys().map(String::as_str).chain([USERS]);
        let meant = closest(collection, known).filter(|meant| *meant != collection)?;
        return Some(format!("names no collection '{collection}'; did you mean '{meant}'?"));
    };
    missing_field(field, collection, config)
        .map(|hint| format!("names no field '{field}' of '{collection}'; {hint}"))
}

fn index_complaints(
    index: &IndexConfig,
    path: &str,
    name: &str,
    collection: &CollectionConfig,
    found: &mut Vec<(String, String)>,
) {
    if index.fields.is_empty() {
        found.push((path.to_owned(), "is empty; name at least one field".to_owned()));
    }
    for field in &index.fields {
        if let Some(hint) = missing_field(field, name, collection) {
            found.push((path.to_owned(), format!("names no field '{field}' of '{name}'; {hint}")));
        }
    }
}

/// What to do about a field that is not there; none when it is.
fn missing_field(field: &str, name: &str, collection: &CollectionConfig) -> Option<String> {
    let users: &[&str] = if name == USERS { &USER_FIELDS } else { &[] };
    let declared = collection.fields.keys().map(String::as_str);
    let mut known = declared.chain(OWN_FIELDS).chain(users.iter().copied());
    if known.clone().any(|known| known == field) {
        return None;
    }
    let hint = closest(field, known.by_ref()).map(|meant| format!("did you mean '{meant}'?"));
    Some(hint.unwrap_or_else(|| "declare it under fields".to_owned()))
}

fn bad_name(name: &str) -> Option<String> {
    let letters = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    let starts = name.starts_with(|c: char| c.is_ascii_alphabetic());
    if !letters || !starts || name.len() > LONGEST_NAME {
        let rule = "expected a letter, then letters, digits and '_'";
        return Some(format!("is no usable name; {rule}, {LONGEST_NAME} at most"));
    }
    name.starts_with("sqlite_").then(|| "starts with 'sqlite_', which SQLite keeps".to_owned())
}

#[cfg(test)]
mod tests;
