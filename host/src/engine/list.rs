//! Which containers an engine has.
//!
//! Asked past the client, which gives up the whole list for one container in a state that it does
//! not know: Podman's `stopped`, in which every container is for a moment when it ends.

use std::collections::HashMap;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Empty, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use tokio::net::UnixStream;
use tokio_util::task::AbortOnDropHandle;

use crate::engine::Engine;
use crate::engine::error::EngineError;

const DOING: &str = "list its containers";
/// Longest list in bytes: some ten thousand containers.
const LONGEST: usize = 32 << 20;

/// One container, running or not.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Listed {
    pub id: String,
    /// In the engine's words.
    pub state: String,
    /// In seconds since 1970.
    pub created: u64,
    labels: Option<HashMap<String, String>>,
}

impl Listed {
    /// None has an empty map.
    #[must_use]
    pub fn labels(&self) -> HashMap<String, String> {
        self.labels.clone().unwrap_or_default()
    }
}

impl Engine {
    /// All containers with this label, or `label=value`.
    ///
    /// # Errors
    /// [`EngineError`]
    pub async fn containers(
        &self,
        label: &str,
        patience: Duration,
    ) -> Result<Vec<Listed>, EngineError> {
        let answer = tokio::time::timeout(patience, self.listed(label)).await;
        let (kind, doing) = (self.kind(), DOING.to_owned());
        answer.unwrap_or(Err(EngineError::Slow { kind, doing, patience }))
    }

    async fn listed(&self, label: &str) -> Result<Vec<Listed>, EngineError> {
        let broken = |why: &dyn std::fmt::Display| EngineError::Broken {
            kind: self.kind(),
            doing: DOING.into(),
            why: why.to_string(),
        };
        let stream = UnixStream::connect(self.socket()).await.map_err(|e| EngineError::Gone {
            kind: self.kind(),
            socket: self.socket().to_owned(),
            why: e.to_string(),
        })?;
        let (mut sender, connection) =
            http1::handshake(TokioIo::new(stream)).await.map_err(|e| broken(&e))?;
        let _until_read = AbortOnDropHandle::new(tokio::spawn(connection));
        let filters = serde_json::json!({"label": [label]}).to_string();
        let filters = utf8_percent_encode(&filters, NON_ALPHANUMERIC);
        let request = hyper::Request::get(format!("/containers/json?all=true&filters={filters}"))
            .header("Host", "engine")
            .body(Empty::<Bytes>::new())
            .map_err(|e| broken(&e))?;
        let answer = sender.send_request(request).await.map_err(|e| broken(&e))?;
        let status = answer.status();
        let body = Limited::new(answer.into_body(), LONGEST).collect().await;
        let body = body.map_err(|e| broken(&e))?.to_bytes();
        if !status.is_success() {
            let message = String::from_utf8_lossy(&body).trim().to_owned();
            let (kind, doing, status) = (self.kind(), DOING.into(), status.as_u16());
            return Err(EngineError::Refused { kind, doing, status, message });
        }
        serde_json::from_slice(&body).map_err(|e| broken(&e))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_container_in_any_state_is_read() {
        let told = r#"[{"Id": "a", "State": "stopped", "Created": 5, "Labels": {"x": "y"}, "Ports": []},
            {"Id": "b", "State": "running", "Labels": null}]"#;
        let listed: Vec<Listed> = serde_json::from_str(told).unwrap();
        assert_eq!((listed[0].state.as_str(), listed[0].created), ("stopped", 5));
        assert_eq!(listed[0].labels()["x"], "y");
        assert!(listed[1].labels().is_empty());
    }
}
