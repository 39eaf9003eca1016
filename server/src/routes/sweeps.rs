//! `/api/v1/sweeps`.

use aide::axum::ApiRouter;
use aide::axum::routing::{get_with, post_with, put_with};
use axum::Json;
use axum::extract::State;
use cultivar_spec::queueing::Queueing;
use cultivar_spec::sweep::CostMetric;
use cultivar_spec::wire::{
    ImportanceReport, ParetoReport, PauseSweep, Recommendation, SweepDetail, SweepEstimate,
    SweepPreview, SweepView,
};
use cultivar_spec::{SweepId, SweepSpec, check};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::auth::{Reader, Submitter};
use crate::error::ApiError;
use crate::extract::{At, Body, Created, Params, Raw};
use crate::service;
use crate::service::replay::IdempotencyKey;
use crate::state::AppState;
use crate::store;

#[derive(Deserialize, JsonSchema)]
#[schemars(inline)]
struct ById {
    id: SweepId,
}

#[derive(Deserialize, JsonSchema)]
#[schemars(inline)]
#[serde(deny_unknown_fields)]
struct Against {
    /// A cost to weigh the objective against, in place of what the sweep says.
    against: Option<CostMetric>,
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
            "/api/v1/sweeps/estimate",
            post_with(estimate, |op| {
                op.summary("What a sweep would take; queues nothing")
                    .tag("sweeps")
            }),
        )
        .api_route(
            "/api/v1/sweeps/{id}",
            get_with(show, |op| op.summary("A sweep and its spec").tag("sweeps")),
        )
        .api_route(
            "/api/v1/sweeps/{id}/importance",
            get_with(importance, |op| {
                op.summary("Which of a sweep's parameters matter, by its results so far")
                    .tag("sweeps")
            }),
        )
        .api_route(
            "/api/v1/sweeps/{id}/recommendation",
            get_with(recommendation, |op| {
                op.summary("The configuration to go on with, by all of a sweep's results so far")
                    .tag("sweeps")
            }),
        )
        .api_route(
            "/api/v1/sweeps/{id}/pareto",
            get_with(compromises, |op| {
                op.summary("A sweep's configurations by objective and costs at once")
                    .tag("sweeps")
            }),
        )
        .api_route(
            "/api/v1/sweeps/{id}/pause",
            post_with(pause, |op| {
                op.summary("Begin no more trials; those that run give way, or drain")
                    .tag("sweeps")
            }),
        )
        .api_route(
            "/api/v1/sweeps/{id}/resume",
            post_with(resume, |op| {
                op.summary("Let a paused sweep go on").tag("sweeps")
            }),
        )
        .api_route(
            "/api/v1/sweeps/{id}/retry",
            post_with(retry, |op| {
                op.summary("Queue a sweep's failed and cancelled trials again")
                    .tag("sweeps")
            }),
        )
        .api_route(
            "/api/v1/sweeps/{id}/queueing",
            put_with(requeue, |op| {
                op.summary("Change a sweep's priority, weight and limits")
                    .tag("sweeps")
            }),
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

async fn estimate(
    _: Reader,
    State(state): State<AppState>,
    Raw(raw, _): Raw<SweepSpec>,
) -> Result<Json<SweepEstimate>, ApiError> {
    let spec = check::sweep(&raw)?;
    service::budget::estimate(&state, spec).await.map(Json)
}

async fn show(
    _: Reader,
    State(state): State<AppState>,
    At(path): At<ById>,
) -> Result<Json<SweepDetail>, ApiError> {
    let detail = store::sweep::detail(&state.pool, path.id).await?;
    let mut detail = detail.ok_or_else(|| ApiError::no_such("sweep", path.id))?;
    detail.budget = service::budget::so_far(&state, &detail).await?;
    Ok(Json(detail))
}

async fn recommendation(
    _: Reader,
    State(state): State<AppState>,
    At(path): At<ById>,
) -> Result<Json<Recommendation>, ApiError> {
    service::recommendation::report(&state, path.id)
        .await
        .map(Json)
}

async fn importance(
    _: Reader,
    State(state): State<AppState>,
    At(path): At<ById>,
) -> Result<Json<ImportanceReport>, ApiError> {
    service::importance::report(&state, path.id).await.map(Json)
}

async fn compromises(
    _: Reader,
    State(state): State<AppState>,
    At(path): At<ById>,
    Params(asked): Params<Against>,
) -> Result<Json<ParetoReport>, ApiError> {
    service::pareto::report(&state, path.id, asked.against)
        .await
        .map(Json)
}

async fn cancel(
    _: Submitter,
    State(state): State<AppState>,
    At(path): At<ById>,
) -> Result<Json<SweepView>, ApiError> {
    service::lifecycle::cancel(&state, path.id).await.map(Json)
}

async fn pause(
    _: Submitter,
    State(state): State<AppState>,
    At(path): At<ById>,
    Body(pause): Body<PauseSweep>,
) -> Result<Json<SweepView>, ApiError> {
    service::lifecycle::pause(&state, path.id, pause)
        .await
        .map(Json)
}

async fn resume(
    _: Submitter,
    State(state): State<AppState>,
    At(path): At<ById>,
) -> Result<Json<SweepView>, ApiError> {
    service::lifecycle::resume(&state, path.id).await.map(Json)
}

async fn retry(
    _: Submitter,
    State(state): State<AppState>,
    At(path): At<ById>,
) -> Result<Json<SweepView>, ApiError> {
    service::lifecycle::retry(&state, path.id).await.map(Json)
}

async fn requeue(
    _: Submitter,
    State(state): State<AppState>,
    At(path): At<ById>,
    Body(queueing): Body<Queueing>,
) -> Result<Json<SweepView>, ApiError> {
    service::lifecycle::requeue(&state, path.id, queueing)
        .await
        .map(Json)
}
