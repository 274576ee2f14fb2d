//! The routes that tell how the host is: functions, health, metrics.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use serde_json::{Value, json};

use crate::http::App;
use crate::pool::error::Refusal;

/// `GET /api/functions`: names and runtimes, nothing else.
pub(crate) async fn list(State(app): State<Arc<App>>) -> Json<Value> {
    let registry = app.invoker.registry();
    let functions: Vec<_> =
        registry.iter().map(|f| json!({"name": &*f.name, "runtime": &*f.runtime})).collect();
    Json(json!({ "functions": functions }))
}

/// `GET /health`: the process answers, and it is Alyx.
pub(crate) async fn health() -> Json<Value> {
    Json(json!({"status": "ok", "name": "alyx", "version": env!("CARGO_PKG_VERSION")}))
}

/// `GET /health/live`.
pub(crate) async fn live() -> Json<Value> {
    Json(json!({"status": "ok"}))
}

/// `GET /health/ready`: 200 when calls will be served without a wait for a first worker.
pub(crate) async fn ready(State(app): State<Arc<App>>) -> (StatusCode, Json<Value>) {
    let mut runtimes = BTreeMap::new();
    let mut all_ready = true;
    let registry = app.invoker.registry();
    let is_used = |name: &str| registry.iter().any(|function| function.runtime == name);
    for (name, pool) in app.invoker.pool().runtimes().filter(|(name, _)| is_used(name)) {
        let state = match pool {
            Ok(pool) if pool.ready() => "ready",
            Ok(_) => {
                all_ready = false;
                "starting"
            }
            Err(Refusal::Disabled { .. }) => "disabled",
            Err(_) => "unavailable",
        };
        runtimes.insert(name.to_owned(), state);
    }
    let draining = app.draining.load(Ordering::Relaxed);
    let (status, word) = match (draining, all_ready) {
        (true, _) => (StatusCode::SERVICE_UNAVAILABLE, "draining"),
        (false, false) => (StatusCode::SERVICE_UNAVAILABLE, "starting"),
        (false, true) => (StatusCode::OK, "ready"),
    };
    (status, Json(json!({"status": word, "runtimes": runtimes})))
}

/// `GET /metrics`.
pub(crate) async fn metrics(State(app): State<Arc<App>>) -> impl IntoResponse {
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, kind)], app.metrics.text())
}
