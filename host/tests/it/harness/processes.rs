//! Processes as the kernel shows them, so that nothing has to be taken on the host's word.

use std::fs;

use rustix::process::{Pid, Signal};

use super::project::Project;

/// One process; a later one that got the same number is another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Process {
    pub(crate) pid: i32,
    pub(crate) command: String,
    parent: i32,
    session: i32,
    started: u64,
}

impl Process {
    /// None when there is none, or only its entry is left for its parent to read.
    pub(crate) fn find(pid: i32) -> Option<Self> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The name in the middle may hold anything; the fields after it are numbers.
        let fields: Vec<&str> = stat.rsplit_once(") ")?.1.split(' ').collect();
        let number = |index: usize| fields.get(index)?.parse::<u64>().ok();
        if matches!(fields.first(), Some(&("Z" | "X"))) {
            return None;
        }
        let command = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
        Some(Process {
            pid,
            command: String::from_utf8_lossy(&command).replace('\0', " "),
            parent: number(1)? as i32,
            session: number(3)? as i32,
            started: number(19)?,
        })
    }

    pub(crate) fn is_running(&self) -> bool {
        Process::find(self.pid).is_some_and(|now| now.started == self.started)
    }

    pub(crate) fn signal(&self, signal: Signal) {
        if self.is_running() {
            let pid = Pid::from_raw(self.pid).expect("pids are positive");
            let _ended_meanwhile = rustix::process::kill_process(pid, signal);
        }
    }

    /// True when all its threads have taken a SIGSTOP, which they do one by one.
    pub(crate) fn is_stopped(&self) -> bool {
        let Ok(threads) = fs::read_dir(format!("/proc/{}/task", self.pid)) else { return false };
        threads.flatten().all(|thread| {
            let stat = fs::read_to_string(thread.path().join("stat")).unwrap_or_default();
            stat.rsplit_once(") ").is_some_and(|(_, fields)| fields.starts_with('T'))
        })
    }

    /// The environment it was started with.
    pub(crate) fn environment(&self) -> String {
        let bytes = fs::read(format!("/proc/{}/environ", self.pid)).unwrap_or_default();
        String::from_utf8_lossy(&bytes).replace('\0', "\n")
    }
}

/// The workers of a host: its children that lead a session of their own. What else it starts,
/// such as a compiler, does not.
pub(crate) fn workers_of(host: i32) -> Vec<Process> {
    all().filter(|p| p.parent == host && p.session == p.pid).collect()
}

/// Every process that was started for a project: workers, compilers and what they started have
/// their temporary files there.
pub(crate) fn of_project(project: &Project) -> Vec<Process> {
    let folder = project.path("tmp").display().to_string();
    all().filter(|p| p.environment().contains(&folder)).collect()
}

fn all() -> impl Iterator<Item = Process> {
    let entries = fs::read_dir("/proc").expect("tests run on Linux").flatten();
    entries.filter_map(|entry| Process::find(entry.file_name().to_str()?.parse().ok()?))
}
