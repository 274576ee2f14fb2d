//! Installs one set: under a lock, into a folder of its own, which is put in place when it is
//! whole.
//!
//! Knows the order of the steps; what each language's tool is told is in `npm`, `pip` and
//! `modules`.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout_at};

use crate::deps::blame::Fault;
use crate::deps::folders::{KEY, remove};
use crate::deps::job::{Job, PATIENCE};
use crate::deps::list::{Fields, List, Source};
use crate::deps::tools::Tool;
use crate::deps::{modules, npm, pip};

/// How often a lock is tried that somebody else has.
const GLANCE: Duration = Duration::from_millis(100);
/// When the way in which sets are installed changes, so do their keys.
const FORMAT: &[u8] = b"1";

/// The name of the set that a list asks for on this platform.
#[must_use]
pub(crate) fn key(list: &List, tool: &Tool) -> String {
    let mut fields = Fields::default();
    fields.add("format", FORMAT);
    fields.add("platform", tool.platform.as_bytes());
    fields.add("list", &list.digest);
    hex::encode(fields.finish())[..KEY].to_owned()
}

/// Installs the set unless it is there; its folder. Sets in use are never changed.
///
/// # Errors
/// [`Fault`], naming the package where the tool does.
pub(crate) async fn install(job: &Job<'_>, in_use: &[PathBuf]) -> Result<PathBuf, Fault> {
    let _lock = lock(job).await?;
    // Who had the lock may have written one of npm's.
    let List { language, root, folder, .. } = job.list;
    let now = List::read(*language, root, folder).unwrap_or_else(|| job.list.clone());
    let job = &Job { list: &now, ..*job };
    let (language, key) = (now.language, key(&now, job.tool));
    let set = job.folders.set(language, &key);
    // Who had the lock may have installed it.
    if job.folders.has(language, &key) {
        return Ok(set);
    }
    job.progress.begins(&job.list.label);
    let began = Instant::now();
    let installed = fresh(job, &key).await;
    job.progress.ends(&job.list.label, began.elapsed(), installed.as_ref().err());
    let set = installed?;
    let mut in_use = in_use.to_vec();
    in_use.push(set.clone());
    job.on_disk(move |folders| folders.prune(language, &in_use)).await?;
    Ok(set)
}

async fn fresh(job: &Job<'_>, key: &str) -> Result<PathBuf, Fault> {
    let language = job.list.language;
    let begun = key.to_owned();
    let partial = job.on_disk(move |folders| folders.begin(language, &begun)).await?;
    let partial = partial.map_err(Fault::new)?;
    let installed = with_tool(job, &partial).await;
    // A tool that was given no lock has written one, by which the set is known from now on.
    let key = match &installed {
        Ok(Some(locked)) => self::key(locked, job.tool),
        _ => key.to_owned(),
    };
    let put = job.on_disk(move |folders| match installed {
        Ok(_) => folders.finish(language, &key, &partial).map_err(Fault::new),
        Err(fault) => {
            let _swept_by_the_next = remove(&partial);
            Err(fault)
        }
    });
    put.await?
}

/// Fills the folder; the list with its lock, where there was none before.
async fn with_tool(job: &Job<'_>, partial: &Path) -> Result<Option<List>, Fault> {
    match &job.list.source {
        Source::Npm { locked, local } => npm::install(job, partial, *locked, local).await,
        Source::Requirements { local } => {
            pip::install(job, partial, None, local).await.map(|()| None)
        }
        Source::Project(wanted) => {
            pip::install(job, partial, Some(wanted), &[]).await.map(|()| None)
        }
        Source::Modules => modules::install(job, partial).await.map(|()| None),
        Source::Broken(why) => Err(Fault::new(why)),
    }
}

async fn lock(job: &Job<'_>) -> Result<File, Fault> {
    let unwritable =
        |error| Fault::new(format!("cannot write to '{}': {error}", job.folders.path().display()));
    let mut waiting = false;
    let wait = async {
        loop {
            if let Some(lock) = job.folders.try_lock(job.list.language).map_err(unwritable)? {
                return Ok(lock);
            }
            if !std::mem::replace(&mut waiting, true) {
                job.progress.waits(&job.list.label);
            }
            sleep(GLANCE).await;
        }
    };
    match timeout_at(Instant::now() + PATIENCE, wait).await {
        Ok(locked) => locked,
        Err(_) => Err(Fault::new("another process has been installing packages for too long")),
    }
}
