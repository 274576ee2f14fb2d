//! Errors as the public sees them: `{"error": {"code", "message", …}}` and a status.
//!
//! The only file that knows status codes. Two audiences, two messages: the public one carries no
//! stack, path or secret; the full one goes to the log.

use axum::body::Body;
use axum::http::{HeaderValue, Response, StatusCode, header};
use serde_json::{Map, Value, json};

use alyx_protocol::{ErrorCode, RpcError};

use crate::auth::account_error::AccountError;
use crate::auth::token_error::TokenError;
use crate::deps::Trouble;
use crate::invoker::InvokeError;
use crate::pool::error::{BUILT_SOON, CallError, Death, Fault, Refusal};
use crate::registry::function::Function;
use crate::sandbox::Exit;
use crate::schema::violation::Violations;

/// The challenge that goes with a token that does not count (RFC 6750, section 3).
const INVALID_TOKEN: &str = "Bearer error=\"invalid_token\"";

/// Errors of the database that tell a function, as [`HINTS`], which names there are: the shape of
/// the data is not for whoever calls the function.
const TELLTALE: [&str; 4] =
    ["COLLECTION_NOT_FOUND", "INVALID_FILTER", "INVALID_QUERY", "VALIDATION_ERROR"];
const HINTS: [&str; 2] = ["known", "did_you_mean"];

/// An error on its way to a caller.
#[derive(Debug)]
pub struct ApiError {
    pub status: StatusCode,
    pub code: String,
    pub message: String,
    pub extra: Box<Map<String, Value>>,
    pub retry_after: Option<u64>,
    /// The header WWW-Authenticate, which an answer with 401 has.
    pub challenge: Option<&'static str>,
}

impl ApiError {
    pub fn new(status: u16, code: &str, message: impl Into<String>) -> Self {
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        ApiError {
            status,
            code: code.into(),
            message: message.into(),
            extra: Box::default(),
            retry_after: None,
            challenge: None,
        }
    }

    #[must_use]
    pub fn with(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.extra.insert(key.into(), value.into());
        self
    }

    #[must_use]
    fn retry_after(mut self, seconds: u64) -> Self {
        self.retry_after = Some(seconds.max(1));
        self
    }

    fn of_violations(self, violations: &Violations) -> Self {
        self.with("field", violations.first().field.as_str())
            .with("errors", json!(violations.list()))
    }

    #[must_use]
    fn challenge(mut self, challenge: &'static str) -> Self {
        self.challenge = Some(challenge);
        self
    }

    pub fn not_found() -> Self {
        ApiError::new(404, "NOT_FOUND", "no such path; functions are at /api/functions/{name}")
    }

    pub fn method_not_allowed() -> Self {
        ApiError::new(
            405,
            "METHOD_NOT_ALLOWED",
            "this path does not take this method; see the Allow header",
        )
    }

    pub fn of_stopping() -> Self {
        refused(&Refusal::Stopping, "", false)
    }

    /// The request has no token, and needs one.
    pub fn unauthenticated() -> Self {
        let message = "this needs an access token: 'Authorization: Bearer <token>'";
        ApiError::new(401, "UNAUTHENTICATED", message).challenge("Bearer")
    }

    pub fn auth_not_configured() -> Self {
        let message = "this host has no accounts and accepts no tokens; its operator sets auth.jwt.secret, or auth.jwt.jwks for tokens of another issuer";
        ApiError::new(503, "AUTH_NOT_CONFIGURED", message)
    }

    pub fn of_token(error: TokenError) -> Self {
        if error.is_temporary() {
            return ApiError::new(503, "UNAVAILABLE", error.to_string()).retry_after(5);
        }
        ApiError::new(401, "INVALID_TOKEN", error.to_string()).challenge(INVALID_TOKEN)
    }

    /// What somebody who registers, logs in or stays logged in is told.
    pub fn of_account(error: &AccountError) -> Self {
        let message = match error {
            AccountError::Token(error) => return ApiError::of_token(*error),
            AccountError::Failed(_) => {
                let message = "the host failed; its log says why";
                return ApiError::new(500, "INTERNAL_ERROR", message);
            }
            error => error.to_string(),
        };
        let mut public = ApiError::new(status_of(error.code()), error.code(), message);
        public.retry_after = error.retry_after();
        public.challenge = match error {
            AccountError::WrongCredentials => Some("Bearer"),
            AccountError::RefreshSpent => Some(INVALID_TOKEN),
            _ => None,
        };
        match (error, error.field()) {
            (AccountError::Invalid(violations), _) => public.of_violations(violations),
            (_, Some(field)) => public.with("field", field),
            _ => public,
        }
    }

    pub fn functions_disabled() -> Self {
        ApiError::new(
            503,
            "RUNTIME_DISABLED",
            "functions are disabled; set functions.enabled to true",
        )
    }

    /// What the caller of a function is told. `verbose` adds where a function does not load.
    pub fn of(error: &InvokeError, verbose: bool) -> Self {
        match error {
            InvokeError::NotFound { .. } => {
                ApiError::new(404, "FUNCTION_NOT_FOUND", error.to_string())
            }
            InvokeError::Disabled { name, problem } => {
                let message = format!("function '{name}' is disabled by an error in its files");
                let public = ApiError::new(500, "FUNCTION_LOAD_ERROR", message);
                if verbose { public.with("detail", problem.to_string()) } else { public }
            }
            InvokeError::Refused { reason, function } => refused(reason, &function.name, verbose),
            InvokeError::InputInvalid { violations, .. } => {
                let message = violations.first().message.clone();
                ApiError::new(400, "VALIDATION_ERROR", message).of_violations(violations)
            }
            InvokeError::OutputInvalid { violations, .. } => {
                ApiError::new(500, "OUTPUT_INVALID", error.to_string()).of_violations(violations)
            }
            InvokeError::Failed { reason, function } => failed(reason, function),
        }
    }

    pub(crate) fn into_http(self) -> Response<Body> {
        let mut error = json!({"code": self.code, "message": self.message});
        if let Value::Object(members) = &mut error {
            let protected = |key: &String| key == "code" || key == "message";
            members.extend(self.extra.into_iter().filter(|(key, _)| !protected(key)));
        }
        let body = json!({ "error": error }).to_string();
        let mut answer = Response::new(Body::from(body));
        *answer.status_mut() = self.status;
        let headers = answer.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Some(seconds) = self.retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if let Some(challenge) = self.challenge {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
        }
        answer
    }
}

fn refused(reason: &Refusal, function: &str, verbose: bool) -> ApiError {
    let message = reason.to_string();
    match reason {
        Refusal::Load(fault) => load_error(fault, function, verbose),
        Refusal::Exhausted { .. } | Refusal::QueueFull => {
            ApiError::new(503, "POOL_EXHAUSTED", message).retry_after(1)
        }
        Refusal::StillLoading { .. } => {
            ApiError::new(503, "POOL_EXHAUSTED", message).retry_after(BUILT_SOON.as_secs())
        }
        Refusal::Overloaded { wait, patience } => {
            // By then, enough of the queue will be gone.
            let over = wait.saturating_sub(*patience).as_secs();
            ApiError::new(503, "POOL_EXHAUSTED", message).retry_after(over.clamp(1, 60))
        }
        Refusal::CrashLoop { retry_after } => ApiError::new(503, "FUNCTION_CRASH_LOOP", message)
            .retry_after(retry_after.as_secs() + 1),
        Refusal::Start(_) => {
            let public = "workers of this runtime do not start; the host's log says why";
            ApiError::new(503, "RUNTIME_UNAVAILABLE", public).retry_after(5)
        }
        Refusal::Packages(trouble) => packages(trouble, verbose),
        Refusal::Unavailable { .. } => ApiError::new(503, "RUNTIME_UNAVAILABLE", message),
        Refusal::Disabled { .. } => ApiError::new(503, "RUNTIME_DISABLED", message),
        Refusal::Deadline | Refusal::DeadlineLoading => {
            ApiError::new(504, "FUNCTION_TIMEOUT", message)
        }
        Refusal::Stopping | Refusal::Replaced => {
            ApiError::new(503, "UNAVAILABLE", message).retry_after(1)
        }
    }
}

fn packages(trouble: &Trouble, verbose: bool) -> ApiError {
    let public = match trouble {
        // What a tool has printed may name places that are nobody's business.
        Trouble::Failed { list, .. } if !verbose => {
            format!("the packages of '{list}' are not installed; the host's log says why")
        }
        trouble => trouble.to_string(),
    };
    let error = ApiError::new(503, "DEPENDENCIES_MISSING", public);
    if matches!(trouble, Trouble::Installing { .. }) { error.retry_after(5) } else { error }
}

fn load_error(fault: &Fault, function: &str, verbose: bool) -> ApiError {
    let message = format!("function '{function}' does not load");
    if !verbose {
        return ApiError::new(500, "FUNCTION_LOAD_ERROR", message + "; the host's log says why");
    }
    let mut error =
        ApiError::new(500, "FUNCTION_LOAD_ERROR", format!("{message}: {}", fault.message));
    for (key, value) in [
        ("file", fault.file.clone().map(Value::from)),
        ("line", fault.line.map(Value::from)),
        ("column", fault.column.map(Value::from)),
        ("frame", fault.frame.clone().map(Value::from)),
    ] {
        error = match value {
            Some(value) => error.with(key, value),
            None => error,
        };
    }
    error
}

fn failed(reason: &CallError, function: &Function) -> ApiError {
    let name = &function.name;
    match reason {
        // A runtime that notices it by itself says so; the limit is known here.
        CallError::Thrown(error)
            if error.text_code() == "OUT_OF_MEMORY" && error.message == "out of memory" =>
        {
            out_of_memory(name, function.memory)
        }
        CallError::Thrown(error) => thrown(error),
        CallError::Deadline => {
            let timeout = function.timeout.as_secs_f64();
            let message =
                format!("function '{name}' did not answer within its timeout of {timeout} s");
            ApiError::new(504, "FUNCTION_TIMEOUT", message)
        }
        CallError::Died(Death { exit: Exit::OutOfMemory { limit }, killed: None, .. }) => {
            out_of_memory(name, *limit)
        }
        CallError::Died(Death { protocol: Some(_), killed: None, .. }) => protocol_error(),
        CallError::Died(death) => {
            let message = format!("the worker that ran function '{name}' ended: {death}");
            ApiError::new(502, "WORKER_CRASHED", message)
        }
        CallError::NotDelivered => {
            let message = "workers end before calls reach them; the host's log says why";
            ApiError::new(502, "WORKER_CRASHED", message).retry_after(1)
        }
        CallError::TooLarge { limit, size } => {
            ApiError::new(413, "PAYLOAD_TOO_LARGE", reason.to_string())
                .with("limit", *limit)
                .with("actual", *size)
        }
        CallError::Protocol(_) => protocol_error(),
    }
}

fn protocol_error() -> ApiError {
    let message = "the worker broke the protocol; the host's log says how";
    ApiError::new(502, "PROTOCOL_ERROR", message)
}

fn out_of_memory(function: &str, limit: u64) -> ApiError {
    let message = format!(
        "function '{function}' needed more memory than its limit of {} MiB; raise 'memory' in its manifest or functions.pool.memory_limit",
        limit >> 20
    );
    ApiError::new(502, "OUT_OF_MEMORY", message).with("limit", limit)
}

/// What a handler threw, or why its result could not be sent.
fn thrown(error: &RpcError) -> ApiError {
    let code = error.text_code().to_owned();
    let mut details = error.data.as_ref().map(|data| data.details.clone()).unwrap_or_default();
    if TELLTALE.contains(&&*code) {
        details.retain(|name, _| !HINTS.contains(&name.as_str()));
    }
    if error.is(ErrorCode::FrameTooLarge) {
        return ApiError::new(502, "RESPONSE_TOO_LARGE", error.message.clone());
    }
    let own_status =
        details.get("status").and_then(Value::as_u64).filter(|s| (400..600).contains(s));
    let status = match own_status {
        Some(status) if error.is(ErrorCode::FunctionError) => status as u16,
        _ if error.is(ErrorCode::FunctionError) => status_of(&code),
        _ => 500,
    };
    ApiError { extra: Box::new(details), ..ApiError::new(status, &code, error.message.clone()) }
}

/// The status of a code that a function threw (contract, section 3).
fn status_of(code: &str) -> u16 {
    match code.to_ascii_uppercase().as_str() {
        "FUNCTION_ERROR" => 500,
        "UNAUTHENTICATED" | "UNAUTHORIZED" | "INVALID_TOKEN" => 401,
        "FORBIDDEN" | "PERMISSION_DENIED" => 403,
        "CONFLICT" | "UNIQUE_VIOLATION" | "FOREIGN_KEY_VIOLATION" | "ALREADY_EXISTS" => 409,
        "PAYLOAD_TOO_LARGE" => 413,
        "RATE_LIMITED" | "RESOURCE_EXHAUSTED" => 429,
        "READ_ONLY" | "DB_FORBIDDEN" => 403,
        "UNAVAILABLE" | "DB_BUSY" => 503,
        "DEADLINE_EXCEEDED" => 504,
        // A wrong statement, or a fault of the host's: nothing that the caller could mend.
        "DB_SQL" | "DB_OUTCOME_UNKNOWN" | "RESULT_TOO_LARGE" | "INTERNAL_ERROR" => 500,
        code if code == "NOT_FOUND" || code.ends_with("_NOT_FOUND") => 404,
        _ => 400,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user_error(details: Value, code: &str) -> ApiError {
        let mut error = RpcError::new(ErrorCode::FunctionError, "m");
        if let (Some(data), Value::Object(details)) = (error.data.as_mut(), details) {
            data.code = Some(code.into());
            data.details = details;
        }
        thrown(&error)
    }

    #[test]
    fn codes_decide_the_status_unless_the_thrown_value_does() {
        assert_eq!(user_error(json!({}), "POST_NOT_FOUND").status, 404);
        assert_eq!(user_error(json!({}), "permission_denied").status, 403);
        assert_eq!(user_error(json!({}), "MY_OWN").status, 400);
        assert_eq!(user_error(json!({"status": 418}), "MY_OWN").status, 418);
        assert_eq!(user_error(json!({"status": 200}), "MY_OWN").status, 400);
        assert_eq!(user_error(json!({"status": "500"}), "MY_OWN").status, 400);
    }

    #[test]
    fn callers_are_not_told_the_names_of_the_data() {
        let details =
            || json!({"collection": "postss", "known": ["posts"], "did_you_mean": "posts"});
        let public = user_error(details(), "COLLECTION_NOT_FOUND");
        assert_eq!(Value::Object(*public.extra), json!({"collection": "postss"}));
        assert_eq!(user_error(details(), "MY_OWN").extra.len(), 3);
    }

    #[tokio::test]
    async fn extra_members_cannot_override_code_and_message() {
        let error = user_error(
            json!({"code": "EVIL", "message": "evil", "field": "email"}),
            "VALIDATION_ERROR",
        );
        let body = axum::body::to_bytes(error.into_http().into_body(), 4096).await.unwrap();
        let body: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(
            body,
            json!({"error": {"code": "VALIDATION_ERROR", "message": "m", "field": "email"}})
        );
    }
}
