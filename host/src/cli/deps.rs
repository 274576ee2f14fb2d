//! `alyx deps install`: the packages that functions use, installed or looked for.

use std::collections::HashMap;
use std::io::IsTerminal;
use std::time::Duration;

use clap::{Args, Subcommand};
use comfy_table::{Table, presets};
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::signal::unix::{SignalKind, signal};

use crate::cli::output::{print, print_json};
use crate::cli::{ConfigFile, Failure};
use crate::config::model::Level;
use crate::deps::blame::Fault;
use crate::deps::progress::{Progress, told};
use crate::deps::{Deps, Row};
use crate::server::packages::Packages;

/// How often a spinner turns.
const TICK: Duration = Duration::from_millis(100);
/// Lines of a tool's output that go with an error.
const SHOWN_LINES: usize = 10;

/// What `alyx deps` takes.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Install the packages that functions use, as their lists and locks say
    #[command(after_help = "Example:\n  alyx deps install\n  alyx deps install --check || exit 1")]
    Install(Install),
}

#[derive(Debug, Args)]
pub(crate) struct Install {
    #[command(flatten)]
    config: ConfigFile,
    /// Install nothing; exit with 1 when something is missing
    #[arg(long)]
    check: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(crate) async fn run(Command::Install(options): Command) -> Result<(), Failure> {
    let config = options.config.load()?;
    let wordy = matches!(config.logging.level, Level::Debug | Level::Trace);
    let packages = Packages::open(&config, !options.check).await?;
    let interrupted = !options.check && {
        let install = install(&packages.deps, wordy);
        tokio::select! {
            () = install => false,
            caught = interruption() => caught,
        }
    };
    packages.close().await;
    if interrupted {
        return Err(Failure::failed("interrupted; what was installed before stays in use"));
    }
    let rows = packages.deps.rows();
    show(&rows, options.json)?;
    verdict(&rows, &packages.deps.unknown(), options.check)
}

async fn install(deps: &Deps, wordy: bool) {
    if std::io::stderr().is_terminal() && !wordy {
        deps.install(&Bars::default()).await;
    } else {
        deps.install(&Lines { wordy }).await;
    }
}

/// Waits until somebody has had enough.
async fn interruption() -> bool {
    let (Ok(mut interrupt), Ok(mut terminate)) =
        (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    true
}

fn verdict(rows: &[Row], unknown: &[(String, String)], check: bool) -> Result<(), Failure> {
    if let Some((list, why)) = unknown.first() {
        return Err(Failure::failed(format!(
            "the packages of '{list}' cannot be installed: {why}"
        )));
    }
    let lacking: Vec<_> = rows.iter().filter(|row| !row.whole).map(|row| &*row.list).collect();
    let lists = lacking.join(", ");
    match (lacking.len(), check) {
        (0, _) => Ok(()),
        (_, true) => {
            Err(Failure::failed(format!("packages are missing: {lists}; run 'alyx deps install'")))
        }
        (_, false) => Err(Failure::failed(format!("packages are not installed: {lists}"))),
    }
}

fn show(rows: &[Row], as_json: bool) -> Result<(), Failure> {
    if as_json {
        let all: Vec<Value> = rows.iter().map(as_value).collect();
        return print_json(&all);
    }
    if rows.is_empty() {
        return print("no function has a list of packages");
    }
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(["LIST", "RUNTIME", "FUNCTIONS", "SET", "STATUS"]);
    for row in rows {
        let status = match row.detail.as_str() {
            "" => row.status.to_owned(),
            detail => format!("{}: {detail}", row.status),
        };
        let set = row.key.get(..12).unwrap_or_default().to_owned();
        let functions = row.functions.len().to_string();
        table.add_row([row.list.clone(), row.runtime.to_owned(), functions, set, status]);
    }
    print(table)
}

fn as_value(row: &Row) -> Value {
    json!({
        "list": row.list,
        "runtime": row.runtime,
        "functions": row.functions,
        "set": row.key,
        "status": row.status,
        "detail": row.detail,
        "folder": row.folder,
    })
}

/// A line for each step, for logs and pipes.
struct Lines {
    wordy: bool,
}

impl Progress for Lines {
    fn waits(&self, list: &str) {
        eprintln!("{list}: waiting for another process that installs packages");
    }

    fn begins(&self, list: &str) {
        eprintln!("{list}: installing");
    }

    fn says(&self, list: &str, line: &str) {
        if self.wordy {
            eprintln!("{list}: {line}");
        }
    }

    fn warns(&self, list: &str, what: &str) {
        eprintln!("{list}: {what}");
    }

    fn ends(&self, list: &str, took: Duration, fault: Option<&Fault>) {
        eprintln!("{}", ended(list, took, fault));
    }
}

fn ended(list: &str, took: Duration, fault: Option<&Fault>) -> String {
    let Some(fault) = fault else {
        return format!("{list}: installed in {:.1} s", took.as_secs_f64());
    };
    let from = fault.output.len().saturating_sub(SHOWN_LINES);
    let output = fault.output[from..].iter().map(|line| format!("\n  | {line}"));
    format!("{}{}", told(list, fault), output.collect::<String>())
}

/// A bar for each list, for people who watch.
#[derive(Default)]
struct Bars {
    all: MultiProgress,
    of: Mutex<HashMap<String, ProgressBar>>,
}

impl Bars {
    fn bar(&self, list: &str) -> ProgressBar {
        let mut bars = self.of.lock();
        let fresh = || {
            let style = ProgressStyle::with_template("{spinner} {prefix} {elapsed} {wide_msg}");
            let bar = self.all.add(ProgressBar::new_spinner());
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
            bar.set_prefix(list.to_owned());
            bar.enable_steady_tick(TICK);
            bar
        };
        bars.entry(list.to_owned()).or_insert_with(fresh).clone()
    }
}

impl Progress for Bars {
    fn waits(&self, list: &str) {
        self.bar(list).set_message("waiting for another process that installs packages");
    }

    fn begins(&self, list: &str) {
        self.bar(list).set_message("installing");
    }

    fn says(&self, list: &str, line: &str) {
        self.bar(list).set_message(line.to_owned());
    }

    fn warns(&self, list: &str, what: &str) {
        let _no_terminal = self.all.println(format!("{list}: {what}"));
    }

    fn ends(&self, list: &str, took: Duration, fault: Option<&Fault>) {
        self.bar(list).finish_and_clear();
        let _no_terminal = self.all.println(ended(list, took, fault));
    }
}
