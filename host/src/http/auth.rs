//! `/api/auth/…`, and who calls: from requests to accounts and tokens, and back to answers.
//!
//! Knows no passwords and no keys. A request without a token is nobody's; one with a bad token
//! is refused rather than taken for nobody's.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use alyx_protocol::worker::Auth;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use tokio_util::task::AbortOnDropHandle;

use crate::auth::account_error::AccountError;
use crate::auth::accounts::{Accounts, Session, me_of};
use crate::auth::bearer::bearer;
use crate::auth::token_error::TokenError;
use crate::auth::verifier::Verifier;
use crate::db::Store;
use crate::http::error::ApiError;
use crate::http::listen::ClientIp;
use crate::http::{App, input, invoke};
use crate::invoker::Timing;

/// What tells who is calling, as far as it is configured.
#[derive(Debug, Default)]
pub struct Gate {
    /// Needs a secret or the keys of an issuer.
    pub verifier: Option<Arc<Verifier>>,
    /// Need a secret.
    pub accounts: Option<Accounts<Store>>,
    /// Looks for new keys of the issuer as long as there is a gate.
    pub fresh_keys: Option<AbortOnDropHandle<()>>,
}

impl Gate {
    /// Who makes a request with these headers; none is nobody in particular.
    ///
    /// From the token's claims alone. Waits only for a key that is not known yet.
    ///
    /// # Errors
    /// 401 and 503 as [`ApiError`].
    pub async fn caller(&self, headers: &HeaderMap) -> Result<Option<Arc<Auth>>, ApiError> {
        let given = headers.get_all(header::AUTHORIZATION).iter().map(HeaderValue::as_bytes);
        match bearer(given) {
            Ok(None) => Ok(None),
            Ok(Some(token)) => self.user(token).await.map(Some),
            Err(error) => Err(ApiError::of_token(error)),
        }
    }

    /// Whose access token this is.
    ///
    /// # Errors
    /// 401 and 503 as [`ApiError`].
    pub async fn user(&self, token: &str) -> Result<Arc<Auth>, ApiError> {
        let verifier = self.verifier.as_ref().ok_or_else(ApiError::auth_not_configured)?;
        verifier.verify(token).await.map_err(ApiError::of_token)
    }
}

#[derive(Debug, Clone, Copy)]
enum Action {
    Register,
    Login,
    Refresh,
    Logout,
    Me,
}

/// `POST /api/auth/register`.
pub(crate) async fn register(State(app): State<Arc<App>>, request: Request) -> Response<Body> {
    answer(&app, Action::Register, request).await
}

/// `POST /api/auth/login`.
pub(crate) async fn login(State(app): State<Arc<App>>, request: Request) -> Response<Body> {
    answer(&app, Action::Login, request).await
}

/// `POST /api/auth/refresh`.
pub(crate) async fn refresh(State(app): State<Arc<App>>, request: Request) -> Response<Body> {
    answer(&app, Action::Refresh, request).await
}

/// `POST /api/auth/logout`.
pub(crate) async fn logout(State(app): State<Arc<App>>, request: Request) -> Response<Body> {
    answer(&app, Action::Logout, request).await
}

/// `GET /api/auth/me`.
pub(crate) async fn me(State(app): State<Arc<App>>, request: Request) -> Response<Body> {
    answer(&app, Action::Me, request).await
}

async fn answer(app: &App, action: Action, request: Request) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let request_id = invoke::request_id(parts.headers.get(invoke::REQUEST_ID));
    let done = match action {
        Action::Me => who_am_i(app, &parts).await,
        _ => act(app, action, &parts, body, &request_id).await,
    };
    let mut answer = done.unwrap_or_else(ApiError::into_http);
    // Tokens and people's data are for the caller alone.
    answer.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    invoke::with_headers(answer, request_id, &Timing::default())
}

async fn act(
    app: &App,
    action: Action,
    parts: &Parts,
    body: Body,
    request_id: &str,
) -> Result<Response<Body>, ApiError> {
    if app.draining.load(Ordering::Relaxed) {
        return Err(ApiError::of_stopping());
    }
    let body = input::check(input::read(&parts.headers, body, app.max_body).await?)?;
    let accounts = app.gate.accounts.as_ref().ok_or_else(ApiError::auth_not_configured)?;
    let from = parts.extensions.get::<ClientIp>().map_or(ClientIp::UNKNOWN, |ip| *ip).0;
    let done = match action {
        Action::Register => accounts.register(&body, from).await.map(created),
        Action::Login => accounts.login(&body, from).await.map(opened),
        Action::Refresh => accounts.refresh(&body).await.map(opened),
        Action::Logout | Action::Me => accounts.logout(&body).await.map(|()| nothing()),
    };
    done.map_err(|error| {
        log(&error, action, request_id);
        ApiError::of_account(&error)
    })
}

async fn who_am_i(app: &App, parts: &Parts) -> Result<Response<Body>, ApiError> {
    if app.gate.verifier.is_none() {
        return Err(ApiError::auth_not_configured());
    }
    let caller = app.gate.caller(&parts.headers).await?.ok_or_else(ApiError::unauthenticated)?;
    let user = me_of(&app.store, &caller).await.map_err(|error| ApiError::of_account(&error))?;
    Ok(json(StatusCode::OK, user.document().get().to_owned()))
}

fn created(session: Session) -> Response<Body> {
    json(StatusCode::CREATED, session.to_json())
}

fn opened(session: Session) -> Response<Body> {
    json(StatusCode::OK, session.to_json())
}

fn nothing() -> Response<Body> {
    let mut answer = Response::new(Body::empty());
    *answer.status_mut() = StatusCode::NO_CONTENT;
    answer
}

fn json(status: StatusCode, text: String) -> Response<Body> {
    let mut answer = Response::new(Body::from(text));
    *answer.status_mut() = status;
    let kind = HeaderValue::from_static("application/json");
    answer.headers_mut().insert(header::CONTENT_TYPE, kind);
    answer
}

/// What went wrong on our side in full; of the callers' slips no more than their kind, for an
/// address or a token in the log helps nobody.
fn log(error: &AccountError, action: Action, request_id: &str) {
    let action = format!("{action:?}").to_lowercase();
    match error {
        AccountError::Failed(reason) => tracing::error!(request_id, action, "{reason}"),
        AccountError::TooMany(_) | AccountError::Busy => {
            tracing::warn!(request_id, action, "{error}");
        }
        AccountError::Token(TokenError::KeysUnavailable) => {
            tracing::warn!(request_id, action, "{error}");
        }
        _ => tracing::debug!(request_id, action, code = error.code(), "refused"),
    }
}
