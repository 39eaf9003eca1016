//! `/api/v1/session`: the browser's way in.

use aide::axum::ApiRouter;
use aide::axum::routing::get_with;
use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use cultivar_spec::PROTOCOL_VERSION;
use cultivar_spec::wire::{Login, Scope, SessionView};

use crate::auth::{Principal, same_origin};
use crate::error::ApiError;
use crate::extract::Body;
use crate::service;
use crate::state::AppState;

pub fn router() -> ApiRouter<AppState> {
    ApiRouter::new().api_route(
        "/api/v1/session",
        get_with(show, |op| {
            op.summary("Who is calling, and which server answers")
                .tag("access")
        })
        .post_with(login, |op| {
            op.summary("Exchange a one-time login token for a session cookie")
                .tag("access")
                .response::<200, Json<SessionView>>()
        }),
    )
}

async fn show(principal: Principal) -> Json<SessionView> {
    Json(view(principal.scope))
}

async fn login(
    State(state): State<AppState>,
    headers: HeaderMap,
    Body(login): Body<Login>,
) -> Result<Response, ApiError> {
    if headers.contains_key(header::ORIGIN) {
        same_origin(&headers)?;
    }
    let (scope, secret) = service::tokens::login(&state, &login.login_token).await?;
    let cookie = format!(
        "{}={}; Path=/; HttpOnly; SameSite=Strict; Max-Age={}",
        state.config.session_cookie(),
        secret.reveal(),
        service::tokens::SESSION_S,
    );
    Ok(([(header::SET_COOKIE, cookie)], Json(view(scope))).into_response())
}

fn view(scope: Scope) -> SessionView {
    SessionView {
        scope,
        server_version: env!("CARGO_PKG_VERSION").into(),
        protocol_version: PROTOCOL_VERSION,
    }
}
