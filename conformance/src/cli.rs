//! The command line: what was asked for, and the exit code that answers it.
//!
//! 0 all is well, 1 the shim fails (or a known failure is stale), 2 the command or a file is
//! wrong, 3 the shim did not start, 4 the harness itself failed.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::case::{Level, Loads};
use crate::config::RuntimeConfig;
use crate::fixtures::Fixtures;
use crate::known::KnownFailing;
use crate::refshim::RefshimArgs;
use crate::report::Report;
use crate::requirements;
use crate::runner::{Plan, RunError, run};
use crate::starter::Starter;
use crate::suite::{self, SuiteError, SuiteName, Written};
use crate::transport::Transport;

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
    Run(Box<RunArgs>),
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
struct Source {
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

#[derive(Debug, Args)]
struct RunArgs {
    #[arg(long, default_value = "core")]
    suite: SuiteName,
    /// Only cases whose id matches; `*` crosses `/`. May be repeated
    #[arg(long = "case", value_name = "GLOB")]
    globs: Vec<String>,
    /// How the shim connects: one of them, or all
    #[arg(long, value_name = "unix|tcp|stdio|all", default_value = "unix", value_parser = transports)]
    transport: Transports,
    /// Cases that are known to fail, each with a reason
    #[arg(long, value_name = "FILE")]
    known_failing: Option<PathBuf>,
    /// json=FILE, tap=FILE or md=FILE; `-` is standard output. May be repeated
    #[arg(long = "report", value_name = "FORM=FILE")]
    reports: Vec<String>,
    /// Folder with the probe and the other fixtures in the shim's language
    #[arg(long, value_name = "DIR")]
    fixtures: Option<PathBuf>,
    /// Command, fixtures and preparation of a runtime from a file
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Cases at once; default: one for each core
    #[arg(long, value_name = "N")]
    jobs: Option<usize>,
    /// Run all cases although a smoke case failed
    #[arg(long)]
    keep_going: bool,
    #[command(flatten)]
    source: Source,
    /// The command that starts the shim
    #[arg(last = true, value_name = "COMMAND")]
    command: Vec<String>,
}

#[derive(Debug, Clone)]
struct Transports(Vec<Transport>);

fn transports(text: &str) -> Result<Transports, String> {
    if text == "all" {
        return Ok(Transports(Transport::ALL.to_vec()));
    }
    text.split(',')
        .map(|one| Transport::from_str(one, true))
        .collect::<Result<_, _>>()
        .map(Transports)
}

/// Why the program ends with another code than 0.
#[derive(Debug)]
enum Stop {
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

fn usage(error: impl std::fmt::Display) -> Stop {
    Stop::Usage(error.to_string())
}

fn harness(error: impl std::fmt::Display) -> Stop {
    Stop::Harness(error.to_string())
}

/// Does what was asked and says how it ended.
pub async fn main(cli: Cli) -> ExitCode {
    let done = match cli.verb {
        Verb::Run(args) => run_cases(*args).await,
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
    fn read(&self) -> Result<Vec<Written>, Stop> {
        Ok(match &self.cases {
            Some(folder) => suite::from_folder(folder)?,
            None => suite::embedded()?,
        })
    }
}

fn print(text: &str) -> Result<(), Stop> {
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

async fn run_cases(args: RunArgs) -> Result<bool, Stop> {
    let tmp = tempfile::Builder::new().prefix("alyx-conformance-").tempdir().map_err(harness)?;
    let config = match &args.config {
        Some(path) => RuntimeConfig::read(path, tmp.path()).map_err(usage)?,
        None => RuntimeConfig::default(),
    };
    let reports =
        args.reports.iter().map(|text| destination(text)).collect::<Result<Vec<_>, _>>()?;
    let all = args.source.read()?;
    let ids: Vec<String> = all.iter().map(|written| written.case.id.clone()).collect();
    let known_file = args.known_failing.clone().or(config.known_failing.clone().map(PathBuf::from));
    let known = match known_file {
        Some(path) => KnownFailing::read(&path).map_err(usage)?,
        None => KnownFailing::default(),
    };
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    let stale = known.without_case(&ids).iter().map(|entry| entry.case.clone()).collect();
    let plan = plan(&args, config, all, known, tmp.path()).await?;
    let mut report = run(plan).await.map_err(|error| match error {
        RunError::NotStarted(_) => Stop::NotStarted(error.to_string()),
        RunError::Harness(_) => Stop::Harness(error.to_string()),
    })?;
    report.stale_entries = stale;
    let spec = requirements::of_spec(requirements::SPEC);
    let to_stdout = reports.iter().any(|(_, file)| file == Path::new("-"));
    let text = crate::console::render(&report, &spec);
    if to_stdout {
        write!(std::io::stderr(), "{text}").map_err(harness)?;
    } else {
        print(&text)?;
    }
    for (form, file) in &reports {
        write_report(&report, *form, file)?;
    }
    Ok(report.is_ok())
}

async fn plan(
    args: &RunArgs,
    config: RuntimeConfig,
    all: Vec<Written>,
    known: KnownFailing,
    tmp: &Path,
) -> Result<Plan, Stop> {
    let cases = suite::choose(all, args.suite, &args.globs)?;
    let command = if args.command.is_empty() { config.command } else { args.command.clone() };
    if command.is_empty() {
        return Err(usage("no command; end with `-- COMMAND …` or use --config FILE"));
    }
    crate::fixtures::set_up(&config.setup).await.map_err(Stop::NotStarted)?;
    let folder = args.fixtures.clone().or(config.fixtures.map(PathBuf::from));
    let names = suite::fixtures_of(&cases);
    let fixtures = match folder {
        Some(folder) => Fixtures::collect(&folder, &names, config.prepare.as_deref(), tmp)
            .await
            .map_err(usage)?,
        None if names.is_empty() => Fixtures::default(),
        None => {
            let needed = names.join(", ");
            return Err(usage(format!("--fixtures DIR is missing; these cases load {needed}")));
        }
    };
    let cores = std::thread::available_parallelism().map_or(2, usize::from);
    Ok(Plan {
        suite: format!("{:?}", args.suite).to_lowercase(),
        starter: Starter {
            command,
            patience: Duration::from_millis(config.start_timeout_ms.unwrap_or(10_000)),
        },
        fixtures: Arc::new(fixtures),
        loads: if config.prepare.is_some() { Loads::Binary } else { Loads::Source },
        cases,
        transports: args.transport.0.clone(),
        known,
        jobs: args.jobs.unwrap_or(cores),
        keep_going: args.keep_going,
    })
}

#[derive(Debug, Clone, Copy)]
enum Form {
    Json,
    Tap,
    Markdown,
}

fn destination(text: &str) -> Result<(Form, PathBuf), Stop> {
    let (form, file) = text.split_once('=').unwrap_or((text, ""));
    let form = match form {
        "json" => Form::Json,
        "tap" => Form::Tap,
        "md" => Form::Markdown,
        _ => return Err(usage(format!("no report form '{form}'; there are json, tap and md"))),
    };
    if file.is_empty() {
        return Err(usage(format!("report '{text}' needs a file, such as json=out.json or tap=-")));
    }
    Ok((form, file.into()))
}

fn write_report(report: &Report, form: Form, file: &Path) -> Result<(), Stop> {
    let text = match form {
        Form::Json => report.json().map_err(harness)? + "\n",
        Form::Tap => report.tap(),
        Form::Markdown => report.markdown(),
    };
    if file == Path::new("-") {
        return print(&text);
    }
    std::fs::write(file, text).map_err(|e| harness(format!("'{}': {e}", file.display())))
}
