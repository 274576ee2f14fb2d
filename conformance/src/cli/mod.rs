//! The command line: what was asked for, and the exit code that answers it.
//!
//! 0 all is well, 1 the shim fails (or a known failure is stale), 2 the command or a file is
//! wrong, 3 the shim did not start, 4 the harness itself failed.

mod run;

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use crate::case::Level;
use crate::refshim::RefshimArgs;
use crate::requirements;
use crate::suite::{self, SuiteError, SuiteName, Written};

/// Checks that a shim speaks the Alyx protocol as the spec says.
#[derive(Debug, Parser)]
#[command(name = "alyx-conformance", version, about)]
pub struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Run cases against a shim, each in a process of its own
    #[command(after_help = "Example: alyx-conformance run --fixtures conformance/fixtures/node \
                            -- node my-shim.js")]
    Run(Box<run::RunArgs>),
    /// List the cases
    List(ListArgs),
    /// Show one case: what it checks, the words of the spec, its steps
    Explain {
        /// The id of the case
        case: String,
        #[command(flatten)]
        source: Source,
    },
    /// The shim that the harness itself is tested with
    #[command(hide = true)]
    Refshim(RefshimArgs),
}

#[derive(Debug, Args)]
pub(crate) struct Source {
    /// Read cases from this folder instead of the built-in ones
    #[arg(long, value_name = "DIR")]
    cases: Option<PathBuf>,
}

#[derive(Debug, Args)]
struct ListArgs {
    #[arg(long, default_value = "core")]
    suite: SuiteName,
    /// Show instead the requirements on shims that no case checks
    #[arg(long)]
    uncovered: bool,
    #[command(flatten)]
    source: Source,
}

/// Why the program ends with another code than 0.
#[derive(Debug)]
pub(crate) enum Stop {
    Usage(String),
    NotStarted(String),
    Harness(String),
}

impl From<SuiteError> for Stop {
    fn from(error: SuiteError) -> Self {
        match error {
            SuiteError::Glob { .. } | SuiteError::NoCase { .. } => Stop::Usage(error.to_string()),
            other => Stop::Harness(other.to_string()),
        }
    }
}

pub(crate) fn usage(error: impl std::fmt::Display) -> Stop {
    Stop::Usage(error.to_string())
}

pub(crate) fn harness(error: impl std::fmt::Display) -> Stop {
    Stop::Harness(error.to_string())
}

/// Does what was asked and says how it ended.
pub async fn main(cli: Cli) -> ExitCode {
    let done = match cli.verb {
        Verb::Run(args) => run::run_cases(*args).await,
        Verb::List(args) => list(&args),
        Verb::Explain { case, source } => explain(&case, &source),
        Verb::Refshim(args) => return crate::refshim::run(&args),
    };
    let (code, message) = match done {
        Ok(true) => return ExitCode::SUCCESS,
        Ok(false) => return ExitCode::from(1),
        Err(Stop::Usage(message)) => (2, message),
        Err(Stop::NotStarted(message)) => (3, message),
        Err(Stop::Harness(message)) => (4, message),
    };
    // With no stderr to write to there is nobody to tell; the code still says it.
    let _ = writeln!(std::io::stderr(), "alyx-conformance: {message}");
    ExitCode::from(code)
}

impl Source {
    pub(crate) fn read(&self) -> Result<Vec<Written>, Stop> {
        Ok(match &self.cases {
            Some(folder) => suite::from_folder(folder)?,
            None => suite::embedded()?,
        })
    }
}

pub(crate) fn print(text: &str) -> Result<(), Stop> {
    match std::io::stdout().write_all(text.as_bytes()) {
        // `list | head` is no failure.
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        other => other.map_err(harness),
    }
}

fn list(args: &ListArgs) -> Result<bool, Stop> {
    let cases = suite::choose(args.source.read()?, args.suite, &[])?;
    let mut out = String::new();
    if args.uncovered {
        let spec = requirements::of_spec(requirements::SPEC);
        for (id, requirement) in requirements::uncovered(&spec, &cases) {
            out += &format!("{id:<15} {}\n", requirement.text);
        }
    } else {
        for written in &cases {
            let level = if written.case.level == Level::Must { "MUST" } else { "SHOULD" };
            out += &format!("{:<38} {level:<6} {}\n", written.case.id, written.case.title);
        }
    }
    print(&out).map(|()| true)
}

fn explain(id: &str, source: &Source) -> Result<bool, Stop> {
    let cases = source.read()?;
    let spec = requirements::of_spec(requirements::SPEC);
    let written = cases
        .iter()
        .find(|w| w.case.id == id)
        .ok_or_else(|| usage(format!("no case '{id}'; `alyx-conformance list` shows all")))?;
    let mut out = format!("{id}: {}\nin {}\n\n", written.case.title, written.file);
    for req in &written.case.req {
        let text = spec.get(req.as_str()).map_or("(not in this spec)", |r| r.text);
        out += &format!("{req}: {text}\n");
    }
    print(&format!("{out}\n{}\n", written.text)).map(|()| true)
}
