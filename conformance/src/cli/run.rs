//! `alyx-conformance run`: from arguments and files to a plan, from a report to files.
//!
//! Knows nothing of what happens in a run.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clap::{Args, ValueEnum};

use super::{Source, Stop, harness, print, usage};
use crate::case::Loads;
use crate::config::RuntimeConfig;
use crate::fixtures::Fixtures;
use crate::known::KnownFailing;
use crate::report::Report;
use crate::requirements;
use crate::runner::{Plan, RunError, run};
use crate::starter::Starter;
use crate::suite::{self, SuiteName, Written};
use crate::transport::Transport;

#[derive(Debug, Args)]
pub(crate) struct RunArgs {
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
    /// Keep here what a runtime compiles, for later runs; default: nothing is kept
    #[arg(long, value_name = "DIR")]
    cache: Option<PathBuf>,
    /// Cases at once; default: two for each core, since most of a case is waiting
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

pub(crate) async fn run_cases(args: RunArgs) -> Result<bool, Stop> {
    let tmp = tempfile::Builder::new().prefix("alyx-conformance-").tempdir().map_err(harness)?;
    let config = match &args.config {
        Some(path) => {
            let cache = args.cache.clone().unwrap_or_else(|| tmp.path().join("cache"));
            RuntimeConfig::read(path, tmp.path(), &cache).map_err(usage)?
        }
        None => RuntimeConfig::default(),
    };
    let reports: Vec<_> =
        args.reports.iter().map(|text| destination(text)).collect::<Result<_, _>>()?;
    let all = args.source.read()?;
    let (known, stale_entries) = known_failing(&args, &config, &all)?;
    let plan = plan(&args, config, all, known, tmp.path()).await?;
    let mut report = run(plan).await.map_err(|error| match error {
        RunError::NotStarted(_) => Stop::NotStarted(error.to_string()),
        RunError::Harness(_) => Stop::Harness(error.to_string()),
    })?;
    report.stale_entries = stale_entries;
    tell(&report, &reports)?;
    Ok(report.is_ok())
}

/// The list of known failures, and its entries that match no case at all.
fn known_failing(
    args: &RunArgs,
    config: &RuntimeConfig,
    all: &[Written],
) -> Result<(KnownFailing, Vec<String>), Stop> {
    let named = args.known_failing.clone().or(config.known_failing.clone().map(PathBuf::from));
    let Some(path) = named else { return Ok((KnownFailing::default(), Vec::new())) };
    let known = KnownFailing::read(&path).map_err(usage)?;
    let ids: Vec<&str> = all.iter().map(|written| written.case.id.as_str()).collect();
    let stale = known.without_case(&ids).iter().map(|entry| entry.case.clone()).collect();
    Ok((known, stale))
}

/// The lines for people go to stderr when a report takes stdout.
fn tell(report: &Report, reports: &[(Form, PathBuf)]) -> Result<(), Stop> {
    let text = crate::console::render(report, &requirements::of_spec(requirements::SPEC));
    if reports.iter().any(|(_, file)| file == Path::new("-")) {
        write!(std::io::stderr(), "{text}").map_err(harness)?;
    } else {
        print(&text)?;
    }
    reports.iter().try_for_each(|(form, file)| write_report(report, *form, file))
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
        Some(folder) => {
            let prepare = config.prepare.as_deref();
            Fixtures::collect(&folder, &names, &config.same, prepare, tmp).await.map_err(usage)?
        }
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
        parallel: config.parallel.unwrap_or(true),
        loads: if config.prepare.is_some() { Loads::Binary } else { Loads::Source },
        cases,
        transports: args.transport.0.clone(),
        known,
        jobs: args.jobs.unwrap_or(2 * cores),
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
