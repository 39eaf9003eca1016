//! `/api/v1/session`: the browser's way in.

use aide::axum::ApiRouter;
use aide::axum::routing::{get_with, post_with};
use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use cultivar_spec::PROTOCOL_VERSION;
use cultivar_spec::wire::{Login, LoginLink, Scope, SessionView};

use crate::audit::MadeId;
use crate::auth::{Admin, Principal, same_origin};
use crate::config::Config;
use crate::error::ApiError;
use crate::extract::Body;
use crate::service;
use crate::state::AppState;

pub fn router() -> ApiRouter<AppState> {
    ApiRouter::new()
        .api_route(
            "/api/v1/session",
            get_with(show, |op| {
                op.summary("Who is calling, and which server answers")
                    .tag("access")
            })
            .post_with(login, |op| {
                op.summary("Exchange a one-time login token for a session cookie")
                    .tag("access")
                    .response::<200, Json<SessionView>>()
            })
            .delete_with(logout, |op| {
                op.summary("End the browser session that asks")
                    .tag("access")
                    .response::<204, ()>()
            }),
        )
        .api_route(
            "/api/v1/session/links",
            post_with(new_link, |op| {
                op.summary("Make a link that logs a browser in, once; it is shown only here")
                    .tag("access")
                    .response::<200, Json<LoginLink>>()
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
        same_origin(&headers, &state.config)?;
    }
    let (scope, secret) = service::tokens::login(&state, &login.login_token).await?;
    let cookie = set_cookie(&state.config, secret.reveal(), service::tokens::SESSION_S);
    Ok(([(header::SET_COOKIE, cookie)], Json(view(scope))).into_response())
}

async fn new_link(
    _: Admin,
    State(state): State<AppState>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let host = headers.get(header::HOST);
    let host = host.and_then(|value| value.to_str().ok());
    let origin = state.config.url_at(host);
    let (id, link) = service::tokens::new_link(&state, &origin).await?;
    let mut response = Json(link).into_response();
    response.extensions_mut().insert(MadeId(id.to_string()));
    Ok(response)
}

async fn logout(principal: Principal, State(state): State<AppState>) -> Result<Response, ApiError> {
    service::tokens::logout(&state, &principal).await?;
    let cookie = set_cookie(&state.config, "", 0);
    Ok((StatusCode::NO_CONTENT, [(header::SET_COOKIE, cookie)]).into_response())
}

fn set_cookie(config: &Config, value: &str, max_age_s: u64) -> String {
    let secure = match config.is_secure() {
        true => "; Secure",
        false => "",
    };
    format!(
        "{}={value}; Path=/; HttpOnly; SameSite=Strict; Max-Age={max_age_s}{secure}",
        config.session_cookie(),
    )
}

fn view(scope: Scope) -> SessionView {
    SessionView {
        scope,
        server_version: env!("CARGO_PKG_VERSION").into(),
        protocol_version: PROTOCOL_VERSION,
    }
}
