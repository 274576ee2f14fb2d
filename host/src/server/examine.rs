//! What `alyx doctor` finds: whether this machine and this project have what functions need.
//!
//! Starts no worker and leaves the project's database alone. Knows nothing of how it is shown.

use std::path::{Path, PathBuf};

use rustix::process::{Resource, getrlimit};

use crate::config::Config;
use crate::config::model::Backend;
use crate::engine::{Engine, Kind};
use crate::registry::Registry;
use crate::sandbox::levels::Confinement;
use crate::sandbox::profile::{Level, Reach};
use crate::sandbox::run_dir::RunDir;
use crate::server::backend::{self, Backends};
use crate::server::found::{self, Found};
use crate::server::launchers;
use crate::server::{Mode, ServerError, instance, temporary};
use crate::workshop::Workshop;

/// Open files that a host with many calls under way needs.
const FILES: u64 = 4096;
/// The least memory that a worker of a runtime starts with.
const LEAST: [(&str, u64); 3] = [("node", 96 << 20), ("python", 48 << 20), ("go", 32 << 20)];

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    Good,
    /// It works, and could be better.
    Weak,
    /// Something does not work.
    Broken,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    pub state: State,
    pub what: String,
    pub detail: String,
    /// What to do about it.
    pub mend: Option<String>,
}

impl Finding {
    fn good(what: impl Into<String>, detail: impl Into<String>) -> Self {
        Finding { state: State::Good, what: what.into(), detail: detail.into(), mend: None }
    }

    fn weak(what: impl Into<String>, detail: impl Into<String>, mend: impl Into<String>) -> Self {
        let mend = Some(mend.into());
        Finding { state: State::Weak, mend, ..Self::good(what, detail) }
    }

    fn broken(what: impl Into<String>, detail: impl Into<String>) -> Self {
        Finding { state: State::Broken, ..Self::good(what, detail) }
    }
}

/// Looks at everything.
pub async fn examine(config: &Config) -> Vec<Finding> {
    let registry = Registry::scan(&config.functions, &config.variables);
    let mut findings = vec![functions(&registry, config)];
    let run_dir = match RunDir::create(&temporary(config), &instance(&config.folder)) {
        Ok(run_dir) => run_dir,
        Err(error) => {
            let detail = ServerError::RunDir(error).to_string();
            findings.push(Finding::broken("temporary folder", detail));
            return findings;
        }
    };
    let used = found::used(config, &registry, Mode::Look);
    let backends = Backends::choose(config, &used, &run_dir, Mode::Look).await;
    let found = found::all(config, &registry, &backends, Mode::Dev).await;
    match &found {
        Ok(found) => findings.extend(found.iter().map(|found| runtime(found, config))),
        Err(error) => findings.push(Finding::broken("shims", error.to_string())),
    }
    findings.extend(tools(&backends, &used).await);
    let readable = found.into_iter().flatten().filter_map(|found| found.outcome?.ok());
    let mut readable: Vec<_> = readable.flat_map(|runtime| runtime.readable().to_vec()).collect();
    readable.push(config.functions.path.clone());
    findings.extend(confinement(config, &readable, &run_dir).await);
    findings.push(database(&config.database.path));
    findings.push(open_files());
    findings.push(engine(config).await);
    findings
}

fn functions(registry: &Registry, config: &Config) -> Finding {
    let (all, what) = (registry.iter().count(), "functions");
    let broken: Vec<_> =
        registry.iter().filter(|f| f.problem.is_some()).map(|f| f.name.as_str()).collect();
    let folder = config.functions.path.display();
    match (all, broken.as_slice()) {
        (0, _) => {
            let mend = "put hello.js, hello.py or hello.go there";
            Finding::weak(what, format!("none in '{folder}'"), mend)
        }
        (_, []) => Finding::good(what, format!("{all} in '{folder}'")),
        (_, broken) => Finding {
            mend: Some("'alyx list' says why".into()),
            ..Finding::broken(what, format!("disabled by errors: {}", broken.join(", ")))
        },
    }
}

fn runtime(found: &Found<'_>, config: &Config) -> Finding {
    let what = format!("runtime {}", found.name);
    let runtime = match &found.outcome {
        None => return Finding::good(what, "switched off"),
        Some(Err(why)) if found.is_used => return Finding::broken(what, why.to_string()),
        Some(Err(why)) => {
            return Finding::good(what, format!("not there, and no function needs it ({why})"));
        }
        Some(Ok(runtime)) => runtime,
    };
    let memory = config.functions.pool.memory_limit;
    let least = LEAST.iter().find(|(name, _)| *name == found.name).map_or(0, |(_, least)| *least);
    if memory < least {
        let detail = format!("workers may use {} MiB and need {}", memory >> 20, least >> 20);
        return Finding::weak(what, detail, "raise functions.pool.memory_limit");
    }
    Finding::good(what, runtime.version.clone())
}

/// What installs packages and builds functions for workers in containers.
async fn tools(backends: &Backends, used: &[&str]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (name, tools) in used.iter().filter_map(|name| Some((name, backends.tools(name)?))) {
        let what = format!("tools of {name}");
        findings.push(match tools.workshop.identity().await {
            Ok(_) => Finding::good(what, format!("in the image '{}'", tools.image)),
            Err(why) => Finding::broken(what, why),
        });
    }
    findings
}

/// Whether there is what functions.backend asks for.
async fn engine(config: &Config) -> Finding {
    let what = "container engine";
    let wanted = match config.functions.backend {
        Backend::Process => return Finding::good(what, "not used: functions.backend is 'process'"),
        Backend::Auto => None,
        Backend::Docker => Some(Kind::Docker),
        Backend::Podman => Some(Kind::Podman),
    };
    match Engine::find(wanted, &backend::places(config)).await {
        Ok(engine) => Finding::good(what, format!("{engine} at '{}'", engine.socket().display())),
        Err(why) if wanted.is_some() => Finding::broken(what, why.to_string()),
        Err(why) => Finding::good(what, format!("none, and none is needed: {why}")),
    }
}

async fn confinement(config: &Config, readable: &[PathBuf], run_dir: &RunDir) -> Vec<Finding> {
    let what = "confinement";
    let (wanted, network) = launchers::wanted(config);
    let chosen = match Confinement::choose(wanted, network, run_dir).await {
        Ok(chosen) => chosen,
        Err(error) => return vec![Finding::broken(what, error.to_string())],
    };
    let mut findings = vec![level(&chosen), reach(chosen.network)];
    findings
        .extend(chosen.missing.iter().map(|part| Finding::weak(part.part, &part.why, part.mend)));
    if let Some(hidden) = chosen.hidden(readable) {
        let detail = format!("others may not read '{}'", hidden.display());
        let mend = "until then workers keep the user of the host, without its capabilities; 'chmod o+rX' it and the folders above it, or run the host as an ordinary user";
        findings.push(Finding::weak("users of workers", detail, mend));
    }
    findings
}

fn level(chosen: &Confinement) -> Finding {
    let parts = match chosen.level {
        Level::Off => {
            let mend = "run only code you trust, or set functions.sandbox to 'auto'";
            return Finding::weak("confinement", "functions.sandbox is off", mend);
        }
        Level::Restricted => "seccomp",
        Level::Isolated => "namespaces, seccomp",
    };
    let users = if chosen.has_own_users() { "; each worker is a user of its own" } else { "" };
    let detail = format!("{}: {parts}, Landlock {}{users}", chosen.level, chosen.landlock);
    if chosen.level == Level::Isolated {
        return Finding::good("confinement", detail);
    }
    Finding::weak(
        "confinement",
        detail,
        "see 'namespaces' below; docs/security.md says what it does not stop",
    )
}

fn reach(network: Reach) -> Finding {
    match network {
        Reach::Open => Finding::weak(
            "network",
            "open: functions reach what this machine reaches, its own services included",
            "set functions.network to 'proxy' or 'none' if that is too much",
        ),
        Reach::Proxy => Finding::good("network", "proxy: HTTP and HTTPS to public addresses"),
        Reach::Nothing => Finding::good("network", "none"),
    }
}

fn database(path: &Path) -> Finding {
    let what = "database";
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let place = if path.exists() { path } else { folder.unwrap_or(Path::new(".")) };
    match rustix::fs::access(place, rustix::fs::Access::WRITE_OK) {
        Ok(()) => Finding::good(what, path.display().to_string()),
        Err(error) => Finding::broken(what, format!("cannot write '{}': {error}", place.display())),
    }
}

fn open_files() -> Finding {
    let what = "open files";
    match getrlimit(Resource::Nofile).current {
        Some(most) if most < FILES => {
            let detail = format!("at most {most}");
            Finding::weak(what, detail, format!("'ulimit -n {FILES}', or LimitNOFILE={FILES}"))
        }
        Some(most) => Finding::good(what, format!("at most {most}")),
        None => Finding::good(what, "no limit"),
    }
}
