//! Builds the Go shim and Go functions, without a network, by a toolchain of this machine or of an
//! image.
//!
//! All knowledge of Go itself is in the shim's `build` verb; here is when to call it, with which
//! limits, and where its binaries are kept: one per revision.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use tokio::sync::{Mutex, OnceCell};

use crate::leash::Machine;
use crate::runtime::probe::Found;
use crate::runtime::{BuildFault, Source, Unavailable};
use crate::workshop::{Order, Printed, Workshop};

/// Longest build; the first one on a machine compiles the standard library.
const PATIENCE: Duration = Duration::from_secs(180);
/// Of what a build prints.
const MAX_OUTPUT: usize = 1 << 20;
/// What something is called that is being built.
const BUILT: &str = "built-";
/// Where the toolchain puts what it needs in passing.
const TEMPORARY: &str = "tmp";

/// A toolchain and what it has built.
#[derive(Debug)]
pub struct GoToolchain {
    go: PathBuf,
    workshop: Arc<dyn Workshop>,
    sources: PathBuf,
    cache: PathBuf,
    /// What the toolchain writes; nothing of it is run.
    work: PathBuf,
    /// Binaries run in images that have no libraries.
    is_static: bool,
    env: Vec<(String, String)>,
    /// The user's own module cache, where the toolchain does not know it.
    modules: Option<PathBuf>,
    shim: OnceCell<PathBuf>,
    /// One build at a time: the toolchain uses all processors by itself.
    turn: Mutex<()>,
}

#[derive(Deserialize)]
struct Verdict {
    ok: bool,
    error: Option<Fault>,
}

#[derive(Deserialize)]
struct Fault {
    #[serde(default)]
    kind: String,
    #[serde(default)]
    message: String,
    file: Option<String>,
    line: Option<u64>,
    column: Option<u64>,
    #[serde(default)]
    output: String,
}

impl GoToolchain {
    /// The toolchain of this machine.
    pub(crate) fn local(go: &Found, source: &Source<'_>) -> Self {
        let mut dirs: Vec<_> = go.program.parent().map(Path::to_owned).into_iter().collect();
        dirs.extend(source.path.iter().cloned());
        let mut env = source.toolchain_env.to_vec();
        env.push(("PATH".into(), super::join_path(&dirs)));
        Self::new(go.program.clone(), Arc::new(Machine), "build", env, None, source)
    }

    /// The toolchain of an image.
    pub(crate) fn in_image(workshop: Arc<dyn Workshop>, source: &Source<'_>) -> Self {
        let told = |name: &str| {
            let mut env = source.toolchain_env.iter();
            env.find(|(other, _)| other == name).map(|(_, value)| Path::new(value))
        };
        let modules = told("GOMODCACHE").map(Path::to_owned).or_else(|| {
            let folder = told("GOPATH").map(Path::to_owned);
            let folder = folder.or_else(|| told("HOME").map(|home| home.join("go")));
            folder.map(|folder| folder.join("pkg/mod"))
        });
        let modules = modules.filter(|modules| modules.is_dir());
        Self::new("go".into(), workshop, "build-in-image", Vec::new(), modules, source)
    }

    fn new(
        go: PathBuf,
        workshop: Arc<dyn Workshop>,
        work: &str,
        mut env: Vec<(String, String)>,
        modules: Option<PathBuf>,
        source: &Source<'_>,
    ) -> Self {
        let cache = source.cache.join("go");
        let work = cache.join(work);
        let is_static = source.image.is_some();
        let mut set = |name: &str, value: &str| {
            env.retain(|(other, _)| other != name);
            env.push((name.to_owned(), value.to_owned()));
        };
        set("GOTOOLCHAIN", "local");
        set("GOPROXY", "off");
        set("GOFLAGS", "-mod=mod");
        if is_static {
            set("CGO_ENABLED", "0");
        }
        // Where the shim's build verb keeps compiled packages as well.
        set("GOCACHE", &work.join("go-build").to_string_lossy());
        set("GOTMPDIR", &work.join(TEMPORARY).to_string_lossy());
        if let Some(modules) = &modules {
            set("GOMODCACHE", &modules.to_string_lossy());
        }
        GoToolchain {
            go,
            workshop,
            sources: source.shims.join("go"),
            cache,
            work,
            is_static,
            env,
            modules,
            shim: OnceCell::new(),
            turn: Mutex::default(),
        }
    }

    /// The shim's binary, built on first use.
    pub(crate) async fn shim(&self) -> Result<&PathBuf, Unavailable> {
        self.shim
            .get_or_try_init(|| async {
                let shim = self.build_shim().await?;
                let passing = |name: &str| name.starts_with(BUILT) || name.starts_with("build-");
                sweep(&self.work, passing);
                sweep(&self.work.join(TEMPORARY), |_| true);
                sweep(&shim.with_file_name("functions"), |name| name.ends_with(".tmp"));
                Ok(shim)
            })
            .await
    }

    /// The folder that holds all that workers run: the shim, and functions as they are built.
    pub(crate) fn binaries(&self) -> PathBuf {
        let version = self.sources.parent().and_then(Path::file_name).unwrap_or_default();
        let mut folder = version.to_owned();
        if self.is_static {
            folder.push("-static");
        }
        self.cache.join(folder)
    }

    async fn build_shim(&self) -> Result<PathBuf, Unavailable> {
        let binary = self.binaries().join("alyx-shim-go");
        if binary.is_file() {
            return Ok(binary);
        }
        let fresh = self.fresh("alyx-shim-go");
        let arguments = ["build", "-trimpath", "-ldflags=-s -w", "-o"].map(OsString::from);
        let rest = [fresh.clone().into(), OsString::from("./cmd/alyx-shim-go")];
        let mut order = self.order(&self.go, arguments.into_iter().chain(rest));
        order.folder.clone_from(&self.sources);
        let failed = |why: &str| Unavailable(format!("the Go shim does not build: {why}"));
        let built = self.run(&order).await.map_err(|why| failed(&why))?;
        if !built.success {
            return Err(failed(built.stderr.trim()));
        }
        put(&fresh, &binary).map_err(|error| failed(&error.to_string()))?;
        Ok(binary)
    }

    /// What the toolchain is told, and what it sees of the machine.
    fn order(&self, program: &Path, arguments: impl Iterator<Item = OsString>) -> Order {
        Order {
            program: program.to_owned(),
            arguments: arguments.collect(),
            folder: self.work.clone(),
            env: self.env.clone(),
            reads: [&self.sources].into_iter().chain(&self.modules).cloned().collect(),
            keeps: vec![self.work.clone()],
            ..Order::default()
        }
    }

    async fn run(&self, order: &Order) -> Result<Built, String> {
        std::fs::create_dir_all(self.work.join(TEMPORARY)).map_err(|error| error.to_string())?;
        let mut built = Built::default();
        let mut listen = |printed: Printed| {
            let text = if printed.stdout { &mut built.stdout } else { &mut built.stderr };
            if text.len() < MAX_OUTPUT {
                text.push_str(&printed.text);
                text.push('\n');
            }
        };
        let ran = self.workshop.run(order, PATIENCE, &mut listen).await;
        built.success = ran.map_err(|error| error.to_string())?;
        Ok(built)
    }

    /// Where something is built, until it is whole.
    fn fresh(&self, name: &str) -> PathBuf {
        self.work.join(format!("{BUILT}{}-{name}", std::process::id()))
    }

    /// The binary of one revision of a function, built unless it is there; `modules` is a module
    /// cache other than the user's own.
    pub(crate) async fn build(
        &self,
        entry: &Path,
        root: &Path,
        revision: &str,
        modules: Option<&Path>,
    ) -> Result<PathBuf, BuildFault> {
        let fault = |kind: &str, message: String| BuildFault {
            kind: kind.into(),
            message,
            ..BuildFault::default()
        };
        let shim = self.shim().await.map_err(|e| fault("unsupported", e.to_string()))?;
        // Another version of the shim makes another binary of the same function.
        let binary = shim.with_file_name("functions").join(revision);
        if binary.is_file() {
            return Ok(binary);
        }
        let _turn = self.turn.lock().await;
        // Another call may have built it meanwhile.
        if binary.is_file() {
            return Ok(binary);
        }
        let fresh = self.fresh(revision);
        let sources = [("--source", entry), ("--root", root), ("--out", fresh.as_path())];
        let places = [("--shim", self.sources.as_path()), ("--cache", self.work.as_path())];
        let named = sources.into_iter().chain(places);
        let named = named.flat_map(|(name, path)| [OsString::from(name), path.into()]);
        let mut order = self.order(shim, [OsString::from("build")].into_iter().chain(named));
        order.reads.extend([shim.clone(), root.to_owned()]);
        if let Some(modules) = modules {
            order.env.retain(|(name, _)| name != "GOMODCACHE");
            order.env.push(("GOMODCACHE".into(), modules.to_string_lossy().into_owned()));
            order.reads.push(modules.to_owned());
        }
        let built = self.run(&order).await.map_err(|why| fault("build", why))?;
        match serde_json::from_str::<Verdict>(built.stdout.lines().last().unwrap_or_default()) {
            Ok(Verdict { ok: true, .. }) => {
                put(&fresh, &binary).map_err(|error| fault("build", error.to_string()))?;
                Ok(binary)
            }
            Ok(Verdict { error: Some(e), .. }) => Err(BuildFault {
                kind: e.kind,
                message: e.message,
                file: e.file,
                line: e.line,
                column: e.column,
                output: e.output,
            }),
            _ => Err(fault("build", built.stderr.trim().to_owned())),
        }
    }

    /// Removes what was built of one revision; a worker that runs it is not harmed.
    pub(crate) fn discard(&self, revision: &str) {
        if let Some(shim) = self.shim.get() {
            let _was_never_built =
                std::fs::remove_file(shim.with_file_name("functions").join(revision));
        }
    }
}

/// What a run of the toolchain has printed.
#[derive(Debug, Default)]
struct Built {
    success: bool,
    stdout: String,
    stderr: String,
}

/// Puts what was built where workers find it.
fn put(fresh: &Path, binary: &Path) -> io::Result<()> {
    std::fs::create_dir_all(binary.parent().unwrap_or(binary))?;
    let host = rustix::process::geteuid();
    if host.is_root() {
        // A container's user has made it, who is not to change it any more.
        std::os::unix::fs::lchown(fresh, Some(host.as_raw()), Some(0))?;
    }
    std::fs::rename(fresh, binary)
}

/// Removes what builds have left behind that were ended before their end. Other hosts may be
/// building in the same folders, so it has to be old.
fn sweep(folder: &Path, is_left: impl Fn(&str) -> bool) {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    for entry in entries.filter(|entry| is_left(&entry.file_name().to_string_lossy())) {
        let written = entry.metadata().and_then(|metadata| metadata.modified()).ok();
        let age = written.and_then(|written| written.elapsed().ok()).unwrap_or_default();
        if age > PATIENCE * 2 {
            let path = entry.path();
            let _gone = std::fs::remove_dir_all(&path).or_else(|_| std::fs::remove_file(&path));
        }
    }
}
