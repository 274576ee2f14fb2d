//! A system that does not tell of changes: said once, and looked for instead.

use std::process::Command;
use std::sync::Arc;

use super::{project, revision, save, source};
use crate::harness::project::ALYX;
use crate::harness::{Host, Runtime};

/// A namespace of its own has limits of its own, which leave everybody else's alone.
async fn dev_with(limit: &str) -> Host {
    let project = Arc::new(project(Runtime::Node));
    let inner = project.command(&["dev", "--port", "0"]);
    let script = format!("echo 0 > /proc/sys/user/{limit} && exec {ALYX} dev --port 0");
    let mut command = Command::new("unshare");
    command.args(["--user", "--map-root-user", "sh", "-c", &script]);
    command.env_clear().current_dir(project.path(""));
    let variables = inner.get_envs().filter_map(|(name, value)| Some((name, value?)));
    command.envs(variables);
    command.stdin(std::process::Stdio::null()).stderr(std::process::Stdio::piped());
    Host::of(command, project).await
}

#[tokio::test]
async fn h55_without_room_for_watches_changes_are_found_all_the_same() {
    for limit in ["max_inotify_watches", "max_inotify_instances"] {
        let host = dev_with(limit).await;
        let said = host.log.all(|line| line.message().contains("does not tell of all changes"));
        assert_eq!(said.len(), 1, "{limit}: {said:?}");
        assert_eq!(said[0].level(), "WARN", "{limit}");
        let what = limit.replace("max_inotify_", "fs.inotify.max_user_");
        assert!(said[0].message().contains(&what), "{limit}: {said:?}");
        assert_eq!(revision(&host, "hello").await, "r0", "{limit}");
        for n in ["r1", "r2"] {
            save(&host, "functions/hello.js", &source(Runtime::Node, n), "hello").await;
            assert_eq!(revision(&host, "hello").await, n, "{limit}");
        }
    }
}
