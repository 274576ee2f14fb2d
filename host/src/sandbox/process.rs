//! Sandboxes as local processes.
//!
//! The worker runs in a session of its own with a cleared environment and dies with the host:
//! the host re-executes itself as a small init that asks the kernel to kill it when its parent
//! ends, and only then becomes the shim. Knows nothing of the protocol.

use std::ffi::{OsStr, OsString};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;

use rustix::process::{Pid, Signal};
use tokio::process::{Child, Command};
use tokio::sync::{Notify, mpsc, oneshot, watch};

use crate::sandbox::output::{Stream, lines};
use crate::sandbox::{Exit, Launch, LaunchError, LaunchSpec, Launching, Sandbox, SandboxHandle};

/// First argument of the re-executed host.
pub const INIT_ARGUMENT: &str = "__worker";
/// Launches that may wait for the spawning thread.
const QUEUE: usize = 256;
/// Lines of output that may wait to be logged.
const LINES: usize = 1024;

/// Launches local processes under a folder of its own.
#[derive(Debug)]
pub struct ProcessLauncher {
    requests: mpsc::Sender<(Command, oneshot::Sender<std::io::Result<Child>>)>,
    host: PathBuf,
    folders: PathBuf,
}

impl ProcessLauncher {
    /// `host` is the program to re-execute, `folders` where the workers' private folders go.
    ///
    /// # Errors
    /// When the spawning thread cannot be started.
    pub fn start(host: PathBuf, folders: PathBuf) -> std::io::Result<Self> {
        let (requests, mut queue) = mpsc::channel::<(Command, oneshot::Sender<_>)>(QUEUE);
        let runtime = tokio::runtime::Handle::current();
        // The kernel's "kill me when my parent ends" means the parent *thread*: all workers are
        // spawned by one thread that lives as long as the host.
        std::thread::Builder::new().name("alyx-spawner".into()).spawn(move || {
            let _context = runtime.enter();
            while let Some((mut command, reply)) = queue.blocking_recv() {
                if let Err(Ok(mut orphan)) = reply.send(command.spawn()) {
                    let _already_dead = orphan.start_kill();
                }
            }
        })?;
        Ok(ProcessLauncher { requests, host, folders })
    }
}

impl Launch for ProcessLauncher {
    fn launch(&self, spec: LaunchSpec) -> Launching {
        let folder = self.folders.join(&spec.worker);
        let command = command(&self.host, &folder, &spec);
        let requests = self.requests.clone();
        Box::pin(async move {
            let made = std::fs::create_dir(&folder);
            made.map_err(|source| LaunchError::Folder { path: folder.clone(), source })?;
            let folder = Folder(folder);
            let (reply, spawned) = oneshot::channel();
            requests.send((command, reply)).await.map_err(|_| LaunchError::Stopped)?;
            let spawned = spawned.await.map_err(|_| LaunchError::Stopped)?;
            let program = spec.command.first().map(|p| p.to_string_lossy().into_owned());
            let child = spawned.map_err(|source| LaunchError::Spawn {
                program: program.unwrap_or_default(),
                source,
            })?;
            Ok(watch_over(child, folder))
        })
    }
}

/// The worker's private folder: its home and its temporary files. Goes when the worker goes.
struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        let _already_gone = std::fs::remove_dir_all(&self.0);
    }
}

fn command(host: &Path, folder: &Path, spec: &LaunchSpec) -> Command {
    let mut command = Command::new(host);
    command
        .arg(INIT_ARGUMENT)
        .arg(std::process::id().to_string())
        .args(&spec.command)
        .env_clear()
        .envs(spec.env.iter().map(|(name, value)| (name, value)))
        .env("HOME", folder)
        .env("TMPDIR", folder)
        .current_dir(&spec.directory)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

fn watch_over(mut child: Child, folder: Folder) -> Sandbox {
    let (to, from) = mpsc::channel(LINES);
    if let Some(stdout) = child.stdout.take() {
        tokio::spawn(lines(Stream::Stdout, stdout, to.clone()));
    }
    if let Some(stderr) = child.stderr.take() {
        tokio::spawn(lines(Stream::Stderr, stderr, to));
    }
    let kill = Arc::new(Notify::new());
    let (ended, exit) = watch::channel(None);
    let handle = SandboxHandle::new(kill.clone(), exit);
    tokio::spawn(async move {
        let group = child.id().and_then(|id| Pid::from_raw(id.cast_signed()));
        let status = tokio::select! {
            status = child.wait() => status,
            () = kill.notified() => {
                kill_group(group);
                let _already_dead = child.start_kill();
                child.wait().await
            }
        };
        // What the worker started in its own process group goes with it.
        kill_group(group);
        drop(folder);
        ended.send_replace(Some(status.map_or(Exit::Unknown, exit_of)));
    });
    Sandbox { lines: from, handle }
}

fn kill_group(group: Option<Pid>) {
    if let Some(group) = group {
        let _already_gone = rustix::process::kill_process_group(group, Signal::KILL);
    }
}

fn exit_of(status: ExitStatus) -> Exit {
    match (status.code(), status.signal()) {
        (Some(code), _) => Exit::Code(code),
        (None, Some(signal)) => Exit::Signal(signal),
        (None, None) => Exit::Unknown,
    }
}

/// Turns the re-executed host into the worker; returns only when that failed.
///
/// `arguments` are the host's process id and the shim's command.
#[must_use]
pub fn become_worker(arguments: &[OsString]) -> std::io::Error {
    let [parent, program, rest @ ..] = arguments else {
        return std::io::Error::other(
            "worker arguments are missing; this command is for the host itself",
        );
    };
    if let Err(error) = prepare(parent) {
        return error;
    }
    std::process::Command::new(program).args(rest).exec()
}

fn prepare(parent: &OsStr) -> std::io::Result<()> {
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
    // The host may have ended before the line above took effect.
    let alive = rustix::process::getppid().map(|pid| pid.as_raw_nonzero().to_string());
    if alive.as_deref().map(OsStr::new) != Some(parent) {
        return Err(std::io::Error::other("the host has ended"));
    }
    rustix::process::setsid()?;
    Ok(())
}
