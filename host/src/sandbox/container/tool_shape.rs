//! What a tool's container is like: a worker's, but that it may write to some folders, use more
//! of the machine, and ask others over the network. Asks nobody.

use std::path::{Path, PathBuf};

use bollard::models::{ContainerCreateBody, HostConfig, HostConfigLogConfig};
use rustix::process::Resource;

use crate::sandbox::container::network;
use crate::sandbox::container::ownership::User;
use crate::sandbox::container::shape::{Bind, SOCKET_FOLDER, TASKS_TOGETHER, bind, limit, walls};
use crate::workshop::Order;

/// Bytes that a compiler may take.
pub(crate) const MEMORY: i64 = 4 << 30;
/// Processes and threads, and open files of each.
const TASKS: i64 = 4096;
const FILES: u64 = 65_536;
/// What the container ends with when the image lacks the program.
pub(crate) const LACKING: i64 = 251;
/// Runs the tool once it is on the leash; when the host ends, all ends. A host that has ended
/// already is not waited for: its pipe cannot be opened.
const SCRIPT: &str = r#"(exec 3</run/alyx/host; : >/tmp/.leash; read -r _ <&3; kill -KILL -1) >/dev/null 2>&1 &
looks=0
until [ -e /tmp/.leash ]; do
  looks=$((looks + 1))
  [ $looks -le 500 ] || exit 250
  sleep 0.02
done
command -v "$1" >/dev/null 2>&1 || exit 251
"$@" </dev/null
exit $?"#;
/// Where systems keep the certificates that they trust.
const TRUSTED: [&str; 3] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
];
/// Who is told of them, unless the user has.
const TRUSTING: [&str; 3] = ["SSL_CERT_FILE", "PIP_CERT", "NODE_EXTRA_CA_CERTS"];
/// What stands in addresses of this very machine.
const NEAR: [&str; 3] = ["127.0.0.1", "localhost", "[::1]"];

/// Folders of the host's own that it is given.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ways<'a> {
    /// With the pipe in it that the host holds open for as long as it lives, and wants the tool to.
    pub(crate) leash: &'a Path,
    /// An empty one, to stand where root's is.
    pub(crate) home: &'a Path,
    /// How the engine is told which system calls it refuses.
    pub(crate) security: &'a [String],
}

pub(crate) fn body(order: &Order, image: &str, user: User, ways: Ways<'_>) -> ContainerCreateBody {
    let text = |part: &std::ffi::OsStr| part.to_string_lossy().into_owned();
    let program = [text(order.program.as_os_str())].into_iter();
    let command = program.chain(order.arguments.iter().map(|part| text(part))).collect();
    let start = ["/bin/sh", "-c", SCRIPT, "alyx-tool"];
    let trusted = if order.online { trusted() } else { None };
    ContainerCreateBody {
        image: Some(image.to_owned()),
        hostname: Some("tool".into()),
        user: Some(user.spelt()),
        entrypoint: Some(start.map(str::to_owned).into()),
        cmd: Some(command),
        env: Some(environment(order, trusted.as_deref())),
        working_dir: Some(text(order.folder.as_os_str())),
        host_config: Some(confinement(order, user, trusted.as_deref(), ways)),
        ..ContainerCreateBody::default()
    }
}

fn confinement(order: &Order, user: User, trusted: Option<&Path>, ways: Ways<'_>) -> HostConfig {
    HostConfig {
        pids_limit: Some(TASKS),
        // Numbers of users are to be those of the host.
        userns_mode: (user != User::Rootless).then(|| "host".into()),
        network_mode: Some(network_of(order).into()),
        ulimits: Some(vec![
            limit("nofile", FILES, Resource::Nofile),
            limit("nproc", TASKS_TOGETHER, Resource::Nproc),
            limit("core", 0, Resource::Core),
        ]),
        // The host reads it as it comes.
        log_config: Some(HostConfigLogConfig { typ: Some("none".into()), config: None }),
        mounts: Some(bind(binds(order, trusted, ways), ways.home)),
        ..walls(MEMORY, ways.security)
    }
}

/// A registry or a proxy on this machine is reached from the machine's own network only.
pub(crate) fn network_of(order: &Order) -> &'static str {
    let is_near = |value: &str| NEAR.iter().any(|near| value.contains(near));
    let asks_here = order
        .env
        .iter()
        .any(|(name, value)| !name.to_ascii_lowercase().ends_with("no_proxy") && is_near(value));
    match (order.online, asks_here) {
        (false, _) => "none",
        (true, false) => network::TOOLS,
        (true, true) => "host",
    }
}

fn environment(order: &Order, trusted: Option<&Path>) -> Vec<String> {
    let mut env = order.env.clone();
    let mut set = |name: &str, value: &str| {
        if !env.iter().any(|(other, _)| other == name) {
            env.push((name.to_owned(), value.to_owned()));
        }
    };
    for (name, value) in [("HOME", "/tmp"), ("TMPDIR", "/tmp"), ("LANG", "C.UTF-8")] {
        set(name, value);
    }
    if let Some(trusted) = trusted {
        TRUSTING.iter().for_each(|name| set(name, &trusted.to_string_lossy()));
    }
    env.into_iter().map(|(name, value)| format!("{name}={value}")).collect()
}

/// What this machine trusts, its tools in containers do.
fn trusted() -> Option<PathBuf> {
    TRUSTED.iter().map(PathBuf::from).find(|path| path.is_file())
}

fn binds<'a>(order: &'a Order, trusted: Option<&'a Path>, ways: Ways<'a>) -> Vec<Bind<'a>> {
    let writes = || order.writes.iter().chain(&order.keeps);
    let written = |path: &Path| writes().any(|folder| path.starts_with(folder));
    let reads = order.reads.iter().map(PathBuf::as_path).chain(trusted);
    let mut all: Vec<_> = reads.filter(|path| !written(path)).map(Bind::of).collect();
    all.extend(writes().map(|path| Bind { writable: true, ..Bind::of(path) }));
    all.extend(order.copies.iter().map(|(from, at)| Bind { from, at, writable: true }));
    all.push(Bind { from: ways.leash, at: Path::new(SOCKET_FOLDER), writable: false });
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::container::lifeline;

    fn order(env: &[(&str, &str)]) -> Order {
        let env = env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Order { env: env.collect(), online: true, ..Order::default() }
    }

    #[test]
    fn the_machines_own_network_is_for_registries_on_it() {
        for (env, network) in [
            (&[][..], "alyx-install"),
            (&[("HTTPS_PROXY", "http://10.0.0.1:3128"), ("NO_PROXY", "localhost")], "alyx-install"),
            (&[("npm_config_registry", "http://localhost:4873/")], "host"),
            (&[("PIP_INDEX_URL", "http://127.0.0.1:9/simple")], "host"),
        ] {
            assert_eq!(network_of(&order(env)), network, "{env:?}");
        }
        assert_eq!(network_of(&Order::default()), "none");
    }

    #[test]
    fn what_is_written_is_not_mounted_to_be_read_as_well() {
        let order = Order {
            reads: vec!["/p/functions".into(), "/p/set/tmp".into()],
            writes: vec!["/p/set".into()],
            ..Order::default()
        };
        let ways = Ways { leash: Path::new("/r/leash"), home: Path::new("/r/home"), security: &[] };
        let all = binds(&order, None, ways);
        let all: Vec<_> = all.iter().map(|bind| (bind.at.to_str(), bind.writable)).collect();
        let wanted = [("/p/functions", false), ("/p/set", true), ("/run/alyx", false)];
        assert_eq!(all, wanted.map(|(at, writable)| (Some(at), writable)));
    }

    #[test]
    fn the_script_tells_what_the_image_lacks() {
        assert!(SCRIPT.contains(&format!("exit {LACKING}")));
        assert!(SCRIPT.contains(&format!("{SOCKET_FOLDER}/{}", lifeline::NAME)));
    }
}
