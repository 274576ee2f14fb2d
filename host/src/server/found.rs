//! Finds the configured runtimes: what each of them is on this machine.
//!
//! Unpacks the shims that come with the program. Knows nothing of workers.

use std::path::{Path, PathBuf};

use futures_util::future::join_all;

use crate::config::Config;
use crate::registry::Registry;
use crate::runtime::{Runtime, Source, Unavailable, shims};
use crate::server::backend::Backends;
use crate::server::place::Place;
use crate::server::{Mode, ServerError};

/// What of the host's environment the Go toolchain needs.
const TOOLCHAIN_ENV: [&str; 8] =
    ["HOME", "TMPDIR", "XDG_CACHE_HOME", "GOPATH", "GOCACHE", "GOMODCACHE", "CC", "CGO_ENABLED"];

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
    /// True when it has functions.
    pub(crate) is_used: bool,
    pub(crate) outcome: Option<Result<Runtime, Unavailable>>,
}

/// The runtimes that have functions, or may get some: nobody waits for a language they do not use.
///
/// # Errors
/// [`ServerError::Shims`]
pub(crate) async fn all<'a>(
    config: &'a Config,
    registry: &Registry,
    backends: &Backends,
    mode: Mode,
) -> Result<Vec<Found<'a>>, ServerError> {
    let (cache, shims) = unpack(config)?;
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
    let (shims, cache) = (&shims, &cache);
    let found = runtimes.map(|(name, runtime)| async move {
        let is_used = is_used(registry, name);
        let outcome = match (runtime.enabled, backends.place(name)) {
            (false, _) => None,
            (true, Place::Nowhere(why)) => Some(Err(why.clone())),
            (true, place) => {
                let image = if let Place::Container(image) = place { Some(&**image) } else { None };
                let command = runtime.command.as_deref();
                let builder = backends.tools(name);
                let builder = builder.map(|tools| (&*tools.image, tools.workshop.clone() as _));
                let source = Source {
                    name,
                    image,
                    builder,
                    command,
                    folder,
                    path,
                    shims,
                    cache,
                    toolchain_env,
                };
                Some(Runtime::find(source).await)
            }
        };
        Found { name, is_used, outcome }
    });
    Ok(join_all(found).await)
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
