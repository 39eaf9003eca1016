//! `/api/v1/transfer`: what pretraining brought.

use aide::axum::ApiRouter;
use aide::axum::routing::get_with;
use axum::Json;
use axum::extract::State;
use cultivar_spec::wire::TransferReport;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::auth::Reader;
use crate::error::ApiError;
use crate::extract::Params;
use crate::service;
use crate::state::AppState;

#[derive(Deserialize, JsonSchema)]
struct Query {
    /// Name of a registered dataset.
    dataset: String,
}

pub fn router() -> ApiRouter<AppState> {
    ApiRouter::new().api_route(
        "/api/v1/transfer",
        get_with(show, |op| {
            op.summary("Pretrained against random weights: start, slope and asymptote")
                .tag("ranking")
        }),
    )
}

async fn show(
    _: Reader,
    State(state): State<AppState>,
    Params(query): Params<Query>,
) -> Result<Json<TransferReport>, ApiError> {
    service::transfer::report(&state, &query.dataset)
        .await
        .map(Json)
}
