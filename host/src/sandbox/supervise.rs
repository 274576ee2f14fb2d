//! The process between the host and a worker: alone in a session, and sure to end the worker.
//!
//! It makes the namespaces, starts the next stage in them and waits. When the host closes its end
//! of the line, or is gone, everything that the worker has started is ended. Knows nothing of
//! files and rights inside.

use std::ffi::OsString;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};

use nix::sched::CloneFlags;
use nix::sys::resource::{UsageWho, getrusage};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::{Errno, retry_on_intr};
use rustix::process::{
    Pid, PidfdFlags, Resource, Rlimit, Signal, WaitOptions, WaitStatus, pidfd_open,
    pidfd_send_signal, setrlimit, waitpid,
};
use rustix::thread::{CapabilitySet, CapabilitySets};

use crate::sandbox::profile::{
    Failed, INSIDE_ARGUMENT, Level, NOBODY, Profile, Reach, Report, Step,
};
use crate::sandbox::tree;

/// Of threads that only wait.
pub(crate) const STACK: usize = 64 * 1024;

/// Runs until the worker and all that it started have ended.
pub(crate) fn supervise(profile: &Profile, command: &[OsString]) -> Result<(), Failed> {
    let parent = rustix::process::getppid().map(|pid| pid.as_raw_nonzero().get());
    if parent != Some(profile.parent) {
        return Err(io::Error::other("it has ended")).step("look for the host");
    }
    rustix::process::setsid().step("begin a session")?;
    close_inherited().step("close inherited files")?;
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    setrlimit(Resource::Core, none).step("forbid core dumps")?;
    for cgroup in &profile.cgroups {
        std::fs::write(cgroup, "0").step(format!("join the cgroup '{}'", cgroup.display()))?;
    }
    if profile.level == Level::Isolated {
        make_namespaces(profile)?;
    } else {
        // What a worker leaves behind becomes this process's child instead of init's.
        let this = Some(rustix::process::getpid());
        rustix::process::set_child_subreaper(this).step("adopt orphans")?;
    }
    let child = start(profile, command).step("start the next stage")?;
    let pid = Pid::from_child(&child);
    let handle = pidfd_open(pid, PidfdFlags::empty()).step("watch the next stage")?;
    if profile.level == Level::Isolated {
        return watch(pid, &handle);
    }
    let watcher = std::thread::Builder::new().stack_size(STACK);
    watcher.spawn(move || end_with_the_host(&handle)).step("watch the host")?;
    wait(pid)
}

/// Tells the host how it went.
pub(crate) fn report(report: &Report) {
    let line = serde_json::to_string(report).unwrap_or_default() + "\n";
    let _host_gone = rustix::io::write(rustix::stdio::stdin(), line.as_bytes());
}

/// Tells the host how the worker ended, and how large it was.
pub(crate) fn report_end(status: WaitStatus) {
    report(&outcome(status));
    if let Ok(usage) = getrusage(UsageWho::RUSAGE_CHILDREN) {
        report(&Report::Peak(usage.max_rss().unsigned_abs() * 1024));
    }
}

/// All that the host's parents let fall into its hands, and so into ours.
fn close_inherited() -> io::Result<()> {
    let open: Vec<i32> = std::fs::read_dir("/proc/self/fd")?
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .collect();
    for fd in open.into_iter().filter(|fd| *fd > 2) {
        // The list itself is closed already.
        let _closed_before = nix::unistd::close(fd);
    }
    Ok(())
}

fn make_namespaces(profile: &Profile) -> Result<(), Failed> {
    let mut flags = CloneFlags::CLONE_NEWNS
        | CloneFlags::CLONE_NEWPID
        | CloneFlags::CLONE_NEWIPC
        | CloneFlags::CLONE_NEWUTS
        | CloneFlags::CLONE_NEWCGROUP;
    if profile.network != Reach::Open {
        flags |= CloneFlags::CLONE_NEWNET;
    }
    let (uid, gid) = (rustix::process::getuid(), rustix::process::getgid());
    if uid.is_root() {
        return nix::sched::unshare(flags).step("make namespaces");
    }
    nix::sched::unshare(flags | CloneFlags::CLONE_NEWUSER)
        .step("make user and other namespaces")?;
    let map = |file: &str, text: String| {
        std::fs::write(format!("/proc/self/{file}"), text).step(format!("write {file}"))
    };
    map("setgroups", "deny".into())?;
    map("uid_map", format!("{NOBODY} {} 1", uid.as_raw()))?;
    map("gid_map", format!("{NOBODY} {} 1", gid.as_raw()))?;
    keep_capabilities().step("keep the capabilities of the user namespace")
}

/// The next stage is no root and would lose them with its exec.
fn keep_capabilities() -> io::Result<()> {
    let held = rustix::thread::capabilities(None)?;
    let sets = CapabilitySets { inheritable: held.permitted, ..held };
    rustix::thread::set_capabilities(None, sets)?;
    for capability in held.permitted.iter().filter(|c| CapabilitySet::all().contains(*c)) {
        rustix::thread::configure_capability_in_ambient_set(capability, true)?;
    }
    Ok(())
}

fn start(profile: &Profile, command: &[OsString]) -> io::Result<Child> {
    let own = rustix::process::getpid().as_raw_nonzero().get();
    let profile_inside = Profile { parent: own, ..profile.clone() };
    let mut next = Command::new("/proc/self/exe");
    next.arg0("alyx").arg(INSIDE_ARGUMENT).arg(serde_json::to_string(&profile_inside)?);
    // In its namespaces the next stage stays, and tells the host itself how the worker ended; on a
    // trial run it tells how far it came.
    let tells = profile.level == Level::Isolated || command.is_empty();
    let line = if tells { Stdio::inherit() } else { Stdio::null() };
    next.args(command).stdin(line).process_group(0).spawn()
}

/// Waits for the init of a pid namespace, which has itself told how the worker ended unless it
/// failed or was killed. A process that starts others in a new pid namespace can have no threads.
fn watch(init: Pid, handle: &OwnedFd) -> Result<(), Failed> {
    loop {
        let line = rustix::stdio::stdin();
        let mut events =
            [PollFd::new(handle, PollFlags::IN), PollFd::from_borrowed_fd(line, PollFlags::IN)];
        retry_on_intr(|| poll(&mut events, None)).step("watch the worker and the host")?;
        if !events[0].revents().is_empty() {
            break;
        }
        if !events[1].revents().is_empty() && line_has_ended() {
            let _already_gone = pidfd_send_signal(handle, Signal::KILL);
            break;
        }
    }
    let ended = retry_on_intr(|| waitpid(Some(init), WaitOptions::empty()));
    match ended.step("wait for the worker")? {
        Some((_, status)) if status.exit_status() != Some(0) => report(&outcome(status)),
        _ => {}
    }
    Ok(())
}

/// Reads the line between the host and a worker, on which the host says nothing: its end is the
/// order to stop.
pub(crate) fn line_has_ended() -> bool {
    let mut nothing = [0; 64];
    let read = retry_on_intr(|| rustix::io::read(rustix::stdio::stdin(), &mut nothing));
    !matches!(read, Ok(1..))
}

/// Blocks until the host is gone or wants the worker gone.
fn end_with_the_host(worker: &OwnedFd) {
    while !line_has_ended() {}
    let _already_gone = pidfd_send_signal(worker, Signal::KILL);
    tree::kill_below(rustix::process::getpid());
}

/// Waits for a worker whose orphans come here, and then ends those.
fn wait(worker: Pid) -> Result<(), Failed> {
    let mut ended = false;
    loop {
        match rustix::process::wait(WaitOptions::empty()) {
            Ok(Some((pid, status))) if pid == worker => {
                report_end(status);
                ended = true;
            }
            Ok(_) | Err(Errno::INTR) => {}
            Err(Errno::CHILD) => return Ok(()),
            Err(error) => return Err(error).step("wait for the worker"),
        }
        if ended {
            tree::kill_below(rustix::process::getpid());
        }
    }
}

/// How a process ended, in the host's words.
fn outcome(status: WaitStatus) -> Report {
    match (status.exit_status(), status.terminating_signal()) {
        (Some(code), _) => Report::Code(code),
        (None, Some(signal)) => Report::Signal(signal),
        (None, None) => Report::Signal(0),
    }
}
