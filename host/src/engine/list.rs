//! Which containers an engine has.

use std::collections::HashMap;
use std::time::Duration;

use http::Method;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;

use crate::engine::Engine;
use crate::engine::error::EngineError;

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
        let filters = serde_json::json!({"label": [label]}).to_string();
        let filters = utf8_percent_encode(&filters, NON_ALPHANUMERIC);
        let path = format!("/containers/json?all=true&filters={filters}");
        self.told("list its containers", patience, (Method::GET, &path)).await
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
