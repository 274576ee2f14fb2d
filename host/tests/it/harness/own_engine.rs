//! A container engine of one test's own, to be stopped and killed: the others' stays as it is.
//!
//! Started by `scripts/engines` in a temporary folder, and in a network of its own, so that it
//! changes no rules of the machine. Takes its images from an engine that the tests were told of.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use super::engine::Engine;
use super::eventually;

/// Longest wait for the end of a killed engine.
const END: Duration = Duration::from_secs(10);

/// It ends with its folder when it is dropped.
#[derive(Debug)]
pub(crate) struct OwnEngine {
    pub(crate) engine: Engine,
    folder: TempDir,
}

impl OwnEngine {
    /// The same kind of engine as `model`, running, with these images of it.
    pub(crate) async fn like(model: &Engine, images: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let socket = folder.path().join(format!("{}.sock", model.name));
        let engine =
            Engine { name: model.name.clone(), socket: format!("unix://{}", socket.display()) };
        let own = OwnEngine { engine, folder };
        own.start().await;
        for image in images {
            let archive = own.folder.path().join("image.tar");
            model.save(image, &archive);
            let said = own.engine.send("images/load", &archive);
            assert!(said.contains("oaded image"), "{image}: {said}");
            fs::remove_file(&archive).expect("our own file");
        }
        own
    }

    pub(crate) async fn start(&self) {
        let ran = tokio::process::Command::from(self.script("start")).output().await;
        let ran = ran.expect("the script starts");
        assert!(ran.status.success(), "{ran:?}");
    }

    /// Ends it as its administrator would.
    pub(crate) async fn stop(&self) {
        let ran = tokio::process::Command::from(self.script("stop")).output().await;
        assert!(ran.expect("the script starts").status.success());
    }

    /// Ends it without a word.
    pub(crate) async fn kill(&self) {
        let pid = fs::read_to_string(self.folder.path().join(format!("{}.pid", self.engine.name)));
        let pid: i32 = pid.expect("it was started").trim().parse().expect("a number");
        let id = Pid::from_raw(pid).expect("pids are positive");
        kill_process(id, Signal::KILL).expect("it runs");
        let entry = PathBuf::from(format!("/proc/{pid}/cmdline"));
        eventually("the engine ends", END, async || {
            fs::read(&entry).map_or(true, |words| words.is_empty()).then_some(())
        })
        .await;
    }

    fn script(&self, verb: &str) -> Command {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts/engines");
        let mut command = Command::new("unshare");
        command.arg("--net").arg(script).args([verb, &self.engine.name]);
        command.env("ALYX_ENGINES", self.folder.path()).stdin(Stdio::null());
        command
    }
}

impl Drop for OwnEngine {
    fn drop(&mut self) {
        // Only an engine that runs ends what it has started.
        for verb in ["start", "stop"] {
            let _what_it_says = self.script(verb).output();
        }
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
        let points = mounts.lines().filter_map(|line| line.split(' ').nth(4));
        let mut inside: Vec<_> =
            points.filter(|point| Path::new(point).starts_with(self.folder.path())).collect();
        inside.reverse();
        let _none_is_left = Command::new("umount").arg("--lazy").args(inside).output();
    }
}
