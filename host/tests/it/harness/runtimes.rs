//! The three runtimes, and that this machine has them.
//!
//! A missing one fails every test that needs a project: nothing is skipped.

use std::fmt;
use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;

use serde_json::Value;

/// A language that functions are written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Runtime {
    Node,
    Python,
    Go,
}

/// All of them, for tables.
pub(crate) const RUNTIMES: [Runtime; 3] = [Runtime::Node, Runtime::Python, Runtime::Go];

impl fmt::Display for Runtime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Runtime {
    /// As in alyx.yaml.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Runtime::Node => "node",
            Runtime::Python => "python",
            Runtime::Go => "go",
        }
    }

    fn extension(self) -> &'static str {
        match self {
            Runtime::Node => "js",
            Runtime::Python => "py",
            Runtime::Go => "go",
        }
    }

    /// The function of this runtime among those that share a stem: `probe_node`.
    pub(crate) fn function(self, stem: &str) -> String {
        format!("{stem}_{self}")
    }

    /// The function that does what its input says; see the fixtures.
    pub(crate) fn probe(self) -> String {
        self.function("probe")
    }

    /// Where a function of that name goes: `functions/hello.js`.
    pub(crate) fn file(self, function: &str) -> String {
        format!("functions/{function}.{}", self.extension())
    }

    /// The text of `tests/fixtures/<runtime>/<name>.<extension>`.
    pub(crate) fn fixture(self, name: &str) -> String {
        self.read(&format!("{name}.{}", self.extension()))
    }

    /// What is expected of the cases of a fixture, by the case's name: `<runtime>/<name>.json`.
    pub(crate) fn expected(self, name: &str) -> serde_json::Map<String, Value> {
        let text = self.read(&format!("{name}.json"));
        serde_json::from_str(&text).expect("an object with a member for each case")
    }

    fn read(self, name: &str) -> String {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
        let path = folder.join(self.name()).join(name);
        std::fs::read_to_string(&path)
            .unwrap_or_else(|e| panic!("no fixture '{}': {e}", path.display()))
    }

    /// The program that has to be on PATH.
    pub(crate) fn program(self) -> &'static str {
        self.version_command().0
    }

    fn version_command(self) -> (&'static str, &'static str) {
        match self {
            Runtime::Node => ("node", "--version"),
            Runtime::Python => ("python3", "--version"),
            Runtime::Go => ("go", "version"),
        }
    }
}

/// Panics with what is missing, once the first test asks.
pub(crate) fn assert_installed() {
    static MISSING: OnceLock<Vec<String>> = OnceLock::new();
    let missing = MISSING.get_or_init(|| RUNTIMES.iter().filter_map(|r| missing(*r)).collect());
    assert!(
        missing.is_empty(),
        "these tests run real functions and need all runtimes on PATH: {}",
        missing.join("; ")
    );
}

fn missing(runtime: Runtime) -> Option<String> {
    let (program, argument) = runtime.version_command();
    match Command::new(program).arg(argument).output() {
        Ok(output) if output.status.success() => None,
        Ok(output) => Some(format!("'{program} {argument}' ended with {}", output.status)),
        Err(error) => Some(format!("'{program}' does not start ({error}); install it")),
    }
}

/// The version of the Node.js on PATH: major and minor.
pub(crate) fn node_version() -> (u32, u32) {
    let output = Command::new("node").arg("--version").output().expect("node starts");
    let text = String::from_utf8_lossy(&output.stdout).trim().trim_start_matches('v').to_owned();
    let mut numbers = text.split('.').map(|n| n.parse().expect("a version is numbers"));
    (numbers.next().expect("a major number"), numbers.next().expect("a minor number"))
}
