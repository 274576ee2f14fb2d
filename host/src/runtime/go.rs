//! Builds the Go shim and Go functions with the local toolchain, without a network.
//!
//! All knowledge of Go itself is in the shim's `build` verb; here is when to call it, with which
//! limits, and where its binaries are kept: one per revision.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;
use tokio::sync::{Mutex, OnceCell};

use crate::leash;
use crate::runtime::probe::Found;
use crate::runtime::{BuildFault, Source, Unavailable};

/// Longest build; the first one on a machine compiles the standard library.
const PATIENCE: Duration = Duration::from_secs(180);

/// The local toolchain and what it has built.
#[derive(Debug)]
pub struct GoToolchain {
    go: PathBuf,
    sources: PathBuf,
    cache: PathBuf,
    /// Binaries run in images that have no libraries.
    is_static: bool,
    env: Vec<(String, String)>,
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
    pub(crate) fn new(go: &Found, source: &Source<'_>) -> Self {
        let mut dirs: Vec<_> = go.program.parent().map(Path::to_owned).into_iter().collect();
        dirs.extend(source.path.iter().cloned());
        let mut env = source.toolchain_env.to_vec();
        env.push(("PATH".into(), super::join_path(&dirs)));
        env.push(("GOTOOLCHAIN".into(), "local".into()));
        env.push(("GOPROXY".into(), "off".into()));
        env.push(("GOFLAGS".into(), "-mod=mod".into()));
        if source.image.is_some() {
            env.retain(|(name, _): &(String, String)| name != "CGO_ENABLED");
            env.push(("CGO_ENABLED".into(), "0".into()));
        }
        let sources = source.shims.join("go");
        let cache = source.cache.join("go");
        // Where the shim's build verb keeps compiled packages as well.
        let compiled = cache.join("build/go-build");
        env.push(("GOCACHE".into(), compiled.to_string_lossy().into_owned()));
        GoToolchain {
            go: go.program.clone(),
            sources,
            cache,
            is_static: source.image.is_some(),
            env,
            shim: OnceCell::new(),
            turn: Mutex::default(),
        }
    }

    /// The shim's binary, built on first use.
    pub(crate) async fn shim(&self) -> Result<&PathBuf, Unavailable> {
        self.shim
            .get_or_try_init(|| async {
                let shim = self.build_shim().await?;
                sweep(&self.cache.join("build"), |name| name.starts_with("build-"));
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
        let fresh = binary.with_extension(std::process::id().to_string());
        let mut command = leash::command(&self.go, &self.env);
        command
            .args(["build", "-trimpath", "-ldflags=-s -w", "-o"])
            .arg(&fresh)
            .arg("./cmd/alyx-shim-go");
        command.current_dir(&self.sources);
        let failed = |why: &str| Unavailable(format!("the Go shim does not build: {why}"));
        match tokio::time::timeout(PATIENCE, leash::output(command)).await {
            Ok(Ok(output)) if output.status.success() => {}
            Ok(Ok(output)) => return Err(failed(String::from_utf8_lossy(&output.stderr).trim())),
            Ok(Err(e)) => return Err(failed(&e.to_string())),
            Err(_) => return Err(failed(&format!("no end after {PATIENCE:?}"))),
        }
        std::fs::rename(&fresh, &binary).map_err(|e| failed(&e.to_string()))?;
        Ok(binary)
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
        let mut command = leash::command(shim, &self.env);
        command.arg("build").arg("--source").arg(entry).arg("--root").arg(root);
        command.arg("--out").arg(&binary).arg("--shim").arg(&self.sources);
        command.arg("--cache").arg(self.cache.join("build"));
        if let Some(modules) = modules {
            command.env("GOMODCACHE", modules);
        }
        let output = match tokio::time::timeout(PATIENCE, leash::output(command)).await {
            Ok(Ok(output)) => output,
            Ok(Err(e)) => return Err(fault("build", format!("the build did not start: {e}"))),
            Err(_) => {
                return Err(fault("timeout", format!("the build did not end in {PATIENCE:?}")));
            }
        };
        let text = String::from_utf8_lossy(&output.stdout);
        match serde_json::from_str::<Verdict>(text.lines().last().unwrap_or_default()) {
            Ok(Verdict { ok: true, .. }) => Ok(binary),
            Ok(Verdict { error: Some(e), .. }) => Err(BuildFault {
                kind: e.kind,
                message: e.message,
                file: e.file,
                line: e.line,
                column: e.column,
                output: e.output,
            }),
            _ => Err(fault("build", String::from_utf8_lossy(&output.stderr).trim().to_owned())),
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
