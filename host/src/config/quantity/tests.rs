//! Every spelling of the contract, what is refused, and that writing and reading agree.

use super::{LONGEST, parse_duration, parse_size, show_duration, show_size};
use proptest::prelude::*;
use std::time::Duration;

#[test]
fn durations_of_the_contract() {
    let cases = [
        ("500ms", 500),
        ("30s", 30_000),
        ("5m", 300_000),
        ("1h", 3_600_000),
        ("30d", 2_592_000_000),
        ("45", 45_000),
        ("0", 0),
        ("30S", 30_000),
        (" 10 s ", 10_000),
    ];
    for (text, millis) in cases {
        assert_eq!(parse_duration(text), Some(Duration::from_millis(millis)), "{text}");
    }
}

#[test]
fn sizes_of_the_contract() {
    let cases = [
        ("256mb", 256 << 20),
        ("512MB", 512 << 20),
        ("1gb", 1 << 30),
        ("64kb", 64 << 10),
        ("4096", 4096),
        ("10b", 10),
        ("256m", 256 << 20),
        ("256MiB", 256 << 20),
        ("1 GB", 1 << 30),
    ];
    for (text, bytes) in cases {
        assert_eq!(parse_size(text), Some(bytes), "{text}");
    }
}

#[test]
fn what_is_neither() {
    let wrong =
        ["", "s", "-1s", "1.5s", "1h30m", "30 sec", "5x", "99999999999999999999", "4000d", "١s"];
    for text in wrong {
        assert_eq!(parse_duration(text), None, "{text}");
    }
    for text in ["", "mb", "-1", "1.5gb", "5x", "5bb", "5i", "5ib", "99999999999tb", "1e3"] {
        assert_eq!(parse_size(text), None, "{text}");
    }
}

proptest! {
    #[test]
    fn a_written_duration_reads_back(millis in 0..=u64::try_from(LONGEST.as_millis()).unwrap()) {
        let duration = Duration::from_millis(millis);
        prop_assert_eq!(parse_duration(&show_duration(duration)), Some(duration));
    }

    #[test]
    fn a_written_size_reads_back(bytes: u64) {
        prop_assert_eq!(parse_size(&show_size(bytes)), Some(bytes));
    }

    #[test]
    fn any_text_is_read_without_a_panic(text in ".*") {
        let _ = (parse_duration(&text), parse_size(&text));
    }
}
