//! S3: images that `alyx runtimes` builds on real engines, on the base images of
//! `scripts/base-images`.

use serde_json::{Value, json};

use crate::harness::Project;
use crate::harness::engine::Engine;
use crate::harness::project::Ran;

const TARGETS: [&str; 4] = ["node", "python", "go", "go-build"];

/// A project whose images nobody else has, on one engine.
struct Images {
    project: Project,
    engine: Engine,
    names: [String; 3],
}

impl Images {
    fn of(engine: Engine, test: &str) -> Self {
        let name =
            |runtime: &str| format!("localhost/alyx-it/{test}-{}-{runtime}:1", std::process::id());
        let names = ["node", "python", "go"].map(name);
        let runtimes = json!({
            "node": {"image": names[0]}, "python": {"image": names[1]}, "go": {"image": names[2]},
        });
        let project = engine.project().config(json!({"functions": {"runtimes": runtimes}}));
        Images { project, engine, names }
    }

    async fn run(&self, arguments: &[&str]) -> Ran {
        self.project.run(arguments).await
    }

    fn inspect(&self, image: &str) -> Value {
        self.engine.ask("GET", &format!("images/{image}/json"))
    }
}

impl Drop for Images {
    fn drop(&mut self) {
        let builds = self.names[2].replace("-go:", "-go-build:");
        for name in self.names.iter().chain([&builds]) {
            self.engine.text("DELETE", &format!("images/{name}?force=true"));
        }
    }
}

fn row<'a>(rows: &'a Value, runtime: &str) -> &'a Value {
    let mut all = rows.as_array().expect("a list").iter();
    all.find(|row| row["runtime"] == runtime).unwrap_or_else(|| panic!("no '{runtime}': {rows:#}"))
}

#[tokio::test]
#[ignore = "needs container engines: scripts/test engines"]
async fn s3_build_makes_the_images_from_the_program_alone() {
    for engine in Engine::all() {
        let images = Images::of(engine, "build");
        let bases = TARGETS.map(|name| format!("--base={name}=localhost/alyx-base/{name}"));
        let mut arguments = vec!["runtimes", "build", "--json"];
        arguments.extend(TARGETS);
        arguments.extend(bases.iter().map(String::as_str));
        let ran = images.run(&arguments).await;
        assert_eq!(ran.code, Some(0), "{ran:?}");
        assert!(
            ran.stderr.contains("node: building") && ran.stderr.contains("go: built"),
            "{ran:?}"
        );
        let (built, listed) =
            (ran.json(), images.run(&["runtimes", "list", "--json"]).await.json());
        for name in TARGETS {
            assert_eq!(row(&built, name)["status"], "built", "{built:#}");
            let row = row(&listed, name);
            assert_eq!((&row["present"], &row["fits"]), (&json!(true), &json!(true)), "{row:#}");
            assert_eq!(row["status"], "ready", "{row:#}");
            check_image(&images.inspect(row["image"].as_str().expect("a name")), name, row);
        }
    }
}

/// The contract of images, as the engine sees it.
fn check_image(told: &Value, name: &str, row: &Value) {
    let config = &told["Config"];
    assert_eq!(config["User"], "65532:65532", "{told:#}");
    assert_eq!(config["WorkingDir"], "/tmp", "{told:#}");
    assert_eq!(config["Labels"]["dev.alyx.runtime"], name, "{told:#}");
    assert_eq!(config["Labels"]["dev.alyx.protocol"], "1", "{told:#}");
    assert_eq!(config["Labels"]["dev.alyx.shim"], row["shim"], "{told:#}");
    assert_eq!(config["Entrypoint"][1], "/opt/alyx/entry.sh", "{told:#}");
    let program = match name {
        "node" => json!("node"),
        "python" => json!("python3"),
        _ => Value::Null,
    };
    assert_eq!(config["Entrypoint"][2], program, "{told:#}");
    assert!(told["Id"].as_str().is_some_and(|id| id.ends_with(row["id"].as_str().unwrap_or("?"))));
}

#[tokio::test]
#[ignore = "needs container engines: scripts/test engines"]
async fn s3_a_base_image_that_is_not_there_is_named_and_the_others_are_built() {
    for engine in Engine::all() {
        let images = Images::of(engine, "base");
        let base = "localhost/alyx-it/none:1";
        let named = format!("node={base}");
        let ran = images
            .run(&[
                "runtimes",
                "build",
                "node",
                "go",
                "--json",
                "--base",
                &named,
                "--base",
                "localhost/alyx-base/go",
            ])
            .await;
        assert_eq!(ran.code, Some(1), "{ran:?}");
        for part in [base, "alyx runtimes build node --base IMAGE", "not built: node"] {
            assert!(ran.stderr.contains(part), "no '{part}' in {}", ran.stderr);
        }
        assert_eq!(row(&ran.json(), "node")["status"], "failed");
        assert_eq!(row(&ran.json(), "go")["status"], "built");
    }
}

#[tokio::test]
#[ignore = "needs container engines: scripts/test engines"]
async fn s3_list_tells_what_is_missing_and_what_does_not_say_what_it_is() {
    for engine in Engine::all() {
        let mut images = Images::of(engine, "list");
        let python = json!({"image": "localhost/alyx-base/python"});
        let ruby = json!({"image": "localhost/alyx-it/ruby:1", "extensions": [".rb"]});
        let runtimes = json!({"python": python, "ruby": ruby});
        let config = json!({"functions": {"runtimes": runtimes}});
        images.project = std::mem::replace(&mut images.project, Project::new()).config(config);
        let ran = images.run(&["runtimes", "list", "--json"]).await;
        assert_eq!(ran.code, Some(0), "{ran:?}");
        let rows = ran.json();
        let node = row(&rows, "node");
        assert_eq!((&node["present"], &node["status"]), (&json!(false), &json!("missing")));
        assert_eq!(node["mend"], "alyx runtimes build node");
        assert_eq!(row(&rows, "python")["fits"], Value::Null, "it has no labels: {rows:#}");
        let mend = row(&rows, "ruby")["mend"].as_str().expect("what to do").to_owned();
        assert!(mend.contains("localhost/alyx-it/ruby:1"), "{mend}");
        let table = images.run(&["runtimes", "list"]).await.stdout;
        assert!(table.contains("→ alyx runtimes build node"), "{table}");
    }
}
