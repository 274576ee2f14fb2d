//! Tools of an image, each run in a container of its own that goes when the tool has ended.
//!
//! A container ends with its host: it holds one end of a pipe, and the host the other. Knows
//! nothing of what tools do.

use std::io;
use std::path::PathBuf;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use bollard::container::LogOutput;
use bollard::query_parameters::{AttachContainerOptionsBuilder, CreateContainerOptionsBuilder};
use futures_util::{Stream, StreamExt};
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::engine::Engine;
use crate::engine::error::EngineError;
use crate::images::listed::look;
use crate::leash::{QUEUE, read_lines};
use crate::sandbox::LaunchError;
use crate::sandbox::belongings::{Folder, Number, Numbers};
use crate::sandbox::container::image::Image;
use crate::sandbox::container::lifeline::Lifeline;
use crate::sandbox::container::names::of_tool;
use crate::sandbox::container::output::Pipes;
use crate::sandbox::container::ownership::User;
use crate::sandbox::container::removal::{remove, remove_in_time};
use crate::sandbox::container::tool_shape::{LACKING, MEMORY, Ways, body, network_of};
use crate::sandbox::container::waiting::{KILLED, Notice, exit_code};
use crate::sandbox::container::{CREATE, Containers, calls, network, open_to_container};
use crate::workshop::{Later, Listener, Order, Printed, Workshop};

/// Longest wait for the container to go once its tool has ended.
const REMOVAL: Duration = Duration::from_secs(10);
/// Longest wait for what it printed, once it has ended.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// The tools of one image.
#[derive(Debug)]
pub struct ImageTools {
    containers: Arc<Containers>,
    runtime: String,
    image: Image,
    numbers: Numbers,
}

impl Containers {
    /// The tools in an image; `target` is what `alyx runtimes build` calls it.
    #[must_use]
    pub fn tools(self: &Arc<Self>, runtime: &str, image: &str, target: &str) -> Arc<ImageTools> {
        Arc::new(ImageTools {
            containers: self.clone(),
            runtime: runtime.to_owned(),
            image: Image::built_as(image, target),
            numbers: Numbers::default(),
        })
    }
}

impl Workshop for ImageTools {
    fn run<'a>(
        &'a self,
        order: &'a Order,
        patience: Duration,
        line: Listener<'a>,
    ) -> Later<'a, io::Result<bool>> {
        Box::pin(async move {
            let engine = self.engine().await.map_err(io::Error::other)?;
            let user = User::on(&engine);
            let copies = order.copies.iter().map(|(copy, _)| copy);
            let lent: Vec<_> = order.writes.iter().chain(copies).cloned().collect();
            user.lend(&lent).await?;
            user.give(&order.keeps).await?;
            let code = self.to_the_end(&engine, user, order, patience, line).await;
            user.take_back(&lent).await?;
            match code? {
                0 => Ok(true),
                LACKING => Err(self.lacks(order)),
                KILLED => Err(io::Error::other(format!(
                    "it was killed, as is done for want of memory; it may use {} GiB",
                    MEMORY >> 30
                ))),
                _ => Ok(false),
            }
        })
    }

    fn identity(&self) -> Later<'_, Result<String, String>> {
        Box::pin(async move {
            let engine = self.containers.engine().await.map_err(|why| why.to_string())?;
            match look(&engine, self.image.name()).await {
                Ok(Some(image)) => Ok(image.id),
                Ok(None) => Err(self.image.missing(&engine).to_string()),
                Err(why) => Err(why.to_string()),
            }
        })
    }
}

impl ImageTools {
    /// Sees to it that the image is there.
    ///
    /// # Errors
    /// Why it is not.
    pub async fn prepare(&self) -> Result<(), String> {
        self.engine().await.map(drop)
    }

    /// The engine, which has the image.
    async fn engine(&self) -> Result<Engine, String> {
        let engine = self.containers.engine().await.map_err(|why| why.to_string())?;
        if self.image.may_be_asked_for() {
            self.image.provide(&engine).await.map_err(|why| why.to_string())?;
        }
        Ok(engine)
    }

    fn lacks(&self, order: &Order) -> io::Error {
        let (image, program) = (self.image.name(), order.program.display());
        let runtime = &self.runtime;
        io::Error::other(format!(
            "the image '{image}' has no '{program}'; build it on a base that has: alyx runtimes build {runtime} --base IMAGE"
        ))
    }

    async fn to_the_end(
        &self,
        engine: &Engine,
        user: User,
        order: &Order,
        patience: Duration,
        line: Listener<'_>,
    ) -> io::Result<i64> {
        let mut tool = self.start(engine, user, order).await.map_err(io::Error::other)?;
        let followed = timeout(patience, Box::pin(tool.follow(line))).await;
        tool.remove().await;
        let over = || format!("no end after {patience:?}");
        followed.map_err(|_| io::Error::new(io::ErrorKind::TimedOut, over()))
    }

    async fn start(
        &self,
        engine: &Engine,
        user: User,
        order: &Order,
    ) -> Result<Running, LaunchError> {
        let containers = &self.containers;
        let _turn = containers.turns.acquire().await.map_err(|_| LaunchError::Stopped)?;
        if network_of(order) == network::TOOLS {
            network::network(engine, network::TOOLS).await?;
        }
        let number = self.numbers.take();
        let worker = format!("tool-{}", number.number + 1);
        let folder = containers.folders.join(format!("{}-{worker}", self.runtime));
        let of_folder = |source| LaunchError::Folder { path: folder.clone(), source };
        let leash = Leash::make(folder.clone()).map_err(of_folder)?;
        let home = containers.empty_home().map_err(of_folder)?;
        let security = calls::options(engine.kind(), &containers.folders).map_err(of_folder)?;
        let ways = Ways { leash: leash.folder.path(), home: &home, security: &security };
        let mut body = body(order, self.image.name(), user, ways);
        body.labels = Some(containers.identity.labels(&self.runtime, &worker));
        let name = of_tool(&self.runtime, number.number + 1, &containers.identity);
        let options = CreateContainerOptionsBuilder::new().name(&name).build();
        let made = engine.client().create_container(Some(options), body);
        let made = engine.ask(&format!("make the container '{name}'"), CREATE, made).await;
        let id = match made {
            Ok(made) => made.id,
            Err(error) if error.is_missing() => return Err(self.image.missing(engine)),
            Err(error) => return Err(error.into()),
        };
        let belongings = Some((leash, number));
        let (engine, containers) = (engine.clone(), containers.clone());
        let mut running = Running { engine, id, containers, printed: None, belongings };
        running.begin(&name).await?;
        Ok(running)
    }
}

/// A pipe with a name, which ends for its reader when the host does.
#[derive(Debug)]
struct Leash {
    folder: Folder,
    _end: Lifeline,
}

impl Leash {
    fn make(folder: PathBuf) -> io::Result<Leash> {
        // Of a host that had the same number.
        let _there_is_none = std::fs::remove_dir_all(&folder);
        let folder = Folder::make(folder)?;
        let end = Lifeline::make(folder.path())?;
        open_to_container(folder.path(), 0o711, 0o444)?;
        Ok(Leash { folder, _end: end })
    }
}

type Pieces = Pin<Box<dyn Stream<Item = Result<LogOutput, bollard::errors::Error>> + Send>>;

/// A tool's container; dropped, it ends and is removed.
struct Running {
    engine: Engine,
    id: String,
    containers: Arc<Containers>,
    printed: Option<Pieces>,
    /// None once it has been removed.
    belongings: Option<(Leash, Number)>,
}

impl Running {
    /// Listens before there is anything to hear.
    async fn begin(&mut self, name: &str) -> Result<(), EngineError> {
        let client = self.engine.client();
        let options = AttachContainerOptionsBuilder::new().stream(true).stdout(true).stderr(true);
        let attached = client.attach_container(&self.id, Some(options.build()));
        let doing = format!("attach to the container '{name}'");
        let attached = self.engine.ask(&doing, CREATE, attached).await?;
        let started = client.start_container(&self.id, None);
        self.engine.ask(&format!("start the container '{name}'"), CREATE, started).await?;
        self.printed = Some(attached.output);
        Ok(())
    }

    /// Hands over each line; the exit code.
    async fn follow(&mut self, line: Listener<'_>) -> i64 {
        let (send, mut lines) = mpsc::channel(QUEUE);
        let feed = feed(self.printed.take(), send);
        let tell = async {
            while let Some(printed) = lines.recv().await {
                line(printed);
            }
        };
        let mut told = pin!(async { tokio::join!(feed, tell) });
        let mut ended = Box::pin(exit_code(&self.engine, &self.id, Notice::Soon));
        tokio::select! {
            _ = &mut told => ended.await,
            code = &mut ended => {
                // Podman now and then keeps the line open when nobody is there any more.
                let _silent = timeout(LAST_WORDS, told).await;
                code
            }
        }
    }

    async fn remove(mut self) {
        if let Ok(Ok(())) = timeout(REMOVAL, remove(&self.engine, &self.id)).await {
            self.belongings = None;
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let Some(belongings) = self.belongings.take() else { return };
        let Ok(runtime) = Handle::try_current() else { return };
        let (engine, id) = (self.engine.clone(), std::mem::take(&mut self.id));
        let closed = self.containers.closed.clone();
        let removal = async move {
            remove_in_time(&engine, &id, &closed).await;
            drop(belongings);
        };
        self.containers.removals.spawn_on(removal, &runtime);
    }
}

/// Cuts what a tool prints into lines.
async fn feed(pieces: Option<Pieces>, to: mpsc::Sender<Printed>) {
    let Some(mut pieces) = pieces else { return };
    let (mut pipes, [out, err]) = Pipes::new();
    let pour = async move {
        while let Some(Ok(piece)) = pieces.next().await {
            if pipes.pour(&piece, &mut [0, 0]).await.is_err() {
                break;
            }
        }
    };
    tokio::join!(pour, read_lines(out, true, to.clone()), read_lines(err, false, to));
}
