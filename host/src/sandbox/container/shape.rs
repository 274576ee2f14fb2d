//! What a worker's container is like: everything that it may not do, in the engine's words.
//!
//! The one place to look when asking what confines a function in a container. Asks nobody.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use bollard::models::{
    ContainerCreateBody, HostConfig, HostConfigLogConfig, Mount, MountType, ResourcesUlimits,
};
use rustix::process::{Resource, getrlimit};

use crate::sandbox::LaunchSpec;
use crate::sandbox::container::network;
use crate::sandbox::forward;
use crate::sandbox::profile::{NOBODY, Reach};
use crate::sandbox::proxy;

/// Where a worker finds its socket, and the host's proxy.
pub(crate) const SOCKET_FOLDER: &str = "/run/alyx";
const PROXY_FOLDER: &str = "/run/alyx-proxy";

/// Images hide this folder from everybody else.
const ROOT: &str = "/root";

/// Folders of the host that a container is given beside those of its worker.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ways<'a> {
    /// With the socket of the host's proxy.
    pub(crate) proxy: Option<&'a Path>,
    /// An empty one, to stand where root's is: a host that runs as root may have its files there.
    pub(crate) home: &'a Path,
    /// How the engine is told which system calls it refuses.
    pub(crate) security: &'a [String],
}

/// Processes and threads of one worker.
const TASKS: i64 = 512;
/// Open files, and processes of all workers together, which are one user to the kernel.
const FILES: u64 = 4096;
pub(crate) const TASKS_TOGETHER: u64 = 16_384;
/// What can be written: in memory, and counted as such.
pub(crate) const SCRATCH: &str = "rw,nosuid,nodev,size=64m,mode=1777";
/// What only root could write.
const FOR_ROOT: &str = "rw,nosuid,nodev,noexec,size=64k,mode=0755";
const SHARED_MEMORY: i64 = 16 << 20;

pub(crate) fn body(
    spec: &LaunchSpec,
    image: &str,
    network: Reach,
    ways: Ways<'_>,
) -> ContainerCreateBody {
    let command: Vec<_> =
        spec.command.iter().map(|part| part.to_string_lossy().into_owned()).collect();
    ContainerCreateBody {
        image: Some(image.to_owned()),
        hostname: Some("worker".into()),
        user: Some(format!("{NOBODY}:{NOBODY}")),
        env: Some(environment(spec, ways)),
        cmd: (!command.is_empty()).then_some(command),
        working_dir: Some(directory(spec)),
        host_config: Some(confinement(spec, network, ways)),
        ..ContainerCreateBody::default()
    }
}

fn confinement(spec: &LaunchSpec, network: Reach, ways: Ways<'_>) -> HostConfig {
    let memory = i64::try_from(spec.memory).unwrap_or(i64::MAX);
    let log = [("max-size", "1m"), ("max-file", "1")];
    HostConfig {
        nano_cpus: Some((spec.cpu * 1e9) as i64),
        pids_limit: Some(TASKS),
        shm_size: Some(SHARED_MEMORY),
        network_mode: Some(match network {
            Reach::Open => network::NAME.into(),
            Reach::Proxy | Reach::Nothing => "none".into(),
        }),
        // Podman's own defaults may be more than this machine allows.
        ulimits: Some(vec![
            limit("nofile", FILES, Resource::Nofile),
            limit("nproc", TASKS_TOGETHER, Resource::Nproc),
            limit("core", 0, Resource::Core),
            limit("memlock", 0, Resource::Memlock),
        ]),
        log_config: Some(HostConfigLogConfig {
            typ: Some("json-file".into()),
            config: Some(log.map(|(name, value)| (name.into(), value.into())).into()),
        }),
        mounts: Some(mounts(spec, ways)),
        ..walls(memory, ways.security)
    }
}

/// What no container of this host may do, whatever runs in it.
pub(crate) fn walls(memory: i64, security: &[String]) -> HostConfig {
    HostConfig {
        memory: Some(memory),
        // More would be swap.
        memory_swap: Some(memory),
        cap_drop: Some(vec!["ALL".into()]),
        security_opt: Some(security.to_vec()),
        privileged: Some(false),
        readonly_rootfs: Some(true),
        tmpfs: Some(HashMap::from([("/tmp".into(), SCRATCH.into())])),
        ..HostConfig::default()
    }
}

/// Podman gives a container with a read-only root a `/run` and a `/var/tmp` that anybody can write,
/// unless it is told otherwise; on Docker they are read-only as they are.
pub(crate) fn keep_from_writing(config: &mut HostConfig) {
    let folders = ["/run", "/var/tmp"].map(|folder| (folder.to_owned(), FOR_ROOT.to_owned()));
    config.tmpfs.get_or_insert_default().extend(folders);
}

pub(crate) fn limit(name: &str, wanted: u64, resource: Resource) -> ResourcesUlimits {
    let most = getrlimit(resource).maximum.unwrap_or(u64::MAX);
    let value = i64::try_from(wanted.min(most)).ok();
    ResourcesUlimits { name: Some(name.into()), soft: value, hard: value }
}

fn environment(spec: &LaunchSpec, ways: Ways<'_>) -> Vec<String> {
    let mut env = spec.env.clone();
    env.extend([("HOME".into(), "/tmp".into()), ("TMPDIR".into(), "/tmp".into())]);
    // What it logs is to be seen in the engine's log as well.
    env.push(("ALYX_ECHO".into(), "1".into()));
    if ways.proxy.is_some() {
        env.push(("ALYX_PROXY".into(), format!("unix:{PROXY_FOLDER}/{}", proxy::SOCKET)));
        let proxied = forward::environment().into_iter();
        env.extend(proxied.map(|(name, value)| (name.to_owned(), value)));
    }
    env.into_iter().map(|(name, value)| format!("{name}={value}")).collect()
}

/// Where it starts, if that is something it sees.
fn directory(spec: &LaunchSpec) -> String {
    let is_seen = spec.readable.iter().any(|seen| spec.directory.starts_with(seen));
    let directory = if is_seen { spec.directory.as_path() } else { Path::new("/tmp") };
    directory.to_string_lossy().into_owned()
}

fn mounts(spec: &LaunchSpec, ways: Ways<'_>) -> Vec<Mount> {
    // What is behind a link is known by either name.
    let real: Vec<_> = spec.readable.iter().filter_map(|path| path.canonicalize().ok()).collect();
    let mut all: Vec<_> = spec.readable.iter().chain(&real).map(|path| Bind::of(path)).collect();
    let own = |from, at| Bind { from, at: Path::new(at), writable: false };
    all.extend(spec.socket.iter().map(|path| own(path.as_path(), SOCKET_FOLDER)));
    all.extend(ways.proxy.map(|path| own(path, PROXY_FOLDER)));
    bind(all, ways.home)
}

/// A file or folder of the host, and where a container sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Bind<'a> {
    pub(crate) from: &'a Path,
    pub(crate) at: &'a Path,
    pub(crate) writable: bool,
}

impl<'a> Bind<'a> {
    /// To be read, at the same place.
    pub(crate) fn of(path: &'a Path) -> Self {
        Bind { from: path, at: path, writable: false }
    }
}

/// Engines make folders that are not there, as root: what is not there is left out.
pub(crate) fn bind(mut all: Vec<Bind<'_>>, home: &Path) -> Vec<Mount> {
    all.sort_by_key(|bind| bind.at.components().count());
    all.retain(|bind| bind.from.exists());
    let mut places = HashSet::new();
    all.retain(|bind| places.insert(bind.at));
    let mut mounts = Vec::new();
    if all.iter().any(|bind| bind.at.starts_with(ROOT)) {
        // Only root could write there, and nobody is root inside.
        mounts.push(mount(Bind { from: home, at: Path::new(ROOT), writable: true }));
    }
    mounts.extend(all.into_iter().map(mount));
    mounts
}

fn mount(bind: Bind<'_>) -> Mount {
    let source = bind.from.canonicalize().unwrap_or_else(|_| bind.from.to_owned());
    Mount {
        typ: Some(MountType::BIND),
        source: Some(source.to_string_lossy().into_owned()),
        target: Some(bind.at.to_string_lossy().into_owned()),
        read_only: Some(!bind.writable),
        ..Mount::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(readable: &[&Path]) -> LaunchSpec {
        LaunchSpec {
            worker: "node-1".into(),
            command: Vec::new(),
            env: vec![("LANG".into(), "C.UTF-8".into())],
            directory: readable[0].to_owned(),
            readable: readable.iter().map(|path| (*path).to_owned()).collect(),
            socket: None,
            memory: 64 << 20,
            reserved: 0,
            cpu: 0.5,
        }
    }

    fn no_ways() -> Ways<'static> {
        Ways { proxy: None, home: Path::new("/nowhere"), security: &[] }
    }

    #[test]
    fn what_is_not_there_is_not_mounted() {
        let folder = tempfile::tempdir().unwrap();
        let gone = folder.path().join("gone");
        let mounts = mounts(&spec(&[folder.path(), &gone]), no_ways());
        let targets: Vec<_> = mounts.iter().map(|mount| mount.target.clone().unwrap()).collect();
        assert_eq!(targets, [folder.path().to_str().unwrap()]);
    }

    #[test]
    fn what_is_behind_a_link_is_mounted_under_both_names() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().canonicalize().unwrap();
        let (real, link) = (folder.join("real"), folder.join("link"));
        std::fs::create_dir(&real).unwrap();
        std::os::unix::fs::symlink(&real, &link).unwrap();
        let mounts = mounts(&spec(&[&link]), no_ways());
        let paths = |mount: &Mount| (mount.source.clone().unwrap(), mount.target.clone().unwrap());
        let text = |path: &Path| path.to_str().unwrap().to_owned();
        let expected = [(text(&real), text(&link)), (text(&real), text(&real))];
        assert_eq!(mounts.iter().map(paths).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn a_worker_without_functions_starts_in_its_own_folder() {
        let mut spec = spec(&[Path::new("/srv/functions")]);
        assert_eq!(directory(&spec), "/srv/functions");
        spec.directory = "/srv".into();
        assert_eq!(directory(&spec), "/tmp");
    }

    #[test]
    fn memory_is_not_doubled_by_swap() {
        let config = confinement(&spec(&[Path::new("/")]), Reach::Nothing, no_ways());
        assert_eq!(config.memory, config.memory_swap);
        assert_eq!((config.nano_cpus, config.memory), (Some(500_000_000), Some(64 << 20)));
    }
}
