//! `/api/v1/weights`: what `pretrained` means for a backbone.

use aide::axum::ApiRouter;
use aide::axum::routing::get_with;
use axum::Json;
use axum::extract::State;
use cultivar_spec::wire::WeightsEntry;

use crate::auth::{Reader, Submitter};
use crate::error::ApiError;
use crate::extract::{Body, Created};
use crate::service;
use crate::state::AppState;
use crate::store;

pub fn router() -> ApiRouter<AppState> {
    ApiRouter::new().api_route(
        "/api/v1/weights",
        get_with(list, |op| {
            op.summary("Registered pretrained weights").tag("weights")
        })
        .post_with(register, |op| {
            op.summary("Make an artifact the pretrained weights of a backbone")
                .tag("weights")
        }),
    )
}

async fn list(
    _: Reader,
    State(state): State<AppState>,
) -> Result<Json<Vec<WeightsEntry>>, ApiError> {
    Ok(Json(store::weights::list(&state.pool).await?))
}

async fn register(
    _: Submitter,
    State(state): State<AppState>,
    Body(entry): Body<WeightsEntry>,
) -> Result<Created<WeightsEntry>, ApiError> {
    service::datasets::register_weights(&state, entry)
        .await
        .map(Created)
}
