//! What starts the workers of each runtime, and what they are given.
//!
//! How processes are confined is chosen here and told. Knows nothing of runtimes that are not there.

use std::path::PathBuf;
use std::sync::Arc;

use alyx_protocol::Limits;

use crate::config::Config;
use crate::config::model::SandboxMode;
use crate::db::Store;
use crate::deps::Deps;
use crate::pool::Shared;
use crate::pool::schemas::Schemas;
use crate::runtime::Runtime;
use crate::sandbox::Launch;
use crate::sandbox::container::ContainerLauncher;
use crate::sandbox::levels::{Confinement, Wanted};
use crate::sandbox::process::ProcessLauncher;
use crate::sandbox::profile::{Level, Reach};
use crate::sandbox::run_dir::RunDir;
use crate::server::ServerError;
use crate::server::backend::{Backends, reach};
use crate::server::place::Place;

/// What workers of all runtimes share.
#[derive(Debug)]
pub(crate) struct Parts<'a> {
    pub(crate) run_dir: &'a RunDir,
    pub(crate) store: &'a Store,
    pub(crate) deps: &'a Deps,
    pub(crate) backends: &'a Backends,
}

/// What starts workers. How processes are confined is found out only for those who have some.
#[derive(Debug)]
pub(crate) struct Launchers<'a> {
    config: &'a Config,
    parts: &'a Parts<'a>,
    schemas: Arc<Schemas>,
    processes: Option<Arc<ProcessLauncher>>,
}

impl<'a> Launchers<'a> {
    pub(crate) fn new(config: &'a Config, parts: &'a Parts<'a>) -> Self {
        Launchers { config, parts, schemas: Arc::default(), processes: None }
    }

    /// What the pool of one runtime is given, and what makes its containers.
    pub(crate) async fn of(
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

    pub(crate) async fn processes(&mut self) -> Result<Arc<ProcessLauncher>, ServerError> {
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
