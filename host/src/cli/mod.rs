//! The command line: what each command takes, and which module runs it.
//!
//! Knows the words and exit codes; the work is done below.

pub mod logging;
pub mod list;
pub mod invoke;
pub mod token;
pub mod deps;
pub mod runtimes;
pub mod runtimes_list;
pub mod runtimes_progress;
pub mod dev;
pub mod limits;
pub mod doctor;
pub mod pretty;
pub mod output;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use crate::cli::logging::Style;
use crate::config::{Config, process_environment};
use crate::db;
use crate::db::error::StoreError;
use crate::server::{self, Mode, ServerError};

/// Exit code for a usage or configuration error.
const USAGE: u8 = 2;

/// Runs JavaScript, Python and Go functions behind one HTTP server.
#[derive(Debug, Parser)]
#[command(
    name = "alyx",
    version,
    after_help = "Example:\n  alyx serve\n  curl -X POST http://localhost:8090/api/functions/hello -d '{\"name\": \"Alyx\"}'"
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve the functions; never watches files
    #[command(after_help = "Example:\n  alyx serve --host 0.0.0.0 --port 80")]
    Serve(Serve),
    /// Serve the functions and reload what changes; for development
    #[command(after_help = "Example:\n  alyx dev --port 3000")]
    Dev(Serve),
    /// List the functions and whether each one loads
    #[command(after_help = "Example:\n  alyx list --json")]
    List(list::List),
    /// Call a function of the running server; without one, run it once here
    #[command(
        after_help = "Example:\n  alyx invoke hello --data '{\"name\": \"Alyx\"}'\n  alyx invoke hello --data @input.json\n  echo '{}' | alyx invoke hello --data -"
    )]
    Invoke(invoke::Invoke),
    /// Install the packages that functions use
    #[command(subcommand)]
    Deps(deps::Command),
    /// Build or list the images that functions run in when an engine is used
    #[command(subcommand)]
    Runtimes(runtimes::Command),
    /// Print an access token, to try functions as some user
    #[command(
        after_help = "Example:\n  TOKEN=$(alyx token --id u1 --role admin --expires 1h)\n  curl -X POST http://localhost:8090/api/functions/hello -H \"Authorization: Bearer $TOKEN\""
    )]
    Token(token::Token),
    /// Show every limit that holds, its value and where it comes from
    #[command(after_help = "Example:\n  alyx limits\n  alyx limits hello --json")]
    Limits(limits::Limits),
    /// Check what this machine and this project have, and say how to mend what is missing
    #[command(after_help = "Example:\n  alyx doctor --json")]
    Doctor(doctor::Doctor),
}

#[derive(Debug, Args)]
pub(crate) struct Serve {
    #[command(flatten)]
    config: ConfigFile,
    /// Address to listen on [default: server.host]
    #[arg(long)]
    host: Option<String>,
    /// Port to listen on, 0 for any free one [default: server.port]
    #[arg(long)]
    port: Option<u16>,
}

#[derive(Debug, Args)]
pub(crate) struct ConfigFile {
    /// The configuration file [default: alyx.yaml in this folder, if there is one]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

/// Why a command failed, and with which exit code.
#[derive(Debug)]
pub(crate) struct Failure {
    code: u8,
    message: String,
}

impl Failure {
    pub(crate) fn usage(message: impl ToString) -> Self {
        Failure { code: USAGE, message: message.to_string() }
    }

    pub(crate) fn failed(message: impl ToString) -> Self {
        Failure { code: 1, message: message.to_string() }
    }
}

impl From<ServerError> for Failure {
    fn from(error: ServerError) -> Self {
        match error {
            ServerError::Confinement(_)
            | ServerError::Auth(_)
            | ServerError::Store(StoreError::Declaration(_) | StoreError::Destructive { .. }) => {
                Failure::usage(error)
            }
            _ => Failure::failed(error),
        }
    }
}

impl Serve {
    fn load(self) -> Result<Config, Failure> {
        let mut config = self.config.load()?;
        if let Some(host) = self.host {
            config.server.host = host;
        }
        if let Some(port) = self.port {
            config.server.port = port;
        }
        Ok(config)
    }
}

impl ConfigFile {
    pub(crate) fn load(&self) -> Result<Config, Failure> {
        let here = std::path::Path::new(".");
        let config = Config::load(self.config.as_deref(), here, process_environment())
            .map_err(Failure::usage)?;
        config.refuse(db::mistakes(&config.collections)).map_err(Failure::usage)?;
        Ok(config)
    }
}

/// Runs the command line of this process.
#[must_use]
pub fn run() -> ExitCode {
    let cli = Cli::parse();
    // The front, the peers and the pool share a few threads; the workers need processors too.
    let threads = std::thread::available_parallelism().map_or(2, |n| (n.get() / 2).max(2));
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(threads).enable_all().build();
    let outcome = match runtime {
        Ok(runtime) => runtime.block_on(dispatch(cli.command)),
        Err(error) => Err(Failure::failed(format!("cannot start threads: {error}"))),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure { code, message }) => {
            eprintln!("alyx: {message}");
            ExitCode::from(code)
        }
    }
}

async fn dispatch(command: Command) -> Result<(), Failure> {
    match command {
        Command::Serve(options) => serve(options).await,
        Command::Dev(options) => dev::run(options).await,
        Command::List(options) => list::run(options).await,
        Command::Invoke(options) => invoke::run(options).await,
        Command::Deps(command) => deps::run(command).await,
        Command::Runtimes(command) => runtimes::run(command).await,
        Command::Token(options) => token::run(options),
        Command::Limits(options) => limits::run(&options),
        Command::Doctor(options) => doctor::run(options).await,
    }
}

async fn serve(options: Serve) -> Result<(), Failure> {
    let config = options.load()?;
    let _flushes_when_dropped = logging::start(&config.logging, Style::Operator);
    Ok(server::serve(&config, Mode::Serve).await?)
}
