//! `/api/v1/workers`.

use aide::axum::ApiRouter;
use aide::axum::routing::{get_with, post_with};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use cultivar_spec::WorkerId;
use cultivar_spec::wire::{CreatedToken, Enrolment, NewEnrolment, WorkerView};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::auth::{Admin, Reader};
use crate::error::ApiError;
use crate::extract::{At, Body, Created};
use crate::service;
use crate::service::replay::IdempotencyKey;
use crate::state::AppState;
use crate::store;

#[derive(Deserialize, JsonSchema)]
#[schemars(inline)]
struct ById {
    id: WorkerId,
}

pub fn router() -> ApiRouter<AppState> {
    ApiRouter::new()
        .api_route(
            "/api/v1/workers",
            get_with(list, |op| {
                op.summary("Worker daemons, the latest heard of first")
                    .tag("workers")
            }),
        )
        .api_route(
            "/api/v1/workers/enrolments",
            post_with(new_enrolment, |op| {
                op.summary("Create a token that one worker exchanges for its own; shown only here")
                    .tag("workers")
            }),
        )
        .api_route(
            "/api/v1/workers/enroll",
            post_with(enroll, |op| {
                op.summary("Exchange an enrolment token, once, for a worker's own token")
                    .tag("workers")
            }),
        )
        .api_route(
            "/api/v1/workers/{id}/release",
            post_with(release, |op| {
                op.summary("Let a quarantined worker have leases again")
                    .tag("workers")
                    .response::<204, ()>()
            }),
        )
}

async fn new_enrolment(
    Admin(principal): Admin,
    State(state): State<AppState>,
    key: IdempotencyKey,
    Body(new): Body<NewEnrolment>,
) -> Result<Created<CreatedToken>, ApiError> {
    service::tokens::new_enrolment(&state, principal, key, new)
        .await
        .map(Created)
}

async fn enroll(
    State(state): State<AppState>,
    Body(enrolment): Body<Enrolment>,
) -> Result<Created<CreatedToken>, ApiError> {
    service::tokens::enroll(&state, enrolment)
        .await
        .map(Created)
}

async fn release(
    _: Admin,
    State(state): State<AppState>,
    At(path): At<ById>,
) -> Result<StatusCode, ApiError> {
    match store::worker::release(&state.pool, path.id).await? {
        true => Ok(StatusCode::NO_CONTENT),
        false => Err(ApiError::no_such("worker", path.id)),
    }
}

async fn list(_: Reader, State(state): State<AppState>) -> Result<Json<Vec<WorkerView>>, ApiError> {
    Ok(Json(
        store::worker::list(&state.pool, state.config.lease_s).await?,
    ))
}
