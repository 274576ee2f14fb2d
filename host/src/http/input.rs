//! The body of a call, read within limits and checked before anything else sees it.
//!
//! Knows nothing of functions. What comes out is one JSON object as bytes, safe to be spliced
//! into a frame.

use std::time::Duration;

use alyx_protocol::json::{self, JsonError, Shape};
use alyx_protocol::limits::DEPTH;
use axum::body::Body;
use axum::http::{HeaderMap, header};
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use tokio::time::{Instant, timeout_at};

use crate::http::error::ApiError;

/// How long a client may take to send its body.
const BODY_PATIENCE: Duration = Duration::from_secs(30);
/// What is read and thrown away of a body that is too large, so that the client, who is still
/// sending, gets to read the answer.
const DRAIN: usize = 32 * 1024 * 1024;
const DRAIN_PATIENCE: Duration = Duration::from_secs(2);

/// Reads the whole body.
///
/// # Errors
/// 413, 408 and 400 as [`ApiError`].
pub(crate) async fn read(
    headers: &HeaderMap,
    mut body: Body,
    limit: usize,
) -> Result<Bytes, ApiError> {
    let announced =
        headers.get(header::CONTENT_LENGTH).and_then(|v| v.to_str().ok()?.parse::<usize>().ok());
    if let Some(length) = announced.filter(|length| *length > limit) {
        drain(body).await;
        return Err(too_large(limit, Some(length)));
    }
    let deadline = Instant::now() + BODY_PATIENCE;
    let mut first = Bytes::new();
    let mut all = BytesMut::new();
    loop {
        let frame = timeout_at(deadline, body.frame()).await.map_err(|_| {
            ApiError::new(
                408,
                "REQUEST_TIMEOUT",
                format!("the body did not arrive within {BODY_PATIENCE:?}"),
            )
        })?;
        let Some(frame) = frame else { break };
        let frame = frame.map_err(|_| ApiError::new(400, "INVALID_BODY", "the body broke off"))?;
        let Ok(data) = frame.into_data() else { continue };
        if first.len() + all.len() + data.len() > limit {
            drain(body).await;
            return Err(too_large(limit, None));
        }
        // One chunk, the usual case, is kept as it came.
        if first.is_empty() && all.is_empty() {
            first = data;
            continue;
        }
        if all.is_empty() {
            all.reserve(announced.unwrap_or(first.len() * 2).max(first.len() + data.len()));
            all.extend_from_slice(&std::mem::take(&mut first));
        }
        all.extend_from_slice(&data);
    }
    Ok(if all.is_empty() { first } else { all.freeze() })
}

async fn drain(mut body: Body) {
    let deadline = Instant::now() + DRAIN_PATIENCE;
    let mut read = 0;
    while read < DRAIN
        && let Ok(Some(Ok(frame))) = timeout_at(deadline, body.frame()).await
    {
        read += frame.into_data().map_or(0, |data| data.len());
    }
}

fn too_large(limit: usize, actual: Option<usize>) -> ApiError {
    let message =
        format!("the body is over the limit of {limit} bytes; raise server.max_body_size");
    let error = ApiError::new(413, "PAYLOAD_TOO_LARGE", message).with("limit", limit);
    match actual {
        Some(actual) => error.with("actual", actual),
        None => error,
    }
}

/// Checks that the body is an input: an object, or nothing, which stands for `{}`.
///
/// # Errors
/// 400 INVALID_JSON and INVALID_INPUT as [`ApiError`].
pub(crate) fn check(body: Bytes) -> Result<Bytes, ApiError> {
    const EMPTY: Bytes = Bytes::from_static(b"{}");
    if body.iter().all(u8::is_ascii_whitespace) {
        return Ok(EMPTY);
    }
    match json::check(&body, DEPTH) {
        Ok((Shape::Object, _)) => Ok(body),
        Ok((Shape::Null, _)) => Ok(EMPTY),
        Ok((shape, _)) => {
            let found = format!("{shape:?}").to_lowercase();
            let message = format!("the body is a JSON {found}; it must be an object");
            Err(ApiError::new(400, "INVALID_INPUT", message))
        }
        Err(
            error @ (JsonError::Syntax { line, column, .. }
            | JsonError::TooDeep { line, column, .. }),
        ) => {
            let message = format!("the body is not acceptable JSON: {error}");
            Err(ApiError::new(400, "INVALID_JSON", message)
                .with("line", line)
                .with("column", column))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(body: &'static str) -> String {
        check(Bytes::from_static(body.as_bytes()))
            .map_or_else(|e| e.code, |ok| String::from_utf8(ok.to_vec()).unwrap())
    }

    #[test]
    fn nothing_and_null_stand_for_an_empty_object() {
        for body in ["", " \n", "null", "{}"] {
            assert_eq!(code(body), "{}", "{body:?}");
        }
    }

    #[test]
    fn other_values_are_no_input() {
        for body in ["[]", "1", "\"x\"", "true"] {
            assert_eq!(code(body), "INVALID_INPUT", "{body:?}");
        }
        for body in ["{", "name=Alyx", "{}{}", "{\"a\":NaN}"] {
            assert_eq!(code(body), "INVALID_JSON", "{body:?}");
        }
    }
}
