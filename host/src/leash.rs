//! Runs a compiler or a package manager so that nothing of it outlives the host.
//!
//! The host re-executes itself as a keeper between the two. The keeper's input is a pipe that the
//! host holds open; when that ends, by whatever end of the host, the keeper kills the tool and all
//! that it has started. Knows nothing of packages.

use std::ffi::OsString;
use std::io::{self, Read};
use std::path::Path;
use std::process::{ExitCode, Stdio};
use std::sync::Arc;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::Command;
use tokio::sync::mpsc;

use crate::workshop::{Later, Listener, Order, Printed, Workshop};

/// The argument that makes the host a keeper.
const KEEPER: &str = "__alyx_keeper";
/// Of a longer line only the beginning is kept.
const MAX_LINE: usize = 256 << 10;
/// Lines that wait to be read.
pub(crate) const QUEUE: usize = 64;

/// The tools of this machine.
#[derive(Debug)]
pub struct Machine;

impl Workshop for Machine {
    fn run<'a>(
        &'a self,
        order: &'a Order,
        patience: Duration,
        line: Listener<'a>,
    ) -> Later<'a, io::Result<bool>> {
        Box::pin(run(order, patience, line))
    }

    fn identity(&self) -> Later<'_, Result<String, String>> {
        Box::pin(std::future::ready(Ok("this machine".to_owned())))
    }
}

/// Runs to the end and hands over each line; true when the tool says that it has succeeded.
///
/// # Errors
/// When it cannot be started, or has not ended in time.
async fn run(order: &Order, patience: Duration, line: Listener<'_>) -> io::Result<bool> {
    let mut child = command(&order.program, &order.env)
        .args(&order.arguments)
        .current_dir(&order.folder)
        .spawn()?;
    let _leash = child.stdin.take();
    let (send, mut lines) = mpsc::channel(QUEUE);
    if let Some(stdout) = child.stdout.take() {
        tokio::spawn(read_lines(stdout, true, send.clone()));
    }
    if let Some(stderr) = child.stderr.take() {
        tokio::spawn(read_lines(stderr, false, send));
    }
    let ended = async {
        while let Some(printed) = lines.recv().await {
            line(printed);
        }
        child.wait().await
    };
    match tokio::time::timeout(patience, ended).await {
        Ok(status) => Ok(status?.success()),
        Err(_) => {
            Err(io::Error::new(io::ErrorKind::TimedOut, format!("no end after {patience:?}")))
        }
    }
}

/// A tool with a keeper, to be given its arguments.
fn command(program: &Path, env: &[(String, String)]) -> Command {
    let mut command = Command::new("/proc/self/exe");
    command.arg0("alyx").arg(KEEPER).arg(program);
    command.env_clear().envs(env.iter().map(|(name, value)| (name, value)));
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    // Ctrl-C is for the host: a keeper that ends before it would leave the tool running.
    command.process_group(0);
    command
}

/// Reads lines of a tool until there are no more.
pub(crate) async fn read_lines(
    mut source: impl AsyncRead + Unpin,
    stdout: bool,
    lines: mpsc::Sender<Printed>,
) {
    let mut piece = [0; 4096];
    let mut line = Vec::new();
    loop {
        let count = source.read(&mut piece).await.unwrap_or(0);
        for byte in &piece[..count] {
            match byte {
                b'\n' | b'\r' if line.is_empty() => {}
                b'\n' | b'\r' => {
                    let text = String::from_utf8_lossy(&line).into_owned();
                    line.clear();
                    let _nobody_listens = lines.send(Printed { text, stdout }).await;
                }
                byte if line.len() < MAX_LINE => line.push(*byte),
                _ => {}
            }
        }
        if count == 0 {
            break;
        }
    }
    if !line.is_empty() {
        let text = String::from_utf8_lossy(&line).into_owned();
        let _nobody_listens = lines.send(Printed { text, stdout }).await;
    }
}

/// True for the arguments of a re-executed host, which then is a keeper.
#[must_use]
pub fn is_keeper(arguments: &[OsString]) -> bool {
    arguments.first().is_some_and(|first| first == KEEPER)
}

/// Runs the tool that the arguments name to its end, or to the end of the host.
#[must_use]
pub fn keep(arguments: &[OsString]) -> ExitCode {
    let [_, program, rest @ ..] = arguments else { return ExitCode::from(2) };
    match watched(Path::new(program), rest) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("cannot start '{}': {error}", Path::new(program).display());
            ExitCode::from(127)
        }
    }
}

fn watched(program: &Path, arguments: &[OsString]) -> io::Result<bool> {
    use std::os::unix::process::CommandExt;
    let mut command = std::process::Command::new(program);
    let mut tool = command.args(arguments).stdin(Stdio::null()).process_group(0).spawn()?;
    let group = Arc::new(Group(Pid::from_child(&tool)));
    let of_host = group.clone();
    std::thread::spawn(move || {
        let mut nothing = [0; 64];
        while io::stdin().read(&mut nothing).is_ok_and(|count| count > 0) {}
        of_host.kill();
    });
    let status = tool.wait()?;
    // What it has left behind would go on writing into the set.
    group.kill();
    Ok(status.success())
}

struct Group(Pid);

impl Group {
    fn kill(&self) {
        let _already_gone = kill_process_group(self.0, Signal::KILL);
    }
}
