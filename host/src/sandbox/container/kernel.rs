//! What the kernel's log says of a container: whether a process of it was ended for want of memory.
//!
//! For engines that do not notice. Knows nothing of engines.

use rustix::fs::{Mode, OFlags, open};
use rustix::io::{Errno, read};

/// Longest record, and the most that are looked through.
const RECORD: usize = 8192;
const RECORDS: usize = 100_000;

/// None where the log may not be read. Blocks for some milliseconds.
pub(crate) fn starved(id: &str) -> Option<bool> {
    let log = open("/dev/kmsg", OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC, Mode::empty());
    let log = log.ok()?;
    let mut record = [0; RECORD];
    for _ in 0..RECORDS {
        match read(&log, &mut record) {
            Ok(length) if is_of(&record[..length], id) => return Some(true),
            // Overwritten while it was read.
            Ok(_) | Err(Errno::PIPE | Errno::INTR) => {}
            Err(Errno::AGAIN) => return Some(false),
            Err(_) => return None,
        }
    }
    Some(false)
}

fn is_of(record: &[u8], id: &str) -> bool {
    let record = String::from_utf8_lossy(record);
    record.contains("oom-kill:") && record.contains(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_known_by_the_containers_id() {
        let record = b"6,1,2,-;oom-kill:constraint=CONSTRAINT_MEMCG,oom_memcg=/libpod_parent/libpod-45116d,task=node";
        assert!(is_of(record, "45116d") && !is_of(record, "77"));
    }
}
