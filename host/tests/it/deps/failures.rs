//! What cannot be installed is named, and what was installed before serves on.

use serde_json::json;

use super::part::{self, list, with_function};
use super::sets;
use crate::harness::{Host, PATIENCE, Project, RUNTIMES, Runtime, eventually};

/// Adds a package to the list that nobody has.
fn wants_missing(project: &Project, runtime: Runtime) -> &'static str {
    let path = project.path(list(runtime, "functions"));
    let text = std::fs::read_to_string(&path).unwrap_or_default();
    let (text, package) = match runtime {
        // Of npm's errors the one that needs no registry.
        Runtime::Node => (
            text.replace("\"part\":", "\"broken\": \"file:_vendor/broken-1.0.0.tgz\", \"part\":"),
            "broken",
        ),
        Runtime::Python => (format!("{text}nosuch-part==1.0\n"), "nosuch-part==1.0"),
        Runtime::Go => {
            (format!("{text}\nrequire example.com/nosuch v1.0.0\n"), "example.com/nosuch@v1.0.0")
        }
    };
    std::fs::write(path, text).expect("the list is there");
    package
}

/// Makes the package of npm that fails.
async fn broken(project: &Project) {
    let scripts = json!({"install": "node -e \"console.error('no luck'); process.exit(3)\""});
    part::npm(project, "broken", "1.0.0", "", &scripts.to_string()).await;
}

#[tokio::test]
async fn c5_4_a_failed_install_names_list_and_package() {
    for runtime in RUNTIMES {
        let project = with_function(part::project(), runtime).await;
        broken(&project).await;
        let package = wants_missing(&project, runtime);
        let ran = project.run(&["deps", "install"]).await;
        assert_eq!(ran.code, Some(1), "{ran:?}");
        let told = format!(
            "package '{package}' of '{}' cannot be installed: ",
            list(runtime, "functions")
        );
        assert!(ran.stderr.contains(&told), "{runtime}: {ran:?}");
        assert!(ran.stderr.contains("\n  | "), "the tool's own words go with it: {ran:?}");
        assert_eq!(sets(&project, runtime).len(), 0, "{runtime}");
    }
}

#[tokio::test]
async fn c5_4_without_their_packages_functions_are_refused_and_the_log_says_why() {
    for runtime in RUNTIMES {
        let project = with_function(part::project(), runtime).await;
        broken(&project).await;
        let package = wants_missing(&project, runtime);
        let host = project.serve().await;
        let list = list(runtime, "functions");
        let line = host.log.wait_for("why", |line| {
            line.level() == "ERROR" && line.message().contains("cannot be installed")
        });
        let line = line.await;
        assert!(line.message().contains(package) && line.message().contains(&list), "{line:?}");
        assert!(!line.text("output").is_empty(), "{line:?}");
        let answer = eventually("the call is refused for good", PATIENCE, async || {
            let answer = host.call(&runtime.function("uses"), json!({})).await;
            (!answer.text().contains("being installed")).then_some(answer)
        });
        let message = answer.await.error_message(503, "DEPENDENCIES_MISSING");
        assert_eq!(
            message,
            format!("the packages of '{list}' are not installed; the host's log says why")
        );
    }
}

#[tokio::test]
async fn c5_4_the_packages_installed_before_stay_in_use() {
    for runtime in [Runtime::Node, Runtime::Python] {
        let project = with_function(part::project(), runtime).await;
        let installed = project.run(&["deps", "install"]).await;
        assert_eq!(installed.code, Some(0), "{installed:?}");
        broken(&project).await;
        wants_missing(&project, runtime);
        if runtime == Runtime::Node {
            // The lock of before does not know the new package.
            std::fs::remove_file(project.path("functions/package-lock.json"))
                .expect("npm wrote it");
        }
        let host = project.serve().await;
        host.log
            .wait_for("that they stay", |line| {
                line.level() == "WARN" && line.message().contains("installed before stay in use")
            })
            .await;
        let value = eventually("the function serves", PATIENCE, async || {
            let answer = host.call(&runtime.function("uses"), json!({})).await;
            (answer.status == 200).then(|| answer.value())
        });
        assert_eq!(value.await, "1.0.0", "{runtime}");
        assert_eq!(sets(&host.project, runtime).len(), 1, "{runtime}");
        let check = host.project.run(&["deps", "install", "--check"]).await;
        assert_eq!(check.code, Some(1), "{check:?}");
    }
}

#[tokio::test]
async fn c5_4_a_lock_that_does_not_fit_is_an_error_that_names_the_package() {
    let project = with_function(part::project(), Runtime::Node).await;
    let installed = project.run(&["deps", "install"]).await;
    assert_eq!(installed.code, Some(0), "{installed:?}");
    broken(&project).await;
    wants_missing(&project, Runtime::Node);
    let ran = project.run(&["deps", "install"]).await;
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(ran.stderr.contains("package 'broken@1.0.0' of 'functions/package.json'"), "{ran:?}");
}

#[tokio::test]
async fn c5_4_a_list_that_cannot_be_read_is_told_with_its_place() {
    let lists = [
        ("functions/package.json", "{\"dependencies\":", Runtime::Node, "EOF while parsing"),
        (
            "functions/requirements.txt",
            "-r gone.txt\nsix\n",
            Runtime::Python,
            "'gone.txt', which is not there",
        ),
        (
            "functions/go.mod",
            "module functions\n\ngo 1.22\n\nrequire nonsense\n",
            Runtime::Go,
            "go.mod:5: usage: require",
        ),
    ];
    for (list, text, runtime, why) in lists {
        let project = Project::new().with(runtime, "probe").file(list, text);
        let ran = project.run(&["deps", "install"]).await;
        assert_eq!(ran.code, Some(1), "{ran:?}");
        assert!(ran.stdout.contains(list) && ran.stdout.contains(why), "{ran:?}");
    }
}

#[tokio::test]
async fn w7_what_is_installed_by_hand_later_is_used_without_a_restart() {
    let project = with_function(part::project(), Runtime::Python).await;
    let wheel = "functions/_vendor/part-1.0.0-py3-none-any.whl";
    std::fs::rename(project.path(wheel), project.path("tmp/kept.whl")).expect("it is there");
    project.write("functions/requirements.txt", "part==1.0.0\n");
    let host = project.serve().await;
    host.log.wait_for("that it fails", |line| line.message().contains("cannot be installed")).await;
    let call = async |host: &Host| host.call("uses_python", json!({})).await;
    call(&host).await.error(503, "DEPENDENCIES_MISSING");
    let vendor = host.project.path("tmp/wheels");
    std::fs::create_dir(&vendor).expect("a fresh folder");
    let name = "part-1.0.0-py3-none-any.whl";
    std::fs::rename(host.project.path("tmp/kept.whl"), vendor.join(name)).expect("it is there");
    let mut by_hand = host.project.command(&["deps", "install"]);
    by_hand.env("PIP_FIND_LINKS", &vendor);
    let ran = crate::harness::project::Ran::of(by_hand).await;
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let value = eventually("the function serves", PATIENCE, async || {
        let answer = call(&host).await;
        (answer.status == 200).then(|| answer.value())
    });
    assert_eq!(value.await, "1.0.0");
}
