//! `/api/v1/race`: which of a few configurations deserve more seeds.

use aide::axum::ApiRouter;
use aide::axum::routing::post_with;
use axum::Json;
use axum::extract::State;
use cultivar_spec::wire::{Race, RaceReport};

use crate::auth::Reader;
use crate::error::ApiError;
use crate::extract::Body;
use crate::service;
use crate::state::AppState;

pub fn router() -> ApiRouter<AppState> {
    ApiRouter::new().api_route(
        "/api/v1/race",
        post_with(race, |op| {
            op.summary("Which arms of trials are owed another seed, or which has won")
                .description("Reads only: nothing is stored, and nothing is trained.")
                .tag("ranking")
        }),
    )
}

async fn race(
    _: Reader,
    State(state): State<AppState>,
    Body(asked): Body<Race>,
) -> Result<Json<RaceReport>, ApiError> {
    service::race::report(&state, asked).await.map(Json)
}
