//! What keeps workers with a network from what is near: private addresses, a cloud's metadata,
//! the machine itself and each other.
//!
//! Rules of the kernel's firewall, set where this host may set them: as root, on the engine's own
//! machine. Says what could not be refused, and leaves it to others to tell anybody.

use std::fmt;
use std::fs;
use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::process::Command;
use tokio::time::timeout;

use crate::engine::Kind;
use crate::sandbox::container::name_servers::name_servers;
use crate::sandbox::container::rules::{Family, Rules};

const PATIENCE: Duration = Duration::from_secs(20);

/// What workers can reach though they should not, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Gap {
    what: &'static str,
    why: String,
}

const NEAR: &str = "private addresses, a cloud's metadata and services of this machine";
const NEAR_V6: &str = "services of this machine over IPv6";
const EACH_OTHER: &str = "each other";

impl Gap {
    /// What there is without any guard: Docker itself keeps workers apart.
    pub(crate) fn everything(kind: Kind, why: String) -> Vec<Self> {
        let what = match kind {
            Kind::Docker => NEAR,
            Kind::Podman => {
                "private addresses, a cloud's metadata, services of this machine and each other"
            }
        };
        vec![Gap { what, why }]
    }
}

impl fmt::Display for Gap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.what, self.why)
    }
}

/// Whom a worker has to ask for names where rules may be set, so that these let it; else whom its
/// engine says.
pub(crate) fn name_servers_to_ask() -> Option<Vec<String>> {
    let may_set = rustix::process::geteuid().is_root();
    let servers: Vec<_> = name_servers().iter().map(ToString::to_string).collect();
    (may_set && !servers.is_empty()).then_some(servers)
}

/// Sets what of it is not set, and says what cannot be.
pub(crate) async fn stand(kind: Kind, bridge: &str, gateways: &[IpAddr]) -> Vec<Gap> {
    if !rustix::process::geteuid().is_root() {
        return Gap::everything(kind, "the host is not root".into());
    }
    let interface = Path::new("/sys/class/net").join(bridge);
    if !interface.exists() {
        let why = format!("the network's interface '{bridge}' is not on this machine");
        return Gap::everything(kind, why);
    }
    let mut open = name_servers();
    open.extend(gateways);
    let rules = |family| Rules { family, kind, bridge, open: &open };
    let mut gaps = Vec::new();
    let (v4, v6) = tokio::join!(set(rules(Family::V4)), async {
        if speaks_v6(bridge) { set(rules(Family::V6)).await } else { Ok(()) }
    });
    let mut gap = |what, outcome: Result<(), String>| {
        gaps.extend(outcome.err().map(|why| Gap { what, why }));
    };
    gap(NEAR, v4);
    gap(NEAR_V6, v6);
    if let Err(error) = keep_apart(&interface)
        && kind == Kind::Podman
    {
        gap(EACH_OTHER, Err(error.to_string()));
    }
    gaps
}

fn speaks_v6(bridge: &str) -> bool {
    let switch = Path::new("/proc/sys/net/ipv6/conf").join(bridge).join("disable_ipv6");
    fs::read_to_string(switch).is_ok_and(|off| off.trim() == "0")
}

/// Ports of the bridge that are isolated reach the bridge itself and none of each other.
fn keep_apart(bridge: &Path) -> io::Result<()> {
    for port in fs::read_dir(bridge.join("brif"))? {
        let switch: PathBuf = port?.path().join("isolated");
        match fs::write(&switch, "1") {
            // It went with its container.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => {
                return Err(io::Error::new(
                    error.kind(),
                    format!("'{}': {error}", switch.display()),
                ));
            }
            Ok(()) => {}
        }
    }
    Ok(())
}

/// All rules of a family at once, unless they are there.
async fn set(rules: Rules<'_>) -> Result<(), String> {
    let there = run(rules.family.program(), &["--wait", "--list-rules"], "").await?;
    match rules.script(&there) {
        None => Ok(()),
        Some(script) => {
            let arguments = ["--wait", "--noflush"];
            run(rules.family.restorer(), &arguments, &script).await.map(drop)
        }
    }
}

async fn run(program: &str, arguments: &[&str], input: &str) -> Result<String, String> {
    let mut command = Command::new(program);
    command.args(arguments).kill_on_drop(true);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let ran = async {
        let mut child = command.spawn()?;
        if let Some(mut stdin) = child.stdin.take() {
            stdin.write_all(input.as_bytes()).await?;
        }
        child.wait_with_output().await
    };
    match timeout(PATIENCE, ran).await {
        Ok(Ok(output)) if output.status.success() => {
            Ok(String::from_utf8_lossy(&output.stdout).into_owned())
        }
        Ok(Ok(output)) => {
            let why = String::from_utf8_lossy(&output.stderr);
            Err(format!("{program}: {}", why.lines().next().unwrap_or("no reason given").trim()))
        }
        Ok(Err(error)) => Err(format!("{program}: {error}")),
        Err(_) => Err(format!("{program} did not end within {PATIENCE:?}")),
    }
}
