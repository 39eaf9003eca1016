//! `/api/v1/leases` and `/api/v1/heartbeats`: what workers and external trainers call.

use aide::axum::ApiRouter;
use aide::axum::routing::post_with;
use axum::Json;
use axum::extract::State;
use cultivar_spec::wire::{
    CheckpointRef, Claim, ClaimReply, Finish, Heartbeat, HeartbeatReply, LeaseReply, LogBatch,
    MetricBatch,
};
use cultivar_spec::{LeaseId, MAX_COUNT};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::auth::{Familiar, LeaseHolder};
use crate::error::ApiError;
use crate::extract::{At, Body, Checked, Lossy, Quick};
use crate::service;
use crate::state::AppState;

#[derive(Deserialize, JsonSchema)]
#[schemars(inline)]
struct ById {
    id: LeaseId,
}

pub fn router() -> ApiRouter<AppState> {
    ApiRouter::new()
        .api_route(
            "/api/v1/leases",
            post_with(claim, |op| {
                op.summary("Claim jobs; waits while there are none")
                    .tag("leases")
            }),
        )
        .api_route(
            "/api/v1/heartbeats",
            post_with(heartbeat, |op| {
                op.summary("Renew the leases listed").tag("leases")
            }),
        )
        .api_route(
            "/api/v1/leases/{id}/metrics",
            post_with(metrics, |op| {
                op.summary("Store metric values and progress").tag("leases")
            }),
        )
        .api_route(
            "/api/v1/leases/{id}/logs",
            post_with(logs, |op| op.summary("Store log lines").tag("leases")),
        )
        .api_route(
            "/api/v1/leases/{id}/checkpoint",
            post_with(checkpoint, |op| {
                op.summary("Name the checkpoint to go on from")
                    .tag("leases")
            }),
        )
        .api_route(
            "/api/v1/leases/{id}/finish",
            post_with(finish, |op| {
                op.summary("End the attempt with its outcome").tag("leases")
            }),
        )
}

async fn claim(
    caller: Familiar,
    State(state): State<AppState>,
    Body(claim): Body<Claim>,
) -> Result<Json<ClaimReply>, ApiError> {
    let answered = match caller.act_as(claim.worker.id) {
        Ok(()) => service::claim::claim(&state, caller.token_id(), claim).await,
        Err(refused) => Err(refused),
    };
    caller.unless_gone(&state, answered).await.map(Json)
}

async fn heartbeat(
    LeaseHolder(principal): LeaseHolder,
    State(state): State<AppState>,
    Body(beat): Body<Heartbeat>,
) -> Result<Json<HeartbeatReply>, ApiError> {
    principal.act_as(beat.worker.id)?;
    service::heartbeat::renew(&state, beat).await.map(Json)
}

async fn metrics(
    LeaseHolder(principal): LeaseHolder,
    State(state): State<AppState>,
    At(path): At<ById>,
    Quick(batch): Quick<MetricBatch>,
) -> Result<Json<LeaseReply>, ApiError> {
    principal.act_on(&state, path.id).await?;
    service::reports::metrics(&state, path.id, batch)
        .await
        .map(Json)
}

async fn logs(
    LeaseHolder(principal): LeaseHolder,
    State(state): State<AppState>,
    At(path): At<ById>,
    Lossy(batch): Lossy<LogBatch>,
) -> Result<Json<LeaseReply>, ApiError> {
    principal.act_on(&state, path.id).await?;
    service::reports::logs(&state, path.id, batch)
        .await
        .map(Json)
}

async fn checkpoint(
    LeaseHolder(principal): LeaseHolder,
    State(state): State<AppState>,
    At(path): At<ById>,
    Body(checkpoint): Body<CheckpointRef>,
) -> Result<Json<LeaseReply>, ApiError> {
    principal.act_on(&state, path.id).await?;
    service::reports::checkpoint(&state, path.id, checkpoint)
        .await
        .map(Json)
}

async fn finish(
    caller: Familiar,
    State(state): State<AppState>,
    At(path): At<ById>,
    Lossy(finish): Lossy<Finish>,
) -> Result<Json<LeaseReply>, ApiError> {
    service::finish::finish(&state, &caller, path.id, finish)
        .await
        .map(Json)
}

impl Checked for MetricBatch {
    /// Batches of a thousand values come many times a second.
    fn is_admitted(&self) -> bool {
        let is_count = |n: u64| n <= MAX_COUNT;
        let are_points = self.points.len() <= 10_000
            && self.points.iter().all(|point| {
                let name = &point.metric;
                is_count(point.step)
                    && (1..=64).contains(&name.chars().count())
                    && !name.contains('\0')
            });
        let progress = self.progress.as_ref();
        are_points && progress.is_none_or(|it| is_count(it.step) && is_count(it.n_steps))
    }
}
