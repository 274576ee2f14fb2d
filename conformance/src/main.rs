//! `alyx-conformance`: see `cli` for what it does and `README.md` for how to use it.

use std::process::ExitCode;

use clap::Parser;

#[tokio::main]
async fn main() -> ExitCode {
    alyx_conformance::cli::main(alyx_conformance::cli::Cli::parse()).await
}
