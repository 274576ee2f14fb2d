//! `alyx runtimes`: what is said where there is no engine, or a wish is none. What engines make of it
//! is in `containers/`.

use serde_json::json;

use crate::harness::Project;

#[tokio::test]
async fn s3_without_an_engine_it_says_where_it_looked_and_what_to_do() {
    for (arguments, wanted) in [
        (&["runtimes", "build"][..], "no container engine answers"),
        (&["runtimes", "list"], "install and start Docker or Podman, or set DOCKER_HOST"),
        (&["runtimes", "list", "--engine", "podman"], "no Podman answers"),
        (&["runtimes", "build", "--engine", "docker"], "no Docker answers"),
    ] {
        let project = Project::new()
            .config(json!({"functions": {"backend": "auto"}}))
            .env("DOCKER_HOST", "unix:///nowhere/engine.sock")
            .env("CONTAINER_HOST", "unix:///nowhere/engine.sock");
        let ran = project.run(arguments).await;
        assert_eq!((ran.code, ran.stdout.as_str()), (Some(1), ""), "{ran:?}");
        for part in [wanted, "/nowhere/engine.sock"] {
            assert!(ran.stderr.contains(part), "{arguments:?}: no '{part}' in {}", ran.stderr);
        }
    }
}

#[tokio::test]
async fn s3_wrong_usage_is_told_before_an_engine_is_asked() {
    let ruby = json!({"image": "ruby", "extensions": [".rb"]});
    let project = Project::new()
        .config(json!({"functions": {"runtimes": {"ruby": ruby}}}))
        .env("DOCKER_HOST", "unix:///nowhere/engine.sock");
    for (arguments, says) in [
        (&["build", "nod"][..], "did you mean 'node'?"),
        (&["build", "cobol"], "there are node, python, go, go-build"),
        (&["build", "ruby"], "runtimes/README.md"),
        (&["build", "--base", "debian"], "alyx runtimes build node --base debian"),
        (&["build", "node", "--base", "pyhton=debian"], "did you mean 'python'?"),
        (&["build", "--engine", "dokcer"], "docker"),
        (&[], "Usage"),
    ] {
        let ran = project.run(&[&["runtimes"], arguments].concat()).await;
        assert_eq!((ran.code, ran.stdout.as_str()), (Some(2), ""), "{arguments:?}: {ran:?}");
        assert!(ran.stderr.contains(says), "{arguments:?}: no '{says}' in {}", ran.stderr);
    }
}
