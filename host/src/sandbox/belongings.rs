//! What a worker has to itself on the host while it runs: a folder, and a number.
//!
//! Both go when they are dropped.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;

/// The worker's private folder.
#[derive(Debug)]
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn make(path: PathBuf) -> io::Result<Self> {
        std::fs::create_dir(&path)?;
        Ok(Folder(path))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _already_gone = std::fs::remove_dir_all(&self.0);
    }
}

/// Small numbers, each given to one worker at a time.
#[derive(Debug, Clone, Default)]
pub(crate) struct Numbers(Arc<Mutex<BTreeSet<u32>>>);

impl Numbers {
    pub(crate) fn take(&self) -> Number {
        let mut taken = self.0.lock();
        let number = (0..).find(|n| !taken.contains(n)).unwrap_or_default();
        taken.insert(number);
        Number { number, numbers: self.clone() }
    }
}

/// A number that no other worker has meanwhile.
#[derive(Debug)]
pub(crate) struct Number {
    pub(crate) number: u32,
    numbers: Numbers,
}

impl Drop for Number {
    fn drop(&mut self) {
        self.numbers.0.lock().remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_given_again_when_it_came_back() {
        let numbers = Numbers::default();
        let (first, second) = (numbers.take(), numbers.take());
        assert_eq!((first.number, second.number), (0, 1));
        drop(first);
        assert_eq!(numbers.take().number, 0);
    }
}
