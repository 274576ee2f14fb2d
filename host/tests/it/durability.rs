//! What was acknowledged stays: the host killed without a word while functions write.
//!
//! The writers are real functions. Each notes in a file of its own what the database has
//! acknowledged, and that file is what the database is held to afterwards.

use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::db::{bare_project, list, probes};
use crate::harness::{Host, PATIENCE, Project, RUNTIMES, Runtime, eventually};

const WRITERS: usize = 8;
const ROUNDS: u64 = 50;

/// One collection for the writers, and in a round the workers of one runtime only.
fn project(database: Value) -> Project {
    bare_project().config(json!({
        // Functions write to files of the project, which containers may not.
        "functions": {"backend": "process", "sandbox": "off"},
        "database": database,
        "collections": {"acks": {"fields": {
            "writer": {"type": "int"}, "n": {"type": "int"}, "views": {"type": "int"},
        }}},
    }))
}

fn only(project: Project, runtime: Runtime) -> Project {
    RUNTIMES.into_iter().fold(project, |project, other| {
        let enabled = json!({"enabled": other == runtime});
        project.config(json!({"functions": {"runtimes": {other.name(): enabled}}}))
    })
}

#[tokio::test]
async fn d11_a_kill_of_the_host_loses_no_acknowledged_write() {
    let mut project = project(json!({"synchronous": "full"}));
    let mut seen = Seen::default();
    for round in 0..ROUNDS {
        let runtime = RUNTIMES[round as usize % RUNTIMES.len()];
        // Between the first acknowledged write and then some, at no moment in particular.
        let pause = Duration::from_millis(round * 7 % 41);
        project = killed_while_writing(only(project, runtime), runtime, round, pause).await;
        let now = Seen::of(&project, round);
        assert!(now.acknowledged > seen.acknowledged, "round {round}: {now:?} after {seen:?}");
        seen = now;
    }
    check_served(project, seen.documents).await;
}

/// What it spares is the wait for the disk, and that is lost with the machine, not with the host.
#[tokio::test]
async fn d11_a_kill_of_the_host_loses_nothing_either_with_synchronous_normal() {
    let project = only(project(json!({"synchronous": "normal"})), Runtime::Node);
    let pause = Duration::from_millis(50);
    let project = killed_while_writing(project, Runtime::Node, 0, pause).await;
    let seen = Seen::of(&project, 0);
    check_served(project, seen.documents).await;
}

/// Serves, lets functions write, and kills the host in the middle of it.
async fn killed_while_writing(
    project: Project,
    runtime: Runtime,
    round: u64,
    pause: Duration,
) -> Project {
    let mut host = project.serve().await;
    let acks: Vec<_> = (0..WRITERS).map(|n| host.project.path(format!("acks-{n}"))).collect();
    let before: Vec<_> = acks.iter().map(|file| size(file)).collect();
    let mut calls = Vec::new();
    for (writer, file) in acks.iter().enumerate() {
        let input = json!({
            "do": "write", "file": file, "writer": round * WRITERS as u64 + writer as u64,
        });
        calls.push(host.post(&runtime.function("dbprobe")).json(&input).begin().await);
    }
    eventually("every writer writes", PATIENCE, async || {
        let all = acks.iter().zip(&before).all(|(file, before)| size(file) > *before);
        all.then_some(())
    })
    .await;
    tokio::time::sleep(pause).await;
    let workers = host.workers();
    host.signal(Signal::KILL);
    host.ended(PATIENCE).await;
    // Their files are whole when they are gone.
    eventually("the workers notice", PATIENCE, async || {
        workers.iter().all(|worker| !worker.is_running()).then_some(())
    })
    .await;
    drop(calls);
    let project = host.project.clone();
    drop(host);
    Arc::into_inner(project).expect("nobody else has the project")
}

fn size(file: &Path) -> u64 {
    fs::metadata(file).map_or(0, |metadata| metadata.len())
}

/// How much was written so far, all rounds together.
#[derive(Debug, Default)]
struct Seen {
    documents: usize,
    acknowledged: usize,
}

impl Seen {
    /// Looks at the database as the dead host left it, in a copy, so that the next host has to
    /// mend the same. Panics when something is missing.
    fn of(project: &Project, round: u64) -> Seen {
        let copy = tempfile::tempdir().expect("a temporary folder");
        for name in ["alyx.db", "alyx.db-wal"] {
            if project.path(name).exists() {
                fs::copy(project.path(name), copy.path().join(name)).expect("can copy files");
            }
        }
        let file = Connection::open(copy.path().join("alyx.db")).expect("it opens");
        let views = sound_documents(&file, round);
        let mut acknowledged = 0;
        for writer in 0..WRITERS {
            let noted = project.path(format!("acks-{writer}"));
            let noted = fs::read_to_string(noted).expect("its notes");
            // A writer that was cut off in the middle of a line has noted nothing with it.
            for line in noted.split_inclusive('\n').filter(|line| line.ends_with('\n')) {
                let (id, n) = line.trim_end().split_once(' ').expect("an id and a number");
                let stored = views.get(id).map(String::as_str);
                assert_eq!(stored, Some(n), "round {round}: lost: {line}");
                acknowledged += 1;
            }
        }
        Seen { documents: views.len(), acknowledged }
    }
}

/// Views by id, of a file that is whole.
fn sound_documents(file: &Connection, round: u64) -> HashMap<String, String> {
    let check = "PRAGMA integrity_check";
    let sound: String = file.query_row(check, [], |row| row.get(0)).expect("it can be checked");
    assert_eq!(sound, "ok", "round {round}");
    let mut statement = file.prepare("SELECT id, views FROM acks").expect("the collection");
    let row = |row: &rusqlite::Row<'_>| -> rusqlite::Result<(String, String)> {
        let views: Option<i64> = row.get(1)?;
        Ok((row.get(0)?, views.map_or_else(|| "none".to_owned(), |views| views.to_string())))
    };
    let rows = statement.query_map([], row).expect("it runs");
    rows.collect::<Result<_, _>>().expect("its rows are readable")
}

/// The next host serves what is there, and its own end leaves a sound file as well.
async fn check_served(project: Project, written: usize) {
    let mut host: Host = only(project, Runtime::Node).serve().await;
    let page = probes(&host)[0].done(list("acks", json!({"limit": 1}))).await;
    assert_eq!(page["total"], written);
    host.stop().await;
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY;
    let file = Connection::open_with_flags(host.project.path("alyx.db"), flags);
    assert_eq!(sound_documents(&file.expect("it opens"), ROUNDS).len(), written);
}

#[tokio::test]
async fn d11_processes_that_open_a_new_database_at_once_all_get_it() {
    for _ in 0..5 {
        let project = Project::new().with(Runtime::Node, "probe");
        let run = || project.run(&["invoke", "probe_node", "--data", "{\"a\":1}"]);
        for ran in futures_util::future::join_all((0..6).map(|_| run())).await {
            assert_eq!((ran.code, ran.stdout.trim()), (Some(0), "{\"a\":1}"), "{}", ran.stderr);
        }
    }
}
