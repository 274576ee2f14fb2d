//! A report as lines for people: only what failed, and enough to mend it.
//!
//! Knows nothing of how a run came about.

use std::collections::BTreeMap;
use std::fmt::Write;

use crate::report::{CaseResult, Report, Status};
use crate::requirements::Requirement;

/// Lines of a shim's own output that are shown with a failure.
const OUTPUT_LINES: usize = 15;

/// The whole report.
#[must_use]
pub fn render(report: &Report, spec: &BTreeMap<&str, Requirement<'_>>) -> String {
    let mut out = String::new();
    let told =
        |case: &&CaseResult| matches!(case.status, Status::Fail | Status::Warn | Status::Stale);
    for case in report.cases.iter().filter(told) {
        one(&mut out, case, spec);
    }
    for entry in &report.stale_entries {
        let _ = writeln!(out, "STALE known failure '{entry}' matches no case; remove it\n");
    }
    if report.not_run > 0 {
        let _ = writeln!(
            out,
            "a smoke case failed, so {} cases were not run; mend it first, or use --keep-going\n",
            report.not_run
        );
    }
    let name = report.shim.get("name").and_then(|name| name.as_str()).unwrap_or("shim");
    let seconds = report.ms as f64 / 1000.0;
    let _ = writeln!(out, "{name}: {} in {seconds:.1} s", report.totals());
    out
}

fn one(out: &mut String, case: &CaseResult, spec: &BTreeMap<&str, Requirement<'_>>) {
    let word = match case.status {
        Status::Warn => "WARN",
        Status::Stale => "STALE",
        _ => "FAIL",
    };
    let _ = writeln!(out, "{word} {} [{}] {} ms", case.id, case.transport.name(), case.ms);
    let _ = writeln!(out, "  {}", case.title);
    for id in &case.req {
        let text = spec.get(id.as_str()).map_or("(not in this spec)", |r| r.text);
        let _ = writeln!(out, "  {id}: {text}");
    }
    if let Some(failure) = &case.failure {
        indented(out, &failure.to_string(), "  ");
    }
    if !case.frames.is_empty() {
        let _ = writeln!(out, "  last frames:");
        case.frames.iter().for_each(|line| indented(out, line, "    "));
    }
    let lines: Vec<&str> = case.process_output.lines().collect();
    if !lines.is_empty() {
        let _ = writeln!(out, "  the shim wrote:");
        let from = lines.len().saturating_sub(OUTPUT_LINES);
        lines[from..].iter().for_each(|line| indented(out, line, "    "));
    }
    out.push('\n');
}

fn indented(out: &mut String, text: &str, indent: &str) {
    for line in text.lines() {
        let _ = writeln!(out, "{indent}{line}");
    }
}
