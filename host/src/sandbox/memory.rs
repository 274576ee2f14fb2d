//! How much memory workers use where no cgroup counts it, and who is over the limit.
//!
//! All workers are looked at in one walk over /proc. Knows nothing of what happens to them.

use std::collections::HashMap;
use std::fs;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use rustix::process::Pid;
use tokio::sync::Notify;

use crate::sandbox::cgroup::Count;
use crate::sandbox::tree::{Processes, Usage};

/// How often the workers are looked at; less often when a look takes long.
const INTERVAL: Duration = Duration::from_millis(250);
const SHARE_OF_TIME: u32 = 50;

/// Looks at workers for as long as it exists.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    watched: Mutex<HashMap<Pid, Arc<Gauge>>>,
}

/// What a worker uses, whoever counts it.
#[derive(Debug, Clone)]
pub(crate) enum Counter {
    Cgroup(Count),
    Tree(Arc<Gauge>),
    /// Somebody asks now and then, and leaves it here.
    Told(Arc<AtomicU64>),
}

impl Counter {
    pub(crate) fn used(&self) -> Option<u64> {
        match self {
            Counter::Cgroup(count) => count.used(),
            Counter::Tree(gauge) => Some(gauge.memory()),
            Counter::Told(bytes) => Some(bytes.load(Ordering::Relaxed)),
        }
    }
}

/// What one worker and its processes use.
#[derive(Debug)]
pub(crate) struct Gauge {
    memory_limit: u64,
    task_limit: u64,
    memory: AtomicU64,
    tasks: AtomicU64,
    was_over: AtomicBool,
    /// Told when a limit is passed for more than a moment.
    pub(crate) over: Notify,
}

impl Meter {
    pub(crate) fn start() -> Arc<Self> {
        let meter = Arc::new(Meter::default());
        tokio::spawn(look(Arc::downgrade(&meter)));
        meter
    }

    pub(crate) fn watch(&self, root: Pid, memory_limit: u64, task_limit: u64) -> Arc<Gauge> {
        let gauge = Arc::new(Gauge {
            memory_limit,
            task_limit,
            memory: AtomicU64::new(0),
            tasks: AtomicU64::new(0),
            was_over: AtomicBool::new(false),
            over: Notify::new(),
        });
        self.watched.lock().insert(root, gauge.clone());
        gauge
    }

    pub(crate) fn forget(&self, root: Pid) {
        self.watched.lock().remove(&root);
    }

    fn measure(&self) {
        let watched: Vec<_> = self.watched.lock().iter().map(|(p, g)| (*p, g.clone())).collect();
        if watched.is_empty() {
            return;
        }
        let processes = Processes::all();
        for (root, gauge) in watched {
            gauge.read(&processes.below(root));
        }
    }
}

impl Gauge {
    /// Bytes at the last look.
    pub(crate) fn memory(&self) -> u64 {
        self.memory.load(Ordering::Relaxed)
    }

    pub(crate) fn over_memory(&self) -> bool {
        self.memory() > self.memory_limit
    }

    pub(crate) fn over_tasks(&self) -> bool {
        self.tasks.load(Ordering::Relaxed) > self.task_limit
    }

    fn read(&self, tree: &[(Pid, Usage)]) {
        let mut memory = tree.iter().map(|(_, usage)| usage.resident).sum();
        if memory > self.memory_limit {
            // Pages that processes share were counted for each of them.
            memory = tree.iter().map(|(pid, usage)| own_share(*pid, *usage)).sum();
        }
        self.memory.store(memory, Ordering::Relaxed);
        let tasks: u64 = tree.iter().map(|(_, usage)| usage.threads).sum();
        self.tasks.store(tasks, Ordering::Relaxed);
        // Once may be the moment before the kernel refuses more, and the worker gives back what it
        // has.
        let over = self.over_memory() || self.over_tasks();
        if over && self.was_over.load(Ordering::Relaxed) {
            self.over.notify_one();
        }
        self.was_over.store(over, Ordering::Relaxed);
    }
}

/// A process's part of the memory that is no file's.
fn own_share(pid: Pid, usage: Usage) -> u64 {
    let path = format!("/proc/{}/smaps_rollup", pid.as_raw_nonzero());
    let Ok(text) = fs::read_to_string(path) else { return usage.resident };
    let kib = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        line.and_then(|rest| rest.trim().trim_end_matches(" kB").parse::<u64>().ok())
    };
    match (kib("Pss_Anon:"), kib("Pss_Shmem:")) {
        (Some(private), shared) => (private + shared.unwrap_or(0)) * 1024,
        _ => usage.resident,
    }
}

async fn look(meter: Weak<Meter>) {
    let mut pause = INTERVAL;
    loop {
        tokio::time::sleep(pause).await;
        let Some(meter) = meter.upgrade() else { return };
        let began = Instant::now();
        let _host_stops = tokio::task::spawn_blocking(move || meter.measure()).await;
        pause = INTERVAL.max(began.elapsed() * SHARE_OF_TIME);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_over_its_limit_is_told_and_one_below_is_not() {
        let child = std::process::Command::new("sleep").arg("1000").spawn();
        let mut child = child.unwrap();
        let (meter, own) = (Meter::default(), rustix::process::getpid());
        let small = meter.watch(own, 1, 1000);
        // A program that has only just started may have no memory yet.
        let over = (0..1000).any(|_| {
            meter.measure();
            small.over_memory()
        });
        let large = meter.watch(own, 1 << 40, 1000);
        meter.measure();
        let measured = [small.memory() > 0, large.memory() > 0];
        // First of all: left alone, it would hold on to the output of the tests.
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(over && !large.over_memory());
        assert_eq!(measured, [true, true]);
    }
}
