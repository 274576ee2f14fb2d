//! Snippets of JavaScript into whole functions, each word of them kept.
//!
//! Knows comments, braces and the guide's own placeholder; it does not parse JavaScript.

/// Stands in the guide where a reader goes on.
const PLACEHOLDER: &str = "// ...";

/// A handler with `body` inside.
pub(super) fn handler(body: &str) -> String {
    format!("export default async function handler(ctx) {{\n{body}\n}}\n")
}

/// The function with `code` where the guide leaves the rest to the reader.
pub(super) fn filled(function: &str, code: &str) -> String {
    assert_eq!(function.matches(PLACEHOLDER).count(), 1, "one placeholder in:\n{function}");
    function.replace(PLACEHOLDER, code)
}

/// The function with `code` as its last statement.
pub(super) fn ending(function: &str, code: &str) -> String {
    let end = function.trim_end().strip_suffix('}').expect("a function ends with a brace");
    format!("{end}  {code}\n}}\n")
}

/// The parts of a block by the comment that stands above each.
pub(super) fn parts(text: &str) -> Vec<(&str, &str)> {
    let parts = text.trim_end().split("\n\n");
    parts
        .map(|part| {
            let (title, code) = part.split_once('\n').expect("a comment, then code");
            (title.strip_prefix("// ").expect("a comment begins each part"), code)
        })
        .collect()
}

/// The object literals that stand by themselves in a text.
pub(super) fn objects(text: &str) -> Vec<String> {
    let mut objects = Vec::new();
    let mut object = String::new();
    for line in text.lines().filter(|line| !line.starts_with("//") && !line.is_empty()) {
        object += line;
        object.push('\n');
        if object.matches('{').count() == object.matches('}').count() {
            objects.push(std::mem::take(&mut object).trim_end().to_owned());
        }
    }
    assert!(object.is_empty(), "an object without its end: {object}");
    objects
}

#[test]
fn objects_may_be_nested_and_have_several_lines() {
    let text = "// one\n{ a: 1 }\n{ b: { $eq: 2 } }\n\n// two\n{\n  c: { d: 3 },\n  e: 4\n}\n";
    let expected = ["{ a: 1 }", "{ b: { $eq: 2 } }", "{\n  c: { d: 3 },\n  e: 4\n}"];
    assert_eq!(objects(text), expected);
}

#[test]
fn parts_are_named_by_their_comments() {
    let expected = [("Read", "a();\n// Returns: b"), ("Delete", "c();")];
    assert_eq!(parts("// Read\na();\n// Returns: b\n\n// Delete\nc();\n"), expected);
}
