//! `/api/v1/compare`: arms of trials against a first one.

use aide::axum::ApiRouter;
use aide::axum::routing::post_with;
use axum::Json;
use axum::extract::State;
use cultivar_spec::wire::{Compare, CompareReport};

use crate::auth::Reader;
use crate::error::ApiError;
use crate::extract::Body;
use crate::service;
use crate::state::AppState;

pub fn router() -> ApiRouter<AppState> {
    ApiRouter::new().api_route(
        "/api/v1/compare",
        post_with(compare, |op| {
            op.summary("Differences between arms of completed trials, with intervals over groups and seeds")
                .description("Reads only: nothing is stored.")
                .tag("ranking")
        }),
    )
}

async fn compare(
    _: Reader,
    State(state): State<AppState>,
    Body(asked): Body<Compare>,
) -> Result<Json<CompareReport>, ApiError> {
    service::compare::report(&state, asked).await.map(Json)
}
