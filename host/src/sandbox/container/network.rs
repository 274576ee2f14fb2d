//! The network of workers that may reach the internet: a bridge of their own, with a guard against
//! what is near.
//!
//! All hosts of an engine share it. Knows nothing of workers that have no network.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

use bollard::models::{NetworkCreateRequest, NetworkInspect};
use bollard::query_parameters::{
    InspectContainerOptions, InspectNetworkOptions, ListNetworksOptionsBuilder,
};
use sha2::{Digest, Sha256};
use tokio::sync::Mutex;
use tokio::time::sleep;

use crate::engine::error::EngineError;
use crate::engine::{Engine, Kind};
use crate::sandbox::container::guard::{self, Gap};

/// What the network is called.
pub(crate) const NAME: &str = "alyx";
/// The network of package managers, which reach what the machine reaches.
pub(crate) const TOOLS: &str = "alyx-install";
/// Says its interface: not every engine does.
const BRIDGE: &str = "dev.alyx.bridge";
const PATIENCE: Duration = Duration::from_secs(20);
/// Looks at a network that there are two of for a moment, and the time between them.
const LOOKS: usize = 40;
const AGAIN: Duration = Duration::from_millis(50);

/// What was seen to.
#[derive(Debug, Default)]
pub(crate) struct OpenNetwork(Mutex<Seen>);

#[derive(Debug, Default)]
struct Seen {
    network: Option<Known>,
    /// What has been said of it.
    said: Vec<Gap>,
}

/// What has to be known of the network to guard it.
#[derive(Debug, Clone)]
pub(crate) struct Known {
    /// None when it is not of this program's making.
    bridge: Option<String>,
    gateways: Vec<IpAddr>,
}

impl OpenNetwork {
    /// Makes the network unless it is there.
    pub(crate) async fn provide(&self, engine: &Engine) -> Result<(), EngineError> {
        let mut seen = self.0.lock().await;
        if seen.network.is_none() {
            seen.network = Some(network(engine, NAME).await?);
        }
        Ok(())
    }

    /// Keeps a worker that has been started, and runs no function yet, from what is near; warns
    /// of what it is not kept from, once. Others may have changed the rules, or the engine may have
    /// put its own before them: each worker has them looked at.
    pub(crate) async fn guard(&self, engine: &Engine, container: &str) {
        let mut seen = self.0.lock().await;
        let Some(network) = &seen.network else { return };
        let gaps = match &network.bridge {
            Some(bridge) => guard::stand(engine.kind(), bridge, &network.gateways).await,
            None => Gap::everything(
                engine.kind(),
                format!(
                    "the network '{NAME}' does not say its interface; remove it, and it is made anew"
                ),
            ),
        };
        // The interface may have gone with a container that has ended.
        if gaps == seen.said || (!gaps.is_empty() && !runs(engine, container).await) {
            return;
        }
        if !gaps.is_empty() {
            let all: Vec<_> = gaps.iter().map(ToString::to_string).collect();
            tracing::warn!(
                "workers in containers can reach {}; set functions.network to 'proxy' or 'none', or run as root where iptables is",
                all.join("; ")
            );
        }
        seen.said = gaps;
    }

    /// To be seen to again: somebody has removed it.
    pub(crate) async fn forget(&self) {
        self.0.lock().await.network = None;
    }
}

async fn runs(engine: &Engine, container: &str) -> bool {
    let looked = engine.client().inspect_container(container, None::<InspectContainerOptions>);
    let looked = engine.ask("look at a container", PATIENCE, looked).await;
    let state = looked.ok().and_then(|found| found.state);
    state.is_some_and(|state| state.running == Some(true))
}

/// The network of that name, which is made unless it is there.
pub(crate) async fn network(engine: &Engine, name: &str) -> Result<Known, EngineError> {
    if let Some(known) = known(engine, name).await? {
        return Ok(known);
    }
    let bridge = interface(engine, name).await?;
    let mut options = HashMap::from([("com.docker.network.bridge.name".into(), bridge.clone())]);
    if engine.kind() == Kind::Docker {
        options.insert("com.docker.network.bridge.enable_icc".into(), "false".into());
    }
    let request = NetworkCreateRequest {
        name: name.into(),
        driver: Some("bridge".into()),
        options: Some(options),
        labels: Some(HashMap::from([(BRIDGE.into(), bridge)])),
        ..NetworkCreateRequest::default()
    };
    let made = engine.client().create_network(request);
    let made = engine.ask(&format!("make the network '{name}'"), PATIENCE, made).await;
    if let Ok(made) = &made {
        leave_one(engine, name, &made.id).await?;
    }
    // Another host may have been faster.
    match (known(engine, name).await?, made) {
        (Some(known), _) => Ok(known),
        (None, Err(error)) => Err(error),
        (None, Ok(_)) => Ok(Known { bridge: None, gateways: Vec::new() }),
    }
}

/// The name of the network's interface, by which rules know it: one for each engine of a machine,
/// which differ by where they keep their things.
async fn interface(engine: &Engine, name: &str) -> Result<String, EngineError> {
    let told = engine.ask("tell about itself", PATIENCE, engine.client().info()).await?;
    let folder = told.docker_root_dir.unwrap_or_default();
    let of_engine = hex::encode(Sha256::digest(format!("{} {folder} {name}", engine.kind())));
    Ok(format!("alyx-{}", &of_engine[..8]))
}

/// Docker lets two who ask at once make two networks of one name, which are good for nothing: the
/// first one stays.
async fn leave_one(engine: &Engine, name: &str, made: &str) -> Result<(), EngineError> {
    let filters = HashMap::from([("name", vec![name])]);
    let options = ListNetworksOptionsBuilder::new().filters(&filters).build();
    let listed = engine.client().list_networks(Some(options));
    let listed = engine.ask("list its networks", PATIENCE, listed).await?;
    let same = listed.into_iter().filter(|network| network.name.as_deref() == Some(name));
    let first = same.min_by_key(|network| (network.created.clone(), network.id.clone()));
    if first.is_some_and(|first| first.id.as_deref() != Some(made)) {
        let removed = engine.client().remove_network(made);
        engine.ask(&format!("remove a second network '{name}'"), PATIENCE, removed).await?;
    }
    Ok(())
}

async fn known(engine: &Engine, name: &str) -> Result<Option<Known>, EngineError> {
    let mut looks = 0;
    loop {
        let looked = engine.client().inspect_network(name, None::<InspectNetworkOptions>);
        match engine.ask(&format!("look for the network '{name}'"), PATIENCE, looked).await {
            Ok(network) => return Ok(Some(Known::of(network))),
            Err(error) if error.is_missing() => return Ok(None),
            // Another host is about to remove its second one.
            Err(error) if looks < LOOKS && error.to_string().contains("ambiguous") => looks += 1,
            Err(error) => return Err(error),
        }
        sleep(AGAIN).await;
    }
}

impl Known {
    fn of(network: NetworkInspect) -> Self {
        let bridge = network.labels.and_then(|mut labels| labels.remove(BRIDGE));
        let ranges = network.ipam.and_then(|ipam| ipam.config).unwrap_or_default();
        let gateways = ranges.into_iter().filter_map(|range| range.gateway?.parse().ok());
        Known { bridge: bridge.filter(|bridge| !bridge.is_empty()), gateways: gateways.collect() }
    }
}
