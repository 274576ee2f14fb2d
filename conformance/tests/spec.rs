//! The cases and the normative text belong together.

use std::collections::BTreeSet;

use alyx_conformance::{requirements, suite};

#[test]
fn every_requirement_that_a_case_names_is_in_the_spec() {
    let spec = requirements::of_spec(requirements::SPEC);
    let cases = suite::embedded().expect("the built-in cases are sound");
    let unknown: Vec<String> = cases
        .iter()
        .flat_map(|w| w.case.req.iter().map(move |id| format!("{} names {id}", w.case.id)))
        .filter(|line| !spec.contains_key(line.rsplit(' ').next().unwrap_or_default()))
        .collect();
    assert_eq!(unknown, Vec::<String>::new());
}

#[test]
fn every_id_in_the_spec_is_read() {
    let mut mentioned = BTreeSet::new();
    for (at, _) in requirements::SPEC.match_indices("[REQ-") {
        let id = requirements::SPEC[at + 1..].split(']').next().unwrap_or_default();
        mentioned.insert(id);
    }
    let spec = requirements::of_spec(requirements::SPEC);
    assert!(mentioned.len() > 100, "{mentioned:?}");
    assert_eq!(mentioned, spec.keys().copied().collect());
}

#[test]
fn what_has_no_case_is_known_and_only_shrinks() {
    // Transactions and streams are not offered in this version: no host lists the capabilities,
    // and no shim has an interface for them.
    let later = ["REQ-TX-", "REQ-STREAM-"];
    let spec = requirements::of_spec(requirements::SPEC);
    let cases = suite::embedded().expect("the built-in cases are sound");
    let open: Vec<&str> = requirements::uncovered(&spec, &cases)
        .into_iter()
        .map(|(id, _)| id)
        .filter(|id| !later.iter().any(|prefix| id.starts_with(prefix)))
        .collect();
    assert_eq!(open, Vec::<&str>::new());
}

#[test]
fn every_area_has_its_cases() {
    let cases = suite::embedded().expect("the built-in cases are sound");
    let of = |area: &str| cases.iter().filter(|w| w.case.id.starts_with(area)).count();
    assert_eq!(cases.iter().filter(|w| w.case.smoke).count(), 5);
    let least = [
        ("wire/framing/", 16),
        ("wire/rpc/", 18),
        ("wire/hello/", 10),
        ("wire/life/", 10),
        ("wire/load/", 12),
        ("fn/result/", 18),
        ("fn/error/", 12),
        ("wire/cancel/", 11),
        ("fn/log/", 8),
        ("wire/log/", 6),
        ("fn/order/", 6),
        ("fn/ctx/", 4),
        ("fn/db/", 22),
        ("fn/db-error/", 10),
        ("fn/db-order/", 16),
        ("fn/db-sync/", 8),
        ("fn/value/", 14),
        ("fn/guide/", 2),
    ];
    for (area, count) in least {
        assert!(of(area) >= count, "{area} has {} cases, {count} were promised", of(area));
    }
}
