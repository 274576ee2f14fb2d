//! The collections of alyx.yaml as the database needs them, `users` among them.
//!
//! Knows nothing of the file and of what is in it already.

use crate::config::collection::{CollectionConfig, FieldConfig, FieldFormat, FieldType, OnDelete};
use crate::db::datum::Kind;
use crate::db::rules::{Mistake, Rules};
use indexmap::IndexMap;
use serde_json::json;

/// The collection that is always there.
pub(super) const USERS: &str = "users";
/// The fields that the host keeps in every declared collection.
pub(super) const OWN: [&str; 3] = ["id", "created_at", "updated_at"];

/// By name, in the order of alyx.yaml.
pub(super) type Declared = IndexMap<String, Declaration>;

#[derive(Debug, Default)]
pub(super) struct Declaration {
    /// Without the host's own.
    pub(super) fields: IndexMap<String, Field>,
    pub(super) indexes: Vec<Index>,
}

#[derive(Debug)]
pub(super) struct Field {
    pub(super) kind: Kind,
    pub(super) rules: Rules,
    pub(super) nocase: bool,
    /// Collection and field, and what happens here when that goes.
    pub(super) references: Option<(String, String, &'static str)>,
}

#[derive(Debug, PartialEq)]
pub(super) struct Index {
    pub(super) fields: Vec<String>,
    pub(super) unique: bool,
}

/// The declarations, or every mistake in them as the path of its key and a complaint.
pub(super) fn declared(
    configured: &IndexMap<String, CollectionConfig>,
) -> Result<Declared, Vec<(String, String)>> {
    let mut mistakes = Vec::new();
    let mut all = Declared::new();
    let mut users = declaration(USERS, &users(), &mut mistakes);
    if let Some(field) = users.fields.get_mut("email") {
        // Emails are compared without case, also by raw SQL.
        field.nocase = true;
    }
    all.insert(USERS.to_owned(), users);
    for (name, config) in configured {
        let more = declaration(name, config, &mut mistakes);
        let whole = all.entry(name.clone()).or_default();
        for (field_name, field) in more.fields {
            let known = whole.fields.get(&field_name);
            if known.is_some_and(|known| known.kind != field.kind) {
                let complaint = "is not that of the host's field; choose another name".to_owned();
                mistakes.push((format!("collections.{name}.fields.{field_name}.type"), complaint));
            }
            let nocase = known.is_some_and(|known| known.nocase);
            whole.fields.insert(field_name, Field { nocase, ..field });
        }
        whole.indexes.extend(more.indexes);
        whole.indexes.dedup();
    }
    if mistakes.is_empty() { Ok(all) } else { Err(mistakes) }
}

fn declaration(
    name: &str,
    config: &CollectionConfig,
    mistakes: &mut Vec<(String, String)>,
) -> Declaration {
    let mut declaration = Declaration::default();
    for (field_name, field) in &config.fields {
        let rules = Rules::of(field).unwrap_or_else(|found| {
            let place = |Mistake { key, complaint }| {
                (format!("collections.{name}.fields.{field_name}.{key}"), complaint)
            };
            mistakes.extend(found.into_iter().map(place));
            Rules::default()
        });
        let references = field.references.as_ref().and_then(|target| target.split_once('.'));
        let references = references.map(|(collection, target)| {
            (collection.to_owned(), target.to_owned(), on_delete(field.on_delete))
        });
        let kind = Kind::of_field(field.r#type);
        declaration
            .fields
            .insert(field_name.clone(), Field { kind, rules, nocase: false, references });
        if field.unique || field.index {
            let fields = vec![field_name.clone()];
            declaration.indexes.push(Index { fields, unique: field.unique });
        }
    }
    for index in &config.indexes {
        declaration.indexes.push(Index { fields: index.fields.clone(), unique: index.unique });
    }
    declaration
}

fn on_delete(action: Option<OnDelete>) -> &'static str {
    match action {
        Some(OnDelete::Cascade) => "CASCADE",
        Some(OnDelete::SetNull) => "SET NULL",
        Some(OnDelete::Restrict) => "RESTRICT",
        None => "NO ACTION",
    }
}

fn users() -> CollectionConfig {
    let field = |r#type| FieldConfig {
        r#type,
        required: false,
        unique: false,
        index: false,
        default: None,
        references: None,
        on_delete: None,
        min_length: None,
        max_length: None,
        min: None,
        max: None,
        pattern: None,
        r#enum: None,
        format: None,
    };
    let email = FieldConfig {
        required: true,
        unique: true,
        format: Some(FieldFormat::Email),
        ..field(FieldType::String)
    };
    let role = FieldConfig { default: Some(json!("user")), ..field(FieldType::String) };
    let verified = FieldConfig { default: Some(json!(false)), ..field(FieldType::Bool) };
    let metadata = FieldConfig { default: Some(json!({})), ..field(FieldType::Json) };
    let fields = [
        ("email", email),
        ("name", field(FieldType::String)),
        ("role", role),
        ("verified", verified),
        ("metadata", metadata),
    ];
    let fields = fields.map(|(name, field)| (name.to_owned(), field)).into_iter().collect();
    CollectionConfig { fields, indexes: Vec::new() }
}
