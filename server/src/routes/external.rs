//! What trainers of external sweeps call: ask, report, should_stop, complete.

use aide::axum::ApiRouter;
use aide::axum::routing::post_with;
use axum::Json;
use axum::extract::State;
use cultivar_spec::wire::{Ask, Asked, Complete, EpochReport, Verdict};
use cultivar_spec::{LeaseId, SweepId};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::auth::LeaseHolder;
use crate::error::ApiError;
use crate::extract::{At, Body, Lossy};
use crate::service;
use crate::service::replay::IdempotencyKey;
use crate::state::AppState;

#[derive(Deserialize, JsonSchema)]
#[schemars(inline)]
struct OfSweep {
    id: SweepId,
}

#[derive(Deserialize, JsonSchema)]
#[schemars(inline)]
struct OfLease {
    id: LeaseId,
}

pub fn router() -> ApiRouter<AppState> {
    ApiRouter::new()
        .api_route(
            "/api/v1/sweeps/{id}/ask",
            post_with(ask, |op| {
                op.summary("The next trial of an external sweep; waits while there is none")
                    .tag("external")
            }),
        )
        .api_route(
            "/api/v1/leases/{id}/report",
            post_with(report, |op| {
                op.summary("Report an external trial's value after an epoch")
                    .tag("external")
            }),
        )
        .api_route(
            "/api/v1/leases/{id}/should_stop",
            post_with(should_stop, |op| {
                op.summary("Renew an external trial's lease and hear what is wanted of it")
                    .tag("external")
            }),
        )
        .api_route(
            "/api/v1/leases/{id}/complete",
            post_with(complete, |op| {
                op.summary("End an external trial with its outcome")
                    .tag("external")
            }),
        )
}

async fn ask(
    LeaseHolder(principal): LeaseHolder,
    State(state): State<AppState>,
    key: IdempotencyKey,
    At(path): At<OfSweep>,
    Body(ask): Body<Ask>,
) -> Result<Json<Asked>, ApiError> {
    service::external::ask(&state, &principal, key, path.id, ask)
        .await
        .map(Json)
}

async fn report(
    LeaseHolder(principal): LeaseHolder,
    State(state): State<AppState>,
    At(path): At<OfLease>,
    Body(report): Body<EpochReport>,
) -> Result<Json<Verdict>, ApiError> {
    principal.act_on(&state, path.id).await?;
    service::external::report(&state, path.id, report)
        .await
        .map(Json)
}

async fn should_stop(
    LeaseHolder(principal): LeaseHolder,
    State(state): State<AppState>,
    At(path): At<OfLease>,
) -> Result<Json<Verdict>, ApiError> {
    principal.act_on(&state, path.id).await?;
    service::external::should_stop(&state, path.id)
        .await
        .map(Json)
}

async fn complete(
    holder: LeaseHolder,
    State(state): State<AppState>,
    At(path): At<OfLease>,
    Lossy(complete): Lossy<Complete>,
) -> Result<Json<Verdict>, ApiError> {
    service::external::complete(&state, &holder.into(), path.id, complete)
        .await
        .map(Json)
}
