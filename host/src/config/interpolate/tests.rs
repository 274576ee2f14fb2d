//! Each form of the contract, each refusal, and that escaping makes any text safe.

use super::{InterpolateError, expand};
use crate::config::secret::Variables;
use proptest::prelude::*;

fn variables() -> Variables {
    [("A", "1"), ("LONG_NAME", "two words"), ("EMPTY", ""), ("MONEY", "$A ${A} $$")]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into_iter()
        .collect()
}

fn check(text: &str, expected: &str) {
    assert_eq!(expand(text, &variables()).map(|e| e.text.into_owned()), Ok(expected.to_owned()));
}

fn refused(text: &str, expected: InterpolateError) {
    assert_eq!(expand(text, &variables()).map(|e| e.text.into_owned()), Err(expected));
}

#[test]
fn variables_and_defaults_are_replaced() {
    check("plain", "plain");
    check("${A}", "1");
    check("<${A}|${LONG_NAME}>", "<1|two words>");
    check("${NONE:-fallback}", "fallback");
    check("${NONE:-}", "");
    check("${A:-unused}", "1");
    check("${EMPTY:-fallback}", "fallback");
    check("[${EMPTY}]", "[]");
    check("${NONE:-a:-b}", "a:-b");
}

#[test]
fn defaults_may_hold_variables() {
    check("${NONE:-${A}}!", "1!");
    check("${NONE:-${ALSO_NONE:-x}}!", "x!");
    check("${A:-${NOT_SET_BUT_NOT_NEEDED}}!", "1!");
    check("${A:-$$}!", "1!");
    check("${NONE:-$$}!", "$!");
}

#[test]
fn dollars_that_start_nothing_stay() {
    check("$$", "$");
    check("$${A}", "${A}");
    check("$$${A}", "$1");
    check("$A costs 5$", "$A costs 5$");
    check("a}b{c", "a}b{c");
    check("ü${A}ß", "ü1ß");
}

#[test]
fn a_value_is_never_expanded_again() {
    check("${MONEY}", "$A ${A} $$");
    check("${NONE:-${MONEY}}", "$A ${A} $$");
}

#[test]
fn mistakes_are_named() {
    refused("${NONE}", InterpolateError::Unset("NONE".into()));
    refused("${A", InterpolateError::Unclosed);
    refused("${A:-x", InterpolateError::Unclosed);
    refused("${NONE:-x", InterpolateError::Unclosed);
    refused("${}", InterpolateError::BadName(String::new()));
    refused("${1A}", InterpolateError::BadName("1A".into()));
    refused("${A-x}", InterpolateError::BadName("A-x".into()));
    refused("${a b}", InterpolateError::BadName("a b".into()));
    refused(&"${N:-".repeat(20), InterpolateError::TooDeep);
    let error = InterpolateError::Unset("KEY".into()).to_string();
    assert_eq!(error, "uses ${KEY}, which is not set; set it or write ${KEY:-default}");
}

#[test]
fn every_named_variable_is_reported() {
    let names = expand("${A}${NONE:-${EMPTY}}", &variables()).unwrap().names;
    assert_eq!(names.into_iter().collect::<Vec<_>>(), ["A", "EMPTY", "NONE"]);
}

proptest! {
    #[test]
    fn an_escaped_text_comes_back_as_it_was(text in ".*") {
        let escaped = text.replace('$', "$$");
        prop_assert_eq!(expand(&escaped, &variables()).unwrap().text, text);
    }

    #[test]
    fn a_value_comes_through_untouched(value in ".*", before in "[^$]*", after in "[^$]*") {
        let variables: Variables = [("V".to_owned(), value.clone())].into_iter().collect();
        let text = format!("{before}${{V}}{after}");
        let expanded = expand(&text, &variables).unwrap().text.into_owned();
        prop_assert_eq!(expanded, format!("{before}{value}{after}"));
    }

    #[test]
    fn any_text_is_read_without_a_panic(text in "[$}{:A-Z_ü-]*") {
        let _ = expand(&text, &variables());
    }
}
