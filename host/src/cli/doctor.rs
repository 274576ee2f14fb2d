//! `alyx doctor`: what of this machine and this project is not as it should be, and what mends it.

use clap::Args;
use comfy_table::{Table, presets};
use serde_json::{Value, json};

use crate::cli::output::{print, print_json};
use crate::cli::{ConfigFile, Failure};
use crate::server::examine::{Finding, State, examine};

/// What `alyx doctor` takes.
#[derive(Debug, Args)]
pub(crate) struct Doctor {
    #[command(flatten)]
    config: ConfigFile,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(crate) async fn run(options: Doctor) -> Result<(), Failure> {
    let config = options.config.load()?;
    let findings = examine(&config).await;
    if options.json {
        print_json(&findings.iter().map(as_value).collect::<Vec<_>>())?;
    } else {
        print(table(&findings))?;
    }
    let broken = findings.iter().filter(|finding| finding.state == State::Broken).count();
    match broken {
        0 => Ok(()),
        1 => Err(Failure::failed("1 finding needs to be mended")),
        more => Err(Failure::failed(format!("{more} findings need to be mended"))),
    }
}

fn table(findings: &[Finding]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    for finding in findings {
        let mend = finding.mend.as_deref().map(|mend| format!("\n→ {mend}")).unwrap_or_default();
        table.add_row([
            word(finding.state).to_owned(),
            finding.what.clone(),
            format!("{}{mend}", finding.detail),
        ]);
    }
    table
}

fn word(state: State) -> &'static str {
    match state {
        State::Good => "good",
        State::Weak => "weak",
        State::Broken => "BROKEN",
    }
}

fn as_value(finding: &Finding) -> Value {
    json!({
        "state": word(finding.state).to_ascii_lowercase(),
        "what": finding.what,
        "detail": finding.detail,
        "mend": finding.mend,
    })
}
