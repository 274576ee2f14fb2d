//! Mistakes in declarations, with the place of each.

use crate::config::Config;
use crate::db::mistakes;
use tempfile::TempDir;

/// All that is wrong with the fields of a collection, each on a line of its own from the fourth on.
fn wrong(fields: &str) -> String {
    let folder = TempDir::new().unwrap();
    let yaml = format!("collections:\n  things:\n    fields:\n{fields}");
    std::fs::write(folder.path().join("alyx.yaml"), yaml).unwrap();
    let config = Config::load(None, folder.path(), []).unwrap();
    match config.refuse(mistakes(&config.collections)) {
        Ok(()) => String::new(),
        Err(error) => error.to_string().replace("collections.things.fields.", ""),
    }
}

#[test]
fn each_is_told_with_its_file_line_and_key() {
    let fields = "      a: {type: string, pattern: '('}
      b: {type: int, default: x, enum: [1, two]}
      c:
        type: string
        max_length: 2
        default: long
      d: {type: string, pattern: '(?=x)x'}
      e: {type: bool, default: {}}
      f: {type: string, format: email, default: me}
";
    assert_eq!(
        wrong(fields),
        "alyx.yaml:4: a.pattern is not valid: unclosed group\n\
         alyx.yaml:5: b.enum has \"two\"; it must be an integer\n\
         alyx.yaml:5: b.default is \"x\"; it must be an integer\n\
         alyx.yaml:9: c.default is \"long\"; it must have at most 2 characters\n\
         alyx.yaml:10: d.pattern uses look-around, which is not supported; check that in the handler\n\
         alyx.yaml:11: e.default is {}; it must be true or false\n\
         alyx.yaml:12: f.default is \"me\"; it must be a valid email address"
    );
}

#[test]
fn the_hosts_own_fields_keep_their_types() {
    let folder = TempDir::new().unwrap();
    let yaml = "collections: {users: {fields: {role: {type: int}}}}";
    std::fs::write(folder.path().join("alyx.yaml"), yaml).unwrap();
    let config = Config::load(None, folder.path(), []).unwrap();
    let error = config.refuse(mistakes(&config.collections)).unwrap_err();
    assert_eq!(
        error.to_string(),
        "alyx.yaml:1: collections.users.fields.role.type is not that of the host's field; choose another name"
    );
}

#[test]
fn what_fits_is_fine() {
    let fields = "      a: {type: json, default: {$int: x, n: [9007199254740993]}}
      b: {type: json, default: []}
      c: {type: int, default: 9007199254740993}
      d: {type: timestamp, default: now}
      e: {type: json, enum: [{}, [1]], default: [1]}
      f: {type: string, default: auto, pattern: '^[0-9a-f-]+$'}
";
    assert_eq!(wrong(fields), "");
}
