//! A container engine as anybody sees it: asked through its socket, past the host under test.

use std::ffi::OsStr;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use super::backend::told;
use super::host::Host;
use super::project::Project;

/// An engine, by its socket.
#[derive(Debug)]
pub(crate) struct Engine {
    pub(crate) name: String,
    pub(super) socket: String,
}

/// What a container is called.
pub(crate) fn name_of(container: &Value) -> &str {
    container["Names"][0].as_str().expect("a name").trim_start_matches('/')
}

impl Engine {
    /// The engines that are asked for by `ALYX_TEST_ENGINES`; none fails.
    pub(crate) fn all() -> Vec<Self> {
        let asked = told("ALYX_TEST_ENGINES").unwrap_or_default();
        let all: Vec<_> = asked.split_whitespace().map(Self::of).collect();
        assert!(!all.is_empty(), "ALYX_TEST_ENGINES names no engine; scripts/test engines sets it");
        all
    }

    fn of(name: &str) -> Self {
        let variable = Self::variable_of(name);
        let socket = told(variable).unwrap_or_else(|| panic!("{variable} says where {name} is"));
        Engine { name: name.to_owned(), socket }
    }

    fn variable_of(name: &str) -> &'static str {
        if name == "docker" { "DOCKER_HOST" } else { "CONTAINER_HOST" }
    }

    /// A project whose workers run on this engine, without a network unless it asks for one. It is
    /// the same whatever the workers of other tests are.
    pub(crate) fn project(&self) -> Project {
        let pool = json!({"min_warm": 1});
        let functions = json!({"backend": self.name, "network": "none", "pool": pool});
        Project::new()
            .config(json!({"functions": functions}))
            .env(Self::variable_of(&self.name), &self.socket)
    }

    /// A question to the engine, and its answer as it is.
    pub(crate) fn text(&self, method: &str, path: &str) -> String {
        self.curl(path, &["--max-time".as_ref(), "20".as_ref(), "-X".as_ref(), method.as_ref()])
    }

    /// What its own command prints, on both streams: `docker ARGUMENTS` or `podman ARGUMENTS`.
    pub(crate) fn command(&self, arguments: &[&str]) -> String {
        let mut command = Command::new(&self.name);
        let variable = Self::variable_of(&self.name);
        let ran = command.args(arguments).env(variable, &self.socket).output().expect("it starts");
        assert!(ran.status.success(), "{} {arguments:?}: {ran:?}", self.name);
        String::from_utf8_lossy(&[ran.stdout, ran.stderr].concat()).into_owned()
    }

    /// Sends an archive.
    pub(crate) fn send(&self, path: &str, archive: &Path) -> String {
        let kind = "Content-Type: application/x-tar";
        self.curl(
            path,
            &["-X", "POST", "-H", kind, "-T"]
                .map(OsStr::new)
                .into_iter()
                .chain([archive.as_os_str()])
                .collect::<Vec<_>>(),
        )
    }

    /// Starts a container that is no host's; its id.
    pub(crate) fn start(&self, container: &Value) -> Value {
        let body = container.to_string();
        let kind = "Content-Type: application/json";
        let made = self.curl("containers/create", &["-H", kind, "-d", &body].map(OsStr::new));
        let made: Value = serde_json::from_str(&made).unwrap_or_default();
        let id = made["Id"].as_str().unwrap_or_else(|| panic!("{}: {made}", self.name));
        self.text("POST", &format!("containers/{id}/start"));
        made["Id"].clone()
    }

    /// Writes an image to an archive.
    pub(crate) fn save(&self, image: &str, archive: &Path) {
        self.curl(
            &format!("images/{image}/get"),
            &["-f".as_ref(), "-o".as_ref(), archive.as_os_str()],
        );
    }

    fn curl(&self, path: &str, arguments: &[&OsStr]) -> String {
        let socket = self.socket.trim_start_matches("unix://");
        let mut curl = Command::new("curl");
        let curl = curl.args(["-sSg", "--unix-socket", socket]).args(arguments);
        let output = curl.arg(format!("http://engine/{path}")).output().expect("curl starts");
        assert!(output.status.success(), "{} does not answer: {output:?}", self.name);
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    pub(crate) fn ask(&self, method: &str, path: &str) -> Value {
        serde_json::from_str(&self.text(method, path)).unwrap_or_default()
    }

    /// The containers of a host, running or not.
    pub(crate) fn containers(&self, host: &Host) -> Vec<Value> {
        let of_host = format!("-{}-", host.pid());
        let listed =
            self.ask("GET", r#"containers/json?all=true&filters={"label":["dev.alyx.instance"]}"#);
        let listed = listed.as_array().cloned().unwrap_or_default();
        let instance = |container: &Value| {
            let label = &container["Labels"]["dev.alyx.instance"];
            label.as_str().is_some_and(|instance| instance.contains(&of_host))
        };
        listed.into_iter().filter(instance).collect()
    }

    /// The containers of all commands of a project, running or not.
    pub(crate) fn of_project(&self, project: &Project) -> Vec<Value> {
        let folder = project.path("tmp").display().to_string();
        let listed =
            self.ask("GET", r#"containers/json?all=true&filters={"label":["dev.alyx.folder"]}"#);
        let listed = listed.as_array().cloned().unwrap_or_default();
        let label = |container: &Value| container["Labels"]["dev.alyx.folder"].clone();
        let ours =
            |container: &Value| label(container).as_str().is_some_and(|l| l.starts_with(&folder));
        listed.into_iter().filter(ours).collect()
    }

    /// Those of them that run.
    pub(crate) fn running(&self, host: &Host) -> Vec<Value> {
        let runs = |container: &Value| container["State"] == "running";
        self.containers(host).into_iter().filter(runs).collect()
    }

    /// Has a container do something: `kill`, `pause`, or be gone.
    pub(crate) fn order(&self, container: &Value, order: &str) {
        let id = container["Id"].as_str().expect("an id");
        let said = match order {
            "remove" => self.text("DELETE", &format!("containers/{id}?force=true")),
            order => self.text("POST", &format!("containers/{id}/{order}")),
        };
        // The host may be at it as well.
        let has_happened = ["already in progress", "o such container"];
        let is_done = !said.contains("message") || has_happened.iter().any(|it| said.contains(it));
        assert!(is_done, "{}: {order}: {said}", self.name);
    }

    pub(crate) fn inspect(&self, id: &Value) -> Value {
        self.ask("GET", &format!("containers/{}/json", id.as_str().expect("an id")))
    }
}
