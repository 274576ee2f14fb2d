//! What a command prints: its output, which is what stdout is for.

use std::fmt::Display;
use std::io::{ErrorKind, Write, stdout};

use serde::Serialize;

use crate::cli::Failure;

/// Prints one text and ends the line. A reader that has seen enough, such as `head`, is no failure.
pub(crate) fn print(text: impl Display) -> Result<(), Failure> {
    let mut out = stdout().lock();
    match writeln!(out, "{text}").and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(Failure::failed(format!("cannot write the output: {error}")))
        }
        _ => Ok(()),
    }
}

pub(crate) fn print_json(value: &impl Serialize) -> Result<(), Failure> {
    let text = serde_json::to_string_pretty(value);
    print(text.map_err(|error| Failure::failed(format!("cannot show the output: {error}")))?)
}
