//! The packages of a project without a server: what `alyx deps` works with.

use crate::config::Config;
use crate::deps::{Deps, Purpose};
use crate::registry::Registry;
use crate::sandbox::run_dir::RunDir;
use crate::server::backend::Backends;
use crate::server::{Mode, ServerError, found, instance, temporary};

/// The packages, and what they are installed with.
#[derive(Debug)]
pub struct Packages {
    pub deps: Deps,
    backends: Backends,
    _run_dir: RunDir,
}

impl Packages {
    /// Finds the tools that install packages; only `to_install` images are fetched for it.
    ///
    /// # Errors
    /// [`ServerError::RunDir`]
    pub async fn open(config: &Config, to_install: bool) -> Result<Self, ServerError> {
        let registry = Registry::scan(&config.functions, &config.variables);
        let run_dir = RunDir::create(&temporary(config), &instance(&config.folder));
        let run_dir = run_dir.map_err(ServerError::RunDir)?;
        let mode = if to_install { Mode::Serve } else { Mode::Look };
        let used = found::used(config, &registry, mode);
        let backends = Backends::choose(config, &used, &run_dir, mode).await;
        if to_install {
            backends.prepare_tools().await;
        }
        let purpose = if to_install { Purpose::Use } else { Purpose::Look };
        let deps = Deps::new(config, purpose, backends.workshops());
        deps.adopt(&registry).await;
        Ok(Packages { deps, backends, _run_dir: run_dir })
    }

    /// Leaves nothing running.
    pub async fn close(&self) {
        if let Some(containers) = &self.backends.containers {
            containers.close().await;
        }
    }
}
