//! What a manifest changes, and that a bad one harms its own function alone.

use std::time::Duration;

use serde_json::json;

use crate::harness::{PATIENCE, Project, RUNTIMES, Runtime, eventually, in_every_runtime};

/// The probe with a manifest.
fn with_manifest(runtime: Runtime, manifest: &str) -> Project {
    let file = format!("functions/{}.yaml", runtime.probe());
    Project::new().with(runtime, "probe").file(&file, manifest)
}

#[tokio::test]
async fn f52_the_timeout_is_the_manifests() {
    in_every_runtime(async |runtime| {
        let host = with_manifest(runtime, "timeout: 2s\n").serve().await;
        // The build of a Go function may take longer than its timeout.
        eventually("it serves", PATIENCE, async || {
            (host.probe(runtime, json!({})).await.status == 200).then_some(())
        })
        .await;
        let answer = host.probe(runtime, json!({"do": "hold", "ms": 60_000})).await;
        let message = answer.error_message(504, "FUNCTION_TIMEOUT");
        assert!(message.contains("2 s"), "{message}");
        let expected = Duration::from_secs(2)..Duration::from_secs(10);
        assert!(expected.contains(&answer.took), "{runtime}: {:?}", answer.took);
    })
    .await;
}

#[tokio::test]
async fn f52_an_empty_manifest_is_fine() {
    for runtime in RUNTIMES {
        for manifest in ["", "# nothing yet\n", "{}\n", "---\n"] {
            let host = with_manifest(runtime, manifest).serve().await;
            assert_eq!(host.value(runtime, json!({"a": 1})).await, json!({"a": 1}), "{manifest:?}");
        }
    }
}

#[tokio::test]
async fn f52_the_guides_manifest_is_taken_whole() {
    let manifest = "name: renamed\nruntime: RUNTIME\ntimeout: 60s\n\
                    memory: 512mb\ncpu: 0.5\nconcurrency: 4\n\
                    description: says what it is told\nenv:\n  OPENAI_API_KEY: ${OPENAI_API_KEY}\n";
    for runtime in RUNTIMES {
        let project = with_manifest(runtime, &manifest.replace("RUNTIME", runtime.name()));
        let project = project.env("OPENAI_API_KEY", "sk-test");
        let rows = project.run(&["list", "--json"]).await.json();
        assert_eq!(rows[0]["name"], "renamed", "{rows}");
        assert_eq!(rows[0]["timeout_ms"], 60_000, "{rows}");
        assert_eq!(rows[0]["memory"], 512 * 1024 * 1024, "{rows}");
        let host = project.serve().await;
        let env = host.call("renamed", json!({"do": "env"})).await.value();
        assert_eq!(env, json!({"OPENAI_API_KEY": "sk-test"}), "{runtime}");
        host.probe(runtime, json!({})).await.error(404, "FUNCTION_NOT_FOUND");
    }
}

#[tokio::test]
async fn f52_the_concurrency_is_the_manifests() {
    in_every_runtime(async |runtime| {
        let project = with_manifest(runtime, "concurrency: 1\n");
        let host =
            project.config(json!({"functions": {"pool": {"max_instances": 1}}})).serve().await;
        host.value(runtime, json!({})).await;
        let (holding, _) = host.begin(&runtime.probe(), json!({"do": "hold", "ms": 1_000})).await;
        let began = std::time::Instant::now();
        host.value(runtime, json!({})).await;
        assert!(began.elapsed() >= Duration::from_millis(800), "{runtime}: {:?}", began.elapsed());
        assert_eq!(holding.answer().await.value(), "held", "{runtime}");
    })
    .await;
}

#[tokio::test]
async fn f52_a_bad_manifest_disables_its_function_alone_and_says_where() {
    let table = [
        ("timeuot: 5s\n", vec![":1", "timeuot", "did you mean 'timeout'"]),
        ("env:\n  A: b\ntimeout: soon\n", vec![":3", "timeout", "soon"]),
        ("memory: [1]\n", vec![":1", "memory"]),
        ("runtime: rubby\n", vec![":1", "rubby"]),
        ("name: \"no good\"\n", vec![":1", "no good"]),
        ("env: {A: [}\n", vec![":1"]),
    ];
    for runtime in RUNTIMES {
        for (manifest, parts) in &table {
            let good = runtime.function("good");
            let project = with_manifest(runtime, manifest)
                .file(&runtime.file(&good), &runtime.fixture("probe"));
            let ran = project.run(&["list", "--json"]).await;
            let rows = ran.json();
            let row =
                rows.as_array().and_then(|rows| rows.iter().find(|r| r["name"] != good.as_str()));
            let row = row.unwrap_or_else(|| panic!("the bad one is not listed: {rows:#}"));
            assert_eq!(row["status"], "disabled", "{row}");
            let detail = row["detail"].as_str().unwrap_or_default();
            assert!(detail.contains(&format!("functions/{}.yaml", runtime.probe())), "{detail}");
            for part in parts {
                assert!(detail.contains(part), "no '{part}' in '{detail}'");
            }
        }
    }
}

#[tokio::test]
async fn f52_beside_a_disabled_function_the_others_serve() {
    for runtime in RUNTIMES {
        let good = runtime.function("good");
        let project = with_manifest(runtime, "timeuot: 5s\n");
        let host = project.file(&runtime.file(&good), &runtime.fixture("probe")).serve().await;
        let answer = host.probe(runtime, json!({})).await;
        answer.error(500, "FUNCTION_LOAD_ERROR");
        assert!(!answer.text().contains("timeuot"), "{}", answer.text());
        let told = |line: &crate::harness::log::Line| {
            line.level() == "ERROR" && line.message().contains("timeuot")
        };
        host.log.wait_for("the complaint", told).await;
        assert_eq!(host.call(&good, json!({"a": 1})).await.value(), json!({"a": 1}), "{runtime}");
    }
}

#[tokio::test]
async fn f52_mending_a_manifest_mends_the_function() {
    for runtime in RUNTIMES {
        let host = with_manifest(runtime, "timeuot: 5s\n").serve().await;
        host.probe(runtime, json!({})).await.error(500, "FUNCTION_LOAD_ERROR");
        host.project.write(&format!("functions/{}.yaml", runtime.probe()), "timeout: 50s\n");
        eventually(&format!("{runtime} is mended"), PATIENCE, async || {
            (host.probe(runtime, json!({})).await.status == 200).then_some(())
        })
        .await;
    }
}
