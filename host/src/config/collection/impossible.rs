//! Declared collections that make no sense: names, references, and rules that say nothing.
//!
//! Knows the shape alone. Whether a default or a choice fits its type is asked in `db`, which
//! knows what a value of a type is.

use crate::config::collection::FieldType as Type;
use crate::config::collection::{CollectionConfig, FieldConfig, IndexConfig, OnDelete};
use crate::config::suggest::closest;
use indexmap::IndexMap;

/// Fields that the host keeps in every collection, and whether their values are unique.
const OWN_FIELDS: [(&str, Type, bool); 3] = [
    ("id", Type::Uuid, true),
    ("created_at", Type::Timestamp, false),
    ("updated_at", Type::Timestamp, false),
];
/// Fields that `users` has besides.
const USER_FIELDS: [(&str, Type, bool); 5] = [
    ("email", Type::String, true),
    ("name", Type::String, false),
    ("role", Type::String, false),
    ("verified", Type::Bool, false),
    ("metadata", Type::Json, false),
];
const USERS: &str = "users";
const LONGEST_NAME: usize = 63;

type Collections = IndexMap<String, CollectionConfig>;

/// What is impossible, as pairs of key path and complaint.
pub fn complaints(collections: &Collections) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let names: Vec<_> = collections.keys().map(String::as_str).collect();
    for (position, (name, collection)) in collections.iter().enumerate() {
        let path = format!("collections.{name}");
        let others = names[..position].iter().copied().chain([USERS]);
        let complaint = bad_name(name).or_else(|| twin(name, others));
        found.extend(complaint.map(|complaint| (path.clone(), complaint)));
        let fields: Vec<_> = collection.fields.keys().map(String::as_str).collect();
        for (position, (field_name, field)) in collection.fields.iter().enumerate() {
            let path = format!("{path}.fields.{field_name}");
            let complaint = bad_name(field_name)
                .or_else(|| kept(field_name))
                .or_else(|| twin(field_name, fields[..position].iter().copied()));
            found.extend(complaint.map(|complaint| (path.clone(), complaint)));
            let complaints = field_complaints(field, collections).into_iter();
            found.extend(complaints.map(|(key, complaint)| (format!("{path}.{key}"), complaint)));
        }
        for (position, index) in collection.indexes.iter().enumerate() {
            let path = format!("{path}.indexes[{position}].fields");
            index_complaints(index, &path, name, collection, &mut found);
        }
    }
    found
}

fn field_complaints(field: &FieldConfig, collections: &Collections) -> Vec<(&'static str, String)> {
    let mut found = without_meaning(field);
    let mut complain = |key, complaint: String| found.push((key, complaint));
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
    if field.r#enum.as_ref().is_some_and(Vec::is_empty) {
        complain("enum", "is empty; name at least one value".to_owned());
    }
    match (&field.references, field.on_delete) {
        (Some(target), action) => {
            if let Some(complaint) = bad_reference(target, field.r#type, collections) {
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
    found
}

/// Rules that no value of the field's type could ever break.
fn without_meaning(field: &FieldConfig) -> Vec<(&'static str, String)> {
    let sized = (&[Type::String, Type::Text, Type::Blob][..], "string, text and blob");
    let numbers = (&[Type::Int, Type::Float][..], "int and float");
    let texts = (&[Type::String, Type::Text][..], "string and text");
    [
        ("min_length", field.min_length.is_some(), sized),
        ("max_length", field.max_length.is_some(), sized),
        ("min", field.min.is_some(), numbers),
        ("max", field.max.is_some(), numbers),
        ("pattern", field.pattern.is_some(), texts),
        ("format", field.format.is_some(), texts),
    ]
    .into_iter()
    .filter(|(_, given, (types, _))| *given && !types.contains(&field.r#type))
    .map(|(key, _, (_, of))| {
        (key, format!("says nothing of type {}, only of {of}; remove it", field.r#type))
    })
    .collect()
}

fn bad_reference(target: &str, from: Type, collections: &Collections) -> Option<String> {
    let Some((collection, field)) = target.split_once('.') else {
        return Some(format!("is '{target}'; expected collection.field, such as users.id"));
    };
    let config = collections.get(collection);
    if config.is_none() && collection != USERS {
        let known = collections.keys().map(String::as_str).chain([USERS]);
        let hint = closest(collection, known).map(|meant| format!("did you mean '{meant}'?"));
        let hint = hint.unwrap_or_else(|| "declare it under collections".to_owned());
        return Some(format!("names no collection '{collection}'; {hint}"));
    }
    if let Some(hint) = missing_field(field, collection, config) {
        return Some(format!("names no field '{field}' of '{collection}'; {hint}"));
    }
    let (to, unique) = target_of(field, collection, config)?;
    if !unique {
        return Some(format!(
            "is '{target}', whose values are not unique; make it unique, or refer to {collection}.id"
        ));
    }
    let class = |r#type| match r#type {
        Type::Text | Type::Uuid => Type::String,
        other => other,
    };
    (class(from) != class(to)).then(|| {
        format!("is '{target}' of type {to}, but this is of type {from}; give both the same type")
    })
}

/// The type of a field and whether its values are unique.
fn target_of(
    field: &str,
    name: &str,
    collection: Option<&CollectionConfig>,
) -> Option<(Type, bool)> {
    let users = if name == USERS { &USER_FIELDS[..] } else { &[] };
    let built_in = OWN_FIELDS.iter().chain(users).find(|(known, ..)| *known == field);
    let declared = collection.and_then(|collection| collection.fields.get(field));
    let alone = |index: &IndexConfig| index.unique && index.fields == [field];
    let indexed = collection.is_some_and(|collection| collection.indexes.iter().any(alone));
    let unique = indexed
        || built_in.is_some_and(|(_, _, unique)| *unique)
        || declared.is_some_and(|declared| declared.unique);
    let r#type = built_in.map(|(_, r#type, _)| *r#type);
    Some((r#type.or(declared.map(|declared| declared.r#type))?, unique))
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
        if let Some(hint) = missing_field(field, name, Some(collection)) {
            found.push((path.to_owned(), format!("names no field '{field}' of '{name}'; {hint}")));
        }
    }
}

/// What to do about a field that is not there; none when it is.
fn missing_field(field: &str, name: &str, collection: Option<&CollectionConfig>) -> Option<String> {
    if target_of(field, name, collection).is_some() {
        return None;
    }
    let users = if name == USERS { &USER_FIELDS[..] } else { &[] };
    let built_in = OWN_FIELDS.iter().chain(users).map(|(known, ..)| *known);
    let declared = collection.into_iter().flat_map(|collection| collection.fields.keys());
    let hint = closest(field, declared.map(String::as_str).chain(built_in));
    let hint = hint.map(|meant| format!("did you mean '{meant}'?"));
    Some(hint.unwrap_or_else(|| "declare it under fields".to_owned()))
}

fn bad_name(name: &str) -> Option<String> {
    let letters = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    let starts = name.starts_with(|c: char| c.is_ascii_alphabetic());
    if !letters || !starts || name.len() > LONGEST_NAME {
        let rule = "expected a letter, then letters, digits and '_'";
        return Some(format!("is no usable name; {rule}, {LONGEST_NAME} at most"));
    }
    name.to_ascii_lowercase()
        .starts_with("sqlite_")
        .then(|| "starts with 'sqlite_', which SQLite keeps".to_owned())
}

fn kept(field: &str) -> Option<String> {
    let own = OWN_FIELDS.iter().any(|(own, ..)| own.eq_ignore_ascii_case(field));
    own.then(|| "is kept by the host in every collection; remove it".to_owned())
}

/// Another name that SQLite takes for the same.
fn twin<'a>(name: &str, mut others: impl Iterator<Item = &'a str>) -> Option<String> {
    let twin = others.find(|other| *other != name && other.eq_ignore_ascii_case(name))?;
    Some(format!("differs from '{twin}' in case alone, which SQLite ignores; rename one"))
}
