//! Chooses what the workers of each runtime run in: containers or confined processes.
//!
//! Who asks for an engine gets it or hears why not, whenever it comes; who leaves it open gets what
//! there is when the host starts. Knows nothing of pools.

use std::collections::HashMap;
use std::sync::Arc;

use futures_util::future::join_all;

use crate::config::Config;
use crate::config::model::{Backend, Network, RuntimeConfig};
use crate::deps::tools::Workshops;
use crate::engine::places::Places;
use crate::engine::{Engine, Kind};
use crate::images::listed::look;
use crate::registry::imports::Language;
use crate::runtime::Unavailable;
use crate::sandbox::container::Containers;
use crate::sandbox::container::image::Image;
use crate::sandbox::profile::Reach;
use crate::sandbox::run_dir::RunDir;
use crate::server::Mode;
use crate::server::place::Place;
use crate::server::tools::{self, Tools};
use crate::workshop::Workshop;

/// What workers of all runtimes run in.
#[derive(Debug)]
pub(crate) struct Backends {
    pub(crate) containers: Option<Arc<Containers>>,
    places: HashMap<String, Place>,
    tools: HashMap<String, Tools>,
}

impl Backends {
    /// Chooses for the runtimes that are used, and says so once.
    pub(crate) async fn choose(
        config: &Config,
        used: &[&str],
        run_dir: &RunDir,
        mode: Mode,
    ) -> Self {
        let wanted = match config.functions.backend {
            Backend::Process => return Self::processes(),
            Backend::Auto => None,
            Backend::Docker => Some(Kind::Docker),
            Backend::Podman => Some(Kind::Podman),
        };
        let containers = Containers::new(wanted, places(config), reach(config), run_dir);
        let runtimes =
            used.iter().filter_map(|name| config.functions.runtimes.get_key_value(*name));
        let places: HashMap<_, _> = if wanted.is_some() {
            runtimes.map(|(name, runtime)| (name.clone(), demanded(name, runtime))).collect()
        } else {
            let engine = match containers.engine().await {
                Ok(engine) => engine,
                Err(why) => {
                    tracing::info!("functions run as local processes: {why}");
                    return Self::processes();
                }
            };
            let found = runtimes.map(|(name, runtime)| {
                let engine = &engine;
                async move { (name.clone(), found(name, runtime, engine, mode).await) }
            });
            join_all(found).await.into_iter().collect()
        };
        let tools = tools::of(config, &containers, &places).await;
        Backends { containers: Some(containers), places, tools }
    }

    fn processes() -> Self {
        Backends { containers: None, places: HashMap::new(), tools: HashMap::new() }
    }

    /// Where packages of a runtime are installed and functions built, if not on this machine.
    pub(crate) fn tools(&self, runtime: &str) -> Option<&Tools> {
        self.tools.get(runtime)
    }

    /// Fetches images that tools are in; what does not succeed is told when one is wanted.
    pub(crate) async fn prepare_tools(&self) {
        join_all(self.tools.values().map(|tools| tools.workshop.prepare())).await;
    }

    /// The same for those who install packages.
    pub(crate) fn workshops(&self) -> Workshops {
        let workshop = |(name, tools): (&String, &Tools)| {
            let workshop: Arc<dyn Workshop> = tools.workshop.clone();
            Some((Language::of_runtime(name)?, workshop))
        };
        self.tools.iter().filter_map(workshop).collect()
    }

    pub(crate) fn place(&self, runtime: &str) -> &Place {
        self.places.get(runtime).unwrap_or(&Place::Process)
    }
}

/// Where the engine may be, as far as the environment says.
pub(crate) fn places(config: &Config) -> Places {
    let user = rustix::process::getuid().as_raw();
    Places::new(|name| config.variables.get(name), user)
}

/// What workers may reach over the network.
pub(crate) fn reach(config: &Config) -> Reach {
    match config.functions.network {
        Network::Open => Reach::Open,
        Network::Proxy => Reach::Proxy,
        Network::None => Reach::Nothing,
    }
}

fn demanded(name: &str, runtime: &RuntimeConfig) -> Place {
    match &runtime.image {
        Some(image) => Place::Container(image.clone()),
        None => Place::Nowhere(Unavailable(format!(
            "it has no image to run in a container from; set functions.runtimes.{name}.image, or functions.backend to 'process'"
        ))),
    }
}

/// A container where the image is there or can be brought.
async fn found(name: &str, runtime: &RuntimeConfig, engine: &Engine, mode: Mode) -> Place {
    let Some(image) = runtime.image.as_ref().filter(|_| runtime.command.is_none()) else {
        return Place::Process;
    };
    let outcome = match mode {
        Mode::Serve | Mode::Dev => {
            Image::new(image).provide(engine).await.map_err(|why| why.to_string())
        }
        Mode::Once | Mode::Look => match look(engine, image).await {
            Ok(Some(_)) => Ok(()),
            Ok(None) => Err(format!("there is no image '{image}'")),
            Err(why) => Err(why.to_string()),
        },
    };
    match outcome {
        Ok(()) => Place::Container(image.clone()),
        Err(why) => {
            tracing::info!("runtime '{name}' runs as local processes: {why}");
            Place::Process
        }
    }
}
