//! A project in a temporary folder: alyx.yaml, functions/, and the environment of its commands.
//!
//! All projects share one cache of what Go has built, so that only the first test waits for the
//! compiler. Knows nothing of a running host.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::{Arc, OnceLock};

use rustix::fs::{FlockOperation, flock};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::backend::{backend, in_containers};
use super::host::Host;
use super::runtimes::{RUNTIMES, Runtime, assert_installed};

/// The program under test.
pub(crate) const ALYX: &str = env!("CARGO_BIN_EXE_alyx");
/// What of the tests' own environment reaches the commands: where programs and caches are.
const PASSED_ON: [&str; 4] = ["PATH", "HOME", "GOPATH", "GOMODCACHE"];
/// The same where workers run in containers: where engines are.
const ENGINES: [&str; 2] = ["DOCKER_HOST", "CONTAINER_HOST"];

/// A project that is not served yet.
#[derive(Debug)]
pub(crate) struct Project {
    folder: TempDir,
    config: Value,
    env: BTreeMap<String, OsString>,
    /// What every command is run by, and the program itself.
    prefix: Vec<OsString>,
}

impl Project {
    /// An empty functions folder, and patience for a busy machine.
    pub(crate) fn new() -> Self {
        assert_installed();
        Self::with_cache(filled_cache())
    }

    /// The probe of each runtime: `probe_node`, `probe_python`, `probe_go`.
    pub(crate) fn with_probes() -> Self {
        RUNTIMES.into_iter().fold(Self::new(), |project, runtime| project.with(runtime, "probe"))
    }

    fn with_cache(cache: &Cache) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        for name in ["functions", "tmp"] {
            fs::create_dir(folder.path().join(name)).expect("a fresh folder");
        }
        let config = json!({
            "logging": {"format": "json", "level": "debug"},
            "functions": {
                "backend": backend(), "timeout": "60s", "pool": {"queue_timeout": "60s"},
            },
        });
        let engines = if in_containers() { &ENGINES[..] } else { &[] };
        let env = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value)))
            .filter(|(name, _)| {
                PASSED_ON.contains(&name.as_str()) || engines.contains(&name.as_str())
            })
            .collect();
        let project = Project { folder, config, env, prefix: vec![ALYX.into()] };
        let temporary = project.path("tmp");
        project
            .env("TMPDIR", temporary)
            .env("XDG_CACHE_HOME", &cache.alyx)
            .env("GOCACHE", &cache.go)
    }

    /// Adds the fixture `stem` of `runtime` as the function `<stem>_<runtime>`.
    pub(crate) fn with(self, runtime: Runtime, stem: &str) -> Self {
        let (file, text) = (runtime.file(&runtime.function(stem)), runtime.fixture(stem));
        self.file(&file, &text)
    }

    /// Adds a fixture that only one runtime has, under its own name.
    pub(crate) fn with_own(self, runtime: Runtime, name: &str) -> Self {
        self.file(&runtime.file(name), &runtime.fixture(name))
    }

    /// Adds the fixture `stem` in every runtime.
    pub(crate) fn with_all(self, stem: &str) -> Self {
        RUNTIMES.into_iter().fold(self, |project, runtime| project.with(runtime, stem))
    }

    /// Writes a file; its folders are made.
    pub(crate) fn file(self, path: &str, text: &str) -> Self {
        self.write(path, text);
        self
    }

    /// Writes a file of a project that may be in use.
    pub(crate) fn write(&self, path: &str, text: &str) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().expect("below the project")).expect("can make folders");
        fs::write(&path, text).expect("can write files");
    }

    /// Lays `yaml` over the configuration so far.
    pub(crate) fn config(mut self, yaml: Value) -> Self {
        lay_over(&mut self.config, yaml);
        self
    }

    /// Sets a variable of the commands.
    pub(crate) fn env(mut self, name: &str, value: impl Into<OsString>) -> Self {
        self.env.insert(name.to_owned(), value.into());
        self
    }

    /// Runs every command by another, such as `setpriv`.
    pub(crate) fn through(mut self, command: &[&str]) -> Self {
        self.prefix.splice(0..0, command.iter().map(OsString::from));
        self
    }

    /// Runs another copy of the program.
    pub(crate) fn program(mut self, program: &Path) -> Self {
        self.prefix = vec![program.into()];
        self
    }

    /// True when its workers may be containers.
    pub(crate) fn uses_engine(&self) -> bool {
        ENGINES.iter().any(|variable| self.env.contains_key(*variable))
    }

    /// Where the engine of its workers listens.
    pub(crate) fn engine_socket(&self) -> String {
        let address = ENGINES.iter().find_map(|variable| self.env.get(*variable));
        let address = address.and_then(|address| address.to_str()).expect("it has an engine");
        address.trim_start_matches("unix://").to_owned()
    }

    /// Where its commands keep what is built once.
    pub(crate) fn cache(&self) -> PathBuf {
        PathBuf::from(&self.env["XDG_CACHE_HOME"])
    }

    /// A path inside the project.
    pub(crate) fn path(&self, inner: impl AsRef<Path>) -> PathBuf {
        self.folder.path().join(inner)
    }

    /// `alyx <arguments>` in the project, with alyx.yaml as configured so far.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut config = self.config.clone();
        let contained = in_containers() && config["functions"]["backend"] != "process";
        if contained && let Some(functions) = config["functions"].as_object_mut() {
            // Starting a container takes half a second of a core, a third of it for its network,
            // and most tests use no second one and no network.
            functions.entry("network").or_insert(json!("none"));
            if let Some(pool) = functions.get_mut("pool").and_then(Value::as_object_mut) {
                pool.entry("min_warm").or_insert(json!(0));
            }
        }
        // JSON is YAML. What is there stays: other commands may be reading it.
        let text = config.to_string();
        if fs::read_to_string(self.path("alyx.yaml")).ok().as_ref() != Some(&text) {
            self.write("alyx.yaml", &text);
        }
        self.bare_command(arguments)
    }

    /// The same, with whatever alyx.yaml there is.
    pub(crate) fn bare_command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.prefix[0]);
        command
            .args(&self.prefix[1..])
            .args(arguments)
            .current_dir(self.folder.path())
            .env_clear()
            .envs(&self.env);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Runs a command that ends by itself.
    pub(crate) async fn run(&self, arguments: &[&str]) -> Ran {
        Ran::of(self.command(arguments)).await
    }

    /// Serves the project on a free port.
    pub(crate) async fn serve(self) -> Host {
        Host::start(Arc::new(self)).await
    }

    /// Serves the project on a free port and reloads what changes.
    pub(crate) async fn dev(self) -> Host {
        Host::of(self.command(&["dev", "--port", "0"]), Arc::new(self)).await
    }
}

/// What a command printed and how it ended.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ran {
    /// Runs `command` to its end, which has to come.
    pub(crate) async fn of(command: Command) -> Ran {
        let mut command = tokio::process::Command::from(command);
        let output = tokio::time::timeout(super::PATIENCE * 4, command.kill_on_drop(true).output());
        let output: Output =
            output.await.expect("the command ends by itself").expect("the command starts");
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("output is UTF-8");
        Ran { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
    }

    /// Stdout as JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|e| panic!("no JSON on stdout ({e}): {self:?}"))
    }
}

fn lay_over(under: &mut Value, over: Value) {
    match (under, over) {
        (Value::Object(under), Value::Object(over)) => {
            for (key, value) in over {
                lay_over(under.entry(key).or_insert(Value::Null), value);
            }
        }
        (under, over) => *under = over,
    }
}

/// Where the hosts of all tests keep what is built once: a folder of cargo's, and the compiler's
/// own cache.
#[derive(Debug)]
struct Cache {
    alyx: PathBuf,
    go: OsString,
}

/// The cache with what this very program builds for most tests; the first test fills it, and its folder
/// stays for the next run.
fn filled_cache() -> &'static Cache {
    static CACHE: OnceLock<Result<Cache, String>> = OnceLock::new();
    let made = CACHE.get_or_init(|| {
        let alyx = Path::new(env!("CARGO_TARGET_TMPDIR")).join("it-cache");
        fs::create_dir_all(&alyx).expect("cargo's folder for tests is writable");
        let go = Command::new("go").args(["env", "GOCACHE"]).output().expect("go is installed");
        let go = OsString::from(String::from_utf8_lossy(&go.stdout).trim());
        let cache = Cache { alyx, go };
        // Another test process may be at it.
        let lock = File::create(cache.alyx.join("lock")).expect("the folder was made above");
        flock(&lock, FlockOperation::LockExclusive).expect("a lock that nobody keeps");
        fill(&cache).map(|()| cache)
    });
    made.as_ref().unwrap_or_else(|why| panic!("the probes do not load: {why}"))
}

fn fill(cache: &Cache) -> Result<(), String> {
    // What `out` imports takes Go longer to compile than all the rest.
    let project =
        Project::with_cache(cache).with_all("probe").with(Runtime::Go, "out").config(json!({
            "functions": {"timeout": "10m", "pool": {"queue_timeout": "10m"}},
        }));
    let listed = project.command(&["list", "--json"]).output().expect("the program starts");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let rows: Value = serde_json::from_slice(&listed.stdout).unwrap_or_default();
    let all_load = rows.as_array().is_some_and(|rows| {
        rows.len() == RUNTIMES.len() + 1 && rows.iter().all(|row| row["status"] == "ok")
    });
    if all_load { Ok(()) } else { Err(text(&listed.stdout) + &text(&listed.stderr)) }
}
