//! Where compilers and package managers run: on this machine, or in containers.
//!
//! The one seam between those who order a tool and those who run it. Knows no tool, and nothing of
//! processes or engines.

use std::ffi::OsString;
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::pin::Pin;
use std::time::Duration;

/// What to run, and what of the machine it needs where it does not see all of it.
#[derive(Debug, Clone, Default)]
pub struct Order {
    /// A path, or a name to be looked for.
    pub program: PathBuf,
    pub arguments: Vec<OsString>,
    pub folder: PathBuf,
    pub env: Vec<(String, String)>,
    /// Files and folders that it reads; what is not there is left out.
    pub reads: Vec<PathBuf>,
    /// Folders that it writes, which are there.
    pub writes: Vec<PathBuf>,
    /// Folders that are the tool's own for good, and may be other runs' at the same time.
    pub keeps: Vec<PathBuf>,
    /// Folders that it writes as it likes: each is a copy, and the place where it stands.
    pub copies: Vec<(PathBuf, PathBuf)>,
    /// Whether it may ask others over the network.
    pub online: bool,
}

/// A line that a tool printed, and whether on its stdout.
#[derive(Debug)]
pub struct Printed {
    pub text: String,
    pub stdout: bool,
}

/// Is told each line.
pub type Listener<'a> = &'a mut (dyn FnMut(Printed) + Send);

/// What comes of it later.
pub type Later<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A place with tools.
pub trait Workshop: fmt::Debug + Send + Sync {
    /// Runs a tool to its end; true when the tool says that it has succeeded. Nothing of it goes
    /// on when this is dropped, or when the host ends.
    ///
    /// # Errors
    /// When it cannot be started, or has not ended in time.
    fn run<'a>(
        &'a self,
        order: &'a Order,
        patience: Duration,
        line: Listener<'a>,
    ) -> Later<'a, io::Result<bool>>;

    /// What tells its tools from those of any other place.
    ///
    /// # Errors
    /// Why it cannot be used now, and what to do.
    fn identity(&self) -> Later<'_, Result<String, String>>;
}
