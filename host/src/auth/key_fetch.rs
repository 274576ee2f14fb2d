//! Gets the text of a key set from a file or over HTTP, with limits on size and time.
//!
//! Blocks; whoever calls it does so off the async threads. Knows nothing of what the text says.

use std::io::Read;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use ureq::Agent;
use ureq::tls::{RootCerts, TlsConfig};

/// A set of 64 large keys is a tenth of this.
const LARGEST: u64 = 256 * 1024;
/// For everything: name, connection, answer.
const PATIENCE: Duration = Duration::from_secs(5);
const MOST_REDIRECTS: u32 = 3;

/// Where a key set is.
#[derive(Debug, Clone)]
pub enum Location {
    File(PathBuf),
    Url(String, Agent),
}

impl Location {
    /// Reads the setting `auth.jwt.jwks`: an address when it has a scheme, else a path.
    ///
    /// # Errors
    /// When it has a scheme that is not HTTP.
    pub fn new(jwks: &str) -> Result<Location, String> {
        match jwks.split_once("://") {
            None => Ok(Location::File(jwks.into())),
            Some((scheme @ ("http" | "https"), rest)) => {
                let is_safe = scheme == "https" || is_this_machine(rest);
                if !is_safe {
                    tracing::warn!(
                        "auth.jwt.jwks is fetched without TLS: who sits between can sign tokens; use https://"
                    );
                }
                Ok(Location::Url(jwks.to_owned(), agent(scheme == "https")))
            }
            Some((scheme, _)) => Err(format!(
                "auth.jwt.jwks: '{scheme}://' is not supported; use https:// or a path"
            )),
        }
    }

    /// The text, as it is now.
    ///
    /// # Errors
    /// What went wrong, for the log.
    pub fn read(&self) -> Result<String, String> {
        match self {
            Location::File(path) => {
                let file = std::fs::File::open(path).map_err(|error| error.to_string())?;
                let mut text = String::new();
                let mut limited = file.take(LARGEST + 1);
                limited.read_to_string(&mut text).map_err(|error| error.to_string())?;
                if text.len() as u64 > LARGEST {
                    return Err(format!("it is larger than {LARGEST} bytes"));
                }
                Ok(text)
            }
            Location::Url(url, agent) => {
                let answer = agent.get(url).header("accept", "application/json").call();
                let mut answer = answer.map_err(|error| error.to_string())?;
                let body = answer.body_mut().with_config().limit(LARGEST);
                body.read_to_string().map_err(|error| error.to_string())
            }
        }
    }

    #[must_use]
    pub fn is_file(&self) -> bool {
        matches!(self, Location::File(_))
    }
}

impl std::fmt::Display for Location {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Location::File(path) => path.display().fmt(f),
            // What follows the path may be a key of the user's.
            Location::Url(url, _) => f.write_str(url.split(['?', '#']).next().unwrap_or(url)),
        }
    }
}

/// `rest` is what follows the scheme.
fn is_this_machine(rest: &str) -> bool {
    let host = rest.split(['/', '?', '#']).next().unwrap_or(rest);
    let host = host.rsplit_once(':').map_or(host, |(host, _)| host);
    matches!(host, "localhost" | "127.0.0.1" | "[::1]")
}

/// One that began with TLS is not led away from it.
fn agent(https_only: bool) -> Agent {
    let ring = Arc::new(rustls::crypto::ring::default_provider());
    let tls = TlsConfig::builder()
        .unversioned_rustls_crypto_provider(ring)
        // The machine's own: a company's issuer often has a certificate of the company.
        .root_certs(RootCerts::PlatformVerifier)
        .build();
    Agent::config_builder()
        .timeout_global(Some(PATIENCE))
        .max_redirects(MOST_REDIRECTS)
        .tls_config(tls)
        .https_only(https_only)
        .build()
        .new_agent()
}
