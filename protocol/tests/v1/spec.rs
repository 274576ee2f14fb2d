//! The normative text keeps its own rules and agrees with the code on codes, sizes and methods.

use std::collections::BTreeMap;

use alyx_protocol::{ErrorCode, limits, syscall, worker};

use crate::golden::{Schema, names, text};

/// A line of the text that is not inside a code block, without what stands in backticks.
fn prose(spec: &str) -> Vec<(usize, String)> {
    let mut inside_block = false;
    let mut lines = Vec::new();
    for (at, line) in spec.lines().enumerate() {
        if line.starts_with("```") {
            inside_block = !inside_block;
        } else if !inside_block {
            let plain = line.split('`').step_by(2).collect();
            lines.push((at + 1, plain));
        }
    }
    lines
}

fn is_normative(line: &str) -> bool {
    let words: Vec<&str> = line.split(|c: char| !c.is_ascii_alphabetic()).collect();
    words.iter().any(|word| matches!(*word, "MUST" | "SHOULD" | "SHALL" | "REQUIRED"))
        || words.windows(2).any(|pair| pair == ["MAY", "NOT"])
}

/// `[REQ-AREA-N]` at the start of a list item: its area and number.
fn requirement(line: &str) -> Option<(&str, u32)> {
    let (id, _) = line.strip_prefix("- [REQ-")?.split_once("] ")?;
    let (area, number) = id.rsplit_once('-')?;
    area.bytes().all(|b| b.is_ascii_uppercase()).then_some(())?;
    Some((area, number.parse().ok()?))
}

#[test]
fn every_normative_line_has_an_id_and_every_id_a_normative_line() {
    for (at, line) in prose(&text("spec.md")) {
        assert_eq!(is_normative(&line), requirement(&line).is_some(), "spec.md:{at}: {line}");
        let mentions = line.matches("[REQ-").count();
        assert_eq!(mentions, usize::from(is_normative(&line)), "spec.md:{at}: {line}");
    }
}

#[test]
fn ids_count_up_from_one_in_each_area() {
    let mut last: BTreeMap<String, u32> = BTreeMap::new();
    for (at, line) in prose(&text("spec.md")) {
        let Some((area, number)) = requirement(&line) else { continue };
        let last = last.entry(area.to_owned()).or_default();
        assert_eq!(number, *last + 1, "spec.md:{at}: REQ-{area}-{number} is out of order");
        *last = number;
    }
    assert!(last.len() >= 15, "areas: {last:?}");
}

#[test]
fn every_requirement_says_who_is_bound() {
    for (at, line) in prose(&text("spec.md")) {
        if requirement(&line).is_none() {
            continue;
        }
        let (_, sentence) = line.split_once("] ").expect("has an id");
        let bound = ["A peer ", "A shim ", "The host "].iter().any(|who| sentence.starts_with(who));
        assert!(bound, "spec.md:{at}: who must? {sentence}");
    }
}

/// The cells of each table row, without backticks.
fn rows(spec: &str) -> Vec<Vec<String>> {
    let lines = spec.lines().filter_map(|line| line.strip_prefix("| ")?.strip_suffix(" |"));
    let clean = |cell: &str| cell.trim().trim_matches('`').to_owned();
    lines.map(|line| line.split(" | ").map(clean).collect()).collect()
}

#[test]
fn the_error_table_is_the_registry() {
    let spec = text("spec.md");
    let table: Vec<(i32, String, bool)> = rows(&spec)
        .into_iter()
        .filter(|row| row.len() == 5 && row[0].starts_with("-32"))
        .map(|row| (row[0].parse().unwrap(), row[1].clone(), row[2] == "yes"))
        .collect();
    let registry: Vec<(i32, String, bool)> = ErrorCode::ALL
        .iter()
        .map(|code| (code.number(), code.text().to_owned(), code.retryable()))
        .collect();
    assert_eq!(table, registry);
}

#[test]
fn numbers_and_words_of_the_registry_are_unique() {
    let mut numbers: Vec<i32> = ErrorCode::ALL.iter().map(|code| code.number()).collect();
    let mut words: Vec<&str> = ErrorCode::ALL.iter().map(|code| code.text()).collect();
    numbers.sort_unstable();
    words.sort_unstable();
    assert!(numbers.windows(2).all(|pair| pair[0] != pair[1]), "{numbers:?}");
    assert!(words.windows(2).all(|pair| pair[0] != pair[1]), "{words:?}");
    let library_range = -32019..=-32000;
    assert!(numbers.iter().all(|number| !library_range.contains(number)), "{numbers:?}");
}

fn sizes() -> Vec<(&'static str, u64)> {
    use limits::*;
    macro_rules! values {
        ($($name:ident)*) => { vec![$((stringify!($name), u64::try_from($name).unwrap())),*] };
    }
    values! {
        FRAME_CAP FRAME_DEFAULT FRAME_FLOOR FRAME_BEFORE_HELLO DEPTH DATA_DEPTH ID_MAX METHOD FUNCTION_NAME
        ERROR_MESSAGE STACK DETAILS LOG_ENTRY LOG_BYTES CALLS CALLS_PER_INVOCATION CONCURRENCY_CAP
        BAD_FRAMES STRAY_ANSWERS
    }
}

#[test]
fn the_size_table_is_the_constants() {
    let constants = sizes();
    let table: Vec<(String, u64)> = rows(&text("spec.md"))
        .into_iter()
        .filter(|row| constants.iter().any(|(name, _)| row[0] == *name))
        .map(|row| (row[0].clone(), row[1].parse().unwrap()))
        .collect();
    let expected: Vec<(String, u64)> =
        constants.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect();
    assert_eq!(table, expected);
}

#[test]
fn no_constant_is_left_out_of_the_size_table() {
    let source = include_str!("../../src/limits.rs");
    let defined: Vec<&str> = source
        .lines()
        .filter_map(|line| line.strip_prefix("pub const ")?.split_once(':').map(|(name, _)| name))
        .collect();
    let listed: Vec<&str> = sizes().iter().map(|(name, _)| *name).collect();
    assert_eq!(defined, listed);
}

#[test]
fn every_method_has_a_section_a_schema_and_examples() {
    let spec = text("spec.md");
    let schema = Schema::read();
    let methods: Vec<&str> =
        worker::method::ALL.iter().chain(syscall::method::ALL).copied().collect();
    for method in &methods {
        assert!(spec.contains(&format!("\n### {method}\n")), "spec.md has no section {method}");
        let entry = &schema.0["x-methods"][method];
        assert!(schema.has(&format!("{method}.params")), "no schema for the params of {method}");
        let request = entry["kind"] == "request";
        assert_eq!(request, schema.has(&format!("{method}.result")), "{method}");
        let files = names(&format!("examples/{method}"));
        assert!(files.len() >= 2, "{method} has only {files:?}");
    }
    let listed = schema.0["x-methods"].as_object().unwrap();
    assert!(listed.keys().all(|name| methods.contains(&name.as_str())), "{listed:?}");
}

#[test]
fn examples_are_of_methods_that_exist() {
    let schema = Schema::read();
    for folder in names("examples") {
        let known = schema.0["x-methods"].get(&folder).is_some();
        let special = matches!(folder.as_str(), "framing" | "profile");
        assert!(known || special, "examples/{folder} belongs to no method");
    }
}
