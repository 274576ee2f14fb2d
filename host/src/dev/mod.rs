//! `alyx dev`: looks at the files again and again, and puts what has changed into service.
//!
//! Notifications only say when to look; what has changed is told by the contents of the files. So
//! it does not matter how an editor saves, and a notification that is lost costs time, nothing
//! else. Knows nothing of HTTP.

pub mod secret;
pub mod settle;
pub mod watch;
pub mod changes;
pub mod aim;
pub mod ahead;
pub mod swap;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use tokio::task::spawn_blocking;
use tokio_util::task::AbortOnDropHandle;

use crate::config::model::FunctionsConfig;
use crate::config::secret::Variables;
use crate::config::{Config, FILE_NAME};
use crate::deps::Deps;
use crate::dev::swap::Swaps;
use crate::dev::watch::Watch;
use crate::invoker::Invoker;
use crate::registry::content::{Contents, Stamp};
use crate::registry::scan::{File, Scanned, Scanner, label};

/// Looks in a row for folders that were made while they were looked for.
const FOLLOWED: usize = 5;

/// Watches the project's files until it is dropped.
#[derive(Debug)]
pub struct Watching(
    #[expect(dead_code, reason = "dropped, it ends the task")] AbortOnDropHandle<()>,
);

/// Begins to watch. What changes from now on is noticed.
pub async fn start(config: &Config, invoker: Arc<Invoker>, deps: Deps) -> Watching {
    let yaml = config.file.clone().unwrap_or_else(|| config.folder.join(FILE_NAME));
    let mut look = Look {
        config: config.functions.clone(),
        variables: config.variables.clone(),
        scanner: Scanner::default(),
        watch: Watch::new(),
        yaml: Yaml::new(yaml),
        files: BTreeMap::new(),
        looked: SystemTime::now(),
        warnings: invoker.registry().warnings.clone(),
    };
    let mut swaps = Swaps::new(invoker);
    let scanned;
    (look, scanned) = look.again(Told::Nothing).await;
    deps.adopt(&scanned.registry).await;
    swaps.consider(&scanned);
    tracing::info!("watching '{}' for changes", config.functions.path.display());
    Watching(AbortOnDropHandle::new(tokio::spawn(run(look, swaps, deps))))
}

async fn run(mut look: Look, mut swaps: Swaps, deps: Deps) {
    let mut packages = deps.changes();
    loop {
        tokio::select! {
            () = look.watch.changed() => {}
            Ok(()) = packages.changed() => {
                if !swaps.try_packages_again() {
                    continue;
                }
            }
            done = swaps.done() => {
                if !swaps.finish(done) {
                    continue;
                }
            }
        }
        let scanned;
        (look, scanned) = look.again(Told::Changes).await;
        deps.adopt(&scanned.registry).await;
        if let Some(moment) = swaps.consider(&scanned) {
            look.watch.look_by(moment);
        }
    }
}

/// Whether a look says what it finds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Told {
    Changes,
    Nothing,
}

/// What a look needs, and what the last one has found.
#[derive(Debug)]
struct Look {
    config: FunctionsConfig,
    variables: Variables,
    scanner: Scanner,
    watch: Watch,
    yaml: Yaml,
    files: BTreeMap<PathBuf, File>,
    looked: SystemTime,
    warnings: Vec<String>,
}

impl Look {
    /// Reads what has changed, off the threads that serve.
    async fn again(mut self, told: Told) -> (Look, Scanned) {
        let looked = spawn_blocking(move || {
            let scanned = self.read(told);
            (self, scanned)
        });
        looked.await.expect("a look neither panics nor is it stopped")
    }

    fn read(&mut self, told: Told) -> Scanned {
        let since = std::mem::replace(&mut self.looked, SystemTime::now());
        let mut scanned = self.scanner.scan(&self.config, &self.variables);
        for _ in 0..FOLLOWED {
            if !self.watch.follow(&scanned.folders) {
                break;
            }
            scanned = self.scanner.scan(&self.config, &self.variables);
        }
        if told == Told::Changes {
            self.tell(&scanned, since);
        }
        self.files = std::mem::take(&mut scanned.files);
        scanned
    }

    fn tell(&mut self, scanned: &Scanned, since: SystemTime) {
        let root = scanned.root.as_deref().unwrap_or(&self.config.path);
        for (path, what) in changes::between(&self.files, &scanned.files, since) {
            tracing::info!("{} {what}", label(&self.config, root, path));
        }
        let warnings = &scanned.registry.warnings;
        for warning in warnings.iter().filter(|warning| !self.warnings.contains(warning)) {
            tracing::warn!("{warning}");
        }
        self.warnings.clone_from(warnings);
        self.yaml.look();
    }
}

/// The configuration file: read at the start, and only then.
#[derive(Debug)]
struct Yaml {
    path: PathBuf,
    stamp: Option<Stamp>,
    digest: Option<[u8; 32]>,
}

impl Yaml {
    fn new(path: PathBuf) -> Yaml {
        let (stamp, digest) = (Stamp::of(&path), digest(&path));
        Yaml { path, stamp, digest }
    }

    fn look(&mut self) {
        let stamp = Stamp::of(&self.path);
        if stamp == self.stamp {
            return;
        }
        self.stamp = stamp;
        let digest = digest(&self.path);
        if digest != self.digest {
            self.digest = digest;
            let name = self.path.file_name().unwrap_or_default().display();
            tracing::warn!("{name} changed; stop and start 'alyx dev' to apply it");
        }
    }
}

fn digest(path: &Path) -> Option<[u8; 32]> {
    let mut contents = Contents::default();
    contents.begin();
    contents.of(path).map(|content| content.digest)
}
