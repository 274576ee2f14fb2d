//! The network of workers that may reach the internet: a bridge of their own, with rules against
//! what is near.
//!
//! The rules are set where this host may set them: as root, on the engine's own machine. Knows
//! nothing of workers that have no network.

use std::collections::HashMap;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use bollard::models::NetworkCreateRequest;
use bollard::query_parameters::{InspectNetworkOptions, ListNetworksOptionsBuilder};
use tokio::process::Command;
use tokio::sync::Mutex;
use tokio::time::{sleep, timeout};

use crate::engine::error::EngineError;
use crate::engine::{Engine, Kind};

/// What the network is called; all hosts of an engine share it.
pub(crate) const NAME: &str = "alyx";
/// The network of package managers, which reach what the machine reaches.
pub(crate) const TOOLS: &str = "alyx-install";
/// The chain that says what is refused.
const CHAIN: &str = "ALYX-FN";
const PATIENCE: Duration = Duration::from_secs(20);
/// Looks at a network that there are two of for a moment, and the time between them.
const LOOKS: usize = 40;
const AGAIN: Duration = Duration::from_millis(50);
/// Addresses that are no part of the public internet: private ones, the machine itself, and the
/// metadata services of clouds.
const NEAR: [&str; 10] = [
    "0.0.0.0/8",
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "198.18.0.0/15",
    "224.0.0.0/4",
    "240.0.0.0/4",
];

/// Whether the network has been seen to.
#[derive(Debug, Default)]
pub(crate) struct OpenNetwork(Mutex<bool>);

impl OpenNetwork {
    /// Makes the network unless it is there, and sets the rules or warns once.
    pub(crate) async fn provide(&self, engine: &Engine) -> Result<(), EngineError> {
        let mut provided = self.0.lock().await;
        if *provided {
            return Ok(());
        }
        let bridge = bridge(engine, NAME).await?;
        if let Err(why) = set_rules(engine.kind(), &bridge).await {
            tracing::warn!(
                "workers in containers can reach private addresses, services of this machine and a cloud's metadata: no rules can be set against it ({why}); set functions.network to 'proxy' or 'none', or run as root where iptables is"
            );
        } else if engine.kind() == Kind::Podman {
            tracing::warn!(
                "Podman does not keep workers with an open network from reaching each other; set functions.network to 'proxy' or 'none' if they must not"
            );
        }
        *provided = true;
        Ok(())
    }

    /// To be seen to again: somebody has removed it.
    pub(crate) async fn forget(&self) {
        *self.0.lock().await = false;
    }
}

/// The interface of the network, which is made unless it is there.
pub(crate) async fn bridge(engine: &Engine, name: &str) -> Result<String, EngineError> {
    if let Some(bridge) = known_bridge(engine, name).await? {
        return Ok(bridge);
    }
    let mut options = HashMap::new();
    if engine.kind() == Kind::Docker {
        options.insert("com.docker.network.bridge.enable_icc".into(), "false".into());
    }
    let request = NetworkCreateRequest {
        name: name.into(),
        driver: Some("bridge".into()),
        options: Some(options),
        labels: Some(HashMap::from([("dev.alyx.network".into(), name.to_owned())])),
        ..NetworkCreateRequest::default()
    };
    let made = engine.client().create_network(request);
    match engine.ask(&format!("make the network '{name}'"), PATIENCE, made).await {
        // Another host may have been faster.
        Ok(made) => leave_one(engine, name, &made.id).await?,
        Err(error) if error.is_taken() => {}
        Err(error) => return Err(error),
    }
    Ok(known_bridge(engine, name).await?.unwrap_or_default())
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

async fn known_bridge(engine: &Engine, name: &str) -> Result<Option<String>, EngineError> {
    let mut looks = 0;
    let network = loop {
        let looked = engine.client().inspect_network(name, None::<InspectNetworkOptions>);
        match engine.ask(&format!("look for the network '{name}'"), PATIENCE, looked).await {
            Ok(network) => break network,
            Err(error) if error.is_missing() => return Ok(None),
            // Another host is about to remove its second one.
            Err(error) if looks < LOOKS && error.to_string().contains("ambiguous") => looks += 1,
            Err(error) => return Err(error),
        }
        sleep(AGAIN).await;
    };
    let named =
        |option: &str| network.options.as_ref().and_then(|options| options.get(option)).cloned();
    let by_id = || {
        let id = network.id.clone().unwrap_or_default();
        format!("br-{}", id.chars().take(12).collect::<String>())
    };
    let told = named("com.docker.network.bridge.name");
    let podman = named("network_interface").or_else(|| podman_bridge(engine.kind()));
    Ok(Some(told.or(podman).unwrap_or_else(by_id)))
}

/// An old Podman does not tell, and numbers its bridges; the network's own file does.
fn podman_bridge(kind: Kind) -> Option<String> {
    (kind == Kind::Podman).then(String::new)
}

async fn set_rules(kind: Kind, bridge: &str) -> Result<(), String> {
    if !rustix::process::geteuid().is_root() {
        return Err("the host is not root".into());
    }
    if bridge.is_empty() || !Path::new("/sys/class/net").join(bridge).exists() {
        return Err(format!("the network's interface '{bridge}' is not on this machine"));
    }
    // Docker keeps this chain for others, and asks it first.
    let forward = if kind == Kind::Docker { "DOCKER-USER" } else { "FORWARD" };
    let _is_there = iptables(&["-N", CHAIN]).await;
    iptables(&["-F", CHAIN]).await?;
    for server in name_servers() {
        for protocol in ["udp", "tcp"] {
            iptables(&[
                "-A", CHAIN, "-d", &server, "-p", protocol, "--dport", "53", "-j", "RETURN",
            ])
            .await?;
        }
    }
    for near in NEAR {
        iptables(&["-A", CHAIN, "-d", near, "-j", "REJECT"]).await?;
    }
    first(forward, &["-i", bridge, "-j", CHAIN]).await?;
    first("INPUT", &["-i", bridge, "-j", "REJECT"]).await?;
    let answers =
        ["-i", bridge, "-m", "conntrack", "--ctstate", "ESTABLISHED,RELATED", "-j", "ACCEPT"];
    first("INPUT", &answers).await
}

/// Puts a rule at the head of a chain unless it is there.
async fn first(chain: &str, rule: &[&str]) -> Result<(), String> {
    if iptables(&[&["-C", chain], rule].concat()).await.is_ok() {
        return Ok(());
    }
    iptables(&[&["-I", chain], rule].concat()).await
}

async fn iptables(arguments: &[&str]) -> Result<(), String> {
    let mut command = Command::new("iptables");
    command.arg("-w").args(arguments).stdin(Stdio::null()).kill_on_drop(true);
    match timeout(PATIENCE, command.output()).await {
        Ok(Ok(output)) if output.status.success() => Ok(()),
        Ok(Ok(output)) => {
            let why = String::from_utf8_lossy(&output.stderr).trim().to_owned();
            Err(format!("iptables: {why}"))
        }
        Ok(Err(error)) => Err(format!("iptables: {error}")),
        Err(_) => Err(format!("iptables did not end within {PATIENCE:?}")),
    }
}

/// Where names are asked for: often a private address, which has to stay open for that.
fn name_servers() -> Vec<String> {
    let text = std::fs::read_to_string("/etc/resolv.conf").unwrap_or_default();
    let servers = text.lines().filter_map(|line| line.strip_prefix("nameserver "));
    let servers = servers.filter_map(|server| server.trim().parse::<std::net::Ipv4Addr>().ok());
    servers.filter(|server| !server.is_loopback()).map(|server| server.to_string()).collect()
}
