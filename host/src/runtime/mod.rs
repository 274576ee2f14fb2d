//! Runtimes: how a language's worker is started and how its functions are made loadable.
//!
//! Knows interpreters, toolchains and the embedded shims. Knows nothing of workers that run.

pub mod go;
pub mod probe;
pub mod shims;
mod third_party;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::registry::function::Function;
use crate::runtime::go::GoToolchain;
use crate::workshop::Workshop;

/// Text is UTF-8, whatever the machine's own settings say.
const LANGUAGE: [&str; 2] = ["LANG", "C.UTF-8"];

/// A runtime that can start workers on this machine.
#[derive(Debug)]
pub struct Runtime {
    pub name: String,
    /// Of the interpreter or toolchain, for people; the program where only a shim would know it.
    pub version: String,
    env: Vec<(String, String)>,
    /// What its workers read besides functions and the system.
    readable: Vec<PathBuf>,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    /// The shim is started by a command and loads sources as they are.
    Interpreted { command: Vec<OsString> },
    /// The same, by a Node.js that is told how much memory it has.
    Node { command: [OsString; 2], reserved: u64 },
    /// An image has interpreter and shim in it.
    Image,
    /// Functions and the shim itself are built first.
    Go(Box<GoToolchain>),
}

/// Why a runtime cannot be used here, and what would mend it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unavailable(pub String);

/// Why a function could not be made loadable. The place is in the function's own source.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BuildFault {
    pub kind: String,
    pub message: String,
    pub file: Option<String>,
    pub line: Option<u64>,
    pub column: Option<u64>,
    /// All that the toolchain printed.
    pub output: String,
}

/// What a runtime is made from.
#[derive(Debug, Clone)]
pub struct Source<'a> {
    pub name: &'a str,
    /// What its workers' containers are made from; none for workers that are processes.
    pub image: Option<&'a str>,
    /// Where a compiled language is built, if not on this machine: what people call that, and it.
    pub builder: Option<(&'a str, Arc<dyn Workshop>)>,
    /// A third party's command that starts its shim.
    pub command: Option<&'a [String]>,
    /// The folder of the configuration.
    pub folder: &'a Path,
    /// The directories of the host's `PATH`.
    pub path: &'a [PathBuf],
    /// Where the embedded shims were unpacked.
    pub shims: &'a Path,
    /// Where builds are kept.
    pub cache: &'a Path,
    /// What of the host's environment a toolchain needs: its home and its caches.
    pub toolchain_env: &'a [(String, String)],
}

impl Runtime {
    /// Looks for the runtime on this machine.
    ///
    /// # Errors
    /// [`Unavailable`], saying what to install.
    pub async fn find(source: Source<'_>) -> Result<Self, Unavailable> {
        let shim = |path: &str| source.shims.join(path);
        if let Some(image) = source.image.filter(|_| source.name != "go") {
            return Ok(Self::in_image(source.name, image));
        }
        let mut readable = vec![source.shims.join(source.name)];
        let (version, kind) = match (source.command, source.name) {
            (Some(words), _) => {
                let found = third_party::find(words, &source)?;
                readable.extend(found.readable);
                let program = found.command[0].to_string_lossy().into_owned();
                (program, Kind::Interpreted { command: found.command })
            }
            (None, "node") => {
                let node = probe::node(source.path).await?;
                readable.extend(node.reads.into_iter().chain([node.program.clone()]));
                let shim = shim("node/bin/alyx-shim-node.js");
                let reserved = node_reserved(&node.version);
                let command = [node.program.into(), shim.into()];
                (node.version, Kind::Node { command, reserved })
            }
            (None, "python") => {
                let python = probe::python(source.path).await?;
                readable.extend(python.reads.into_iter().chain([python.program.clone()]));
                let shim = shim("python/bin/alyx-shim-python");
                let command = vec![python.program.into(), "-I".into(), shim.into()];
                (python.version, Kind::Interpreted { command })
            }
            (None, "go") => {
                let (version, toolchain) = go(&source).await?;
                readable = vec![toolchain.binaries()];
                (version, Kind::Go(Box::new(toolchain)))
            }
            (None, other) => {
                let message = format!(
                    "runtime '{other}' has no command for the process backend; set functions.runtimes.{other}.command"
                );
                return Err(Unavailable(message));
            }
        };
        let mut env = vec![LANGUAGE.map(str::to_owned).into()];
        if source.image.is_none() {
            env.push(("PATH".to_owned(), join_path(source.path)));
        }
        Ok(Runtime { name: source.name.to_owned(), version, env, readable, kind })
    }

    /// One whose image brings all that it needs.
    fn in_image(name: &str, image: &str) -> Self {
        Runtime {
            name: name.to_owned(),
            version: image.to_owned(),
            env: vec![LANGUAGE.map(str::to_owned).into()],
            readable: Vec::new(),
            kind: Kind::Image,
        }
    }

    /// What a worker reads besides functions and the system: interpreter, shim, what was built.
    #[must_use]
    pub fn readable(&self) -> &[PathBuf] {
        &self.readable
    }

    /// The environment of a worker that may use so many bytes and processors.
    #[must_use]
    pub fn env(&self, memory: u64, cpus: f64) -> Vec<(String, String)> {
        let mut env = self.env.clone();
        if let Kind::Image = self.kind
            && self.name == "node"
        {
            env.push(("NODE_OPTIONS".into(), node_memory(memory).join(" ")));
        }
        if let Kind::Go(_) = self.kind {
            env.push(("GOMAXPROCS".into(), (cpus.ceil().max(1.0) as u64).to_string()));
            // Room for what is not the Go heap; the shim collects less often below it.
            env.push(("GOMEMLIMIT".into(), (memory / 4 * 3).to_string()));
        }
        env
    }

    /// Bytes that its workers map at their start and hardly use.
    #[must_use]
    pub fn reserved(&self) -> u64 {
        match self.kind {
            Kind::Node { reserved, .. } => reserved,
            _ => 0,
        }
    }

    /// True when functions are built before they can be loaded.
    #[must_use]
    pub fn builds(&self) -> bool {
        matches!(self.kind, Kind::Go(_))
    }

    /// Removes what was built of a revision that nobody will ask for again.
    pub fn discard(&self, revision: &str) {
        if let Kind::Go(go) = &self.kind {
            go.discard(revision);
        }
    }

    /// The command that starts a blank worker which may use so many bytes; may have to build it
    /// first. Nothing where the image knows it.
    ///
    /// # Errors
    /// [`Unavailable`] when the shim cannot be built.
    pub async fn shim_command(&self, memory: u64) -> Result<Vec<OsString>, Unavailable> {
        match &self.kind {
            Kind::Interpreted { command } => Ok(command.clone()),
            Kind::Node { command: [node, shim], .. } => {
                let [old, new] = node_memory(memory);
                Ok(vec![node.clone(), old.into(), new.into(), shim.clone()])
            }
            Kind::Image => Ok(Vec::new()),
            Kind::Go(go) => Ok(vec![go.shim().await?.as_os_str().to_owned(), "worker".into()]),
        }
    }

    /// What a worker is told to load for a function: the entry itself, or what was built from it
    /// with these modules.
    ///
    /// # Errors
    /// [`BuildFault`] with the place in the function's source.
    pub async fn loadable(
        &self,
        function: &Function,
        modules: Option<&Path>,
    ) -> Result<PathBuf, BuildFault> {
        let source = function.folder.as_ref().unwrap_or(&function.entry);
        match &self.kind {
            Kind::Interpreted { .. } | Kind::Node { .. } | Kind::Image => {
                Ok(function.entry.clone())
            }
            Kind::Go(go) => go.build(source, &function.root, &function.revision, modules).await,
        }
    }
}

async fn go(source: &Source<'_>) -> Result<(String, GoToolchain), Unavailable> {
    if let Some((image, builder)) = &source.builder {
        return Ok(((*image).to_owned(), GoToolchain::in_image(builder.clone(), source)));
    }
    let go = probe::go(source.path).await?;
    Ok((go.version.clone(), GoToolchain::local(&go, source)))
}

/// From version 23 on V8 maps room for all the code that it may ever make, as memory that can be
/// written: the kernel counts it as data, although little of it is ever used.
fn node_reserved(version: &str) -> u64 {
    let major: u32 = version.split('.').next().and_then(|n| n.parse().ok()).unwrap_or_default();
    if major >= 23 { 512 << 20 } else { 0 }
}

/// Node.js reckons with all memory of the machine unless it is told. Besides old objects it keeps
/// up to three spaces of new ones, buffers and its own code.
fn node_memory(bytes: u64) -> [String; 2] {
    let memory = bytes >> 20;
    [
        format!("--max-old-space-size={}", memory / 8 * 5),
        format!("--max-semi-space-size={}", (memory / 16).clamp(1, 16)),
    ]
}

fn join_path(dirs: &[PathBuf]) -> String {
    let joined = std::env::join_paths(dirs).unwrap_or_default();
    joined.to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn newer_versions_of_node_get_room_for_what_they_map() {
        let of = |version| node_reserved(version) >> 20;
        assert_eq!([of("20.20.2"), of("22.23.3"), of("23.0.0"), of("24.21.0")], [0, 0, 512, 512]);
    }
}
