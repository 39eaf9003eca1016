//! `/api/v1/trials`.

use aide::axum::ApiRouter;
use aide::axum::routing::{get_with, post_with};
use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use cultivar_spec::wire::{
    EvaluationView, LOG_CURSOR, MetricSummaries, NewEvaluation, NewTrial, Series, TrialDetail,
    TrialPage, TrialView,
};
use cultivar_spec::{SweepId, TrialId, TrialState};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::auth::{Reader, Submitter};
use crate::error::ApiError;
use crate::extract::{At, Body, Created, Params};
use crate::service;
use crate::service::replay::IdempotencyKey;
use crate::state::AppState;

#[derive(Deserialize, JsonSchema)]
#[schemars(inline)]
struct ById {
    id: TrialId,
}

/// Which trials to list. All conditions hold together.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(inline)]
pub struct TrialFilter {
    /// Trials of this sweep.
    pub sweep: Option<SweepId>,
    /// Trials in this state.
    pub state: Option<TrialState>,
    /// Trials on the dataset of this name.
    pub dataset: Option<String>,
    /// `next_cursor` of the page before.
    pub cursor: Option<TrialId>,
    /// Rows a page, at most 1000; 100 if left out.
    #[schemars(range(min = 1, max = 1000))]
    pub limit: Option<u32>,
}

/// Which log lines to show. All conditions hold together.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(inline)]
pub struct LogFilter {
    /// Lines that hold this text, whatever the case.
    pub q: Option<String>,
    /// Lines after the one with this cursor: the header `log-cursor` of an earlier answer.
    pub after: Option<String>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(inline)]
struct SeriesQuery {
    /// `train_loss`, `val_top1`, ...
    metric: String,
    /// Most points wanted; 500 if left out.
    points: Option<u32>,
    /// Only what this attempt said, also where a later one did it again; else the run as it counts.
    attempt: Option<u64>,
}

pub fn router() -> ApiRouter<AppState> {
    ApiRouter::new()
        .api_route(
            "/api/v1/trials",
            get_with(list, |op| op.summary("Trials, oldest first").tag("trials"))
                .post_with(submit, |op| op.summary("Queue one trial").tag("trials")),
        )
        .api_route(
            "/api/v1/trials/{id}",
            get_with(show, |op| {
                op.summary("A trial with its spec, attempts and evaluations")
                    .tag("trials")
            }),
        )
        .api_route(
            "/api/v1/trials/{id}/cancel",
            post_with(cancel, |op| {
                op.summary("Cancel a trial that is not settled")
                    .tag("trials")
            }),
        )
        .api_route(
            "/api/v1/trials/{id}/pause",
            post_with(pause, |op| {
                op.summary("Take a trial out of the queue, or ask a running one to give way")
                    .tag("trials")
            }),
        )
        .api_route(
            "/api/v1/trials/{id}/resume",
            post_with(resume, |op| {
                op.summary("Let a paused trial go on").tag("trials")
            }),
        )
        .api_route(
            "/api/v1/trials/{id}/retry",
            post_with(retry, |op| {
                op.summary("Queue a failed or cancelled trial again")
                    .tag("trials")
            }),
        )
        .api_route(
            "/api/v1/trials/{id}/evaluate",
            post_with(evaluate, |op| {
                op.summary("Ask for predictions on a held-out split; opening test is counted")
                    .tag("trials")
            }),
        )
        .api_route(
            "/api/v1/trials/{id}/series",
            get_with(series, |op| {
                op.summary("A metric over the run, thinned for charts")
                    .tag("trials")
            }),
        )
        .api_route(
            "/api/v1/trials/{id}/metrics",
            get_with(metrics, |op| {
                op.summary(
                    "Of every metric the last, the lowest and the highest value over the run",
                )
                .tag("trials")
            }),
        )
        .api_route(
            "/api/v1/trials/{id}/logs",
            get_with(logs, |op| {
                op.summary(
                    "Log lines of every attempt, as text: the last 10,000 that are asked for, or the first after a cursor",
                )
                .tag("trials")
                .response::<200, String>()
            }),
        )
}

async fn list(
    _: Reader,
    State(state): State<AppState>,
    Params(filter): Params<TrialFilter>,
) -> Result<Json<TrialPage>, ApiError> {
    service::trials::page(&state, filter).await.map(Json)
}

async fn submit(
    Submitter(principal): Submitter,
    State(state): State<AppState>,
    key: IdempotencyKey,
    Body(new): Body<NewTrial>,
) -> Result<Created<TrialView>, ApiError> {
    service::trials::submit(&state, &principal, key, new)
        .await
        .map(Created)
}

async fn show(
    _: Reader,
    State(state): State<AppState>,
    At(path): At<ById>,
) -> Result<Json<TrialDetail>, ApiError> {
    service::trials::detail(&state, path.id).await.map(Json)
}

async fn cancel(
    _: Submitter,
    State(state): State<AppState>,
    At(path): At<ById>,
) -> Result<Json<TrialView>, ApiError> {
    service::trials::cancel(&state, path.id).await.map(Json)
}

async fn pause(
    _: Submitter,
    State(state): State<AppState>,
    At(path): At<ById>,
) -> Result<Json<TrialView>, ApiError> {
    service::trials::pause(&state, path.id).await.map(Json)
}

async fn resume(
    _: Submitter,
    State(state): State<AppState>,
    At(path): At<ById>,
) -> Result<Json<TrialView>, ApiError> {
    service::trials::resume(&state, path.id).await.map(Json)
}

async fn retry(
    _: Submitter,
    State(state): State<AppState>,
    At(path): At<ById>,
) -> Result<Json<TrialView>, ApiError> {
    service::trials::retry(&state, path.id).await.map(Json)
}

async fn evaluate(
    Submitter(principal): Submitter,
    State(state): State<AppState>,
    At(path): At<ById>,
    key: IdempotencyKey,
    Body(new): Body<NewEvaluation>,
) -> Result<Created<EvaluationView>, ApiError> {
    service::evaluations::request(&state, &principal, key, path.id, new)
        .await
        .map(Created)
}

async fn series(
    _: Reader,
    State(state): State<AppState>,
    At(path): At<ById>,
    Params(query): Params<SeriesQuery>,
) -> Result<Json<Series>, ApiError> {
    let n_points = query.points.unwrap_or(500).clamp(2, 10_000) as usize;
    service::series::read(&state, path.id, &query.metric, query.attempt, n_points)
        .await
        .map(Json)
}

async fn metrics(
    _: Reader,
    State(state): State<AppState>,
    At(path): At<ById>,
) -> Result<Json<MetricSummaries>, ApiError> {
    service::series::summaries(&state, path.id).await.map(Json)
}

async fn logs(
    _: Reader,
    State(state): State<AppState>,
    At(path): At<ById>,
    Params(filter): Params<LogFilter>,
) -> Result<Response, ApiError> {
    let logs = service::logs::read(&state, path.id, filter).await?;
    let cursor = logs.cursor.map(|cursor| [(LOG_CURSOR, cursor)]);
    Ok((cursor, logs.text).into_response())
}
