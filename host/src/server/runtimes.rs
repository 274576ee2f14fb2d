//! Finds the runtimes that the functions need, and builds a pool for each.
//!
//! Only runtimes with functions are told of, and under `alyx serve` looked for: nobody waits for,
//! or hears of, a language they do not use.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use alyx_protocol::Limits;
use futures_util::future::join_all;

use crate::config::Config;
use crate::config::model::{Backend, PoolConfig, SandboxMode};
use crate::db::Store;
use crate::deps::Deps;
use crate::metrics::Metrics;
use crate::pool::error::Refusal;
use crate::pool::rules::{Class, Rules};
use crate::pool::schemas::Schemas;
use crate::pool::{Pool, RuntimePool, Shared};
use crate::registry::Registry;
use crate::registry::function::Function;
use crate::runtime::{Runtime, Source, Unavailable, shims};
use crate::sandbox::Launch;
use crate::sandbox::container::ContainerLauncher;
use crate::sandbox::levels::{Confinement, Wanted};
use crate::sandbox::process::ProcessLauncher;
use crate::sandbox::profile::{Level, Reach};
use crate::sandbox::run_dir::RunDir;
use crate::server::backend::{Backends, Place, reach};
use crate::server::{Mode, ServerError};

/// Calls a worker takes until its shim has said otherwise.
const FIRST_CREDIT: u32 = 64;
/// Blank workers beyond `min_warm` under `alyx dev`.
const DEV_BLANKS: usize = 2;
/// What of the host's environment the Go toolchain needs.
const TOOLCHAIN_ENV: [&str; 8] =
    ["HOME", "TMPDIR", "XDG_CACHE_HOME", "GOPATH", "GOCACHE", "GOMODCACHE", "CC", "CGO_ENABLED"];

/// What workers of all runtimes share.
#[derive(Debug)]
pub(crate) struct Parts<'a> {
    pub(crate) run_dir: &'a RunDir,
    pub(crate) store: &'a Store,
    pub(crate) deps: &'a Deps,
    pub(crate) backends: &'a Backends,
}

/// The pools of all runtimes that have functions, or may get some while they are watched.
pub(crate) async fn pool(
    config: &Config,
    registry: &Registry,
    parts: &Parts<'_>,
    metrics: &Arc<Metrics>,
    mode: Mode,
) -> Result<Pool, ServerError> {
    let (cache, shims) = unpack(config)?;
    let places = Places { shims: &shims, cache: &cache, backends: parts.backends };
    let mut launchers = Launchers::new(config, parts);
    if config.functions.backend == Backend::Process {
        // What cannot be enforced is said at the start, whether there are functions yet or not.
        launchers.processes().await?;
    }
    let mut pool = Pool::default();
    for (name, found) in find_all(config, registry, &places, mode).await {
        let is_used = is_used(registry, name);
        match found {
            None => pool.add_refused(name, Refusal::Disabled { runtime: name.to_owned() }),
            Some(Err(why)) => {
                if is_used {
                    tracing::warn!("runtime '{name}' is not available: {why}");
                }
                pool.add_refused(
                    name,
                    Refusal::Unavailable { runtime: name.to_owned(), why: why.0 },
                );
            }
            Some(Ok(runtime)) => {
                let (shared, container) = launchers.of(&runtime).await?;
                if is_used {
                    let place =
                        if container.is_some() { "in containers" } else { "as local processes" };
                    tracing::info!("runtime '{name}' {} runs {place}", runtime.version);
                }
                let rules = rules(&config.functions.pool, &runtime, mode);
                let runtime = RuntimePool::new(runtime, shared, rules, metrics.pool(name));
                if is_used && matches!(mode, Mode::Serve | Mode::Dev) {
                    let mine = |f: &&Arc<Function>| f.runtime == name && f.problem.is_none();
                    let functions = registry.iter().filter(mine).cloned().collect();
                    tokio::spawn(warm(runtime.clone(), functions, container));
                }
                pool.add(runtime);
            }
        }
    }
    Ok(pool)
}

/// Unpacks the shims into the user's cache, which all projects share, or else into the project:
/// what was compiled for one project need not be compiled for the next.
fn unpack(config: &Config) -> Result<(PathBuf, PathBuf), ServerError> {
    let variable = |name: &str| config.variables.get(name).filter(|value| value.starts_with('/'));
    let home = variable("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .or_else(|| variable("HOME").map(|home| Path::new(home).join(".cache")));
    if let Some(cache) = home.map(|home| home.join("alyx"))
        && let Ok(shims) = shims::unpack(&cache)
    {
        return Ok((cache, shims));
    }
    let cache = config.folder.join(".alyx/cache");
    match shims::unpack(&cache) {
        Ok(shims) => Ok((cache, shims)),
        Err(source) => Err(ServerError::Shims { folder: cache, source }),
    }
}

/// A configured runtime, and what it is here; none for one that is switched off.
#[derive(Debug)]
pub(crate) struct Found<'a> {
    pub(crate) name: &'a str,
    pub(crate) is_used: bool,
    pub(crate) outcome: Option<Result<Runtime, Unavailable>>,
}

/// All configured runtimes, whether a function needs them or not.
///
/// # Errors
/// [`ServerError::Shims`]
pub(crate) async fn all<'a>(
    config: &'a Config,
    registry: &Registry,
    backends: &Backends,
) -> Result<Vec<Found<'a>>, ServerError> {
    let (cache, shims) = unpack(config)?;
    let places = Places { shims: &shims, cache: &cache, backends };
    let found = find_all(config, registry, &places, Mode::Dev).await.into_iter();
    Ok(found
        .map(|(name, outcome)| Found { name, is_used: is_used(registry, name), outcome })
        .collect())
}

/// What each used runtime is here; none for one that is switched off.
async fn find_all<'a>(
    config: &'a Config,
    registry: &Registry,
    places: &Places<'_>,
    mode: Mode,
) -> Vec<(&'a str, Option<Result<Runtime, Unavailable>>)> {
    let variable = |name: &str| config.variables.get(name);
    let path: Vec<PathBuf> =
        variable("PATH").map(|p| std::env::split_paths(p).collect()).unwrap_or_default();
    let toolchain_env: Vec<_> = TOOLCHAIN_ENV
        .iter()
        .filter_map(|name| Some(((*name).to_owned(), variable(name)?.to_owned())))
        .collect();
    let used = used(config, registry, mode);
    let runtimes =
        config.functions.runtimes.iter().filter(|(name, _)| used.contains(&name.as_str()));
    let (path, toolchain_env, folder) = (&path, &toolchain_env, config.folder.as_path());
    let found = runtimes.map(|(name, runtime)| async move {
        if !runtime.enabled {
            return (name.as_str(), None);
        }
        let (command, Places { shims, cache, .. }) = (runtime.command.as_deref(), places);
        let image = match places.backends.place(name) {
            Place::Process => None,
            Place::Container(image) => Some(image.as_str()),
            Place::Nowhere(why) => return (name.as_str(), Some(Err(why.clone()))),
        };
        let source = Source { name, image, command, folder, path, shims, cache, toolchain_env };
        (name.as_str(), Some(Runtime::find(source).await))
    });
    join_all(found).await
}

/// The runtimes that have functions, or may get some.
pub(crate) fn used<'a>(config: &'a Config, registry: &Registry, mode: Mode) -> Vec<&'a str> {
    let wanted = |name: &&str| mode == Mode::Dev || is_used(registry, name);
    let names = config.functions.runtimes.keys().map(String::as_str);
    if config.functions.enabled { names.filter(wanted).collect() } else { Vec::new() }
}

fn is_used(registry: &Registry, runtime: &str) -> bool {
    registry.iter().any(|function| function.runtime == runtime)
}

/// Where runtimes are found.
#[derive(Debug)]
struct Places<'a> {
    shims: &'a Path,
    cache: &'a Path,
    backends: &'a Backends,
}

/// What starts workers. How processes are confined is found out only for those who have some.
struct Launchers<'a> {
    config: &'a Config,
    parts: &'a Parts<'a>,
    schemas: Arc<Schemas>,
    processes: Option<Arc<ProcessLauncher>>,
}

impl<'a> Launchers<'a> {
    fn new(config: &'a Config, parts: &'a Parts<'a>) -> Self {
        Launchers { config, parts, schemas: Arc::default(), processes: None }
    }

    /// What the pool of one runtime is given, and what makes its containers.
    async fn of(
        &mut self,
        runtime: &Runtime,
    ) -> Result<(Shared, Option<ContainerLauncher>), ServerError> {
        let Parts { run_dir, backends, .. } = self.parts;
        let (Place::Container(image), Some(containers)) =
            (backends.place(&runtime.name), &backends.containers)
        else {
            let launcher = self.processes().await?;
            return Ok((self.shared(launcher, run_dir.sockets()), None));
        };
        let launcher = containers.launcher(&runtime.name, image);
        let shared = self.shared(Arc::new(launcher.clone()), run_dir.container_sockets());
        Ok((shared, Some(launcher)))
    }

    async fn processes(&mut self) -> Result<Arc<ProcessLauncher>, ServerError> {
        if let Some(processes) = &self.processes {
            return Ok(processes.clone());
        }
        let run_dir = self.parts.run_dir;
        let confinement = confinement(self.config, run_dir).await?;
        let made = Arc::new(ProcessLauncher::new(confinement, run_dir.workers()));
        Ok(self.processes.insert(made).clone())
    }

    fn shared(&self, launcher: Arc<dyn Launch>, sockets: PathBuf) -> Shared {
        let (config, Parts { store, deps, .. }) = (self.config, self.parts);
        let folders = [&config.functions.path, &config.folder];
        let directory = folders.into_iter().find(|dir| dir.is_dir());
        Shared {
            launcher,
            sockets,
            directory: directory.cloned().unwrap_or_else(|| PathBuf::from("/")),
            readable: vec![config.functions.path.clone(), deps.folder().to_owned()],
            limits: Limits::default(),
            store: (*store).clone(),
            schemas: self.schemas.clone(),
            deps: (*deps).clone(),
            queue_timeout: config.functions.pool.queue_timeout,
        }
    }
}

/// How the configuration wants workers to be confined.
pub(crate) fn wanted(config: &Config) -> (Wanted, Reach) {
    let wanted = match config.functions.sandbox {
        SandboxMode::Auto => Wanted::Strongest,
        SandboxMode::Strict => Wanted::Strict,
        SandboxMode::Off => Wanted::Off,
    };
    (wanted, reach(config))
}

/// Chooses how workers are confined, and tells it.
async fn confinement(config: &Config, run_dir: &RunDir) -> Result<Confinement, ServerError> {
    let (wanted, network) = wanted(config);
    let chosen = Confinement::choose(wanted, network, run_dir).await?;
    match chosen.level {
        Level::Off => tracing::warn!(
            "functions.sandbox is off: functions run with all the rights of this user; run only code you trust"
        ),
        level => tracing::info!("functions run as local processes, confined at level {level}"),
    }
    for part in &chosen.missing {
        tracing::warn!("missing from the confinement of functions: {part}");
    }
    Ok(chosen)
}

fn rules(pool: &PoolConfig, runtime: &Runtime, mode: Mode) -> Rules {
    // Each save takes a blank worker, and the next save may come before the next blank is there.
    let min_warm = match mode {
        Mode::Dev if pool.min_warm > 0 => {
            (pool.min_warm + DEV_BLANKS).min(pool.max_instances / 2).max(pool.min_warm)
        }
        _ => pool.min_warm,
    };
    Rules {
        min_warm,
        max_instances: pool.max_instances,
        idle_timeout: pool.idle_timeout,
        credit: pool.concurrency.unwrap_or(FIRST_CREDIT),
        class: Class::new(pool.memory_limit, pool.cpu_limit),
        // A worker of a compiled language is the program of one function. While code changes,
        // what one function has imported is not to be found by the next.
        shares: !runtime.builds() && mode != Mode::Dev,
        ..Rules::default()
    }
}

/// Builds in the background what has to be built, then starts the first workers: a runtime is
/// ready when its functions can be loaded at once. A fault is told when the function is called.
async fn warm(
    pool: Arc<RuntimePool>,
    functions: Vec<Arc<Function>>,
    container: Option<ContainerLauncher>,
) {
    if let Some(container) = container {
        container.prepare().await;
    }
    if pool.runtime.builds() {
        tracing::info!("building {} functions of runtime '{}'", functions.len(), pool.runtime.name);
        for function in functions {
            pool.prepare(&function).await;
        }
    }
    pool.warm();
}
