//! However an editor saves: what counts is what the file holds in the end.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::symlink;

use serde_json::json;

use super::{Since, reloaded, returns, revision, save, source, value};
use crate::harness::backend::in_containers;
use crate::harness::{Host, PATIENCE, Project, RUNTIMES, Runtime, eventually};

const FILE: &str = "functions/hello.js";

async fn host() -> Host {
    let host = super::project(Runtime::Node).dev().await;
    assert_eq!(revision(&host, "hello").await, "r0");
    host
}

/// Waits for the reload, and checks that nothing failed on the way and that it was the only one.
async fn check(host: &Host, since: Since, expected: &str) {
    since.says(host, &reloaded("hello")).await;
    assert_eq!(revision(host, "hello").await, expected);
    let bad = since.all(host, |line| matches!(line.level(), "WARN" | "ERROR"));
    assert!(bad.is_empty(), "{bad:?}");
    let changes = since.all(host, |line| line.message().starts_with("functions/"));
    let changes: Vec<_> = changes.iter().map(|line| line.message()).collect();
    assert_eq!(changes, ["functions/hello.js changed"]);
}

#[tokio::test]
async fn h55_a_temporary_file_is_moved_over_the_real_one() {
    for runtime in RUNTIMES {
        let host = super::project(runtime).dev().await;
        revision(&host, "hello").await;
        let file = host.project.path(runtime.file("hello"));
        for (n, temporary) in ["hello.tmp", ".hello.1234", "hello~tmp", "4913"].iter().enumerate() {
            let since = Since::now(&host);
            let temporary = host.project.path(format!("functions/{temporary}"));
            fs::write(&temporary, source(runtime, &format!("r{n}x"))).unwrap();
            fs::rename(&temporary, &file).unwrap();
            since.says(&host, &reloaded("hello")).await;
            assert_eq!(revision(&host, "hello").await, format!("r{n}x"), "{runtime}");
        }
    }
}

#[tokio::test]
async fn h55_the_file_becomes_a_backup_and_is_written_anew() {
    let host = host().await;
    let since = Since::now(&host);
    // As Vim does with its default settings, swap file and all.
    let path = |name: &str| host.project.path(format!("functions/{name}"));
    fs::write(path(".hello.js.swp"), "b0VIM").unwrap();
    fs::write(path("4913"), "").unwrap();
    fs::remove_file(path("4913")).unwrap();
    fs::rename(path("hello.js"), path("hello.js~")).unwrap();
    fs::write(path("hello.js"), source(Runtime::Node, "r1")).unwrap();
    fs::remove_file(path("hello.js~")).unwrap();
    check(&host, since, "r1").await;
}

#[tokio::test]
async fn h55_a_file_that_is_written_piece_by_piece_fails_no_call() {
    let host = host().await;
    let since = Since::now(&host);
    let mut file = File::create(host.project.path(FILE)).unwrap();
    let text = source(Runtime::Node, "r1");
    for piece in text.as_bytes().chunks(40) {
        file.write_all(piece).unwrap();
        assert_eq!(revision(&host, "hello").await, "r0");
    }
    drop(file);
    since.says(&host, &reloaded("hello")).await;
    assert_eq!(revision(&host, "hello").await, "r1");
}

#[tokio::test]
async fn h55_what_editors_leave_behind_is_no_change() {
    let host = host().await;
    let since = Since::now(&host);
    for name in [".hello.js.swp", "hello.js~", "4913", ".#hello.js", "#hello.js#", "hello.js.tmp"] {
        host.project.write(&format!("functions/{name}"), "not code {{{");
    }
    for name in ["node_modules/x/index.js", "__pycache__/x.pyc", ".alyx/x", ".git/HEAD"] {
        host.project.write(&format!("functions/{name}"), "not code {{{");
    }
    host.project.write(FILE, &source(Runtime::Node, "r1"));
    check(&host, since, "r1").await;
}

#[tokio::test]
async fn h55_a_function_behind_a_link_is_reloaded_when_its_file_changes() {
    for runtime in RUNTIMES {
        let target = runtime.file("_real/hello").replace("functions/", "");
        let project = Project::new().file(&format!("functions/{target}"), &source(runtime, "r0"));
        symlink(&target, project.path(runtime.file("hello"))).unwrap();
        let host = project.dev().await;
        assert_eq!(revision(&host, "hello").await, "r0", "{runtime}");
        save(&host, &format!("functions/{target}"), &source(runtime, "r1"), "hello").await;
        assert_eq!(revision(&host, "hello").await, "r1", "{runtime}");
        // The link is pointed elsewhere.
        let other = target.replace("_real", "_other");
        let since = Since::now(&host);
        host.project.write(&format!("functions/{other}"), &source(runtime, "r2"));
        symlink(&other, host.project.path("functions/_link")).unwrap();
        let link = host.project.path(runtime.file("hello"));
        fs::rename(host.project.path("functions/_link"), link).unwrap();
        since.says(&host, &reloaded("hello")).await;
        assert_eq!(revision(&host, "hello").await, "r2", "{runtime}");
    }
}

#[tokio::test]
async fn h55_the_functions_folder_may_be_a_link() {
    for runtime in RUNTIMES {
        let file = runtime.file("hello").replace("functions/", "elsewhere/");
        let project = Project::new().file(&file, &source(runtime, "r0"));
        fs::remove_dir(project.path("functions")).unwrap();
        symlink("elsewhere", project.path("functions")).unwrap();
        let host = project.dev().await;
        assert_eq!(revision(&host, "hello").await, "r0", "{runtime}");
        let since = Since::now(&host);
        save(&host, &file, &source(runtime, "r1"), "hello").await;
        since.says(&host, &format!("{} changed", runtime.file("hello"))).await;
        assert_eq!(revision(&host, "hello").await, "r1", "{runtime}");
    }
}

#[tokio::test]
async fn h55_a_hundred_files_at_once_are_all_served() {
    let file = |n: usize| format!("functions/f{n}.js");
    let text = |n: usize, what: &str| returns(Runtime::Node, "", &format!("'{what} {n}'"));
    let project =
        (0..100).fold(Project::new(), |project, n| project.file(&file(n), &text(n, "old")));
    let host = project.dev().await;
    for n in (0..100).step_by(10) {
        assert_eq!(value(&host, &format!("f{n}")).await, format!("old {n}"));
    }
    let since = Since::now(&host);
    for n in 0..100 {
        host.project.write(&file(n), &text(n, "new"));
    }
    for n in 0..100 {
        since.says(&host, &format!("{} changed", file(n))).await;
        since.says(&host, &reloaded(&format!("f{n}"))).await;
        // Each is loaded by a worker of its own, and a container takes its time to start.
        if !in_containers() || n % 10 == 0 {
            assert_eq!(value(&host, &format!("f{n}")).await, format!("new {n}"));
        }
    }
    assert!(host.workers().len() <= 10, "{:?}", host.workers());
}

#[tokio::test]
async fn h55_a_folder_that_is_put_in_place_whole_is_noticed() {
    let host = host().await;
    let since = Since::now(&host);
    // As a checkout of another branch does.
    let there = host.project.path("tmp/packed");
    fs::create_dir_all(there.join("inner/deep")).unwrap();
    fs::write(there.join("inner/deep/word.js"), "export const word = 'one';").unwrap();
    let text = "import { word } from './inner/deep/word.js';\nexport default () => word;\n";
    fs::write(there.join("index.js"), text).unwrap();
    fs::rename(&there, host.project.path("functions/packed")).unwrap();
    since.says(&host, "Function 'packed' added").await;
    assert_eq!(value(&host, "packed").await, "one");
    let word = "functions/packed/inner/deep/word.js";
    save(&host, word, "export const word = 'two';", "packed").await;
    assert_eq!(value(&host, "packed").await, "two");
}

#[tokio::test]
async fn h55_the_functions_folder_may_be_made_later() {
    let project = Project::new();
    fs::remove_dir(project.path("functions")).unwrap();
    let host = project.dev().await;
    host.call("hello", json!({})).await.error(404, "FUNCTION_NOT_FOUND");
    host.project.write(FILE, &source(Runtime::Node, "r0"));
    eventually("the function is found", PATIENCE, async || {
        (host.call("hello", json!({})).await.status == 200).then_some(())
    })
    .await;
}
