//! Where the parts meet: builds everything from the configuration, serves, stops.
//!
//! The only module that knows all others; none of them knows it.

pub mod runtimes;
pub mod launchers;
pub mod found;
pub mod backend;
pub mod packages;
mod tools;
mod place;
pub mod auth;
pub mod examine;
pub mod limits;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use sha2::{Digest, Sha256};
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tokio::time::{Instant, timeout};

use crate::auth::password::PasswordError;
use crate::config::Config;
use crate::config::issue::Issue;
use crate::db::Store;
use crate::db::error::StoreError;
use crate::deps::{Deps, Purpose};
use crate::dev;
use crate::http::{self, App, Cors};
use crate::invoker::{self, Invoker};
use crate::metrics::Metrics;
use crate::registry::Registry;
use crate::sandbox::container::Containers;
use crate::sandbox::levels::LevelError;
use crate::sandbox::run_dir::RunDir;
use crate::server::backend::Backends;

/// How long calls under way may go on once the host has been told to stop.
const DRAIN: Duration = Duration::from_secs(30);

/// Why the host does not start.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    #[error(
        "cannot listen on {address}: {source}; is another server running? choose one with --port or server.port"
    )]
    Listen { address: String, source: std::io::Error },
    #[error(transparent)]
    Confinement(#[from] LevelError),
    #[error(
        "cannot make the folder for sockets and workers: {0}; set TMPDIR to a folder you may write to"
    )]
    RunDir(std::io::Error),
    #[error("cannot unpack the shims to '{folder}': {source}")]
    Shims { folder: PathBuf, source: std::io::Error },
    #[error("cannot catch signals: {0}")]
    Signals(std::io::Error),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("{0}")]
    Auth(Issue),
    #[error("cannot start the threads for passwords: {0}")]
    Passwords(PasswordError),
}

/// What the host is started for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Production: workers are started ahead of calls.
    Serve,
    /// Development: what changes on disk is served at once, and errors say more.
    Dev,
    /// One call on the command line: no worker is started ahead, and errors say more.
    Once,
    /// A look at the functions, which leaves the project's database alone.
    Look,
}

/// All that runs functions; HTTP comes on top.
#[derive(Debug)]
pub struct Host {
    pub invoker: Arc<Invoker>,
    pub metrics: Arc<Metrics>,
    pub store: Store,
    deps: Deps,
    containers: Option<Arc<Containers>>,
    _run_dir: RunDir,
}

impl Host {
    /// Opens the database, builds the registry and the pools.
    ///
    /// # Errors
    /// [`ServerError`].
    pub async fn start(config: &Config, mode: Mode) -> Result<Self, ServerError> {
        let registry = Registry::scan(&config.functions, &config.variables);
        for warning in config.warnings.iter().chain(&registry.warnings) {
            tracing::warn!("{warning}");
        }
        report_problems(&registry);
        let metrics = Metrics::new();
        let run_dir = RunDir::create(&temporary(config), &instance(&config.folder));
        let run_dir = run_dir.map_err(ServerError::RunDir)?;
        let store = open_store(config, mode, &run_dir).await?;
        let source = invoker::Source {
            functions: config.functions.clone(),
            variables: config.variables.clone(),
            strict_output: mode != Mode::Serve,
            watched: mode == Mode::Dev,
        };
        let used = found::used(config, &registry, mode);
        let backends = Backends::choose(config, &used, &run_dir, mode).await;
        let deps = Deps::new(config, purpose(mode), backends.workshops());
        if mode == Mode::Dev {
            deps.make_folder();
        }
        deps.adopt(&registry).await;
        let parts =
            launchers::Parts { run_dir: &run_dir, store: &store, deps: &deps, backends: &backends };
        let pool = runtimes::pool(config, &registry, &parts, &metrics, mode).await?;
        let invoker = Arc::new(Invoker::new(registry, source, pool, metrics.clone()));
        let containers = backends.containers;
        Ok(Host { invoker, metrics, store, deps, containers, _run_dir: run_dir })
    }

    /// Lets calls under way end for up to `patience`, then ends all workers and closes the
    /// database.
    pub async fn stop(&self, patience: Duration) {
        self.invoker.pool().stop(Instant::now() + patience).await;
        if let Some(containers) = &self.containers {
            containers.close().await;
        }
        self.store.close().await;
    }
}

/// What is done about packages that are not installed.
fn purpose(mode: Mode) -> Purpose {
    match mode {
        Mode::Serve | Mode::Dev => Purpose::Serve,
        Mode::Once | Mode::Look => Purpose::Use,
    }
}

/// Serves until SIGTERM or SIGINT; a second one ends at once.
///
/// # Errors
/// [`ServerError`].
pub async fn serve(config: &Config, mode: Mode) -> Result<(), ServerError> {
    let keys = auth::keys(config).await?;
    let mut signals = Signals::catch()?;
    let address = format!("{}:{}", config.server.host, config.server.port);
    let listener = TcpListener::bind(&address).await;
    let listener = listener.map_err(|source| ServerError::Listen { address, source })?;
    let host = Host::start(config, mode).await?;
    let app = Arc::new(App {
        invoker: host.invoker.clone(),
        metrics: host.metrics.clone(),
        store: host.store.clone(),
        gate: auth::gate(config, keys, &host.store)?,
        max_body: config.server.max_body_size as usize,
        enabled: config.functions.enabled,
        verbose: mode != Mode::Serve,
        draining: AtomicBool::new(false),
    });
    let _watching = match mode {
        Mode::Dev => Some(dev::start(config, host.invoker.clone(), host.deps.clone()).await),
        _ => None,
    };
    let cors = Cors {
        allowed_origins: config.server.cors.allowed_origins.clone(),
        allow_credentials: config.server.cors.allow_credentials,
        max_age: config.server.cors.max_age,
    };
    announce(&listener, &host);
    let (stop, stopped) = watch::channel(false);
    let mut serving =
        tokio::spawn(http::listen::serve(listener, http::router(app.clone(), &cors), stopped));
    signals.next().await;
    tracing::info!(
        "stopping; calls under way may take up to {DRAIN:?}, a second signal ends at once"
    );
    app.draining.store(true, Ordering::Relaxed);
    stop.send_replace(true);
    let drained = async {
        let _over_time = timeout(DRAIN, &mut serving).await;
        host.stop(Duration::from_secs(2)).await;
    };
    tokio::select! {
        () = drained => tracing::info!("stopped"),
        () = signals.next() => {
            tracing::warn!("stopped at once");
            host.stop(Duration::ZERO).await;
        }
    }
    Ok(())
}

/// Opens the database, which may take a while when indexes are built.
async fn open_store(config: &Config, mode: Mode, run_dir: &RunDir) -> Result<Store, ServerError> {
    let (mut database, collections) = (config.database.clone(), config.collections.clone());
    if mode == Mode::Look {
        database.path = run_dir.scratch();
    }
    let opened = tokio::task::spawn_blocking(move || Store::open(&database, &collections)).await;
    let died = |why: tokio::task::JoinError| StoreError::Open {
        path: config.database.path.clone(),
        reason: why.to_string(),
    };
    Ok(opened.map_err(died)??)
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn catch() -> Result<Self, ServerError> {
        let catch = |kind| signal(kind).map_err(ServerError::Signals);
        Ok(Signals {
            terminate: catch(SignalKind::terminate())?,
            interrupt: catch(SignalKind::interrupt())?,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

fn report_problems(registry: &Registry) {
    for function in registry.iter() {
        if let Some(problem) = &function.problem {
            tracing::error!(function = %function.name, "function is disabled: {problem}");
        }
    }
}

fn temporary(config: &Config) -> PathBuf {
    config.variables.get("TMPDIR").map_or_else(|| PathBuf::from("/tmp"), PathBuf::from)
}

/// Tells this project's leftovers from others': a hash of where the project is.
fn instance(folder: &Path) -> String {
    hex::encode(Sha256::digest(folder.as_os_str().as_encoded_bytes()))[..8].to_owned()
}

fn announce(listener: &TcpListener, host: &Host) {
    let registry = host.invoker.registry();
    let count = registry.iter().count();
    match listener.local_addr() {
        Ok(address) => {
            tracing::info!("serving {count} functions at http://{address}/api/functions")
        }
        Err(error) => tracing::warn!("serving {count} functions at an unknown address: {error}"),
    }
}
