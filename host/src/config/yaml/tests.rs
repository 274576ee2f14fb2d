//! Places, styles and the refusals that keep a hostile or sloppy file from doing harm.

use super::{in_file, parse};
use crate::config::document::{Node, Style, Value};
use crate::config::issue::Origin;
use proptest::prelude::*;

fn read(text: &str) -> Node {
    parse(text, &in_file("f.yaml")).unwrap()
}

fn refused(text: &str, expected: &str) {
    assert_eq!(parse(text, &in_file("f.yaml")).unwrap_err().to_string(), expected);
}

fn scalar(node: &Node) -> (&str, Style) {
    match &node.value {
        Value::Scalar(scalar) => (&scalar.text, scalar.style),
        other => panic!("no scalar: {other:?}"),
    }
}

#[test]
fn keys_and_values_know_their_places() {
    let node = read("a:\n  b: 1\n  'c': \"x\"\n");
    let inner = node.get("a").unwrap();
    let place = |line, column| Origin::File { file: "f.yaml".into(), line, column };
    assert_eq!(inner.entries()[1].origin, place(3, 3));
    assert_eq!(inner.get("c").unwrap().origin, place(3, 8));
}

#[test]
fn spelling_tells_the_style() {
    let node = read("a: 5\nb: '5'\nc: !!str 5\nd: |\n  5\ne: {f: off}");
    let styles = ["a", "b", "c", "d"].map(|key| scalar(node.get(key).unwrap()).1);
    assert_eq!(styles, [Style::Plain, Style::Quoted, Style::Quoted, Style::Quoted]);
    assert_eq!(scalar(node.get("e").unwrap().get("f").unwrap()), ("off", Style::Plain));
}

#[test]
fn nothing_at_all_is_an_empty_map() {
    for text in ["", "# only a comment\n", "---\n", "~", "\n\n"] {
        assert!(matches!(read(text).value, Value::Map(entries) if entries.is_empty()), "{text:?}");
    }
}

#[test]
fn aliases_repeat_what_an_anchor_marked() {
    let node = read("a: &x {k: v}\nb: *x\n");
    assert_eq!(scalar(node.get("b").unwrap().get("k").unwrap()).0, "v");
}

#[test]
fn mistakes_name_line_and_column() {
    refused(
        "a: 1\nb: 2\na: 3\n",
        "f.yaml:3:1: the file has the key 'a' a second time, first in line 1; remove one",
    );
    refused(
        "a: 1\n---\nb: 2\n",
        "f.yaml:3:1: the file starts a second document; keep one per file",
    );
    refused("a: !secret x\n", "f.yaml:1:4: the file uses the tag '!secret'; leave it away");
    refused("? [a]\n: 1\n", "f.yaml:1:3: the file has a key that is no plain text; name the key");
    let error = parse("a: [1, 2\nb: 3\n", &in_file("f.yaml")).unwrap_err().to_string();
    assert!(error.starts_with("f.yaml:2:2: the file is not valid YAML: "), "{error}");
    let error = parse("a:\n\t- 1\n", &in_file("f.yaml")).unwrap_err().to_string();
    assert!(error.starts_with("f.yaml:2:"), "{error}");
}

#[test]
fn bombs_are_refused() {
    let deep = format!("a: {}{}", "[".repeat(60), "]".repeat(60));
    assert!(parse(&deep, &in_file("f")).unwrap_err().complaint.contains("nests deeper"));
    let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..9 {
        let aliases = vec![format!("*a{}", level - 1); 10].join(", ");
        bomb += &format!("a{level}: &a{level} [{aliases}]\n");
    }
    assert!(parse(&bomb, &in_file("f")).unwrap_err().complaint.contains("100000 values"));
    let mut tower = "a0: &a0 [x]\n".to_owned();
    for level in 1..50 {
        tower += &format!("a{level}: &a{level} [*a{}]\n", level - 1);
    }
    assert!(parse(&tower, &in_file("f")).unwrap_err().complaint.contains("nests deeper"));
    assert!(parse("a: &x [*x]", &in_file("f")).is_err());
}

#[test]
fn debug_shows_no_value() {
    assert!(!format!("{:?}", read("token: hunter2")).contains("hunter2"));
}

proptest! {
    #[test]
    fn any_text_is_read_without_a_panic(text in "[a-c:\\-\\[\\]{}&*!|>'\" \n#?,%@]{0,60}") {
        let _ = parse(&text, &in_file("f.yaml"));
    }
}
