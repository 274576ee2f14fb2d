//! The proxy against servers on the loopback interface, which these tests alone may reach.

use std::net::{IpAddr, Ipv4Addr};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, UnixStream};

use super::*;

const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

struct Bench {
    folder: tempfile::TempDir,
    _proxy: Proxy,
}

impl Bench {
    fn new(allowed: &[IpAddr]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let policy = Policy { allowed: allowed.to_vec() };
        let proxy = Proxy::start("worker", folder.path(), policy).unwrap();
        Bench { folder, _proxy: proxy }
    }

    async fn dial(&self) -> UnixStream {
        UnixStream::connect(self.folder.path().join(SOCKET)).await.unwrap()
    }

    /// Sends `text`, ends, and reads all that comes back.
    async fn ask(&self, text: &str) -> String {
        let mut line = self.dial().await;
        line.write_all(text.as_bytes()).await.unwrap();
        let mut answer = String::new();
        line.read_to_string(&mut answer).await.unwrap();
        answer
    }
}

/// A server that sends back what it got once `end` has come, for one connection.
async fn echo(end: &'static str) -> u16 {
    let listener = TcpListener::bind((HERE, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut got = Vec::new();
        while !got.ends_with(end.as_bytes()) {
            if stream.read_buf(&mut got).await.unwrap() == 0 {
                return;
            }
        }
        stream.write_all(&got).await.unwrap();
    });
    port
}

#[tokio::test]
async fn a_tunnel_carries_bytes_both_ways() {
    let (bench, port) = (Bench::new(&[HERE]), echo("end").await);
    let request = format!("CONNECT 127.0.0.1:{port} HTTP/1.1\r\nHost: x\r\n\r\nfrom start to end");
    let answer = bench.ask(&request).await;
    assert_eq!(answer, "HTTP/1.1 200 Connection established\r\n\r\nfrom start to end");
}

#[tokio::test]
async fn a_plain_request_reaches_the_server_in_its_own_terms() {
    let (bench, port) = (Bench::new(&[HERE]), echo("body").await);
    let request = format!(
        "POST http://localhost:{port}/a HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\n\r\nbody"
    );
    let answer = bench.ask(&request).await;
    assert_eq!(
        answer,
        "POST /a HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\nConnection: close\r\n\r\nbody"
    );
}

#[tokio::test]
async fn names_are_judged_by_what_they_mean() {
    let (bench, port) = (Bench::new(&[]), echo("").await);
    for target in [
        format!("CONNECT localhost:{port}"),
        format!("CONNECT 127.0.0.1:{port}"),
        format!("CONNECT [::ffff:127.0.0.1]:{port}"),
        // Ways to write an address that resolvers understand.
        format!("CONNECT 2130706433:{port}"),
        format!("CONNECT 0x7f.1:{port}"),
        format!("CONNECT 0:{port}"),
        "GET http://169.254.169.254/latest/meta-data/".to_owned(),
    ] {
        let answer = bench.ask(&format!("{target} HTTP/1.1\r\nHost: x\r\n\r\n")).await;
        assert!(answer.starts_with("HTTP/1.1 403 Forbidden"), "{target}: {answer}");
        assert!(answer.contains("public addresses only"), "{target}: {answer}");
    }
}

#[tokio::test]
async fn a_server_that_is_not_there_is_said_to_be() {
    let bench = Bench::new(&[HERE]);
    // Nobody listens on a port that was given back.
    let port = TcpListener::bind((HERE, 0)).await.unwrap().local_addr().unwrap().port();
    let answer = bench.ask(&format!("CONNECT 127.0.0.1:{port} HTTP/1.1\r\n\r\n")).await;
    assert!(answer.starts_with("HTTP/1.1 502 Bad Gateway"), "{answer}");
    let answer = bench.ask("GET / HTTP/1.1\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 400 Bad Request"), "{answer}");
}

#[tokio::test]
async fn what_a_worker_may_open_has_a_bound() {
    let bench = Bench::new(&[HERE]);
    let mut held = Vec::new();
    for _ in 0..CONNECTIONS {
        let mut line = bench.dial().await;
        line.write_all(b"CONNECT").await.unwrap();
        held.push(line);
    }
    let port = echo("end").await;
    let request = format!("CONNECT 127.0.0.1:{port} HTTP/1.1\r\n\r\nend");
    let mut asking = Box::pin(bench.ask(&request));
    // The one over the bound waits for its turn.
    assert!(futures_util::poll!(&mut asking).is_pending());
    drop(held);
    assert!(asking.await.ends_with("end"));
}

#[tokio::test(start_paused = true)]
async fn a_head_that_does_not_come_is_not_waited_for() {
    let bench = Bench::new(&[HERE]);
    assert!(bench.ask("CONNECT 127").await.starts_with("HTTP/1.1 408"));
}

#[tokio::test]
async fn a_proxy_that_is_dropped_ends_its_connections() {
    let bench = Bench::new(&[HERE]);
    let mut line = bench.dial().await;
    line.write_all(b"CONNECT").await.unwrap();
    drop(bench);
    let mut nothing = Vec::new();
    assert_eq!(line.read_to_end(&mut nothing).await.unwrap_or(0), 0);
}
