//! Limits that hold for a whole worker, with all the processes it starts: cgroups, of both versions.
//!
//! Only what the host may write is used, and what is missing is said. Knows nothing of processes
//! but their count and their memory.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::sandbox::mountinfo::{Mount, mounts};

/// What a worker's cgroups are to hold.
pub(crate) const CONTROLLERS: [&str; 3] = ["memory", "pids", "cpu"];

/// Tells this host's cgroups, and those of others like it, from all else.
const PREFIX: &str = "alyx-";

/// This host's folder in each hierarchy that it may use.
#[derive(Debug)]
pub(crate) struct Cgroups {
    folders: Vec<Hierarchy>,
    /// Where the host itself was before it made room for its workers.
    home: Option<PathBuf>,
}

#[derive(Debug, Clone)]
struct Hierarchy {
    folder: PathBuf,
    unified: bool,
    controllers: Vec<&'static str>,
}

/// What one worker may take.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Share {
    pub(crate) memory: u64,
    pub(crate) cpu: f64,
    pub(crate) tasks: u64,
}

impl Cgroups {
    /// Takes what can be had; `name` is the host's own. The second value says what is missing.
    pub(crate) fn take(name: &str) -> (Cgroups, Vec<(&'static str, String)>) {
        let own = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
        let mut cgroups = Cgroups::none();
        let mut missing = Vec::new();
        for controller in CONTROLLERS {
            if let Err(why) = cgroups.add(controller, &own, name) {
                missing.push((controller, why));
            }
        }
        (cgroups, missing)
    }

    pub(crate) fn none() -> Cgroups {
        Cgroups { folders: Vec::new(), home: None }
    }

    pub(crate) fn has(&self, controller: &str) -> bool {
        self.folders.iter().any(|h| h.controllers.contains(&controller))
    }

    fn add(&mut self, controller: &'static str, own: &str, name: &str) -> Result<(), String> {
        let mut why = format!("no cgroup of '{controller}' is mounted");
        for place in Place::candidates(controller, own) {
            match self.add_at(&place, controller, name) {
                Ok(()) => return Ok(()),
                Err(refused) => why = refused,
            }
        }
        Err(why)
    }

    fn add_at(
        &mut self,
        place: &Place,
        controller: &'static str,
        name: &str,
    ) -> Result<(), String> {
        let folder = place.folder.join(format!("{PREFIX}{name}"));
        if let Some(taken) = self.folders.iter_mut().find(|h| h.folder == folder) {
            let enabled =
                enable(&place.folder, controller).and_then(|()| enable(&folder, controller));
            enabled.map_err(|e| e.to_string())?;
            taken.controllers.push(controller);
            return Ok(());
        }
        remove_leftovers(&place.folder);
        fs::create_dir(&folder)
            .map_err(|error| format!("cannot make '{}': {error}", folder.display()))?;
        if place.unified {
            let moved_from =
                make_room(&place.folder, &folder, controller).inspect_err(|_| remove(&folder))?;
            self.home = self.home.take().or(moved_from);
            enable(&folder, controller).map_err(|e| e.to_string())?;
        }
        let controllers = vec![controller];
        self.folders.push(Hierarchy { folder, unified: place.unified, controllers });
        Ok(())
    }

    /// A cgroup for one worker, in each hierarchy.
    pub(crate) fn worker(&self, name: &str, share: Share) -> io::Result<Cgroup> {
        let mut cgroup = Cgroup { folders: Vec::new() };
        for hierarchy in &self.folders {
            let folder = hierarchy.folder.join(name);
            fs::create_dir(&folder)?;
            cgroup.folders.push(Hierarchy { folder: folder.clone(), ..hierarchy.clone() });
            for (file, text) in limits(hierarchy, share) {
                fs::write(folder.join(file), text)?;
            }
            // Swap is memory too; not every kernel counts it.
            let swap =
                if hierarchy.unified { "memory.swap.max" } else { "memory.memsw.limit_in_bytes" };
            let most = if hierarchy.unified { 0 } else { share.memory };
            let _not_counted = fs::write(folder.join(swap), most.to_string());
        }
        Ok(cgroup)
    }
}

impl Drop for Cgroups {
    fn drop(&mut self) {
        if let Some(home) = &self.home {
            let _stays = fs::write(home.join("cgroup.procs"), "0");
        }
        for hierarchy in &self.folders {
            remove(&hierarchy.folder);
        }
    }
}

/// One worker's cgroups. They go when it has ended.
#[derive(Debug)]
pub(crate) struct Cgroup {
    folders: Vec<Hierarchy>,
}

impl Cgroup {
    /// The files by which a process joins.
    pub(crate) fn doors(&self) -> Vec<PathBuf> {
        self.folders.iter().map(|h| h.folder.join("cgroup.procs")).collect()
    }

    fn memory(&self) -> Option<&Hierarchy> {
        self.folders.iter().find(|h| h.controllers.contains(&"memory"))
    }

    /// True when the memory limit has ended one of its processes.
    pub(crate) fn out_of_memory(&self) -> bool {
        let Some(memory) = self.memory() else { return false };
        let file = if memory.unified { "memory.events" } else { "memory.oom_control" };
        let text = fs::read_to_string(memory.folder.join(file)).unwrap_or_default();
        let kills = text.lines().find_map(|line| line.strip_prefix("oom_kill ")?.parse().ok());
        kills.is_some_and(|kills: u64| kills > 0)
    }

    pub(crate) fn count(&self) -> Option<Count> {
        self.memory().cloned().map(Count)
    }
}

/// Counts the memory of one worker; knows when the worker has gone.
#[derive(Debug, Clone)]
pub(crate) struct Count(Hierarchy);

impl Count {
    /// Bytes in use without what the kernel can take back at once.
    pub(crate) fn used(&self) -> Option<u64> {
        let Count(memory) = self;
        let read = |file: &str| fs::read_to_string(memory.folder.join(file)).ok();
        let used = if memory.unified { "memory.current" } else { "memory.usage_in_bytes" };
        let used: u64 = read(used)?.trim().parse().ok()?;
        let idle = if memory.unified { "inactive_file " } else { "total_inactive_file " };
        let stat = read("memory.stat")?;
        let idle: u64 = stat.lines().find_map(|line| line.strip_prefix(idle)?.parse().ok())?;
        Some(used.saturating_sub(idle))
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        for hierarchy in &self.folders {
            // A process that is just ending still counts; the host removes what is left.
            let _last_one_leaves = fs::remove_dir(&hierarchy.folder);
        }
    }
}

fn limits(hierarchy: &Hierarchy, share: Share) -> Vec<(&'static str, String)> {
    let period = 100_000;
    let quota = (share.cpu * f64::from(period)).max(1_000.0) as u64;
    let files = hierarchy.controllers.iter().flat_map(|controller| match *controller {
        "memory" if hierarchy.unified => {
            vec![("memory.max", share.memory.to_string()), ("memory.oom.group", "1".to_owned())]
        }
        "memory" => vec![("memory.limit_in_bytes", share.memory.to_string())],
        "pids" => vec![("pids.max", share.tasks.to_string())],
        _ if hierarchy.unified => vec![("cpu.max", format!("{quota} {period}"))],
        _ => {
            vec![("cpu.cfs_period_us", period.to_string()), ("cpu.cfs_quota_us", quota.to_string())]
        }
    });
    files.collect()
}

/// Where this process is in a controller's hierarchy.
struct Place {
    folder: PathBuf,
    unified: bool,
}

impl Place {
    /// First where this process is; in the unified hierarchy also its top, where processes are
    /// allowed beside cgroups.
    fn candidates(controller: &str, own: &str) -> Vec<Place> {
        let mounts = mounts().unwrap_or_default();
        let of_controller = |mount: &&Mount| mount.kind == "cgroup" && mount.has(controller);
        if let Some(mount) = mounts.iter().find(of_controller) {
            let path = path_in(own, controller);
            return path.map(|path| Place::new(mount, path)).into_iter().collect();
        }
        let offers = |place: &Place| {
            let file = place.folder.join("cgroup.controllers");
            let offered = fs::read_to_string(file).unwrap_or_default();
            offered.split_whitespace().any(|name| name == controller)
        };
        let unified = mounts.iter().filter(|mount| mount.kind == "cgroup2").flat_map(|mount| {
            let here = path_in(own, "").map(|path| Place::new(mount, path));
            here.into_iter().chain([Place { folder: mount.place.clone(), unified: true }])
        });
        unified.filter(offers).collect()
    }

    fn new(mount: &Mount, path: &str) -> Place {
        let below = path.strip_prefix(mount.root.trim_end_matches('/')).unwrap_or(path);
        let folder = mount.place.join(below.trim_start_matches('/'));
        Place { folder, unified: mount.kind == "cgroup2" }
    }
}

/// This process's path in the hierarchy with that controller; the unified one has no name.
fn path_in<'a>(own: &'a str, controller: &str) -> Option<&'a str> {
    own.lines().find_map(|line| {
        let (names, path) = line.split_once(':')?.1.split_once(':')?;
        names.split(',').any(|name| name == controller).then_some(path)
    })
}

/// In the unified hierarchy only leaves may hold processes: the host moves into one of its own.
/// Returns where it was, if it had to move.
fn make_room(parent: &Path, folder: &Path, controller: &str) -> Result<Option<PathBuf>, String> {
    if enable(parent, controller).is_ok() {
        return Ok(None);
    }
    let leaf = folder.join("host");
    let moved = fs::create_dir(&leaf).and_then(|()| fs::write(leaf.join("cgroup.procs"), "0"));
    if let Err(why) = moved.and_then(|()| enable(parent, controller)) {
        let _stays = fs::write(parent.join("cgroup.procs"), "0");
        let place = parent.display();
        return Err(format!("'{place}' cannot be divided ({why}); other processes may be in it"));
    }
    Ok(Some(parent.to_owned()))
}

fn enable(folder: &Path, controller: &str) -> io::Result<()> {
    fs::write(folder.join("cgroup.subtree_control"), format!("+{controller}"))
}

/// What hosts left that were killed: one without processes is nobody's.
fn remove_leftovers(parent: &Path) {
    for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let host = name.to_str().and_then(|name| name.strip_prefix(PREFIX)?.rsplit_once('-'));
        if host.is_some_and(|(_, pid)| !Path::new("/proc").join(pid).exists()) {
            remove(&entry.path());
        }
    }
}

/// Removes a cgroup and those below it; one with processes stays.
fn remove(folder: &Path) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            remove(&entry.path());
        }
    }
    let _in_use = fs::remove_dir(folder);
}
