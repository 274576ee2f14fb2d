//! Declared collections: what is read, and what is impossible together.

use super::*;
use crate::config::Config;
use serde_json::json;

fn load(yaml: &str) -> Result<Config, String> {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("alyx.yaml"), yaml).unwrap();
    Config::load(None, folder.path(), []).map_err(|error| error.to_string())
}

/// `field` is one field of `posts`.
fn refused(field: &str, expected: &str) {
    let yaml = format!("collections:\n  posts:\n    fields:\n      {field}\n");
    assert_eq!(load(&yaml).unwrap_err(), format!("alyx.yaml:4: collections.posts.{expected}"));
}

#[test]
fn the_sample_of_the_contract_is_read_in_order() {
    let config = load(include_str!("tests/sample.yaml")).unwrap();
    let posts = &config.collections["posts"];
    let names: Vec<_> = posts.fields.keys().map(String::as_str).collect();
    assert_eq!(names, ["title", "slug", "published", "tags", "author_id"]);
    assert_eq!(
        (posts.fields["title"].required, posts.fields["title"].max_length),
        (true, Some(200))
    );
    assert_eq!(posts.fields["published"].default, Some(json!(false)));
    let author = &posts.fields["author_id"];
    assert_eq!((author.r#type, author.on_delete), (FieldType::Uuid, Some(OnDelete::Cascade)));
    assert_eq!(author.references.as_deref(), Some("users.id"));
    assert_eq!(posts.indexes[0].fields, ["published", "created_at"]);
}

#[test]
fn literals_keep_their_types() {
    let yaml = "collections: {c: {fields: {a: {type: int, default: 5}, b: {type: string, default: '5'}, \
                c: {type: string, enum: [x, 'y', 3]}, d: {type: timestamp, default: now}, e: {type: bool, default: null}}}}";
    let config = load(yaml).unwrap();
    let field = |name: &str| config.collections["c"].fields[name].clone();
    assert_eq!((field("a").default, field("b").default), (Some(json!(5)), Some(json!("5"))));
    assert_eq!(field("c").r#enum, Some(vec![json!("x"), json!("y"), json!(3)]));
    assert_eq!((field("d").default, field("e").default), (Some(json!("now")), None));
}

#[test]
fn impossible_fields_are_refused() {
    refused(
        "a: {typ: int}",
        "fields.a.typ is not a known key; did you mean 'type'?\nalyx.yaml:4: collections.posts.fields.a.type is missing; add it: one of string, text, int, float, bool, timestamp, date, json, uuid, blob",
    );
    refused(
        "a: {type: strng}",
        "fields.a.type is the text 'strng'; expected one of string, text, int, float, bool, timestamp, date, json, uuid, blob; did you mean 'string'?",
    );
    refused("a: {type: int, min: 3, max: 2}", "fields.a.min is 3, more than max (2); lower it");
    refused(
        "a: {type: text, min_length: 3, max_length: 2}",
        "fields.a.min_length is 3, more than max_length (2); lower it",
    );
    refused(
        "a: {type: uuid, references: users}",
        "fields.a.references is 'users'; expected collection.field, such as users.id",
    );
    refused(
        "a: {type: uuid, references: user.id}",
        "fields.a.references names no collection 'user'; did you mean 'users'?",
    );
    refused(
        "a: {type: uuid, references: posts.idd}",
        "fields.a.references names no field 'idd' of 'posts'; did you mean 'id'?",
    );
    refused(
        "a: {type: uuid, references: elsewhere.id}",
        "fields.a.references names no collection 'elsewhere'; declare it under collections",
    );
    refused(
        "a: {type: string, references: users.login}",
        "fields.a.references names no field 'login' of 'users'; declare it under fields",
    );
    refused(
        "a: {type: string, references: users.role}",
        "fields.a.references is 'users.role', whose values are not unique; make it unique, or refer to users.id",
    );
    refused(
        "a: {type: int, references: users.id}",
        "fields.a.references is 'users.id' of type uuid, but this is of type int; give both the same type",
    );
    refused(
        "a: {type: uuid, on_delete: cascade}",
        "fields.a.on_delete says nothing without references; add or remove one",
    );
    refused(
        "a: {type: uuid, references: users.id, on_delete: set_null, required: true}",
        "fields.a.on_delete is set_null, but the field is required; choose cascade or restrict",
    );
    refused("id: {type: uuid}", "fields.id is kept by the host in every collection; remove it");
    refused(
        "a-b: {type: uuid}",
        "fields.a-b is no usable name; expected a letter, then letters, digits and '_', 63 at most",
    );
    refused("Id: {type: uuid}", "fields.Id is kept by the host in every collection; remove it");
    refused("a: {type: int, enum: []}", "fields.a.enum is empty; name at least one value");
    refused("a: {type: int, enum: 5}", "fields.a.enum is the number 5; expected a list of values");
}

#[test]
fn references_to_what_is_unique_are_fine() {
    let yaml = |field: &str, target: &str| {
        format!(
            "collections: {{Posts: {{fields: {{slug: {{type: string, unique: true}}, n: {{type: int}}}}, \
             indexes: [{{fields: [n], unique: true}}, {{fields: [n, slug], unique: true}}]}}, \
             a: {{fields: {{b: {{type: {field}, references: {target}}}}}}}}}"
        )
    };
    for (field, target) in [
        ("uuid", "users.id"),
        ("string", "users.email"),
        ("text", "Posts.slug"),
        ("int", "Posts.n"),
        ("uuid", "a.id"),
        ("string", "Posts.id"),
    ] {
        load(&yaml(field, target)).unwrap_or_else(|error| panic!("{target}: {error}"));
    }
    for (field, target) in [("uuid", "posts.id"), ("timestamp", "Posts.created_at")] {
        load(&yaml(field, target)).expect_err(target);
    }
}

#[test]
fn rules_that_say_nothing_of_the_type_are_refused() {
    for (r#type, rule, of) in [
        ("int", "pattern: x", "string and text"),
        ("uuid", "format: uuid", "string and text"),
        ("string", "min: 1", "int and float"),
        ("bool", "max: 1", "int and float"),
        ("json", "max_length: 1", "string, text and blob"),
        ("timestamp", "min_length: 1", "string, text and blob"),
    ] {
        let key = rule.split(':').next().unwrap();
        refused(
            &format!("a: {{type: {type}, {rule}}}"),
            &format!("fields.a.{key} says nothing of type {type}, only of {of}; remove it"),
        );
    }
}

#[test]
fn names_that_differ_in_case_alone_are_refused() {
    let yaml = "collections:\n  a: {fields: {b: {type: int}}}\n  A: {fields: {c: {type: int}, C: {type: int}}}\n  Users: {fields: {d: {type: int}}}\n";
    assert_eq!(
        load(yaml).unwrap_err(),
        "alyx.yaml:3: collections.A differs from 'a' in case alone, which SQLite ignores; rename one\n\
         alyx.yaml:3: collections.A.fields.C differs from 'c' in case alone, which SQLite ignores; rename one\n\
         alyx.yaml:4: collections.Users differs from 'users' in case alone, which SQLite ignores; rename one"
    );
}

#[test]
fn a_default_may_be_a_whole_tree() {
    let yaml = "collections: {c: {fields: {a: {type: json, default: {}}, b: {type: json, default: []}, \
                d: {type: json, default: {x: [1, 'y', {z: null}], $$w: true}}, \
                e: {type: json, enum: [{}, [1], x]}}}}";
    let config = load(yaml).unwrap();
    let field = |name: &str| config.collections["c"].fields[name].clone();
    assert_eq!((field("a").default, field("b").default), (Some(json!({})), Some(json!([]))));
    assert_eq!(field("d").default.unwrap()["x"], json!([1, "y", {"z": null}]));
    assert_eq!(field("e").r#enum, Some(vec![json!({}), json!([1]), json!("x")]));
}

#[test]
fn names_that_sqlite_or_the_host_keeps_are_refused() {
    for (name, complaint) in [
        ("sqlite_x", "starts with 'sqlite_', which SQLite keeps"),
        (
            "_alyx_x",
            "is no usable name; expected a letter, then letters, digits and '_', 63 at most",
        ),
    ] {
        let error = load(&format!("collections: {{{name}: {{fields: {{a: {{type: int}}}}}}}}"))
            .unwrap_err();
        assert_eq!(error, format!("alyx.yaml:1: collections.{name} {complaint}"));
    }
}

#[test]
fn indexes_name_fields_that_are_there() {
    let index = |fields: &str| {
        let yaml = format!("collections:\n  users:\n    indexes: [{{fields: {fields}}}]\n");
        load(&yaml)
            .map(|_| ())
            .map_err(|error| error.replace("alyx.yaml:3: collections.users.", ""))
    };
    assert_eq!(index("[email, created_at]"), Ok(()));
    assert_eq!(
        index("[emial]"),
        Err("indexes[0].fields names no field 'emial' of 'users'; did you mean 'email'?".into())
    );
    assert_eq!(
        index("[certificate]"),
        Err("indexes[0].fields names no field 'certificate' of 'users'; declare it under fields"
            .into())
    );
    assert_eq!(index("[]"), Err("indexes[0].fields is empty; name at least one field".into()));
    assert_eq!(
        index("email"),
        Err("indexes[0].fields is the text 'email'; expected a list of texts".into())
    );
}
