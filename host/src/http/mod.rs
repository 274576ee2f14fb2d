//! The HTTP front: routes, and what is the same for every answer.
//!
//! Turns requests into calls of the invoker and its outcomes into answers. Knows nothing of
//! workers.

pub mod error;
pub mod input;
pub mod trigger;
pub mod invoke;
pub mod auth;
pub mod openapi;
pub mod status;
pub mod listen;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::header::ACCESS_CONTROL_ALLOW_METHODS;
use axum::http::{HeaderName, HeaderValue, Method, StatusCode};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use tower_http::cors::{AllowOrigin, CorsLayer};

use crate::db::Store;
use crate::http::auth::Gate;
use crate::http::error::ApiError;
use crate::invoker::{Invoker, Timing};
use crate::metrics::Metrics;

/// What the routes share.
#[derive(Debug)]
pub struct App {
    pub invoker: Arc<Invoker>,
    pub metrics: Arc<Metrics>,
    pub store: Store,
    /// Tells who is calling.
    pub gate: Gate,
    /// Largest request body in bytes.
    pub max_body: usize,
    /// `functions.enabled`.
    pub enabled: bool,
    /// Messages say more: `alyx dev`.
    pub verbose: bool,
    /// Set once the host has been told to stop.
    pub draining: AtomicBool,
}

/// Cross-origin rules, as configured.
#[derive(Debug, Clone)]
pub struct Cors {
    pub allowed_origins: Vec<String>,
    pub allow_credentials: bool,
    pub max_age: Duration,
}

/// All routes.
pub fn router(app: Arc<App>, cors: &Cors) -> Router {
    Router::new()
        .route("/api/functions/{name}", post(invoke::invoke))
        .route("/api/functions", get(status::list))
        .route("/api/openapi.json", get(openapi::describe))
        .route("/api/auth/register", post(auth::register))
        .route("/api/auth/login", post(auth::login))
        .route("/api/auth/refresh", post(auth::refresh))
        .route("/api/auth/logout", post(auth::logout))
        .route("/api/auth/me", get(auth::me))
        .route("/health", get(status::health))
        .route("/health/live", get(status::live))
        .route("/health/ready", get(status::ready))
        .route("/metrics", get(status::metrics))
        .fallback(|| async { ApiError::not_found() })
        .method_not_allowed_fallback(|| async { ApiError::method_not_allowed() })
        .layer(cors_layer(cors))
        .layer(from_fn_with_state(app.clone(), finish))
        .with_state(app)
}

/// What every answer has, whoever made it: an id, timings, and a place in the metrics.
async fn finish(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let given = request.headers().get(invoke::REQUEST_ID).cloned();
    let mut answer = next.run(request).await;
    if !answer.headers().contains_key(invoke::REQUEST_ID) {
        let request_id = invoke::request_id(given.as_ref());
        answer = invoke::with_headers(answer, request_id, &Timing::default());
    }
    // A preflight has nothing to say beyond its headers.
    if answer.headers().contains_key(ACCESS_CONTROL_ALLOW_METHODS) {
        *answer.status_mut() = StatusCode::NO_CONTENT;
    }
    app.metrics.http(answer.status().as_u16());
    answer
}

fn cors_layer(cors: &Cors) -> CorsLayer {
    let any = cors.allowed_origins.iter().any(|origin| origin == "*");
    let origins = cors.allowed_origins.iter().filter_map(|o| HeaderValue::from_str(o).ok());
    let origin = match (any, cors.allow_credentials) {
        (true, false) => AllowOrigin::any(),
        // The wildcard is not allowed beside credentials; the origin is named instead.
        (true, true) => AllowOrigin::mirror_request(),
        (false, _) => AllowOrigin::list(origins),
    };
    let headers = ["authorization", "content-type", "traceparent", "tracestate", "x-request-id"];
    let exposed = ["x-request-id", "server-timing", "retry-after", "x-alyx-stale"];
    CorsLayer::new()
        .allow_origin(origin)
        .allow_methods([Method::GET, Method::POST, Method::OPTIONS])
        .allow_headers(headers.map(HeaderName::from_static))
        .expose_headers(exposed.map(HeaderName::from_static))
        .allow_credentials(cors.allow_credentials)
        .max_age(cors.max_age)
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        self.into_http()
    }
}
