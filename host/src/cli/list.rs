//! `alyx list`: the functions, and whether each one loads.

use std::time::Duration;

use clap::Args;
use comfy_table::{Table, presets};
use futures_util::StreamExt;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::cli::output::{print, print_json};
use crate::cli::{ConfigFile, Failure};
use crate::config::Config;
use crate::pool::error::Refusal;
use crate::registry::function::Function;
use crate::server::{Host, Mode};

/// Functions that are loaded at the same time.
const AT_ONCE: usize = 4;

/// What `alyx list` takes.
#[derive(Debug, Args)]
pub(crate) struct List {
    #[command(flatten)]
    config: ConfigFile,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Do not load the functions to see whether they load
    #[arg(long)]
    no_load: bool,
}

struct Row {
    status: &'static str,
    detail: String,
}

pub(crate) async fn run(options: List) -> Result<(), Failure> {
    let config = options.config.load()?;
    let host = Host::start(&config, Mode::Look).await?;
    let registry = host.invoker.registry();
    let functions: Vec<_> = registry.iter().cloned().collect();
    let (host, config) = (&host, &config);
    let rows: Vec<Row> = futures_util::stream::iter(&functions)
        .map(|function| status(host, config, function, options.no_load))
        .buffered(AT_ONCE)
        .collect()
        .await;
    host.stop(Duration::from_secs(2)).await;
    show(&functions, &rows, options.json)
}

async fn status(
    host: &Host,
    config: &Config,
    function: &std::sync::Arc<Function>,
    no_load: bool,
) -> Row {
    let row = |status, detail: String| Row { status, detail };
    if let Some(problem) = &function.problem {
        return row("disabled", problem.to_string());
    }
    if !config.functions.enabled {
        return row("disabled", "functions.enabled is false".into());
    }
    if no_load {
        return row("not checked", String::new());
    }
    let pool = match host.invoker.pool().runtime(&function.runtime) {
        Ok(pool) => pool.clone(),
        Err(refusal) => return row("disabled", refusal.to_string()),
    };
    // However long a build takes, it is no reason to call the function broken.
    pool.prepare(function).await;
    let patience = config.functions.pool.queue_timeout + function.timeout;
    match pool.checkout(function, Instant::now() + patience).await {
        Ok(_) => row("ok", String::new()),
        Err(Refusal::Load(fault)) => {
            let place = fault.place().map(|place| format!("{place}: ")).unwrap_or_default();
            row("load error", place + &fault.message)
        }
        Err(refusal) => row("load error", refusal.to_string()),
    }
}

fn show(
    functions: &[std::sync::Arc<Function>],
    rows: &[Row],
    as_json: bool,
) -> Result<(), Failure> {
    let pairs = functions.iter().zip(rows);
    if as_json {
        let all: Vec<Value> = pairs.map(|(f, row)| as_value(f, row)).collect();
        return print_json(&all);
    }
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(["NAME", "RUNTIME", "REVISION", "TIMEOUT", "MEMORY", "STATUS"]);
    for (f, row) in pairs {
        let status = if row.detail.is_empty() {
            row.status.into()
        } else {
            format!("{}: {}", row.status, row.detail)
        };
        let revision =
            f.revision.trim_start_matches("sha256:").get(..12).unwrap_or_default().to_owned();
        let memory = format!("{} MB", f.memory / (1024 * 1024));
        let timeout = format!("{:?}", f.timeout);
        table.add_row([
            f.name.to_string(),
            f.runtime.to_string(),
            revision,
            timeout,
            memory,
            status,
        ]);
    }
    print(table)
}

fn as_value(f: &Function, row: &Row) -> Value {
    json!({
        "name": f.name.to_string(),
        "runtime": f.runtime.to_string(),
        "revision": f.revision.to_string(),
        "timeout_ms": f.timeout.as_millis() as u64,
        "memory": f.memory,
        "status": row.status,
        "detail": row.detail,
    })
}
