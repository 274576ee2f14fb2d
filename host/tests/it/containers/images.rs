//! S3, W7: when an image is pulled, and what happens without one.
//!
//! The registry is a socket of this test's own, which sees whether anybody comes.

use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};

use super::HELLO;
use crate::harness::engine::Engine;
use crate::harness::{Host, PATIENCE, eventually};

/// Where the images of the three runtimes are without a configuration.
const OURS: &str = "ghcr.io/watzon/alyx-runtime";

/// Counts who comes, and hangs up.
struct Registry {
    port: u16,
    visits: Arc<AtomicUsize>,
}

impl Registry {
    fn open() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("bound").port();
        let visits = Arc::new(AtomicUsize::new(0));
        let counted = visits.clone();
        // Ends with the tests.
        std::thread::spawn(move || {
            for _visit in listener.incoming() {
                counted.fetch_add(1, Ordering::Relaxed);
            }
        });
        Registry { port, visits }
    }

    /// An image that is only to be had here.
    fn image(&self, runtime: &str) -> String {
        format!("127.0.0.1:{}/alyx-it/{runtime}:1", self.port)
    }

    fn visits(&self) -> usize {
        self.visits.load(Ordering::Relaxed)
    }
}

/// Another name for the image of a runtime, until it is dropped.
struct Tag<'a>(&'a Engine, String);

impl<'a> Tag<'a> {
    fn new(engine: &'a Engine, runtime: &str, image: &str) -> Self {
        let (name, tag) = image.rsplit_once(':').expect("a tag");
        let path = format!("images/{OURS}-{runtime}:latest/tag?repo={name}&tag={tag}");
        let said = engine.text("POST", &path);
        assert!(said.trim().is_empty(), "{}: {said}", engine.name);
        Tag(engine, image.to_owned())
    }
}

impl Drop for Tag<'_> {
    fn drop(&mut self) {
        self.0.text("DELETE", &format!("images/{}?force=true", self.1));
    }
}

/// One function of Node.js and one of Python, whose image is this one.
async fn with_python(engine: &Engine, image: &str) -> Host {
    let config = json!({"functions": {"runtimes": {"python": {"image": image}}}});
    let project = engine.project().file("functions/hello.js", HELLO).config(config);
    let handler = "def handler(ctx):\n    return 'py'\n";
    project.file("functions/snake.py", handler).serve().await
}

#[tokio::test]
#[ignore = "needs engines: scripts/test engines"]
async fn s3_an_image_that_is_there_is_not_pulled() {
    for engine in Engine::all() {
        let registry = Registry::open();
        let image = registry.image("python");
        {
            let _there = Tag::new(&engine, "python", &image);
            for _start in 0..2 {
                let host = with_python(&engine, &image).await;
                assert_eq!(host.call("snake", json!({})).await.value(), "py");
                host.ready().await;
                let of_image = |c: &Value| c["Image"].as_str().is_some_and(|i| i == image);
                let all = engine.containers(&host);
                assert!(all.iter().any(of_image), "{}: {all:#?}", engine.name);
            }
            assert_eq!(registry.visits(), 0, "{}", engine.name);
        }
        // The same name without an image: that is asked for, so visits would have been seen.
        let host = with_python(&engine, &image).await;
        let message = host.call("snake", json!({})).await.error_message(503, "RUNTIME_UNAVAILABLE");
        assert!(message.contains(&image), "{}: {message}", engine.name);
        eventually("somebody asks the registry", PATIENCE, async || {
            (registry.visits() > 0).then_some(())
        })
        .await;
    }
}

#[tokio::test]
#[ignore = "needs engines: scripts/test engines"]
async fn w7_a_missing_image_disables_its_runtime_alone_and_says_its_name() {
    for engine in Engine::all() {
        let registry = Registry::open();
        let image = registry.image("snake");
        let host = with_python(&engine, &image).await;
        assert_eq!(host.call("hello", json!({})).await.value(), "hello", "{}", engine.name);
        let message = host.call("snake", json!({})).await.error_message(503, "RUNTIME_UNAVAILABLE");
        assert!(message.contains(&image), "{}: {message}", engine.name);
        assert!(message.contains("alyx runtimes build"), "{}: {message}", engine.name);
        let running = engine.running(&host);
        let of_node = |c: &Value| c["Labels"]["dev.alyx.runtime"] == "node";
        assert!(!running.is_empty() && running.iter().all(of_node), "{running:#?}");
        // The image comes, and nobody restarts anything.
        let _there = Tag::new(&engine, "python", &image);
        eventually("the runtime works", PATIENCE, async || {
            (host.call("snake", json!({})).await.status == 200).then_some(())
        })
        .await;
    }
}
