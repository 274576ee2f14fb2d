//! `GET /api/openapi.json`: the functions as OpenAPI 3.1 describes them.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;

use crate::http::App;
use crate::schema::openapi::{About, Described, document};

/// How long functions that nobody has called yet may take to tell their schemas.
const PATIENCE: Duration = Duration::from_secs(10);

/// The description of all functions that can be called.
pub(crate) async fn describe(State(app): State<Arc<App>>) -> impl IntoResponse {
    app.invoker.learn_schemas(PATIENCE).await;
    let registry = app.invoker.registry();
    let callable: Vec<_> = registry.iter().filter(|function| function.problem.is_none()).collect();
    let schemas: Vec<_> =
        callable.iter().map(|function| app.invoker.pool().schema(function)).collect();
    let functions = callable.iter().zip(&schemas).map(|(function, schema)| Described {
        name: &function.name,
        description: function.description.as_deref(),
        schema: schema.as_deref(),
    });
    let about = About { title: "Alyx functions", version: env!("CARGO_PKG_VERSION") };
    ([(header::CONTENT_TYPE, "application/json")], document(about, functions))
}
