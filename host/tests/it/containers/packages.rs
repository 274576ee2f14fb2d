//! 5.4 in containers: packages are installed and Go functions built by the tools of the images, on
//! a machine that has none of its own.

use std::path::Path;
use std::process::Command;
use std::sync::Once;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::deps::part::{self, list, publish, wants, with_function};
use crate::harness::engine::Engine;
use crate::harness::{PATIENCE, Project, RUNTIMES, Runtime, eventually};

/// Ends when it is ended.
const FOR_EVER: &str = "node -e \"setInterval(() => {}, 1000)\"";

/// A project of a machine without node, npm, python, pip and go, where no toolchain of a machine has
/// built anything before.
fn bare(engine: &Engine) -> Project {
    let project = part::offline(engine.project());
    let nothing = project.path("nothing");
    let cache = Path::new(env!("CARGO_TARGET_TMPDIR")).join("it-images-cache");
    std::fs::create_dir(&nothing).expect("a fresh folder");
    let project = project.env("PATH", &nothing).env("HOME", &nothing);
    project.env("XDG_CACHE_HOME", cache).env("GOPATH", "").env("GOMODCACHE", "")
}

/// Has Go's own library compiled, which takes longer than a test waits for anything.
fn compiled(engine: &Engine) {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let patience = json!({"functions": {"timeout": "10m", "pool": {"queue_timeout": "10m"}}});
        let project = bare(engine).with(Runtime::Go, "probe").config(patience);
        let listed = project.command(&["list", "--json"]).output().expect("the program starts");
        assert!(String::from_utf8_lossy(&listed.stdout).contains("\"ok\""), "{listed:?}");
    });
}

async fn bare_with_all(engine: &Engine) -> Project {
    compiled(engine);
    let mut project = bare(engine);
    for runtime in RUNTIMES {
        project = with_function(project, runtime).await;
    }
    project
}

/// A project whose package takes for ever to install.
async fn endless(engine: &Engine) -> Project {
    let project = bare(engine).file("functions/uses_node.js", part::function(Runtime::Node));
    let scripts = json!({"install": FOR_EVER}).to_string();
    part::npm(&project, "part", "1.0.0", "", &scripts).await;
    wants(&project, Runtime::Node, "functions", "1.0.0");
    // What is sent to a group reaches it as well where tests run with it ignored.
    project.through(&["/usr/bin/env", "--default-signal=INT"])
}

/// The one container that an install runs in.
async fn installing(engine: &Engine, project: &Project) -> Value {
    eventually("a container that installs", PATIENCE, async || {
        let all = engine.of_project(project);
        all.into_iter().find(|container| container["State"] == "running")
    })
    .await
}

async fn until_none_run(engine: &Engine, project: &Project) {
    eventually("no container of an install runs", PATIENCE, async || {
        let all = engine.of_project(project);
        all.iter().all(|container| container["State"] != "running").then_some(())
    })
    .await;
}

#[tokio::test]
#[ignore = "needs engines: scripts/test engines"]
async fn c5_4_an_engine_and_the_images_are_all_that_packages_need() {
    for engine in Engine::all() {
        let project = bare_with_all(&engine).await;
        let installed = project.run(&["deps", "install", "--json"]).await;
        assert_eq!(installed.code, Some(0), "{}: {installed:?}", engine.name);
        assert_eq!(engine.of_project(&project), Vec::<Value>::new(), "{}", engine.name);
        let check = project.run(&["deps", "install", "--check"]).await;
        assert_eq!(check.code, Some(0), "{}: {check:?}", engine.name);
        let host = project.serve().await;
        for runtime in RUNTIMES {
            let answer = host.call(&runtime.function("uses"), json!({})).await;
            assert_eq!(answer.value(), "1.0.0", "{runtime} on {}", engine.name);
        }
    }
}

#[tokio::test]
#[ignore = "needs engines: scripts/test engines"]
async fn c5_4_a_server_installs_in_containers_by_itself() {
    for engine in Engine::all() {
        let host = bare_with_all(&engine).await.serve().await;
        host.ready().await;
        for runtime in RUNTIMES {
            let answer = host.call(&runtime.function("uses"), json!({})).await;
            assert_eq!(answer.value(), "1.0.0", "{runtime} on {}", engine.name);
        }
    }
}

#[tokio::test]
#[ignore = "needs engines: scripts/test engines"]
async fn c5_4_what_a_container_has_installed_is_the_hosts() {
    use std::os::unix::fs::MetadataExt;
    for engine in Engine::all() {
        let project = with_function(bare(&engine), Runtime::Python).await;
        let installed = project.run(&["deps", "install", "--json"]).await;
        assert_eq!(installed.code, Some(0), "{}: {installed:?}", engine.name);
        let rows = installed.json();
        let set = rows[0]["folder"].as_str().expect("the set's folder").to_owned();
        let module = Path::new(&set).join("site-packages/part.py");
        let found = module.metadata().expect("the package is there");
        let user = rustix::process::geteuid().as_raw();
        assert_eq!((found.uid(), found.mode() & 0o777), (user, 0o444), "{}", engine.name);
    }
}

#[tokio::test]
#[ignore = "needs engines: scripts/test engines"]
async fn c5_4_a_python_package_of_the_project_is_built_in_a_copy() {
    for engine in Engine::all() {
        // A build system of its own, so that none has to be fetched.
        let backend = "import os, zipfile\n\ndef build_wheel(folder, config_settings=None, metadata_directory=None):\n    open('left-behind', 'w').close()\n    name = 'own-1.0-py3-none-any.whl'\n    info = 'own-1.0.dist-info/'\n    with zipfile.ZipFile(os.path.join(folder, name), 'w') as wheel:\n        wheel.writestr('own.py', \"VERSION = 'built'\\n\")\n        wheel.writestr(info + 'METADATA', 'Metadata-Version: 2.1\\nName: own\\nVersion: 1.0\\n')\n        wheel.writestr(info + 'WHEEL', 'Wheel-Version: 1.0\\nGenerator: test\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n')\n        wheel.writestr(info + 'RECORD', '')\n    return name\n";
        let project = bare(&engine)
            .file("functions/requirements.txt", "./_own\n")
            .file(
                "functions/_own/pyproject.toml",
                "[build-system]\nrequires = []\nbuild-backend = 'backend'\nbackend-path = ['.']\n",
            )
            .file("functions/_own/backend.py", backend)
            .file(
                "functions/uses.py",
                "import own\n\n\ndef handler(ctx):\n    return own.VERSION\n",
            );
        let installed = project.run(&["deps", "install"]).await;
        assert_eq!(installed.code, Some(0), "{}: {installed:?}", engine.name);
        assert!(!project.path("functions/_own/left-behind").exists(), "{}", engine.name);
        let host = project.serve().await;
        assert_eq!(host.call("uses", json!({})).await.value(), "built", "{}", engine.name);
    }
}

#[tokio::test]
#[ignore = "needs engines: scripts/test engines"]
async fn c5_4_a_set_of_the_machines_python_is_none_of_the_images() {
    for engine in Engine::all() {
        let local =
            part::offline(Project::new()).config(json!({"functions": {"backend": "process"}}));
        let local = with_function(local, Runtime::Python).await;
        let installed = local.run(&["deps", "install", "--json"]).await;
        assert_eq!(installed.code, Some(0), "{installed:?}");
        let project = with_function(bare(&engine), Runtime::Python).await;
        let there = project.run(&["deps", "install", "--json"]).await;
        assert_eq!(there.code, Some(0), "{}: {there:?}", engine.name);
        assert_ne!(installed.json()[0]["set"], there.json()[0]["set"], "{}", engine.name);
    }
}

#[tokio::test]
#[ignore = "needs engines: scripts/test engines"]
async fn c5_4_in_a_container_a_failed_install_names_the_package_and_keeps_the_old_set() {
    for engine in Engine::all() {
        let project = with_function(bare(&engine), Runtime::Python).await;
        let installed = project.run(&["deps", "install"]).await;
        assert_eq!(installed.code, Some(0), "{}: {installed:?}", engine.name);
        let path = list(Runtime::Python, "functions");
        let text = std::fs::read_to_string(project.path(&path)).expect("the list is there");
        project.write(&path, &format!("{text}nosuch-part==1.0\n"));
        let failed = project.run(&["deps", "install"]).await;
        assert_eq!(failed.code, Some(1), "{}: {failed:?}", engine.name);
        let told = format!("package 'nosuch-part==1.0' of '{path}' cannot be installed: ");
        assert!(failed.stderr.contains(&told), "{}: {failed:?}", engine.name);
        assert_eq!(engine.of_project(&project), Vec::<Value>::new(), "{}", engine.name);
        let host = project.serve().await;
        let value = eventually("the function serves", PATIENCE * 3, async || {
            let answer = host.call("uses_python", json!({})).await;
            (answer.status == 200).then(|| answer.value())
        });
        assert_eq!(value.await, "1.0.0", "{}", engine.name);
    }
}

#[tokio::test]
#[ignore = "needs engines: scripts/test engines"]
async fn c5_4_an_install_in_a_container_ends_with_its_host() {
    for engine in Engine::all() {
        let project = endless(&engine).await;
        let mut child = project.command(&["deps", "install"]).spawn().expect("it starts");
        let container = installing(&engine, &project).await;
        let seen = engine.inspect(&container["Id"]);
        assert_eq!(seen["HostConfig"]["ReadonlyRootfs"], true, "{seen:#}");
        assert_ne!(seen["Config"]["User"], "", "{seen:#}");
        kill_process(Pid::from_child(&child), Signal::KILL).expect("it runs");
        child.wait().expect("it is our child");
        until_none_run(&engine, &project).await;
        // The next one removes what is left of it.
        let check = project.run(&["deps", "install", "--check"]).await;
        assert_eq!(check.code, Some(1), "{check:?}");
        assert_eq!(engine.of_project(&project), Vec::<Value>::new(), "{}", engine.name);
    }
}

#[tokio::test]
#[ignore = "needs engines: scripts/test engines"]
async fn c5_4_ctrl_c_leaves_no_container_of_an_install() {
    for engine in Engine::all() {
        let project = endless(&engine).await;
        let mut command: Command = project.command(&["deps", "install"]);
        let mut child = command.spawn().expect("it starts");
        installing(&engine, &project).await;
        kill_process(Pid::from_child(&child), Signal::INT).expect("it runs");
        let ended = async || child.try_wait().expect("it is our child");
        let status = eventually("it ends", PATIENCE, ended).await;
        assert_eq!(status.code(), Some(1));
        assert_eq!(engine.of_project(&project), Vec::<Value>::new(), "{}", engine.name);
    }
}

#[tokio::test]
#[ignore = "needs engines: scripts/test engines"]
async fn c5_4_go_without_a_toolchain_anywhere_says_how_to_get_one() {
    for engine in Engine::all() {
        // The image that functions run in is there under this name, the one for builds is not.
        let name = "localhost/alyx-it/go-alone";
        let path = format!("images/ghcr.io/watzon/alyx-runtime-go:latest/tag?repo={name}&tag=1");
        engine.text("POST", &path);
        let image = json!({"functions": {"runtimes": {"go": {"image": format!("{name}:1")}}}});
        let project = bare(&engine).with(Runtime::Go, "probe").config(image);
        let cache = project.path("cache");
        let project = project.env("XDG_CACHE_HOME", cache);
        let host = project.serve().await;
        let line = host.log.wait_for("what is missing", |line| {
            line.message().contains("alyx runtimes build go-build")
        });
        let line = line.await;
        assert!(line.message().contains("localhost/alyx-it/go-alone-build:1"), "{line:?}");
        drop(host);
        engine.text("DELETE", &format!("images/{name}:1"));
    }
}

#[tokio::test]
#[ignore = "needs engines: scripts/test engines"]
async fn c5_4_the_machines_own_go_builds_where_there_is_no_image_for_it() {
    for engine in Engine::all() {
        let name = "localhost/alyx-it/go-local";
        let path = format!("images/ghcr.io/watzon/alyx-runtime-go:latest/tag?repo={name}&tag=1");
        engine.text("POST", &path);
        let image = json!({"functions": {"runtimes": {"go": {"image": format!("{name}:1")}}}});
        let project = part::offline(engine.project()).config(image);
        let project = with_function(project, Runtime::Go).await;
        publish(&project, Runtime::Go, "1.0.0").await;
        let host = project.serve().await;
        host.log
            .wait_for("whose toolchain", |line| {
                line.message()
                    .starts_with("Go functions are built by the toolchain of this machine")
            })
            .await;
        host.ready().await;
        assert_eq!(host.call("uses_go", json!({})).await.value(), "1.0.0", "{}", engine.name);
        drop(host);
        engine.text("DELETE", &format!("images/{name}:1"));
    }
}
