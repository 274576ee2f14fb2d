//! A worker's own view of the file system: the system and what it may read, read-only, and a small
//! place to write that goes with it.
//!
//! Nothing of the host's is here unless it is named here. Runs in a mount namespace of its own;
//! knows nothing of what the worker does.

use std::collections::BTreeSet;
use std::ffi::CStr;
use std::fs;
use std::io;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Component, Path, PathBuf};

use rustix::mount::{
    MountFlags, MountPropagationFlags, UnmountFlags, mount, mount_bind_recursive, mount_change,
    mount_remount, unmount,
};

use crate::sandbox::mountinfo::mounts;
use crate::sandbox::profile::{Failed, Profile, Step};

/// Programs and libraries. Package managers that keep them elsewhere have a folder for nothing else.
pub(crate) const SYSTEM: [&str; 10] = [
    "/usr",
    "/bin",
    "/sbin",
    "/lib",
    "/lib32",
    "/lib64",
    "/libx32",
    "/nix/store",
    "/gnu/store",
    "/home/linuxbrew/.linuxbrew",
];
/// What of /etc programs need; none of it is secret, and the user database is not among it.
pub(crate) const SETTINGS: [&str; 24] = [
    "alternatives",
    "ca-certificates",
    "crypto-policies",
    "fonts",
    "gai.conf",
    "host.conf",
    "hosts",
    "ld.so.cache",
    "ld.so.conf",
    "ld.so.conf.d",
    "localtime",
    "locale.alias",
    "mime.types",
    "nsswitch.conf",
    "os-release",
    "pki/ca-trust",
    "pki/tls/certs",
    "pki/tls/openssl.cnf",
    "protocols",
    "resolv.conf",
    "services",
    "ssl/certs",
    "ssl/openssl.cnf",
    "timezone",
];
pub(crate) const DEVICES: [&str; 5] = ["null", "zero", "full", "random", "urandom"];
const LINKS: [(&str, &str); 4] = [
    ("dev/fd", "/proc/self/fd"),
    ("dev/stdin", "/proc/self/fd/0"),
    ("dev/stdout", "/proc/self/fd/1"),
    ("dev/stderr", "/proc/self/fd/2"),
];
/// Where the worker may write, and how much.
const WRITABLE: [(&str, &CStr); 2] =
    [("tmp", c"mode=1777,size=64m,nr_inodes=32k"), ("dev/shm", c"mode=1777,size=16m,nr_inodes=4k")];

/// Moves this process, and with it all that it starts, into the worker's own view.
pub(crate) fn move_in(profile: &Profile, user: u32) -> Result<(), Failed> {
    let private = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
    mount_change("/", private).step("make mounts private")?;
    let view = View::begin(&profile.folder).step("mount an empty root")?;
    for (place, options) in WRITABLE {
        view.writable(place, options).step(format!("mount /{place}"))?;
    }
    for folder in SYSTEM {
        view.system(Path::new(folder)).step(format!("bind '{folder}'"))?;
    }
    view.settings(user).step("fill /etc")?;
    view.devices().step("fill /dev")?;
    let wanted = profile.readable.iter().chain(&profile.sockets);
    for path in by_depth(wanted) {
        view.readable(&path).step(format!("bind '{}'", path.display()))?;
    }
    view.processes().step("mount /proc")?;
    view.make_read_only().step("make the view read-only")?;
    view.enter().step("enter the view")
}

/// Outer folders first, so that inner ones land in them.
fn by_depth<'a>(paths: impl Iterator<Item = &'a PathBuf>) -> Vec<PathBuf> {
    let resolved = |path: &PathBuf| [Some(path.clone()), fs::canonicalize(path).ok()];
    let all: BTreeSet<PathBuf> = paths.flat_map(resolved).flatten().collect();
    let mut all: Vec<_> = all.into_iter().collect();
    all.sort_by_key(|path| path.components().count());
    all
}

struct View {
    root: PathBuf,
}

impl View {
    fn begin(place: &Path) -> io::Result<Self> {
        let root = fs::canonicalize(place)?;
        mount("tmpfs", &root, "tmpfs", quiet(), c"mode=755,size=4m")?;
        Ok(View { root })
    }

    fn inside(&self, path: impl AsRef<Path>) -> PathBuf {
        let path = path.as_ref();
        self.root.join(path.strip_prefix("/").unwrap_or(path))
    }

    fn writable(&self, place: &str, options: &CStr) -> io::Result<()> {
        let target = self.inside(place);
        fs::create_dir_all(&target)?;
        mount("tmpfs", &target, "tmpfs", quiet(), options)?;
        Ok(())
    }

    /// A folder of the system, or the link that stands in for it.
    fn system(&self, folder: &Path) -> io::Result<()> {
        match fs::symlink_metadata(folder) {
            Ok(found) if found.is_symlink() => symlink(fs::read_link(folder)?, self.inside(folder)),
            Ok(found) if found.is_dir() => self.bind(folder),
            _ => Ok(()),
        }
    }

    fn settings(&self, user: u32) -> io::Result<()> {
        let etc = self.inside("etc");
        fs::create_dir_all(&etc)?;
        for name in SETTINGS {
            let source = Path::new("/etc").join(name);
            if source.exists() {
                self.bind(&source)?;
            }
        }
        let people = format!("worker:x:{user}:{user}::/tmp:/sbin/nologin\n");
        fs::write(etc.join("passwd"), people)?;
        fs::write(etc.join("group"), format!("worker:x:{user}:\n"))
    }

    fn devices(&self) -> io::Result<()> {
        for name in DEVICES {
            self.bind(&Path::new("/dev").join(name))?;
        }
        LINKS.iter().try_for_each(|(link, target)| symlink(target, self.inside(link)))
    }

    /// Something the worker was promised; what is not there cannot be read anyway.
    fn readable(&self, path: &Path) -> io::Result<()> {
        let of_the_system = |path: &Path| SYSTEM.iter().any(|system| path.starts_with(system));
        match fs::canonicalize(path) {
            Ok(real) if of_the_system(path) && of_the_system(&real) => Ok(()),
            Ok(_) => self.bind(path),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
        }
    }

    fn bind(&self, source: &Path) -> io::Result<()> {
        let target = self.inside(source);
        self.make_folders(source.parent().unwrap_or(source))?;
        if fs::metadata(source)?.is_dir() {
            self.make_folders(source)?;
        } else if !target.exists() {
            fs::write(&target, "")?;
        }
        mount_bind_recursive(source, &target)?;
        Ok(())
    }

    /// Folders of the view alone: a link on the way could lead out of it.
    fn make_folders(&self, path: &Path) -> io::Result<()> {
        let mut place = self.root.clone();
        for part in path.components().filter(|part| matches!(part, Component::Normal(_))) {
            place.push(part);
            match fs::symlink_metadata(&place) {
                Ok(found) if found.is_dir() => {}
                Ok(_) => {
                    return Err(io::Error::other(format!("'{}' is in the way", place.display())));
                }
                Err(_) => {
                    fs::create_dir(&place)?;
                    fs::set_permissions(&place, fs::Permissions::from_mode(0o755))?;
                }
            }
        }
        Ok(())
    }

    /// Binds keep the rights of their source until they are told otherwise, one by one.
    fn make_read_only(&self) -> io::Result<()> {
        let own = WRITABLE.iter().map(|(place, _)| *place).chain(["proc"]);
        let own: Vec<_> = own.map(|place| self.inside(place)).collect();
        let devices = self.inside("dev");
        for mount in mounts()? {
            let place = &mount.place;
            if !place.starts_with(&self.root) || own.contains(place) {
                continue;
            }
            let mut flags = MountFlags::BIND | MountFlags::RDONLY | MountFlags::NOSUID;
            flags.set(MountFlags::NODEV, mount.is("nodev") || !place.starts_with(&devices));
            flags.set(MountFlags::NOEXEC, mount.is("noexec"));
            mount_remount(place, flags, c"").map_err(|error| {
                io::Error::new(error.kind(), format!("'{}': {error}", place.display()))
            })?;
        }
        Ok(())
    }

    /// Of the pid namespace alone.
    fn processes(&self) -> io::Result<()> {
        let target = self.inside("proc");
        fs::create_dir(&target)?;
        mount("proc", target, "proc", quiet() | MountFlags::NOEXEC, None)?;
        Ok(())
    }

    fn enter(&self) -> io::Result<()> {
        rustix::process::chdir(&self.root)?;
        // The old root lands on top of the new one and is taken away.
        rustix::process::pivot_root(".", ".")?;
        unmount(".", UnmountFlags::DETACH)?;
        rustix::process::chdir("/")?;
        Ok(())
    }
}

fn quiet() -> MountFlags {
    MountFlags::NOSUID | MountFlags::NODEV
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outer_folders_come_first() {
        let paths = ["/proc/self/x/y", "/usr"].map(PathBuf::from);
        assert_eq!(by_depth(paths.iter())[0], Path::new("/usr"));
    }
}
