//! The last stage before a worker's own program: gives everything up, in an order that cannot be
//! undone, and becomes the program or its init.
//!
//! In a pid namespace it stays as process 1: it reaps what is left behind and tells the host how
//! the worker ended; with it, the kernel ends all that the worker started.

use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use rustix::io::Errno;
use rustix::process::{Pid, WaitOptions};

use crate::sandbox::profile::{ALLOCATOR, Failed, Level, NOBODY, Profile, Reach, Report, Step};
use crate::sandbox::supervise::{STACK, line_has_ended, report, report_end};
use crate::sandbox::{access, calls, forward, loopback, mounts, rights};

/// What the machine is called inside.
const HOSTNAME: &[u8] = b"worker";

/// Returns when the worker has ended, or when it could not be started.
pub(crate) fn run(profile: &Profile, command: &[OsString]) -> Result<(), Failed> {
    rights::end_with_parent(profile)?;
    let landlock = confine(profile)?;
    let Some((program, arguments)) = command.split_first() else {
        report(&Report::Ready { landlock });
        return Ok(());
    };
    let mut worker = Command::new(program);
    worker.args(arguments).current_dir(&profile.directory).env_remove(ALLOCATOR.0);
    let starting = format!("start '{}'", program.display());
    if profile.level != Level::Isolated {
        worker.env("HOME", &profile.folder).env("TMPDIR", &profile.folder);
        return Err(worker.exec()).step(starting);
    }
    worker.env("HOME", "/tmp").env("TMPDIR", "/tmp").stdin(Stdio::null()).process_group(0);
    if let Some(socket) = &profile.proxy {
        forward::start(socket.clone()).step("lead the way to the proxy")?;
        worker.envs(forward::environment());
    }
    // The host may have gone, or given up, before this process could ask to end with it.
    let watcher = std::thread::Builder::new().stack_size(STACK);
    watcher.spawn(end_with_the_line).step("watch the host")?;
    let worker = worker.spawn().step(starting)?;
    wait(Pid::from_child(&worker))
}

/// Says what of Landlock there is.
fn confine(profile: &Profile) -> Result<String, Failed> {
    if profile.level == Level::Off {
        return Ok(String::new());
    }
    if profile.level == Level::Isolated {
        rustix::system::sethostname(HOSTNAME).step("set the host name")?;
        if profile.network != Reach::Open {
            loopback::bring_up().step("bring up the loopback interface")?;
        }
        mounts::move_in(profile, profile.user.unwrap_or(NOBODY))?;
    }
    rights::give_up(profile)?;
    let landlock = access::restrict(profile)?;
    calls::deny(profile)?;
    Ok(landlock)
}

/// Process 1 takes all others with it.
#[expect(clippy::exit, reason = "another thread waits for the worker, and nothing is left to do")]
fn end_with_the_line() {
    while !line_has_ended() {}
    std::process::exit(0);
}

fn wait(worker: Pid) -> Result<(), Failed> {
    loop {
        match rustix::process::wait(WaitOptions::empty()) {
            Ok(Some((pid, status))) if pid == worker => {
                report_end(status);
                return Ok(());
            }
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error).step("wait for the worker"),
        }
    }
}
