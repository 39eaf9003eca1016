//! `/api/v1/sweeps`.

use aide::axum::ApiRouter;
use aide::axum::routing::{get_with, post_with};
use axum::Json;
use axum::extract::State;
use cultivar_spec::wire::{SweepDetail, SweepPreview, SweepView};
use cultivar_spec::{SweepId, SweepSpec, check};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::auth::{Reader, Submitter};
use crate::error::ApiError;
use crate::extract::{At, Created, Raw};
use crate::service;
use crate::service::replay::IdempotencyKey;
use crate::state::AppState;
use crate::store;

#[derive(Deserialize, JsonSchema)]
struct ById {
    id: SweepId,
}

pub fn router() -> ApiRouter<AppState> {
    ApiRouter::new()
        .api_route(
            "/api/v1/sweeps",
            get_with(list, |op| op.summary("Sweeps, newest first").tag("sweeps")).post_with(
                submit,
                |op| {
                    op.summary("Draw a sweep's trials and queue them")
                        .tag("sweeps")
                },
            ),
        )
        .api_route(
            "/api/v1/sweeps/preview",
            post_with(preview, |op| {
                op.summary("What a sweep would draw; queues nothing")
                    .tag("sweeps")
            }),
        )
        .api_route(
            "/api/v1/sweeps/{id}",
            get_with(show, |op| op.summary("A sweep and its spec").tag("sweeps")),
        )
        .api_route(
            "/api/v1/sweeps/{id}/cancel",
            post_with(cancel, |op| {
                op.summary("Cancel every unsettled trial of a sweep")
                    .tag("sweeps")
            }),
        )
}

async fn list(_: Reader, State(state): State<AppState>) -> Result<Json<Vec<SweepView>>, ApiError> {
    Ok(Json(store::sweep::list(&state.pool).await?))
}

async fn submit(
    Submitter(principal): Submitter,
    State(state): State<AppState>,
    key: IdempotencyKey,
    Raw(raw, _): Raw<SweepSpec>,
) -> Result<Created<SweepView>, ApiError> {
    let spec = check::sweep(&raw)?;
    service::sweeps::submit(&state, &principal, key, spec)
        .await
        .map(Created)
}

async fn preview(
    _: Reader,
    State(state): State<AppState>,
    Raw(raw, _): Raw<SweepSpec>,
) -> Result<Json<SweepPreview>, ApiError> {
    let spec = check::sweep(&raw)?;
    service::sweeps::preview(&state, spec).await.map(Json)
}

async fn show(
    _: Reader,
    State(state): State<AppState>,
    At(path): At<ById>,
) -> Result<Json<SweepDetail>, ApiError> {
    let detail = store::sweep::detail(&state.pool, path.id).await?;
    detail
        .map(Json)
        .ok_or_else(|| ApiError::no_such("sweep", path.id))
}

async fn cancel(
    _: Submitter,
    State(state): State<AppState>,
    At(path): At<ById>,
) -> Result<Json<SweepView>, ApiError> {
    service::sweeps::cancel(&state, path.id).await.map(Json)
}
