//! Sandboxes as local processes, confined as far as this machine allows.
//!
//! The host re-executes itself twice for each worker: once to watch over it (`supervise`), once to
//! build its confinement from within (`inside`). A line between the host and the first of them
//! carries the outcome one way and, by its end, the order to stop the other way: a host that is
//! killed takes its workers with it. Knows nothing of the protocol.

use std::ffi::OsString;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::net::UnixStream;
use tokio::process::{Child, Command};

use crate::sandbox::belongings::{Folder, Numbers};
use crate::sandbox::cgroup::{Cgroup, Share};
use crate::sandbox::levels::Confinement;
use crate::sandbox::memory::Meter;
use crate::sandbox::profile::{
    ALLOCATOR, INSIDE_ARGUMENT, Level, Profile, Reach, Report, TASKS, WORKER_ARGUMENT,
};
use crate::sandbox::proxy::policy::Policy;
use crate::sandbox::proxy::{Proxy, SOCKET};
use crate::sandbox::run_dir::restore;
use crate::sandbox::running::{Running, watch_over};
use crate::sandbox::{Launch, LaunchError, LaunchSpec, Launching, inside, supervise, tree};

/// Those that all workers of a host may start together where the kernel cannot tell them apart; each
/// one's are counted by the host then.
const TASKS_TOGETHER: u64 = 1024;
/// What a process needs besides what it holds in memory, by the kernel's way to count.
const DATA_SLACK: u64 = 64 << 20;

/// Launches local processes under a folder of its own.
#[derive(Debug)]
pub struct ProcessLauncher(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    folders: PathBuf,
    confinement: Confinement,
    meter: Arc<Meter>,
    numbers: Numbers,
    told_of_user: AtomicBool,
}

impl ProcessLauncher {
    /// `folders` is where the workers' private folders go.
    #[must_use]
    pub fn new(confinement: Confinement, folders: PathBuf) -> Self {
        ProcessLauncher(Arc::new(Shared {
            folders,
            confinement,
            meter: Meter::start(),
            numbers: Numbers::default(),
            told_of_user: AtomicBool::new(false),
        }))
    }
}

impl Launch for ProcessLauncher {
    fn launch(&self, spec: LaunchSpec) -> Launching {
        let shared = self.0.clone();
        Box::pin(async move {
            // Making folders and processes blocks for a moment.
            let running = tokio::task::spawn_blocking(move || shared.start(&spec)).await;
            Ok(watch_over(running.map_err(|_| LaunchError::Stopped)??))
        })
    }
}

impl Shared {
    fn start(&self, spec: &LaunchSpec) -> Result<Running, LaunchError> {
        let folder = self.folders.join(&spec.worker);
        let of_folder = |source| LaunchError::Folder { path: folder.clone(), source };
        let kept = restore(&self.folders).and_then(|()| Folder::make(folder.clone()));
        let kept = kept.map_err(of_folder)?;
        let number = self.numbers.take();
        let user = self.user(spec, number.number);
        for path in [Some(&folder), spec.socket.as_ref()].into_iter().flatten() {
            give(path, user).map_err(of_folder)?;
        }
        let share = Share { memory: spec.memory, cpu: spec.cpu, tasks: TASKS };
        let cgroup = self.confinement.cgroups.worker(&spec.worker, share).map_err(of_folder)?;
        let mut profile = self.profile(spec, user, kept.path(), &cgroup);
        let proxy = match self.confinement.network {
            Reach::Proxy => Some(self.proxy(&mut profile).map_err(of_folder)?),
            Reach::Open | Reach::Nothing => None,
        };
        let program = spec.command.first().map(|p| p.to_string_lossy().into_owned());
        let of_program =
            |source| LaunchError::Spawn { program: program.unwrap_or_default(), source };
        let (child, line) = spawn(spec, &profile).map_err(of_program)?;
        let counted = self.confinement.cgroups.has("memory");
        Ok(Running {
            child,
            line,
            memory: spec.memory,
            tasks: TASKS,
            worker: spec.worker.clone(),
            meter: (!counted).then(|| self.meter.clone()),
            cgroup,
            _proxy: proxy,
            _folder: kept,
            _number: number,
        })
    }

    fn profile(
        &self,
        spec: &LaunchSpec,
        user: Option<u32>,
        folder: &Path,
        cgroup: &Cgroup,
    ) -> Profile {
        let Confinement { level, network, cgroups, .. } = &self.confinement;
        Profile {
            parent: rustix::process::getpid().as_raw_nonzero().get(),
            level: *level,
            network: *network,
            user,
            data: (!cgroups.has("memory")).then_some(spec.memory + spec.reserved + DATA_SLACK),
            tasks: self.tasks(user),
            cgroups: cgroup.doors(),
            folder: folder.to_owned(),
            directory: spec.directory.clone(),
            readable: spec.readable.clone(),
            sockets: spec.socket.iter().cloned().collect(),
            proxy: None,
        }
    }

    /// A proxy of the worker's own, and the way to it.
    fn proxy(&self, profile: &mut Profile) -> io::Result<(Proxy, Folder)> {
        let folder = Folder::make(profile.folder.with_extension("p"))?;
        let worker = profile.folder.file_name().unwrap_or_default().to_string_lossy();
        let proxy = Proxy::start(&worker, folder.path(), Policy::default())?;
        give(folder.path(), profile.user)?;
        profile.sockets.push(folder.path().to_owned());
        profile.proxy = Some(folder.path().join(SOCKET));
        Ok((proxy, folder))
    }

    /// The kernel counts by user: exactly where each worker is one by itself or has a user
    /// namespace, and together with all else that the user runs where not.
    fn tasks(&self, user: Option<u32>) -> Option<u64> {
        match self.confinement.level {
            Level::Off => None,
            Level::Isolated => Some(TASKS),
            Level::Restricted if user.is_some() => Some(TASKS),
            Level::Restricted => Some(tree::tasks_beside_ours() + TASKS_TOGETHER),
        }
    }

    /// The user to become, if others than the owner may read what the worker has to.
    fn user(&self, spec: &LaunchSpec, number: u32) -> Option<u32> {
        let user = self.confinement.users.of(number)?;
        let Some(hidden) = self.confinement.hidden(&spec.readable) else { return Some(user) };
        if !self.told_of_user.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                "workers keep the user of the host, without its capabilities, because others may not read '{0}'; run 'chmod -R o+rX' on it and the folders above it",
                hidden.display()
            );
        }
        None
    }
}

/// Makes a folder, and the socket that may be in it, the worker's own.
fn give(folder: &Path, user: Option<u32>) -> io::Result<()> {
    let Some(user) = user else { return Ok(()) };
    for entry in std::fs::read_dir(folder)? {
        chown(entry?.path(), Some(user), Some(user))?;
    }
    chown(folder, Some(user), Some(user))
}

fn spawn(spec: &LaunchSpec, profile: &Profile) -> io::Result<(Child, UnixStream)> {
    let (ours, theirs) = std::os::unix::net::UnixStream::pair()?;
    ours.set_nonblocking(true)?;
    let child = Command::new("/proc/self/exe")
        .arg0("alyx")
        .arg(WORKER_ARGUMENT)
        .arg(serde_json::to_string(profile)?)
        .args(&spec.command)
        .env_clear()
        .envs(spec.env.iter().map(|(name, value)| (name, value)))
        .env(ALLOCATOR.0, ALLOCATOR.1)
        .env("HOME", &profile.folder)
        .env("TMPDIR", &profile.folder)
        .current_dir(&spec.directory)
        .stdin(OwnedFd::from(theirs))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    Ok((child, UnixStream::from_std(ours)?))
}

/// True for the arguments of a re-executed host, which then is a part of a worker.
#[must_use]
pub fn is_worker(arguments: &[OsString]) -> bool {
    arguments.first().is_some_and(|first| first == WORKER_ARGUMENT || first == INSIDE_ARGUMENT)
}

/// Turns the re-executed host into the part of a worker that its arguments name, and runs it to
/// its end.
///
/// # Errors
/// What went wrong, for people.
pub fn become_worker(arguments: &[OsString]) -> Result<(), String> {
    let [stage, profile, command @ ..] = arguments else {
        return Err("worker arguments are missing; this command is for the host itself".into());
    };
    let profile = profile.to_str().and_then(|text| serde_json::from_str::<Profile>(text).ok());
    let profile = profile.ok_or("its profile cannot be read; was the host replaced meanwhile?")?;
    let outcome = if stage == INSIDE_ARGUMENT {
        inside::run(&profile, command)
    } else {
        supervise::supervise(&profile, command)
    };
    outcome.map_err(|failed| {
        let told = format!("cannot {}: {}", failed.step, failed.why);
        supervise::report(&Report::Failed { step: failed.step, why: failed.why });
        told
    })
}
