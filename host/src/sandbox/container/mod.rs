//! Sandboxes as containers: one for each worker, made and ended through the engine's interface.
//!
//! The image brings the shim; what changes comes in by mounts: the folder of the worker's socket,
//! functions, packages and what was built, at the same paths as on the host. Knows nothing of the
//! protocol, and of an engine only that it answers or does not.

pub mod hosts;
pub mod image;
mod shape;
mod calls;
mod tool_shape;
mod ownership;
pub mod tools;
mod names;
mod kernel;
mod link;
mod network;
mod guard;
mod rules;
mod name_servers;
mod lifeline;
mod limits;
mod leftovers;
mod output;
mod removal;
mod waiting;
mod running;

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bollard::models::ContainerCreateBody;
use bollard::query_parameters::CreateContainerOptionsBuilder;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::engine::error::EngineError;
use crate::engine::places::Places;
use crate::engine::{Engine, Kind};
use crate::sandbox::belongings::{Folder, Number, Numbers};
use crate::sandbox::container::hosts::Identity;
use crate::sandbox::container::image::Image;
use crate::sandbox::container::lifeline::Lifeline;
use crate::sandbox::container::limits::Limits;
use crate::sandbox::container::link::Link;
use crate::sandbox::container::names::{in_full, short};
use crate::sandbox::container::network::OpenNetwork;
use crate::sandbox::container::running::{Running, watch_over};
use crate::sandbox::container::shape::Ways;
use crate::sandbox::profile::Reach;
use crate::sandbox::proxy::Proxy;
use crate::sandbox::proxy::policy::Policy;
use crate::sandbox::run_dir::RunDir;
use crate::sandbox::{Launch, LaunchError, LaunchSpec, Launching, Sandbox};

/// Containers that are made at a time: more of them only wait for each other.
const TOGETHER: usize = 4;
/// Longest wait for the engine to make a container, and to start it.
const CREATE: Duration = Duration::from_secs(30);

/// All containers of a host.
#[derive(Debug)]
pub struct Containers {
    link: Link,
    network: Reach,
    open: OpenNetwork,
    folders: PathBuf,
    identity: Identity,
    turns: Semaphore,
    /// Containers that have ended and are being removed.
    removals: TaskTracker,
    closed: CancellationToken,
    limits: Limits,
}

impl Containers {
    /// For the engine of the wanted kind, which need not be there yet.
    #[must_use]
    pub fn new(
        wanted: Option<Kind>,
        places: Places,
        network: Reach,
        run_dir: &RunDir,
    ) -> Arc<Self> {
        let identity = Identity::of(run_dir);
        Arc::new(Containers {
            link: Link::new(wanted, places, identity.clone()),
            network,
            open: OpenNetwork::default(),
            folders: run_dir.container_sockets(),
            identity,
            turns: Semaphore::new(TOGETHER),
            removals: TaskTracker::new(),
            closed: CancellationToken::new(),
            limits: Limits::default(),
        })
    }

    /// The engine, if it answers.
    ///
    /// # Errors
    /// [`EngineError`]
    pub async fn engine(&self) -> Result<Engine, EngineError> {
        self.link.engine().await
    }

    /// A folder to stand where root's is.
    fn empty_home(&self) -> std::io::Result<PathBuf> {
        let home = self.folders.join("root");
        std::fs::create_dir_all(&home)?;
        open_to_container(&home, 0o755, 0o755)?;
        Ok(home)
    }

    /// Makes workers of one runtime from an image.
    #[must_use]
    pub fn launcher(self: &Arc<Self>, runtime: &str, image: &str) -> ContainerLauncher {
        ContainerLauncher(Arc::new(Shared {
            containers: self.clone(),
            runtime: runtime.to_owned(),
            image: Image::new(image),
            numbers: Numbers::default(),
        }))
    }

    /// Removes all containers of this host; no more are made.
    pub async fn close(&self) {
        self.closed.cancel();
        self.turns.close();
        let Some(engine) = self.link.known().await else { return };
        self.removals.close();
        let removed = async {
            leftovers::remove_own(&engine, &self.identity).await;
            self.removals.wait().await;
        };
        if tokio::time::timeout(CREATE, removed).await.is_err() {
            tracing::warn!("{engine} did not remove all containers; the next start will");
        }
    }
}

/// Makes the workers of one runtime.
#[derive(Debug, Clone)]
pub struct ContainerLauncher(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    containers: Arc<Containers>,
    runtime: String,
    image: Image,
    numbers: Numbers,
}

impl ContainerLauncher {
    /// Sees to it that the image is there; what does not succeed is told when a worker is wanted.
    pub async fn prepare(&self) {
        if let Ok(engine) = self.0.containers.engine().await
            && let Err(why) = self.0.image.provide(&engine).await
        {
            tracing::warn!("{why}");
        }
    }
}

impl Launch for ContainerLauncher {
    fn launch(&self, spec: LaunchSpec) -> Launching {
        let launcher = self.clone();
        Box::pin(async move {
            let launched = launcher.0.launch(spec).await;
            if let Err(LaunchError::Missing { .. }) = launched
                && launcher.0.image.may_be_asked_for()
            {
                tokio::spawn(async move { launcher.prepare().await });
            }
            launched
        })
    }

    fn seen_as(&self, _socket: &Path) -> PathBuf {
        shape::SOCKET_FOLDER.into()
    }
}

impl Shared {
    async fn launch(&self, spec: LaunchSpec) -> Result<Sandbox, LaunchError> {
        let containers = &self.containers;
        let _turn = containers.turns.acquire().await.map_err(|_| LaunchError::Stopped)?;
        let engine = containers.engine().await?;
        if containers.network == Reach::Open {
            containers.open.provide(&engine).await?;
        }
        let folder = containers.folders.join(&spec.worker);
        let of_folder = |source| LaunchError::Folder { path: folder.clone(), source };
        let proxy = match containers.network {
            Reach::Proxy => Some(proxy(&spec.worker, &folder).map_err(of_folder)?),
            Reach::Open | Reach::Nothing => None,
        };
        // Only what is inside is open to others.
        let private = std::fs::Permissions::from_mode(0o700);
        std::fs::set_permissions(&containers.folders, private).map_err(of_folder)?;
        let mut lifeline = None;
        if let Some(socket) = &spec.socket {
            open_to_container(socket, 0o711, 0o666).map_err(of_folder)?;
            lifeline = Some(Lifeline::make(socket).map_err(of_folder)?);
        }
        let number = self.numbers.take();
        let home = containers.empty_home().map_err(of_folder)?;
        let proxy_folder = proxy.as_ref().map(|(_, folder)| folder.path());
        let security = calls::options(engine.kind(), &containers.folders).map_err(of_folder)?;
        let ways = Ways { proxy: proxy_folder, home: &home, security: &security };
        let mut body = shape::body(&spec, self.image.name(), containers.network, ways);
        body.labels = Some(containers.identity.labels(&self.runtime, &spec.worker));
        let config = body.host_config.get_or_insert_default();
        if containers.network == Reach::Open {
            config.dns = guard::name_servers_to_ask();
        }
        if engine.kind() == Kind::Podman {
            shape::keep_from_writing(config);
        }
        let (id, name) = self.create(&engine, body, &number).await?;
        let running = Running {
            engine,
            id,
            name,
            memory: spec.memory,
            removals: containers.removals.clone(),
            closed: containers.closed.clone(),
            belongings: (proxy, number, lifeline),
        };
        self.start(running).await
    }

    /// Makes the container under a name that nobody else has: the short one is for people, and
    /// the first host to ask has it.
    async fn create(
        &self,
        engine: &Engine,
        body: ContainerCreateBody,
        number: &Number,
    ) -> Result<(String, String), LaunchError> {
        let number = number.number + 1;
        let names = [
            short(&self.runtime, number),
            in_full(&self.runtime, number, &self.containers.identity),
        ];
        let mut last = None;
        for name in names {
            let options = CreateContainerOptionsBuilder::new().name(&name).build();
            let made = engine.client().create_container(Some(options), body.clone());
            match engine.ask(&format!("make the container '{name}'"), CREATE, made).await {
                Ok(made) => return Ok((made.id, name)),
                Err(error) if error.is_taken() => last = Some(error),
                Err(error) if error.is_missing() => return Err(self.image.missing(engine)),
                Err(error) => return Err(error.into()),
            }
        }
        Err(last.map_or(LaunchError::Stopped, Into::into))
    }

    async fn start(&self, running: Running) -> Result<Sandbox, LaunchError> {
        let (engine, name) = (running.engine.clone(), running.name.clone());
        let started = engine.client().start_container(&running.id, None);
        match engine.ask(&format!("start the container '{name}'"), CREATE, started).await {
            Ok(()) if !self.containers.closed.is_cancelled() => {
                if self.containers.network == Reach::Open {
                    self.containers.open.guard(&engine, &running.id).await;
                }
                let counts = self.containers.limits.are_held(&engine, &running.id).await;
                Ok(watch_over(running, counts))
            }
            Ok(()) => {
                running.abandon();
                Err(LaunchError::Stopped)
            }
            Err(error) => {
                running.abandon();
                // For all it says, somebody may have removed the network.
                self.containers.open.forget().await;
                Err(error.into())
            }
        }
    }
}

/// A proxy of the worker's own, in a folder that its container can be given.
fn proxy(worker: &str, folder: &Path) -> std::io::Result<(Proxy, Folder)> {
    let folder = Folder::make(folder.with_extension("p"))?;
    let proxy = Proxy::start(worker, folder.path(), Policy::default())?;
    open_to_container(folder.path(), 0o711, 0o666)?;
    Ok((proxy, folder))
}

/// Who a container's user is on the host depends on the engine: the folder and what is in it are
/// for everybody who gets there, and only the container does.
fn open_to_container(folder: &Path, folders: u32, files: u32) -> std::io::Result<()> {
    let set =
        |path: &Path, mode| std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode));
    for entry in std::fs::read_dir(folder)? {
        set(&entry?.path(), files)?;
    }
    set(folder, folders)
}
