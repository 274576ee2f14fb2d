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

    /// The process that a fixture calls by this number: its id where it is, and which pid namespace
    /// that is.
    pub(crate) fn at(place: i64) -> Option<Self> {
        let (namespace, inner) = ((place >> 22) + 0xEFFF_FFFC, place & ((1 << 22) - 1));
        let namespace = format!("pid:[{namespace}]");
        all().find(|process| {
            let link = fs::read_link(format!("/proc/{}/ns/pid", process.pid));
            let here = link.is_ok_and(|link| link.to_str() == Some(&namespace));
            here && process.inner_pid() == Some(inner)
        })
    }

    /// Its id in its own pid namespace.
    fn inner_pid(&self) -> Option<i64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid)).ok()?;
        let ids = status.lines().find_map(|line| line.strip_prefix("NSpid:"))?;
        ids.split_whitespace().next_back()?.parse().ok()
    }

    /// True in a container of a worker of the host: it sees the folder of its socket. What a tool's
    /// container sees there is a tool's.
    fn is_contained(&self, host: i32) -> bool {
        let mounts =
            fs::read_to_string(format!("/proc/{}/mountinfo", self.pid)).unwrap_or_default();
        let folder = format!("-{host}/c/");
        mounts.lines().any(|line| {
            line.contains(" /run/alyx ") && line.contains(&folder) && !line.contains("-tool-")
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
    let own = |p: &Process| p.parent == host && p.session == p.pid;
    all().filter(|p| own(p) || (p.inner_pid() == Some(1) && p.is_contained(host))).collect()
}

/// What runs in the workers of a host, without the parts of the host around it.
pub(crate) fn programs_of(host: i32) -> Vec<Process> {
    let mut all: Vec<_> = all().collect();
    let mut inside: Vec<_> = workers_of(host).into_iter().map(|worker| worker.pid).collect();
    loop {
        let below = all.iter().filter(|p| inside.contains(&p.parent) && !inside.contains(&p.pid));
        let below: Vec<_> = below.map(|p| p.pid).collect();
        if below.is_empty() {
            break;
        }
        inside.extend(below);
    }
    all.retain(|p| {
        p.is_contained(host) || (inside.contains(&p.pid) && !p.command.starts_with("alyx __worker"))
    });
    all
}

/// Every process that was started for a project: workers, compilers and what they started have
/// their temporary files there.
pub(crate) fn of_project(project: &Project) -> Vec<Process> {
    let folder = project.path("tmp").display().to_string();
    let sees = |p: &Process| {
        let mounts = fs::read_to_string(format!("/proc/{}/mountinfo", p.pid)).unwrap_or_default();
        mounts.lines().any(|line| line.contains(" /run/alyx ") && line.contains(&folder))
    };
    all().filter(|p| p.environment().contains(&folder) || sees(p)).collect()
}

fn all() -> impl Iterator<Item = Process> {
    let entries = fs::read_dir("/proc").expect("tests run on Linux").flatten();
    entries.filter_map(|entry| Process::find(entry.file_name().to_str()?.parse().ok()?))
}
