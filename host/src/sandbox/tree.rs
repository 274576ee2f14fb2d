//! Which processes descend from one, what they use, and the end of them all.
//!
//! Reads /proc; knows nothing of why.

use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::MetadataExt;

use rustix::process::{Pid, Signal, getpid, getuid, kill_process};

/// How often a tree is looked at that keeps growing.
const LOOKS: usize = 100;

/// What one process takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Usage {
    pub(crate) threads: u64,
    /// Bytes, shared ones included.
    pub(crate) resident: u64,
}

/// All processes at one moment, by parent.
#[derive(Debug)]
pub(crate) struct Processes(HashMap<i32, Vec<(Pid, Usage)>>);

impl Processes {
    pub(crate) fn all() -> Self {
        let page = rustix::param::page_size() as u64;
        let mut children: HashMap<i32, Vec<_>> = HashMap::new();
        for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
            let pid = entry.file_name().to_str().and_then(|name| name.parse().ok());
            let Some(pid) = pid.and_then(Pid::from_raw) else { continue };
            if let Some((parent, usage)) = look(pid, page) {
                children.entry(parent).or_default().push((pid, usage));
            }
        }
        Processes(children)
    }

    /// All that descends from `root`, without it.
    pub(crate) fn below(&self, root: Pid) -> Vec<(Pid, Usage)> {
        let mut found = Vec::new();
        let mut next = vec![root];
        while let Some(parent) = next.pop() {
            let children = self.0.get(&parent.as_raw_nonzero().get());
            for child in children.into_iter().flatten() {
                next.push(child.0);
                found.push(*child);
            }
        }
        found
    }
}

/// Processes and threads of this process's user that this process has not started.
pub(crate) fn tasks_beside_ours() -> u64 {
    let ours = Processes::all().below(getpid());
    let ours: u64 = ours.iter().map(|(_, usage)| usage.threads).sum();
    tasks_of(getuid().as_raw()).saturating_sub(ours)
}

/// Processes and threads of a user on the whole machine.
fn tasks_of(user: u32) -> u64 {
    let folders = fs::read_dir("/proc").into_iter().flatten().flatten();
    let own = folders.filter(|folder| folder.metadata().is_ok_and(|found| found.uid() == user));
    let threads = own.filter_map(|folder| {
        let pid = folder.file_name().to_str()?.parse().ok().and_then(Pid::from_raw)?;
        Some(look(pid, 0)?.1.threads)
    });
    threads.sum()
}

/// Ends all that descends from `root`: stops it first, so that nothing new is started meanwhile.
pub(crate) fn kill_below(root: Pid) {
    let mut stopped = Vec::new();
    for _ in 0..LOOKS {
        let below = Processes::all().below(root).into_iter().map(|(pid, _)| pid);
        let fresh: Vec<_> = below.filter(|pid| !stopped.contains(pid)).collect();
        if fresh.is_empty() {
            break;
        }
        for pid in fresh {
            let _already_gone = kill_process(pid, Signal::STOP);
            stopped.push(pid);
        }
    }
    for pid in stopped {
        let _already_gone = kill_process(pid, Signal::KILL);
    }
}

fn look(pid: Pid, page: u64) -> Option<(i32, Usage)> {
    let stat = fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero())).ok()?;
    // The name before the last parenthesis may hold anything; the fields after it are numbers.
    let mut fields = stat.rsplit_once(") ")?.1.split(' ');
    let parent = fields.nth(1)?.parse().ok()?;
    let threads = fields.nth(15)?.parse().ok()?;
    let resident = fields.nth(3)?.parse::<u64>().ok()? * page;
    Some((parent, Usage { threads, resident }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grandchildren_are_found_and_ended() {
        let mut child = std::process::Command::new("sh")
            .args(["-c", "sleep 1000 & echo; wait"])
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let mut started = [0];
        std::io::Read::read_exact(child.stdout.as_mut().unwrap(), &mut started).unwrap();
        let shell = Pid::from_child(&child);
        let all = Processes::all();
        assert_eq!(all.below(shell).len(), 1);
        let own = all.below(getpid());
        let (_, usage) = own.iter().find(|(pid, _)| *pid == shell).unwrap();
        assert_eq!(usage.threads, 1);
        assert!((1 << 16..1 << 26).contains(&usage.resident), "{usage:?}");
        let all_of_user = tasks_of(getuid().as_raw());
        assert!(all_of_user >= 3);
        assert!(tasks_beside_ours() < all_of_user);
        kill_below(shell);
        // The shell waits for its child, and then ends by itself.
        assert!(child.wait().unwrap().code().is_some());
    }
}
