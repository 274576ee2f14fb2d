//! What the reference shim is told: where its host is, and what to do wrong.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;

/// What one shim does wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Mutant {
    /// Ends before it connects.
    ExitsAtOnce,
    /// Connects and says nothing.
    SaysNothing,
    WrongToken,
    AnswersTwice,
    IdAsString,
    LittleEndian,
    OneFramePerRead,
    NoLimit,
    ExitsOnBadJson,
    AnswersNotifications,
    AnswersAnswers,
    LogsAfterTheAnswer,
    DropsUndefined,
    WaitsAfterShutdown,
    IgnoresTheEnd,
    TriesUnknownVersions,
}

/// How the shim is reached by its host: the two environment variables, as arguments for tests.
#[derive(Debug, clap::Args)]
pub struct RefshimArgs {
    #[arg(long, env = "ALYX_ADDR", hide_env_values = true)]
    pub(super) address: String,
    #[arg(long, env = "ALYX_TOKEN", hide_env_values = true)]
    pub(super) token: String,
    /// Do this one thing wrong
    #[arg(long)]
    pub(super) mutate: Option<Mutant>,
}

pub(super) type Input = Box<dyn Read>;
pub(super) type Output = Box<dyn Write>;

pub(super) fn connect(address: &str) -> std::io::Result<(Input, Output)> {
    if address == "stdio" {
        return Ok((Box::new(std::io::stdin()), Box::new(std::io::stdout())));
    }
    if let Some(path) = address.strip_prefix("unix:") {
        let stream = UnixStream::connect(path)?;
        return Ok((Box::new(stream.try_clone()?), Box::new(stream)));
    }
    let stream = TcpStream::connect(address.trim_start_matches("tcp:"))?;
    Ok((Box::new(stream.try_clone()?), Box::new(stream)))
}
