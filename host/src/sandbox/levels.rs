//! Which confinement this machine allows: tried out once, at the start, in processes of their own.
//!
//! What is missing is said with what would mend it. Knows nothing of workers and runtimes.

use std::fmt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::process::Command;

use crate::sandbox::cgroup::Cgroups;
use crate::sandbox::profile::{ALLOCATOR, Level, NOBODY, Profile, Reach, Report, WORKER_ARGUMENT};
use crate::sandbox::run_dir::RunDir;

/// Longest trial.
const PATIENCE: Duration = Duration::from_secs(10);
/// The first user id for workers of a host that runs as root; each worker has one of its own. No
/// system hands out ids of this range by itself.
const FIRST_USER: u32 = 1_900_000_000;

/// What is asked of the sandbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// The strongest that there is, and no less than L2.
    Strongest,
    /// L3 with all its parts.
    Strict,
    /// None.
    Off,
}

/// A part of the confinement that this machine does not have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missing {
    pub part: &'static str,
    pub why: String,
    pub mend: &'static str,
    /// Without it a strict host does not start.
    pub essential: bool,
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}; {}", self.part, self.why, self.mend)
    }
}

/// Why a host does not start.
#[derive(Debug, thiserror::Error)]
pub enum LevelError {
    #[error(
        "functions.sandbox: 'strict' asks for what this machine does not have: {}; 'alyx doctor' says more",
        list(.0)
    )]
    Strict(Vec<Missing>),
    #[error(
        "functions cannot be confined on this machine: {}; set functions.sandbox to 'off' to run them with all the rights of this user",
        list(.0)
    )]
    Unconfined(Vec<Missing>),
    #[error("functions.network: '{network}' {why}; set it to '{instead}'")]
    Network { network: &'static str, why: String, instead: &'static str },
}

fn list(missing: &[Missing]) -> String {
    let essential = missing.iter().filter(|part| part.essential);
    essential.map(Missing::to_string).collect::<Vec<_>>().join("; ")
}

/// The confinement of all workers of a host.
#[derive(Debug)]
pub struct Confinement {
    pub level: Level,
    pub network: Reach,
    /// What of Landlock there is: `ABI 7`.
    pub landlock: String,
    pub missing: Vec<Missing>,
    pub(crate) users: Users,
    pub(crate) cgroups: Cgroups,
}

/// Who workers are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Users {
    /// Whoever the host is.
    Same,
    /// One user for all.
    One(u32),
    /// Each worker has its own, from this one on.
    Each(u32),
}

impl Confinement {
    /// Tries what this machine allows, in the host's own folder.
    ///
    /// # Errors
    /// [`LevelError`]
    pub async fn choose(
        wanted: Wanted,
        network: Reach,
        run_dir: &RunDir,
    ) -> Result<Self, LevelError> {
        let mut found = Self::strongest(wanted, network, &run_dir.workers()).await?;
        let (cgroups, missing) = Cgroups::take(&run_dir.name());
        found.cgroups = cgroups;
        found
            .missing
            .extend(missing.into_iter().map(|(controller, why)| of_cgroup(controller, why)));
        if wanted == Wanted::Strict && found.missing.iter().any(|part| part.essential) {
            return Err(LevelError::Strict(found.missing));
        }
        Ok(found)
    }

    async fn strongest(wanted: Wanted, network: Reach, folder: &Path) -> Result<Self, LevelError> {
        let mut missing = Vec::new();
        if wanted == Wanted::Off {
            refuse_network(network, "needs functions.sandbox 'auto' or 'strict'".into())?;
            return Ok(Self::of(Level::Off, network, Users::Same, String::new(), missing));
        }
        for level in [Level::Isolated, Level::Restricted] {
            if level == Level::Restricted && network == Reach::Proxy {
                let why = missing.iter().map(Missing::to_string).collect::<String>();
                refuse_network(network, format!("needs namespaces, and there are none ({why})"))?;
            }
            match with_some_user(level, network, folder).await {
                Ok((users, landlock)) => {
                    let known = landlock.starts_with("ABI");
                    if !known {
                        missing.push(of_landlock(&landlock));
                    }
                    if level == Level::Isolated || known {
                        return Ok(Self::of(level, network, users, landlock, missing));
                    }
                }
                Err(why) if level == Level::Isolated => missing.push(of_namespaces(why)),
                Err(why) => missing.push(Missing {
                    part: "Landlock and seccomp",
                    why,
                    mend: "use a kernel of 5.13 or newer with both",
                    essential: true,
                }),
            }
        }
        Err(LevelError::Unconfined(missing))
    }

    /// True when workers are told apart by the kernel as users.
    #[must_use]
    pub fn has_own_users(&self) -> bool {
        matches!(self.users, Users::Each(_))
    }

    /// The first of what workers have to read that nobody but this user may: such workers cannot
    /// become somebody else.
    #[must_use]
    pub fn hidden<'a>(&self, readable: &'a [PathBuf]) -> Option<&'a Path> {
        if self.users == Users::Same {
            return None;
        }
        let whole_path = self.level != Level::Isolated;
        let hidden = readable.iter().find(|path| !open_to_all(path, whole_path));
        hidden.map(PathBuf::as_path)
    }

    fn of(
        level: Level,
        network: Reach,
        users: Users,
        landlock: String,
        missing: Vec<Missing>,
    ) -> Self {
        Confinement { level, network, landlock, missing, users, cgroups: Cgroups::none() }
    }
}

fn open_to_all(path: &Path, whole_path: bool) -> bool {
    let Ok(path) = path.canonicalize() else { return true };
    let open = |path: &Path, bits: u32| {
        path.metadata().is_ok_and(|found| found.permissions().mode() & bits == bits)
    };
    let bits = if path.is_dir() { 0o5 } else { 0o4 };
    open(&path, bits) && (!whole_path || path.ancestors().skip(1).all(|above| open(above, 0o1)))
}

fn refuse_network(network: Reach, why: String) -> Result<(), LevelError> {
    let network = match network {
        Reach::Open => return Ok(()),
        Reach::Proxy => "proxy",
        Reach::Nothing => "none",
    };
    Err(LevelError::Network { network, why, instead: "open" })
}

fn of_namespaces(why: String) -> Missing {
    let mend = if Path::new("/.dockerenv").exists() || Path::new("/run/.containerenv").exists() {
        "a container needs '--privileged' for it"
    } else if Path::new("/proc/sys/kernel/apparmor_restrict_unprivileged_userns").exists() {
        "run 'sysctl kernel.apparmor_restrict_unprivileged_userns=0', or the host as root"
    } else {
        "allow user namespaces (sysctl user.max_user_namespaces, kernel.unprivileged_userns_clone), or run the host as root"
    };
    Missing { part: "namespaces", why, mend, essential: true }
}

fn of_landlock(why: &str) -> Missing {
    let mend = "use a kernel of 5.13 or newer and start it with 'lsm=landlock,…'";
    Missing { part: "Landlock", why: why.to_owned(), mend, essential: true }
}

fn of_cgroup(controller: &'static str, why: String) -> Missing {
    let (part, mend) = match controller {
        "memory" => (
            "cgroup memory",
            "until then limits are set per process, and all of a worker's are counted every 250 ms; under systemd set 'Delegate=yes'",
        ),
        "pids" => (
            "cgroup pids",
            "until then processes are counted per user; under systemd set 'Delegate=yes'",
        ),
        _ => ("cgroup cpu", "until then 'cpu' limits nothing; under systemd set 'Delegate=yes'"),
    };
    Missing { part, why, mend, essential: false }
}

/// Tries the best choice of users first; the value is what of Landlock there is.
async fn with_some_user(
    level: Level,
    network: Reach,
    folder: &Path,
) -> Result<(Users, String), String> {
    let root = rustix::process::getuid().is_root();
    let range = FIRST_USER + (std::process::id() % 1024) * 4096;
    let choices = [Users::Each(range), Users::One(NOBODY), Users::Same];
    let mut why = String::new();
    for users in choices.into_iter().filter(|users| root || *users == Users::Same) {
        match attempt(level, network, users, folder).await {
            Ok(landlock) => return Ok((users, landlock)),
            Err(refused) => why = refused,
        }
    }
    Err(why)
}

async fn attempt(
    level: Level,
    network: Reach,
    users: Users,
    folder: &Path,
) -> Result<String, String> {
    let profile = Profile {
        parent: rustix::process::getpid().as_raw_nonzero().get(),
        level,
        network,
        user: users.of(0),
        data: None,
        tasks: None,
        cgroups: Vec::new(),
        folder: folder.to_owned(),
        directory: "/".into(),
        readable: Vec::new(),
        sockets: Vec::new(),
        proxy: None,
    };
    let profile = serde_json::to_string(&profile).map_err(|e| e.to_string())?;
    let (ours, theirs) = tokio::net::UnixStream::pair().map_err(|e| e.to_string())?;
    let theirs = theirs.into_std().and_then(|line| line.set_nonblocking(false).map(|()| line));
    let mut trial = Command::new("/proc/self/exe");
    trial.arg0("alyx").arg(WORKER_ARGUMENT).arg(profile).env_clear().env(ALLOCATOR.0, ALLOCATOR.1);
    trial.stdin(Stdio::from(std::os::fd::OwnedFd::from(theirs.map_err(|e| e.to_string())?)));
    trial.stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
    let mut child = trial.spawn().map_err(|e| e.to_string())?;
    drop(trial);
    let mut told = String::new();
    let mut ours = ours.take(64 * 1024);
    let told = tokio::time::timeout(PATIENCE, async {
        let read = ours.read_to_string(&mut told).await;
        let _ended = child.wait().await;
        read.map(|_| told)
    });
    let told = told.await.map_err(|_| format!("the trial did not end within {PATIENCE:?}"))?;
    let told = told.map_err(|e| e.to_string())?;
    match told.lines().find_map(|line| serde_json::from_str(line).ok()) {
        Some(Report::Ready { landlock }) => Ok(landlock),
        Some(Report::Failed { step, why }) => Err(format!("cannot {step}: {why}")),
        Some(Report::Signal(signal)) => Err(format!("the trial was ended by signal {signal}")),
        Some(Report::Code(_) | Report::Peak(_)) | None => {
            Err("the trial ended without a word".into())
        }
    }
}

impl Users {
    /// The user of the worker with that number.
    pub(crate) fn of(self, number: u32) -> Option<u32> {
        match self {
            Users::Same => None,
            Users::One(user) => Some(user),
            Users::Each(first) => Some(first + number % 4096),
        }
    }
}
