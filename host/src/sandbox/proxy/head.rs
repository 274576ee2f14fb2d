//! The head of a request to the proxy: read with a bound, and understood as far as is needed.
//!
//! CONNECT names a host and a port; other methods name a whole address. Knows nothing of bodies.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt};

/// Longest head.
const LONGEST: usize = 32 * 1024;

/// The bytes of a head, and those that came with it.
#[derive(Debug)]
pub(super) struct Head {
    bytes: Vec<u8>,
    end: usize,
}

/// What a request wants to reach, and what the server there is told.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Asked {
    pub(super) target: Target,
    /// The head of a plain request in the server's own terms; none for a tunnel.
    pub(super) forward: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) host: String,
    pub(super) port: u16,
}

impl Head {
    pub(super) async fn read(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Self> {
        let mut bytes = Vec::with_capacity(1024);
        loop {
            if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
                return Ok(Head { bytes, end: end + 4 });
            }
            if bytes.len() >= LONGEST {
                return Err(io::Error::other("the head is too long"));
            }
            if stream.read_buf(&mut bytes).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }

    /// What came after the head: the beginning of a body.
    pub(super) fn rest(&self) -> &[u8] {
        &self.bytes[self.end..]
    }

    pub(super) fn asked(&self) -> Result<Asked, String> {
        let text = std::str::from_utf8(&self.bytes[..self.end - 4]).map_err(|e| e.to_string())?;
        let mut lines = text.split("\r\n");
        let request = lines.next().unwrap_or_default();
        let mut words = request.split(' ');
        let (Some(method), Some(address), Some(version), None) =
            (words.next(), words.next(), words.next(), words.next())
        else {
            return Err("the first line is no request".into());
        };
        if !matches!(version, "HTTP/1.0" | "HTTP/1.1") {
            return Err(format!("'{version}' is not spoken here"));
        }
        if method == "CONNECT" {
            let target = Target::parse(address, None)?;
            return Ok(Asked { target, forward: None });
        }
        let rest = address.get(..7).filter(|scheme| scheme.eq_ignore_ascii_case("http://"));
        let rest = rest.map(|_| &address[7..]);
        let Some(rest) = rest else {
            return Err("this is a proxy: name a whole 'http://' address, or use CONNECT".into());
        };
        let (authority, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        let target = Target::parse(authority, Some(80))?;
        let slash = if path.starts_with('/') { "" } else { "/" };
        let mut forward = format!("{method} {slash}{path} {version}\r\n");
        // One request for each connection: the next may be for another server.
        for line in lines.filter(|line| !is_of_the_way(line)) {
            forward.push_str(line);
            forward.push_str("\r\n");
        }
        forward.push_str("Connection: close\r\n\r\n");
        Ok(Asked { target, forward: Some(forward) })
    }
}

/// Headers that are about the connection to the proxy.
fn is_of_the_way(line: &str) -> bool {
    let name = line.split(':').next().unwrap_or_default().trim().to_ascii_lowercase();
    name == "connection" || name == "keep-alive" || name == "te" || name.starts_with("proxy-")
}

impl Target {
    /// `host:port`, `[v6]:port`; without a port only where there is a usual one.
    fn parse(text: &str, usual: Option<u16>) -> Result<Self, String> {
        let bad = || format!("'{text}' is no host and port");
        // Whoever is named before an @ has no business here.
        let text = text.rsplit('@').next().unwrap_or(text);
        let (host, port) = match text.strip_prefix('[') {
            Some(rest) => {
                let (host, rest) = rest.split_once(']').ok_or_else(bad)?;
                (host, rest.strip_prefix(':'))
            }
            None => match text.split_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (text, None),
            },
        };
        let port = match port {
            Some(port) => port.parse().ok().filter(|port| *port > 0).ok_or_else(bad)?,
            None => usual.ok_or_else(bad)?,
        };
        let plain = |c: char| c.is_ascii_alphanumeric() || "-._:".contains(c);
        if host.is_empty() || host.len() > 253 || !host.chars().all(plain) {
            return Err(bad());
        }
        Ok(Target { host: host.to_owned(), port })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn asked(text: &str) -> Result<Asked, String> {
        let head = Head::read(&mut text.as_bytes()).await.map_err(|e| e.to_string())?;
        head.asked()
    }

    async fn target(line: &str) -> Result<(String, u16), String> {
        let asked = asked(&format!("{line}\r\nHost: x\r\n\r\n")).await?;
        Ok((asked.target.host, asked.target.port))
    }

    #[tokio::test]
    async fn tunnels_and_whole_addresses_name_a_target() {
        for (line, host, port) in [
            ("CONNECT example.org:443 HTTP/1.1", "example.org", 443),
            ("CONNECT [2001:db8::1]:8443 HTTP/1.1", "2001:db8::1", 8443),
            ("GET http://example.org/a HTTP/1.1", "example.org", 80),
            ("GET http://example.org:81?q HTTP/1.1", "example.org", 81),
            ("GET HTTP://user:word@example.org/ HTTP/1.0", "example.org", 80),
        ] {
            assert_eq!(target(line).await, Ok((host.to_owned(), port)), "{line}");
        }
    }

    #[tokio::test]
    async fn what_is_no_request_to_a_proxy_is_refused() {
        for line in [
            "GET / HTTP/1.1",
            "GET https://example.org/ HTTP/1.1",
            "CONNECT example.org HTTP/1.1",
            "CONNECT example.org:0 HTTP/1.1",
            "CONNECT :443 HTTP/1.1",
            "CONNECT a b:1 HTTP/1.1",
            "CONNECT example.org:99999 HTTP/1.1",
            "CONNECT ex%00ample:1 HTTP/1.1",
            "nonsense",
            "GET http://example.org/ HTTP/2",
            "é",
        ] {
            assert!(target(line).await.is_err(), "{line}");
        }
    }

    #[tokio::test]
    async fn a_plain_request_loses_what_is_for_the_proxy() {
        let text = "POST http://example.org/a?b HTTP/1.1\r\nHost: example.org\r\nProxy-Authorization: x\r\nConnection: keep-alive\r\nX-Own: 1\r\n\r\nbody";
        let head = Head::read(&mut text.as_bytes()).await.unwrap();
        assert_eq!(head.rest(), b"body");
        let forward = head.asked().unwrap().forward.unwrap();
        assert_eq!(
            forward,
            "POST /a?b HTTP/1.1\r\nHost: example.org\r\nX-Own: 1\r\nConnection: close\r\n\r\n"
        );
    }

    #[tokio::test]
    async fn a_head_without_an_end_is_given_up() {
        let endless = vec![b'x'; LONGEST * 2];
        assert!(Head::read(&mut &endless[..]).await.is_err());
        assert!(Head::read(&mut &b"GET"[..]).await.is_err());
    }
}
