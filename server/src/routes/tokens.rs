//! `/api/v1/tokens`.

use aide::axum::ApiRouter;
use aide::axum::routing::{delete_with, get_with, post_with};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use cultivar_spec::TokenId;
use cultivar_spec::wire::{CreatedToken, NewToken, Rotation, TokenView};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::auth::Admin;
use crate::error::ApiError;
use crate::extract::{At, Body, Created};
use crate::service;
use crate::service::replay::IdempotencyKey;
use crate::state::AppState;
use crate::store;

#[derive(Deserialize, JsonSchema)]
#[schemars(inline)]
struct ById {
    id: TokenId,
}

pub fn router() -> ApiRouter<AppState> {
    ApiRouter::new()
        .api_route(
            "/api/v1/tokens",
            get_with(list, |op| {
                op.summary("Tokens, without their secrets").tag("access")
            })
            .post_with(create, |op| {
                op.summary("Create a token; its secret is shown only here")
                    .tag("access")
            }),
        )
        .api_route(
            "/api/v1/tokens/{id}",
            delete_with(revoke, |op| {
                op.summary("Revoke a token")
                    .tag("access")
                    .response::<204, ()>()
            }),
        )
        .api_route(
            "/api/v1/tokens/{id}/rotate",
            post_with(rotate, |op| {
                op.summary("Give a token a successor; the old one works for a while longer")
                    .tag("access")
            }),
        )
}

async fn list(_: Admin, State(state): State<AppState>) -> Result<Json<Vec<TokenView>>, ApiError> {
    Ok(Json(store::token::list(&state.pool).await?))
}

async fn create(
    Admin(principal): Admin,
    State(state): State<AppState>,
    key: IdempotencyKey,
    Body(new): Body<NewToken>,
) -> Result<Created<CreatedToken>, ApiError> {
    service::tokens::create(&state, principal, key, new)
        .await
        .map(Created)
}

async fn rotate(
    Admin(principal): Admin,
    State(state): State<AppState>,
    At(path): At<ById>,
    key: IdempotencyKey,
    Body(rotation): Body<Rotation>,
) -> Result<Created<CreatedToken>, ApiError> {
    service::tokens::rotate(&state, principal, key, path.id, rotation)
        .await
        .map(Created)
}

async fn revoke(
    _: Admin,
    State(state): State<AppState>,
    At(path): At<ById>,
) -> Result<StatusCode, ApiError> {
    match store::token::revoke(&state.pool, path.id).await? {
        true => Ok(StatusCode::NO_CONTENT),
        false => Err(ApiError::no_such("token", path.id)),
    }
}
