//! docs/configuration.md says what the table of keys says.

use super::*;
use crate::config::schema::{Key, Kind};
use std::fmt::Write;

const BEGIN: &str = "<!-- keys: written by a test of host/src/config, see the end -->\n";
const END: &str = "<!-- end of keys -->";

/// With ALYX_TEST_UPDATE set it writes the page instead of comparing it.
#[test]
fn the_page_lists_every_key() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/configuration.md");
    let page = fs::read_to_string(&file).unwrap();
    let (before, rest) = page.split_once(BEGIN).unwrap();
    let (_, after) = rest.split_once(END).unwrap();
    let expected = format!("{before}{BEGIN}{}{END}{after}", table());
    if std::env::var_os("ALYX_TEST_UPDATE").is_some() {
        fs::write(&file, &expected).unwrap();
        return;
    }
    let advice = "docs/configuration.md is behind keys.rs; run the test with ALYX_TEST_UPDATE=1";
    assert!(page == expected, "{advice}");
}

fn table() -> String {
    let mut out = String::from("\n| key | default | holds | meaning |\n|---|---|---|---|\n");
    for key in KEYS {
        let default = key.default.map_or("required".to_owned(), |text| format!("`{text}`"));
        let path = key.path.replace('*', "NAME");
        let path = path.replace("indexes.NAME", "indexes[]");
        writeln!(out, "| `{path}` | {default} | {} | {} |", holds(key), key.meaning).unwrap();
    }
    out.push('\n');
    out
}

/// The words of complaints, shortened: the forms of durations and sizes are told once above.
fn holds(key: &Key) -> String {
    let expected = key.kind.expected();
    match key.kind {
        Kind::Duration { .. } | Kind::Size { .. } => {
            expected.split(", such as").next().unwrap().to_owned()
        }
        _ => expected,
    }
}
