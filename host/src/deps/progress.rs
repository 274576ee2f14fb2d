//! Who is told how installs go.

use std::time::Duration;

use crate::deps::blame::Fault;

/// Told of each set, by the name of its list.
pub trait Progress: Send + Sync {
    /// Somebody else installs the same; this one waits.
    fn waits(&self, list: &str);
    fn begins(&self, list: &str);
    /// A line that the tool has printed.
    fn says(&self, list: &str, line: &str);
    /// Something that the user should know.
    fn warns(&self, list: &str, what: &str);
    fn ends(&self, list: &str, took: Duration, fault: Option<&Fault>);
}

/// Writes to the host's log.
#[derive(Debug, Clone, Copy, Default)]
pub struct Logged;

impl Progress for Logged {
    fn waits(&self, list: &str) {
        tracing::info!("another process installs packages; '{list}' waits for it");
    }

    fn begins(&self, list: &str) {
        tracing::info!("installing the packages of '{list}'");
    }

    fn says(&self, list: &str, line: &str) {
        tracing::debug!(%list, "{line}");
    }

    fn warns(&self, list: &str, what: &str) {
        tracing::warn!("{list}: {what}");
    }

    fn ends(&self, list: &str, took: Duration, fault: Option<&Fault>) {
        match fault {
            None => {
                tracing::info!("installed the packages of '{list}' in {:.1} s", took.as_secs_f64())
            }
            Some(fault) => {
                let output = fault.output.join("\n");
                tracing::error!(%output, "{}", told(list, fault));
            }
        }
    }
}

/// What went wrong, in one line that names list and package.
#[must_use]
pub fn told(list: &str, fault: &Fault) -> String {
    match &fault.package {
        Some(package) => {
            format!("package '{package}' of '{list}' cannot be installed: {}", fault.why)
        }
        None => format!("the packages of '{list}' cannot be installed: {}", fault.why),
    }
}
