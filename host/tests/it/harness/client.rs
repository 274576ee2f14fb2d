//! An HTTP client that does what it is told, also what no proper client would do.
//!
//! One connection for each request. Knows nothing of functions.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::PATIENCE;

/// One request to be sent.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    address: SocketAddr,
    line: String,
    headers: Vec<(String, String)>,
    body: Body,
}

#[derive(Debug, Clone)]
enum Body {
    None,
    Sized(Vec<u8>),
    Chunked(Vec<Vec<u8>>),
}

impl Request {
    pub(crate) fn new(address: SocketAddr, method: &str, path: &str) -> Self {
        let line = format!("{method} {path} HTTP/1.1");
        Request { address, line, headers: Vec::new(), body: Body::None }
    }

    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Sent with its length.
    pub(crate) fn body(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.body = Body::Sized(bytes.into());
        self
    }

    /// Sent as JSON with its length.
    pub(crate) fn json(self, value: &Value) -> Self {
        self.header("Content-Type", "application/json").body(value.to_string())
    }

    /// Sent in chunks, the length untold.
    pub(crate) fn chunks<'a>(mut self, chunks: impl IntoIterator<Item = &'a [u8]>) -> Self {
        self.body = Body::Chunked(chunks.into_iter().map(<[u8]>::to_vec).collect());
        self
    }

    /// Sends it and reads the answer.
    pub(crate) async fn send(self) -> Answer {
        self.begin().await.answer().await
    }

    /// Sends it. Dropped without having asked for the answer, the client hangs up.
    pub(crate) async fn begin(self) -> Sent {
        let (mut bytes, line) = (self.head().into_bytes(), self.line);
        match self.body {
            Body::None => {}
            Body::Sized(body) => bytes.extend_from_slice(&body),
            Body::Chunked(chunks) => {
                for chunk in chunks {
                    bytes.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
                    bytes.extend_from_slice(&chunk);
                    bytes.extend_from_slice(b"\r\n");
                }
                bytes.extend_from_slice(b"0\r\n\r\n");
            }
        }
        Sent::bytes(self.address, &line, bytes).await
    }

    fn head(&self) -> String {
        let mut head = format!("{}\r\nHost: {}\r\nConnection: close\r\n", self.line, self.address);
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        match &self.body {
            Body::None => {}
            Body::Sized(body) => head.push_str(&format!("Content-Length: {}\r\n", body.len())),
            Body::Chunked(_) => head.push_str("Transfer-Encoding: chunked\r\n"),
        }
        head + "\r\n"
    }
}

/// A request that is on its way; an answer may come while it still is.
#[derive(Debug)]
pub(crate) struct Sent {
    line: String,
    began: Instant,
    stream: TcpStream,
    /// What did not fit into the socket yet.
    rest: Vec<u8>,
}

impl Sent {
    /// Sends bytes as they are; `line` is what panics call them.
    pub(crate) async fn bytes(address: SocketAddr, line: &str, bytes: Vec<u8>) -> Sent {
        let stream = TcpStream::connect(address).await;
        let mut stream = stream.unwrap_or_else(|e| panic!("{line}: cannot connect: {e}"));
        let began = Instant::now();
        // A small request goes out whole; the rest of a large one goes while the answer is read.
        let first = bytes.len().min(16 * 1024);
        stream.write_all(&bytes[..first]).await.expect("the host takes the connection");
        Sent { line: line.to_owned(), began, stream, rest: bytes[first..].to_vec() }
    }

    /// Sends more.
    pub(crate) async fn write(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.expect("the host reads on");
    }

    /// Reads to the end of the connection.
    pub(crate) async fn answer(self) -> Answer {
        let (line, began) = (self.line.clone(), self.began);
        Answer::parse(&line, &self.bytes_back().await, began.elapsed())
    }

    /// The same, whatever it is.
    pub(crate) async fn bytes_back(self) -> Vec<u8> {
        let Sent { line, mut stream, rest, .. } = self;
        let (mut reader, mut writer) = stream.split();
        let mut bytes = Vec::new();
        let exchange = async {
            let write = async {
                // A host that has answered already may hang up on the rest.
                let _refused = writer.write_all(&rest).await;
            };
            tokio::join!(write, reader.read_to_end(&mut bytes)).1
        };
        let read = timeout(PATIENCE * 2, exchange).await;
        let read = read.unwrap_or_else(|_| panic!("{line}: no whole answer in {PATIENCE:?}"));
        let broke = "the connection broke before an answer";
        assert!(read.is_ok() || !bytes.is_empty(), "{line}: {broke}: {read:?}");
        bytes
    }
}

/// What came back.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    line: String,
    pub(crate) status: u16,
    headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    /// From the connection to the last byte.
    pub(crate) took: Duration,
}

impl Answer {
    fn parse(line: &str, bytes: &[u8], took: Duration) -> Self {
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n");
        let end = end.unwrap_or_else(|| {
            panic!("{line}: no head in answer: {:?}", String::from_utf8_lossy(bytes))
        });
        let head = std::str::from_utf8(&bytes[..end]).expect("a head is ASCII");
        let mut lines = head.split("\r\n");
        let status = lines.next().and_then(|first| first.split(' ').nth(1)?.parse().ok());
        let headers = lines.filter_map(|line| {
            let (name, value) = line.split_once(':')?;
            Some((name.to_ascii_lowercase(), value.trim().to_owned()))
        });
        let answer = Answer {
            line: line.to_owned(),
            status: status.unwrap_or_else(|| panic!("{line}: no status in '{head}'")),
            headers: headers.collect(),
            body: bytes[end + 4..].to_vec(),
            took,
        };
        if let Some(length) = answer.header("content-length") {
            assert_eq!(length, answer.body.len().to_string(), "{line}: the body is not whole");
        }
        answer
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    /// The milliseconds of one part of `Server-Timing`: what the host says, however busy the
    /// machine is on which client and host are.
    pub(crate) fn phase(&self, name: &str) -> f64 {
        let timing = self.header("server-timing");
        let parts = timing.unwrap_or_else(|| panic!("{}: no Server-Timing", self.line));
        let duration = parts.split(',').find_map(|part| {
            let (found, duration) = part.trim().split_once(";dur=")?;
            (found == name).then(|| duration.parse().expect("a duration is a number"))
        });
        duration.unwrap_or_else(|| panic!("{}: no {name} in '{parts}'", self.line))
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.body.clone()).expect("a body is UTF-8")
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|e| panic!("{}: no JSON ({e}): {}", self.line, self.text()))
    }

    /// What a successful call returned.
    pub(crate) fn value(&self) -> Value {
        assert_eq!(self.status, 200, "{}: {}", self.line, self.text());
        self.json()
    }

    /// Checks status and code of an error, and that it has the one shape; returns its members.
    pub(crate) fn error(&self, status: u16, code: &str) -> Value {
        let (line, text) = (&self.line, self.text());
        assert_eq!(self.status, status, "{line}: {text}");
        assert_eq!(self.header("content-type"), Some("application/json"), "{line}: {text}");
        let body = self.json();
        let members = body.as_object().unwrap_or_else(|| panic!("{line}: {text}"));
        assert_eq!(members.keys().collect::<Vec<_>>(), ["error"], "{line}: {text}");
        let error = members["error"].clone();
        assert_eq!(error["code"], code, "{line}: {text}");
        assert!(error["message"].as_str().is_some_and(|m| !m.is_empty()), "{line}: {text}");
        error
    }

    /// The message of an error with this status and code.
    pub(crate) fn error_message(&self, status: u16, code: &str) -> String {
        self.error(status, code)["message"].as_str().expect("checked above").to_owned()
    }
}
