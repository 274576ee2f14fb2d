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
    /// Requests for the database without `inv`.
    ForgetsInv,
    /// Uses the database although the host does not list it.
    AsksUnoffered,
    /// Sends every request at once, however many are unanswered.
    IgnoresCredit,
    IgnoresTheFrameLimit,
    /// Takes each answer for that of the oldest request.
    MatchesInOrder,
    /// Looks for answers where the host's requests are.
    SharesIds,
    /// A call after the handler returned does nothing, and says nothing.
    SwallowsLateCalls,
    SendsAfterCancel,
    ThrowsOnMissing,
    RowsAsLists,
    TakesHalfAnswers,
    ReadsIntegersAsFloats,
    WritesNoLiterals,
    /// Takes a filter for a document.
    WrapsOperators,
    JudgesFilters,
    DropsDetails,
    /// An error of the database that nobody caught is a plain one.
    ForgetsTheWord,
    RetryableAmongDetails,
    /// An error without `data` has no code.
    NamelessErrors,
    ForgetsTheKey,
    BytesWithoutPadding,
    BytesAsText,
    NanAsNull,
    RefusesWhileDraining,
    /// One invocation waits for the other.
    OneAtATime,
    /// Takes fewer calls at once, and says so when the function is loaded already.
    LowersTooLate,
    /// Ends at an answer to nothing.
    ExitsOnStrayAnswers,
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
pub(super) type Output = Box<dyn Write + Send>;

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
