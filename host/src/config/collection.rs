//! The declared collections of the database.
//!
//! Knows nothing of SQL: it is the shape of `collections` in alyx.yaml. Whether they make sense is
//! asked in `impossible`.

pub mod impossible;

use indexmap::IndexMap;
use serde::Deserialize;
use std::fmt;

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

impl fmt::Display for FieldType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            FieldType::String => "string",
            FieldType::Text => "text",
            FieldType::Int => "int",
            FieldType::Float => "float",
            FieldType::Bool => "bool",
            FieldType::Timestamp => "timestamp",
            FieldType::Date => "date",
            FieldType::Json => "json",
            FieldType::Uuid => "uuid",
            FieldType::Blob => "blob",
        })
    }
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

#[cfg(test)]
mod tests;
