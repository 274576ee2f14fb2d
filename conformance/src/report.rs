//! What a run found, as data; and its machine-readable forms.
//!
//! The JSON form is the source: the others say less. Lines for people are in `console`.

use std::fmt::Write;

use serde::Serialize;
use serde_json::Value;

use crate::case::Level;
use crate::failure::Failure;
use crate::transport::Transport;

/// How one case ended on one transport.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    Pass,
    /// A MUST that is not met.
    Fail,
    /// A SHOULD that is not met.
    Warn,
    /// Needs something the shim does not offer.
    Skip,
    /// Fails, and the list of known failures says so.
    Known,
    /// Passes although the list says it fails.
    Stale,
}

/// One case on one transport.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CaseResult {
    pub id: String,
    pub title: String,
    pub transport: Transport,
    pub level: Level,
    pub req: Vec<String>,
    pub status: Status,
    pub ms: u128,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
    /// Why it was skipped, or is known to fail.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub frames: Vec<String>,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub process_output: String,
    /// What invocations answered, where runtimes must agree.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub outputs: Vec<String>,
}

/// A whole run.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    pub suite: String,
    pub suite_version: &'static str,
    pub spec: &'static str,
    /// `runtime` of the shim's `hello`.
    pub shim: Value,
    pub started_at_ms: u128,
    pub ms: u128,
    pub cases: Vec<CaseResult>,
    /// Entries of the list of known failures that match no case.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub stale_entries: Vec<String>,
    /// Cases left out because a smoke case failed.
    pub not_run: usize,
}

impl Report {
    #[must_use]
    pub fn count(&self, status: Status) -> usize {
        self.cases.iter().filter(|case| case.status == status).count()
    }

    /// Whether nothing was found that the author has to act on.
    #[must_use]
    pub fn is_ok(&self) -> bool {
        let clean = self.count(Status::Fail) == 0 && self.count(Status::Stale) == 0;
        clean && self.stale_entries.is_empty() && self.not_run == 0
    }

    /// The totals as one line.
    #[must_use]
    pub fn totals(&self) -> String {
        let mut line =
            format!("{} passed, {} failed", self.count(Status::Pass), self.count(Status::Fail));
        let rest = [
            (self.count(Status::Warn), "warned"),
            (self.count(Status::Known), "known to fail"),
            (self.count(Status::Stale) + self.stale_entries.len(), "stale"),
            (self.count(Status::Skip), "skipped"),
            (self.not_run, "not run"),
        ];
        for (count, word) in rest.into_iter().filter(|(count, _)| *count > 0) {
            let _ = write!(line, ", {count} {word}");
        }
        line
    }

    /// The report as JSON.
    ///
    /// # Errors
    /// serde's; none is expected.
    pub fn json(&self) -> Result<String, serde_json::Error> {
        let mut value = serde_json::to_value(self)?;
        value["totals"] = self.totals().into();
        serde_json::to_string_pretty(&value)
    }

    /// The report as TAP 14.
    #[must_use]
    pub fn tap(&self) -> String {
        let mut out = format!("TAP version 14\n1..{}\n", self.cases.len());
        for (index, case) in self.cases.iter().enumerate() {
            let (ok, directive) = match case.status {
                Status::Pass | Status::Warn => ("ok", String::new()),
                Status::Skip => ("ok", format!(" # SKIP {}", case.reason.as_deref().unwrap_or(""))),
                Status::Known => {
                    ("not ok", format!(" # TODO {}", case.reason.as_deref().unwrap_or("")))
                }
                Status::Fail | Status::Stale => ("not ok", String::new()),
            };
            let number = index + 1;
            let name = format!("{} [{}]", case.id, case.transport.name());
            let _ = writeln!(out, "{ok} {number} - {name}{directive}");
            if let Some(failure) = case.failure.as_ref().filter(|_| directive.is_empty()) {
                let _ = writeln!(out, "  ---\n  message: |");
                for line in failure.to_string().lines() {
                    let _ = writeln!(out, "    {line}");
                }
                let _ = writeln!(out, "  ...");
            }
        }
        out
    }

    /// The report as Markdown, for a CI summary.
    #[must_use]
    pub fn markdown(&self) -> String {
        let text = |name: &str| self.shim.get(name).and_then(Value::as_str).unwrap_or("?");
        let mut out = format!(
            "## Alyx protocol {}: {} {} ({} {})\n\n{}\n\n| area | passed | of |\n|---|---|---|\n",
            self.spec,
            text("name"),
            text("version"),
            text("language"),
            text("languageVersion"),
            self.totals()
        );
        for (area, passed, all) in self.areas() {
            let _ = writeln!(out, "| {area} | {passed} | {all} |");
        }
        let bad = |c: &&CaseResult| !matches!(c.status, Status::Pass | Status::Skip);
        for case in self.cases.iter().filter(bad) {
            let status = format!("{:?}", case.status).to_lowercase();
            let _ = writeln!(
                out,
                "\n### {status}: {} [{}]\n{}",
                case.id,
                case.transport.name(),
                case.title
            );
            if let Some(failure) = &case.failure {
                let _ = writeln!(out, "```\n{failure}\n```");
            }
        }
        out
    }

    fn areas(&self) -> Vec<(String, usize, usize)> {
        let mut areas: Vec<(String, usize, usize)> = Vec::new();
        for case in self.cases.iter().filter(|case| case.status != Status::Skip) {
            let area = case.id.rsplit_once('/').map_or(case.id.as_str(), |(area, _)| area);
            let passed = usize::from(matches!(case.status, Status::Pass | Status::Stale));
            match areas.iter_mut().find(|(name, ..)| name == area) {
                Some((_, good, all)) => {
                    *good += passed;
                    *all += 1;
                }
                None => areas.push((area.to_owned(), passed, 1)),
            }
        }
        areas
    }
}
