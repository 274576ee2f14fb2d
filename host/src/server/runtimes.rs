//! Builds a pool for each runtime that the functions need, and has its first workers started.
//!
//! Only runtimes with functions are told of: nobody hears of a language they do not use.

use std::sync::Arc;

use crate::config::Config;
use crate::config::model::{Backend, PoolConfig};
use crate::deps::Deps;
use crate::metrics::Metrics;
use crate::pool::error::Refusal;
use crate::pool::rules::{Class, Rules};
use crate::pool::{Pool, RuntimePool};
use crate::registry::Registry;
use crate::registry::function::Function;
use crate::runtime::Runtime;
use crate::sandbox::container::ContainerLauncher;
use crate::server::found::{self, Found};
use crate::server::launchers::{Launchers, Parts};
use crate::server::{Mode, ServerError};

/// Calls a worker takes until its shim has said otherwise.
const FIRST_CREDIT: u32 = 64;
/// Blank workers beyond `min_warm` under `alyx dev`.
const DEV_BLANKS: usize = 2;

/// The pools of all runtimes that have functions, or may get some while they are watched.
pub(crate) async fn pool(
    config: &Config,
    registry: &Registry,
    parts: &Parts<'_>,
    metrics: &Arc<Metrics>,
    mode: Mode,
) -> Result<Pool, ServerError> {
    let found = found::all(config, registry, parts.backends, mode).await?;
    let mut launchers = Launchers::new(config, parts);
    if config.functions.backend == Backend::Process {
        // What cannot be enforced is said at the start, whether there are functions yet or not.
        launchers.processes().await?;
    }
    let mut pool = Pool::default();
    for Found { name, is_used, outcome } in found {
        match outcome {
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
                    let deps = parts.deps.clone();
                    tokio::spawn(warm(runtime.clone(), functions, container, deps));
                }
                pool.add(runtime);
            }
        }
    }
    Ok(pool)
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
    deps: Deps,
) {
    if let Some(container) = container {
        container.prepare().await;
        // Which packages they want may depend on an image that was not there before.
        for function in &functions {
            let _told_when_called = deps.ready(function).await;
        }
    }
    if pool.runtime.builds() {
        tracing::info!("building {} functions of runtime '{}'", functions.len(), pool.runtime.name);
        for function in functions {
            pool.prepare(&function).await;
        }
    }
    pool.warm();
}
