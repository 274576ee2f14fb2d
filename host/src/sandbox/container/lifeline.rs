//! A pipe that a container's process 1 holds on to: it breaks when the host is gone, however that came
//! about, and the container ends whatever runs in it.
//!
//! A worker also sees its connection close, but one that is busy with a function does not look.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

use rustix::fs::{CWD, FileType, Mode, OFlags, mknodat};

/// Its name in the folder of the worker's socket.
pub(crate) const NAME: &str = "host";

/// The host's end; nothing is ever written to it.
#[derive(Debug)]
pub(crate) struct Lifeline {
    _end: File,
}

impl Lifeline {
    pub(crate) fn make(folder: &Path) -> io::Result<Self> {
        let path = folder.join(NAME);
        mknodat(CWD, &path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0)?;
        // Whoever could write would keep it whole.
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644))?;
        let mut options = OpenOptions::new();
        // With both ends open nobody waits for the other.
        options.read(true).write(true).custom_flags(OFlags::NONBLOCK.bits().cast_signed());
        Ok(Lifeline { _end: options.open(path)? })
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    #[test]
    fn it_breaks_when_the_host_lets_go() {
        let folder = tempfile::tempdir().unwrap();
        let host = Lifeline::make(folder.path()).unwrap();
        let mut container = File::open(folder.path().join(NAME)).unwrap();
        let waits = std::thread::spawn(move || container.read(&mut [0]).unwrap());
        drop(host);
        assert_eq!(waits.join().unwrap(), 0);
    }
}
