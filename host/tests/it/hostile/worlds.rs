//! Hosts with hostile functions: run by this user or another, with and without namespaces, beside
//! things that are none of the functions' business.

use std::ffi::OsString;
use std::fmt;
use std::fs;
use std::net::TcpListener;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::net::{SocketAddr, UnixListener};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use crate::harness::engine::Engine;
use crate::harness::project::ALYX;
use crate::harness::{Host, Project, RUNTIMES, Runtime};

/// A file that a host is started with open, as a careless parent would leave it.
pub(crate) const INHERITED: &str = "/etc/hostname";
/// Somebody with no rights, where the tests run as root.
const ORDINARY: u32 = 54_321;

/// Who runs the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Who {
    /// Whoever runs the tests.
    Mine,
    /// Not asked for: what `Mine` turns out to be.
    Root,
    Ordinary,
}

/// A world that does not run yet.
#[derive(Debug)]
pub(crate) struct Plan {
    project: Project,
    /// Whose containers the workers are; else they are processes.
    engine: Option<String>,
    who: Who,
    restricted: bool,
    inherited: bool,
}

/// A host, and what a hostile function would like to have.
pub(crate) struct World {
    pub(crate) host: Host,
    pub(crate) who: Who,
    engine: Option<String>,
    restricted: bool,
    socket: (PathBuf, UnixListener),
    _abstract_socket: UnixListener,
    tcp: TcpListener,
}

impl fmt::Debug for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(engine) = &self.engine {
            return write!(f, "containers of {engine}");
        }
        let level = if self.restricted { "restricted" } else { "isolated" };
        write!(f, "{level} workers of {:?}", self.who)
    }
}

impl World {
    pub(crate) fn plan(who: Who, sandbox: &str) -> Plan {
        let root = rustix::process::getuid().is_root();
        let who = match who {
            Who::Mine if root => Who::Root,
            Who::Mine => Who::Ordinary,
            who => who,
        };
        let config = json!({"functions": {"backend": "process", "sandbox": sandbox}});
        let mut project = Project::new().config(config).env("PATH", path());
        for runtime in runtimes() {
            project = project.with(runtime, "hostile");
        }
        Plan { project, engine: None, who, restricted: false, inherited: false }
    }

    /// Workers in containers, of a host that runs as root.
    pub(crate) fn on(engine: &Engine) -> Plan {
        let project = engine.project().with_all("hostile").with_all("child");
        let engine = Some(engine.name.clone());
        Plan { project, engine, who: Who::Root, restricted: false, inherited: false }
    }

    pub(crate) fn runtimes(&self) -> Vec<Runtime> {
        if self.engine.is_some() { RUNTIMES.to_vec() } else { runtimes() }
    }

    pub(crate) fn is_restricted(&self) -> bool {
        self.restricted
    }

    /// A socket of the host's user that nobody else may dial.
    pub(crate) fn socket_path(&self) -> String {
        self.socket.0.display().to_string()
    }

    pub(crate) fn abstract_name(&self) -> String {
        abstract_name(self.host.project.path(""))
    }

    /// Where something listens on the loopback interface.
    pub(crate) fn port(&self) -> u16 {
        self.tcp.local_addr().expect("it listens").port()
    }
}

impl Plan {
    /// The host cannot make namespaces, as in a container.
    pub(crate) fn without_namespaces(mut self) -> Self {
        self.restricted = true;
        self
    }

    pub(crate) fn config(mut self, yaml: Value) -> Self {
        self.project = self.project.config(yaml);
        self
    }

    /// Sets a variable of the host.
    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.project = self.project.env(name, value);
        self
    }

    pub(crate) fn with_inherited_file(mut self) -> Self {
        self.inherited = true;
        self
    }

    pub(crate) async fn serve(self) -> World {
        let Plan { mut project, engine, who, restricted, inherited } = self;
        if rustix::process::getuid().is_root() && who == Who::Ordinary {
            project = given_away(project).await;
        }
        if restricted {
            let filter =
                concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/without_namespaces.py");
            project = project.through(&["python3", filter]);
        }
        if inherited {
            let open = format!("exec 9<{INHERITED}; exec \"$@\"");
            project = project.through(&["sh", "-c", &open, "sh"]);
        }
        fs::set_permissions(project.path(""), open_folder()).expect("it is ours");
        let (path, name) = (project.path("other.sock"), abstract_name(project.path("")));
        let socket = UnixListener::bind(&path).expect("can listen");
        let name = SocketAddr::from_abstract_name(name).expect("a short name");
        let abstract_socket = UnixListener::bind_addr(&name).expect("can listen");
        let tcp = TcpListener::bind("127.0.0.1:0").expect("can listen");
        project.write("id_ed25519", "secret");
        for file in ["id_ed25519", "other.sock"] {
            let only_mine = fs::Permissions::from_mode(0o600);
            fs::set_permissions(project.path(file), only_mine).expect("it is ours");
            if who == Who::Ordinary {
                let owner = fs::metadata(project.path("tmp")).expect("it is there").uid();
                chown(project.path(file), Some(owner), None).expect("it is ours");
            }
        }
        let host = project.serve().await;
        let _abstract_socket = abstract_socket;
        World { host, who, engine, restricted, socket: (path, socket), _abstract_socket, tcp }
    }
}

/// Has somebody else run everything in the project, with copies of what they may not reach.
async fn given_away(mut project: Project) -> Project {
    // What has to be built is built before.
    let listed = project.run(&["list"]).await;
    assert_eq!(listed.code, Some(0), "{listed:?}");
    let (cache, program) = (project.cache(), Path::new(ALYX));
    if !open_to_all(program) {
        let copy = project.path("alyx");
        fs::copy(program, &copy).expect("there is room");
        project = project.program(&copy);
    }
    if !open_to_all(&cache) {
        let copy = project.path("cache");
        let copied = Command::new("cp").arg("-r").args([&cache, &copy]).status();
        assert!(copied.is_ok_and(|status| status.success()), "there is room");
        project = project.env("XDG_CACHE_HOME", copy);
    }
    let (home, user) = (project.path("tmp"), ORDINARY.to_string());
    let owner = format!("{user}:{user}");
    let handed = Command::new("chown").args(["-R", &owner]).arg(project.path("")).status();
    assert!(handed.is_ok_and(|status| status.success()), "root may give files away");
    let become_user = ["setpriv", "--reuid", &user, "--regid", &user, "--clear-groups"];
    project.env("HOME", home).through(&become_user)
}

fn abstract_name(project: PathBuf) -> String {
    format!("alyx-it{}", project.display())
}

fn open_folder() -> fs::Permissions {
    fs::Permissions::from_mode(0o711)
}

fn open_to_all(path: &Path) -> bool {
    let Ok(path) = path.canonicalize() else { return false };
    let open = |path: &Path| path.metadata().is_ok_and(|m| m.permissions().mode() & 0o1 != 0);
    path.ancestors().all(open)
}

/// Where programs are that everybody may run: only those can be run by somebody else.
fn path() -> OsString {
    let path = std::env::var_os("PATH").expect("there is a PATH");
    if !rustix::process::getuid().is_root() {
        return path;
    }
    let open = std::env::split_paths(&path).filter(|folder| open_to_all(folder));
    std::env::join_paths(open).expect("they were joined before")
}

fn runtimes() -> Vec<Runtime> {
    let there = |runtime: &Runtime| {
        let program = runtime.program();
        std::env::split_paths(&path()).any(|folder| folder.join(program).is_file())
    };
    let found: Vec<_> = RUNTIMES.into_iter().filter(there).collect();
    assert!(!found.is_empty(), "no runtime is installed where everybody may run it");
    found
}
