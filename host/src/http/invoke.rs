//! `POST /api/functions/{name}`: from a request to a call, and from its outcome to an answer.

use std::borrow::Cow;
use std::fmt::Write;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Response, header};
use bytes::Bytes;
use percent_encoding::percent_decode_str;
use uuid::Uuid;

use crate::http::error::ApiError;
use crate::http::listen::ClientIp;
use crate::http::{App, input, trigger};
use crate::invocation::TraceContext;
use crate::invoker::{self, InvokeError, Outcome, Timing};

pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const SERVER_TIMING: HeaderName = HeaderName::from_static("server-timing");
/// Under `alyx dev`: why an older revision has answered.
const STALE: HeaderName = HeaderName::from_static("x-alyx-stale");
/// Longest request id that is taken over from a caller.
const REQUEST_ID_LENGTH: usize = 128;
const LONGEST_HEADER: usize = 300;

/// Calls a function.
pub(crate) async fn invoke(State(app): State<Arc<App>>, request: Request) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let name = name(parts.uri.path());
    let request_id = request_id(parts.headers.get(REQUEST_ID));
    let (mut answer, timing, stale) =
        match call(&app, &name, &parts, body, request_id.clone()).await {
            Ok(Outcome { result: Ok(value), timing, stale }) => (success(value), timing, stale),
            Ok(Outcome { result: Err(error), timing, stale }) => {
                log(&error, &request_id, &name);
                (ApiError::of(&error, app.verbose).into_http(), timing, stale)
            }
            Err(error) => (error.into_http(), Timing::default(), None),
        };
    if let Some(why) = stale {
        answer.headers_mut().insert(STALE, header_text(&why));
    }
    with_headers(answer, request_id, &timing)
}

/// What of a text a header can hold.
fn header_text(text: &str) -> HeaderValue {
    let plain = |c: char| if c.is_ascii_graphic() { c } else { ' ' };
    let text: String = text.chars().map(plain).take(LONGEST_HEADER).collect();
    HeaderValue::try_from(text).expect("printable ASCII is a header")
}

/// The last segment of the path, decoded. Bytes that are no text make a name nobody has.
fn name(path: &str) -> Cow<'_, str> {
    let segment = path.rsplit_once('/').map_or(path, |(_, last)| last);
    percent_decode_str(segment).decode_utf8_lossy()
}

async fn call(
    app: &App,
    name: &str,
    parts: &Parts,
    body: Body,
    request_id: String,
) -> Result<Outcome, ApiError> {
    if app.draining.load(Ordering::Relaxed) {
        return Err(ApiError::of_stopping());
    }
    if !app.enabled {
        return Err(ApiError::functions_disabled());
    }
    let function = app.invoker.find(name).await.map_err(|error| {
        log(&error, &request_id, name);
        ApiError::of(&error, app.verbose)
    })?;
    let body = input::read(&parts.headers, body, app.max_body).await?;
    let auth = app.gate.caller(&parts.headers).await?;
    let input = input::check(body)?;
    let ip = parts.extensions.get::<ClientIp>().map_or(ClientIp::UNKNOWN, |ip| *ip);
    let request = invoker::Request {
        trigger: trigger::http(&parts.method, &parts.uri, &parts.headers, ip.0),
        trace: trace(&parts.headers),
        auth,
        request_id,
        input,
    };
    Ok(app.invoker.invoke(function, request).await)
}

/// The caller's id when it is short and plain, else a new one.
pub(crate) fn request_id(given: Option<&HeaderValue>) -> String {
    let given = given.and_then(|value| value.to_str().ok());
    let fit = |id: &&str| {
        !id.is_empty() && id.len() <= REQUEST_ID_LENGTH && id.bytes().all(|b| b.is_ascii_graphic())
    };
    given.filter(fit).map_or_else(|| Uuid::now_v7().to_string(), str::to_owned)
}

fn trace(headers: &HeaderMap) -> Option<TraceContext> {
    let text = |name| {
        headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok()).map(str::to_owned)
    };
    let traceparent = text("traceparent").filter(|value| value.len() >= 55)?;
    Some(TraceContext { traceparent, tracestate: text("tracestate") })
}

fn success(value: Bytes) -> Response<Body> {
    let mut answer = Response::new(Body::from(value));
    answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    answer
}

pub(crate) fn with_headers(
    mut answer: Response<Body>,
    request_id: String,
    timing: &Timing,
) -> Response<Body> {
    let headers = answer.headers_mut();
    if let Ok(id) = HeaderValue::try_from(request_id) {
        headers.insert(REQUEST_ID, id);
    }
    if let Ok(timing) = HeaderValue::try_from(server_timing(timing)) {
        headers.insert(SERVER_TIMING, timing);
    }
    answer
}

/// Milliseconds of each part of the call.
fn server_timing(timing: &Timing) -> String {
    let mut text = String::with_capacity(64);
    for (name, took) in crate::metrics::PHASES.iter().zip(timing.phases()) {
        let separator = if text.is_empty() { "" } else { ", " };
        let ms = took.as_secs_f64() * 1e3;
        let written = if took == Duration::ZERO {
            write!(text, "{separator}{name};dur=0")
        } else {
            write!(text, "{separator}{name};dur={ms:.3}")
        };
        debug_assert!(written.is_ok(), "a string takes all text");
    }
    text
}

/// The full story of a failed call; the public gets a shorter one.
fn log(error: &InvokeError, request_id: &str, function: &str) {
    match error {
        InvokeError::NotFound { .. } => tracing::debug!(request_id, function, "{error}"),
        InvokeError::Failed { reason: crate::pool::error::CallError::Thrown(thrown), .. } => {
            let data = thrown.data.as_ref();
            let stack = data.and_then(|data| data.stack.as_deref()).unwrap_or_default();
            // What the caller is not told.
            let meant = data.and_then(|data| data.details.get("did_you_mean")?.as_str());
            tracing::warn!(request_id, function, stack, did_you_mean = meant, "{thrown}");
        }
        _ => tracing::warn!(request_id, function, "{error}"),
    }
}
