//! Finding an engine, as far as that can be told without one.

use std::path::Path;

use tokio::net::UnixListener;

use super::*;

fn places(socket: &Path) -> Places {
    let host = format!("unix://{}", socket.display());
    Places::new(|name| (name == "DOCKER_HOST").then_some(host.as_str()), 0)
}

#[test]
fn versions_compare_by_number() {
    assert_eq!(number("20.10.24+dfsg1"), (20, 10));
    assert!(number("5.4.2") > Kind::Podman.least() && number("4.2.9") < Kind::Podman.least());
}

#[tokio::test]
async fn a_missing_engine_is_told_with_what_was_tried() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("none.sock");
    let error = Engine::find(Some(Kind::Docker), &places(&socket)).await.unwrap_err().to_string();
    assert_eq!(
        error,
        format!(
            "no Docker answers (no '{}'); install and start it (systemctl start docker), or set DOCKER_HOST",
            socket.display()
        )
    );
}

#[tokio::test]
async fn a_socket_that_hangs_up_is_no_engine() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("s");
    let listener = UnixListener::bind(&socket).unwrap();
    let hangs_up = tokio::spawn(async move {
        loop {
            let _stream = listener.accept().await;
        }
    });
    let error = Engine::find(None, &places(&socket)).await.unwrap_err().to_string();
    assert!(error.contains("does not answer as a container engine"), "{error}");
    hangs_up.abort();
}
