//! Where the host's own log goes: stderr, as readable lines or as JSON.
//!
//! Lines are written by a thread of their own with a bounded queue: a slow terminal or a full
//! pipe never holds up a call.

use std::io::IsTerminal;

use tracing_appender::non_blocking::WorkerGuard;
use tracing_subscriber::EnvFilter;

use crate::cli::pretty::Pretty;
use crate::config::model::{Level, LogFormat, LoggingConfig};

/// Whom readable lines are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    Operator,
    Developer,
}

/// Starts logging; what is queued is written when the guard is dropped.
pub(crate) fn start(config: &LoggingConfig, style: Style) -> WorkerGuard {
    let (writer, guard) = tracing_appender::non_blocking(std::io::stderr());
    let level = match config.level {
        Level::Trace => "trace",
        Level::Debug => "debug",
        Level::Info => "info",
        Level::Warn => "warn",
        Level::Error => "error",
    };
    let filter = EnvFilter::new(format!("{level},hyper=info,bollard=info"));
    let lines = tracing_subscriber::fmt().with_writer(writer).with_env_filter(filter);
    match config.format {
        LogFormat::Json => lines.json().flatten_event(true).init(),
        LogFormat::Console => {
            let colour = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
            match style {
                Style::Operator => lines.with_ansi(colour).compact().init(),
                Style::Developer => lines.with_ansi(colour).event_format(Pretty).init(),
            }
        }
    }
    guard
}
