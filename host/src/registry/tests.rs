//! A folder in, a snapshot out: which files are functions and what their manifests change.

mod problems;
mod revisions;

use super::*;
use crate::config::Config;
use crate::registry::function::Isolation;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

/// A project in a temp folder, written file by file.
struct Project {
    folder: tempfile::TempDir,
    variables: Vec<(String, String)>,
}

impl Project {
    fn new(files: &[(&str, &str)]) -> Project {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("functions")).unwrap();
        let project = Project { folder, variables: Vec::new() };
        for (name, text) in files {
            project.write(name, text);
        }
        project
    }

    fn variable(mut self, name: &str, value: &str) -> Project {
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join("functions").join(name)
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn config(&self) -> Config {
        Config::load(None, self.folder.path(), self.variables.clone()).unwrap()
    }

    fn scan(&self) -> Registry {
        let config = self.config();
        Registry::scan(&config.functions, &config.variables)
    }

    fn problem(&self, name: &str) -> String {
        let registry = self.scan();
        registry.get(name).unwrap().problem.as_ref().unwrap().to_string()
    }
}

fn listed(registry: &Registry) -> Vec<String> {
    registry.iter().map(|function| format!("{} {}", function.name, function.runtime)).collect()
}

#[test]
fn names_and_runtimes_come_from_files() {
    let files = [
        "hello.js",
        "createPost.ts",
        "a.mjs",
        "b.cjs",
        "c.mts",
        "d.cts",
        "process_image.py",
        "e.go",
    ];
    let project = Project::new(&files.map(|name| (name, "")));
    let expected = [
        "a node",
        "b node",
        "c node",
        "createPost node",
        "d node",
        "e go",
        "hello node",
        "process_image python",
    ];
    let registry = project.scan();
    assert_eq!(listed(&registry), expected);
    assert!(registry.iter().all(|function| function.problem.is_none()));
    let root = fs::canonicalize(project.path("")).unwrap();
    let hello = registry.get("hello").unwrap();
    assert_eq!((hello.entry.clone(), hello.root.clone()), (root.join("hello.js"), root));
}

#[test]
fn what_is_no_function_is_left_alone() {
    let files = [
        "_shared/index.js",
        "_util.py",
        ".hidden.js",
        ".git/index.js",
        "node_modules/index.js",
        "__pycache__/main.py",
        "hello_test.py",
        "hello_test.go",
        "lone.yaml",
        "notes.txt",
        "package.json",
        "go.mod",
        "types.d.ts",
        "lib/helper.js",
        "README",
        "manifests/manifest.yaml",
        "upper.JS",
        "go/index.go",
        "node/main.js",
    ];
    let registry = Project::new(&files.map(|name| (name, ""))).scan();
    assert_eq!(listed(&registry), [] as [&str; 0]);
    assert!(registry.warnings.is_empty() && registry.is_empty());
}

#[test]
fn a_folder_with_an_entry_is_a_function() {
    let project = Project::new(&[
        ("n/index.js", ""),
        ("p/main.py", ""),
        ("q/index.py", ""),
        ("g/main.go", ""),
        ("g/other.go", ""),
        ("p/manifest.yaml", "timeout: 5s"),
        ("q/q.yml", "timeout: 6s"),
        ("g.yaml", "timeout: 7s"),
    ]);
    let registry = project.scan();
    assert_eq!(listed(&registry), ["g go", "n node", "p python", "q python"]);
    let seconds: Vec<_> = registry.iter().map(|function| function.timeout.as_secs()).collect();
    assert_eq!(seconds, [7, 30, 5, 6]);
    let n = registry.get("n").unwrap();
    assert_eq!(
        (n.folder.clone(), n.entry.clone()),
        (Some(n.root.join("n")), n.root.join("n/index.js"))
    );
}

#[test]
fn a_manifest_overrides_what_the_configuration_says() {
    let manifest = "name: shrink\nruntime: python\ntimeout: 60s # longer\nmemory: 512mb\ncpu: 2\nconcurrency: 3\nisolation: strict\ndescription: Shrinks images\nenv:\n  KEY: ${OPENAI_API_KEY}\n  SHARED: own\n  GONE: ${NOPE}\n";
    let project = Project::new(&[("image.py", ""), ("image.yaml", manifest)])
        .variable("OPENAI_API_KEY", "sk-1")
        .variable("ALYX_FUNCTIONS_ENV_SHARED", "everybody's")
        .variable("ALYX_FUNCTIONS_ENV_OTHER", "o");
    let registry = project.scan();
    let function = registry.get("shrink").unwrap();
    assert_eq!(function.problem, None);
    assert_eq!((function.timeout, function.memory), (Duration::from_secs(60), 512 << 20));
    assert_eq!((function.cpu, function.concurrency), (2.0, Some(3)));
    assert_eq!(function.isolation, Isolation::Strict);
    assert_eq!(function.description.as_deref(), Some("Shrinks images"));
    let env: Vec<_> = function.env.iter().map(|(k, v)| (k.as_str(), v.expose())).collect();
    assert_eq!(env, [("KEY", "sk-1"), ("OTHER", "o"), ("SHARED", "own")]);
    let warning = "functions/image.yaml:12: env.GONE is left out: it uses ${NOPE}, which is not set; set it or write ${NOPE:-default}";
    assert_eq!(registry.warnings, [warning]);
    assert!(!format!("{registry:?}").contains("sk-1"));
}

#[test]
fn an_empty_manifest_changes_nothing() {
    for text in ["", "# nothing yet\n", "name: hello\n", "env:\n", "timeout:\n"] {
        let project = Project::new(&[("hello.js", ""), ("hello.yaml", text)]);
        let function = project.scan().get("hello").unwrap().clone();
        assert_eq!((function.problem.clone(), function.timeout.as_secs()), (None, 30), "{text:?}");
        assert!(function.manifest.is_some());
    }
}

#[test]
fn a_runtime_in_the_manifest_picks_between_two_sources() {
    let files = [("x.js", ""), ("x.py", ""), ("x.yaml", "runtime: python")];
    let registry = Project::new(&files).scan();
    assert_eq!(listed(&registry), ["x python"]);
    assert_eq!(registry.get("x").unwrap().problem, None);
}

#[test]
fn a_third_party_runtime_brings_its_own_extensions() {
    let project = Project::new(&[("a.rb", ""), ("b/main.rb", ""), ("c/index.rb", "")]);
    let yaml = "functions: {runtimes: {ruby: {command: [ruby], extensions: [.rb]}}}";
    fs::write(project.folder.path().join("alyx.yaml"), yaml).unwrap();
    assert_eq!(listed(&project.scan()), ["a ruby", "b ruby", "c ruby"]);
}

#[test]
fn a_missing_folder_is_an_empty_registry_and_a_warning() {
    let project = Project::new(&[]);
    fs::remove_dir(project.path("")).unwrap();
    let registry = project.scan();
    let path = project.config().settings.functions.path;
    let warning =
        format!("functions folder '{}' not found; create it or set functions.path", path.display());
    assert_eq!((registry.len(), registry.warnings), (0, vec![warning]));
}

#[test]
fn a_wrong_name_is_answered_with_the_one_that_was_meant() {
    let registry = Project::new(&[("hello.js", ""), ("create_post.py", "")]).scan();
    assert_eq!(registry.suggest("helo"), Some("hello"));
    assert_eq!(registry.suggest("Hello"), Some("hello"));
    assert_eq!(registry.suggest("createPost"), Some("create_post"));
    assert_eq!(registry.suggest("weather"), None);
    assert_eq!(registry.suggest(&"ü".repeat(10_000)), None);
    assert!(registry.get("../hello").is_none() && registry.get("").is_none());
}

#[test]
fn one_function_can_be_read_anew() {
    let project = Project::new(&[("a.js", "1"), ("b.js", ""), ("b.yaml", "timeot: 1s")]);
    let config = project.config();
    let rescan = |name: &str| Registry::rescan_one(&config.functions, &config.variables, name);
    let before = project.scan();
    assert_eq!(rescan("a").as_ref(), Some(&**before.get("a").unwrap()));
    project.write("a.js", "2");
    project.write("b.yaml", "timeout: 1s");
    assert_ne!(rescan("a").unwrap().revision, before.get("a").unwrap().revision);
    let b = rescan("b").unwrap();
    assert!(b.problem.is_none() && before.get("b").unwrap().problem.is_some());
    let after = before.replacing("b", Some(b)).replacing("a", rescan("gone"));
    assert_eq!(listed(&after), ["b node"]);
    assert_eq!(before.len(), 2);
}
