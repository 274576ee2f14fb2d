//! The mounts of this process's namespace, as the kernel lists them.

use std::fs;
use std::io;
use std::path::PathBuf;

/// One mount.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mount {
    /// What of the file system is to be seen there.
    pub(crate) root: String,
    pub(crate) place: PathBuf,
    pub(crate) kind: String,
    options: Vec<String>,
    /// Of the file system behind it.
    settings: Vec<String>,
}

impl Mount {
    /// Of this mount: `nodev`.
    pub(crate) fn is(&self, option: &str) -> bool {
        self.options.iter().any(|known| known == option)
    }

    /// Of its file system, such as the controllers of a cgroup hierarchy.
    pub(crate) fn has(&self, setting: &str) -> bool {
        self.settings.iter().any(|known| known == setting)
    }

    fn parse(line: &str) -> Option<Mount> {
        let (mount, system) = line.split_once(" - ")?;
        let mut mount = mount.split(' ').skip(3);
        let mut system = system.split(' ');
        let words = |text: &str| text.split(',').map(str::to_owned).collect();
        Some(Mount {
            root: unescaped(mount.next()?),
            place: PathBuf::from(unescaped(mount.next()?)),
            options: words(mount.next()?),
            kind: system.next()?.to_owned(),
            settings: words(system.nth(1)?),
        })
    }
}

pub(crate) fn mounts() -> io::Result<Vec<Mount>> {
    let bytes = fs::read("/proc/self/mountinfo")?;
    Ok(String::from_utf8_lossy(&bytes).lines().filter_map(Mount::parse).collect())
}

/// The kernel writes blanks and the like as `\040`.
fn unescaped(text: &str) -> String {
    let mut parts = text.split('\\');
    let mut whole = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (code, rest) = part.split_at_checked(3).unwrap_or((part, ""));
        match u8::from_str_radix(code, 8) {
            Ok(byte) => whole.push(char::from(byte)),
            Err(_) => whole.push_str(code),
        }
        whole.push_str(rest);
    }
    whole
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_the_kernel_is_read() {
        let line = r"36 35 98:0 /m1 /a\040b rw,nodev master:1 - cgroup cgroup rw,memory";
        let mount = Mount::parse(line).unwrap();
        assert_eq!((mount.root.as_str(), mount.place.as_os_str()), ("/m1", "/a b".as_ref()));
        assert!(mount.is("nodev") && !mount.is("memory") && mount.has("memory"));
        assert_eq!(mount.kind, "cgroup");
    }

    #[test]
    fn the_root_is_among_the_mounts() {
        assert!(mounts().unwrap().iter().any(|mount| mount.place == std::path::Path::new("/")));
    }
}
