//! `/api/v1/workers`.

use aide::axum::ApiRouter;
use aide::axum::routing::get_with;
use axum::Json;
use axum::extract::State;
use cultivar_spec::wire::WorkerView;

use crate::auth::Reader;
use crate::error::ApiError;
use crate::state::AppState;
use crate::store;

pub fn router() -> ApiRouter<AppState> {
    ApiRouter::new().api_route(
        "/api/v1/workers",
        get_with(list, |op| {
            op.summary("Worker daemons, the latest heard of first")
                .tag("workers")
        }),
    )
}

async fn list(_: Reader, State(state): State<AppState>) -> Result<Json<Vec<WorkerView>>, ApiError> {
    Ok(Json(
        store::worker::list(&state.pool, state.config.lease_s).await?,
    ))
}
