//! `alyx limits`: every limit that holds, its value and where it comes from.

use clap::Args;
use comfy_table::{Table, presets};
use serde_json::{Value, json};

use crate::cli::output::{print, print_json};
use crate::cli::{ConfigFile, Failure};
use crate::config::Config;
use crate::registry::Registry;
use crate::server::limits::{Limit, of_all, of_function};

/// What `alyx limits` takes.
#[derive(Debug, Args)]
pub(crate) struct Limits {
    /// The function whose limits to show [default: those of functions that set none]
    name: Option<String>,
    #[command(flatten)]
    config: ConfigFile,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(options: &Limits) -> Result<(), Failure> {
    let config = options.config.load()?;
    let limits = match &options.name {
        Some(name) => of_named(&config, name)?,
        None => of_all(&config),
    };
    if options.json {
        print_json(&limits.iter().map(as_value).collect::<Vec<_>>())
    } else {
        print(table(&limits))
    }
}

fn of_named(config: &Config, name: &str) -> Result<Vec<Limit>, Failure> {
    let registry = Registry::scan(&config.functions, &config.variables);
    let function = registry.get(name).ok_or_else(|| {
        let meant = registry.suggest(name);
        let meant = meant.map(|other| format!("; did you mean '{other}'?")).unwrap_or_default();
        Failure::failed(format!("no function is called '{name}'{meant}"))
    })?;
    match &function.problem {
        Some(problem) => Err(Failure::failed(problem)),
        None => of_function(config, function).map_err(Failure::failed),
    }
}

fn table(limits: &[Limit]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(["LIMIT", "VALUE", "FROM", "MEANING"]);
    for limit in limits {
        table.add_row([limit.name, &limit.value, &limit.from, limit.meaning]);
    }
    table
}

fn as_value(limit: &Limit) -> Value {
    json!({
        "name": limit.name,
        "value": limit.value,
        "from": limit.from,
        "meaning": limit.meaning,
    })
}
