//! `/api/v1/workers`.

use aide::axum::ApiRouter;
use aide::axum::routing::{get_with, post_with};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use cultivar_spec::WorkerId;
use cultivar_spec::wire::WorkerView;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::auth::{Admin, Reader};
use crate::error::ApiError;
use crate::extract::At;
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
            "/api/v1/workers/{id}/release",
            post_with(release, |op| {
                op.summary("Let a quarantined worker have leases again")
                    .tag("workers")
                    .response::<204, ()>()
            }),
        )
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
