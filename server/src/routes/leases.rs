//! `/api/v1/leases` and `/api/v1/heartbeats`: what workers and external trainers call.

use aide::axum::ApiRouter;
use aide::axum::routing::post_with;
use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue};
use cultivar_spec::wire::{
    CheckpointRef, Claim, ClaimReply, Finish, Heartbeat, HeartbeatReply, LeaseReply, LogBatch,
    MetricBatch,
};
use cultivar_spec::{LeaseId, MAX_COUNT, PROTOCOL_HEADER, PROTOCOL_VERSION};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::auth::{Familiar, LeaseHolder};
use crate::error::ApiError;
use crate::extract::{At, Body, Checked, Lossy, Quick};
use crate::service;
use crate::state::AppState;
use crate::store::spec_text::SpecText;

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
    headers: HeaderMap,
    Quick(claim): Quick<Claim>,
) -> Result<Json<ClaimReply<SpecText>>, ApiError> {
    let allowed = check_protocol(&headers).and_then(|()| caller.act_as(claim.worker.id));
    let answered = match allowed {
        Ok(()) => service::claim::claim(&state, caller.token_id(), claim).await,
        Err(refused) => Err(refused),
    };
    caller.unless_gone(&state, answered).await.map(Json)
}

/// A worker that cannot read its leases would lose them one after the other.
fn check_protocol(headers: &HeaderMap) -> Result<(), ApiError> {
    let spoken = headers
        .get(PROTOCOL_HEADER)
        .map_or(&b"1"[..], HeaderValue::as_bytes);
    let spoken = String::from_utf8_lossy(spoken);
    let served = PROTOCOL_VERSION.saturating_sub(1).max(1)..=PROTOCOL_VERSION;
    if spoken
        .parse::<u32>()
        .is_ok_and(|version| served.contains(&version))
    {
        return Ok(());
    }
    Err(ApiError::Conflict(format!(
        "the worker speaks version {spoken} of the protocol and the server {PROTOCOL_VERSION}: give both the same release of Cultivar"
    )))
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
    Quick(finish): Quick<Finish>,
) -> Result<Json<LeaseReply>, ApiError> {
    service::finish::finish(&state, &caller, path.id, finish)
        .await
        .map(Json)
}

/// Between bounds, in characters.
fn is_text(text: &str, max: usize) -> bool {
    (1..=max).contains(&text.chars().count())
}

/// Many times a second from each worker whose trials are short.
impl Checked for Claim {
    fn is_admitted(&self) -> bool {
        is_text(&self.worker.name, 200)
            && (1..=256).contains(&self.max)
            && (0.0..=60.0).contains(&self.wait_s)
            && self.labels.len() <= 64
            && self.labels.iter().all(|label| is_text(label, 64))
            && self.datasets.len() <= 64
    }
}

/// A result is not worth losing for a NUL character.
impl Checked for Finish {
    const LOSES_NULS: bool = true;

    fn is_admitted(&self) -> bool {
        self.step <= MAX_COUNT
    }
}

/// Batches of a thousand values come many times a second.
impl Checked for MetricBatch {
    fn is_admitted(&self) -> bool {
        let is_count = |n: u64| n <= MAX_COUNT;
        let are_points = self.points.len() <= 10_000
            && self
                .points
                .iter()
                .all(|point| is_count(point.step) && is_text(&point.metric, 64));
        let progress = self.progress.as_ref();
        are_points && progress.is_none_or(|it| is_count(it.step) && is_count(it.n_steps))
    }
}

#[cfg(test)]
mod tests {
    use cultivar_spec::check;
    use schemars::JsonSchema;
    use serde::de::DeserializeOwned;
    use serde_json::{Value, json};

    use super::*;

    /// Lays each change over the document at its pointer; what is quick must say of each what the schema says.
    fn agrees<T: JsonSchema + DeserializeOwned + Checked + 'static>(
        document: &Value,
        right: &[(&str, Value)],
        wrong: &[(&str, Value)],
    ) {
        for (changes, is_right) in [(right, true), (wrong, false)] {
            for (pointer, value) in changes {
                let mut changed = document.clone();
                *changed.pointer_mut(pointer).expect("a field") = value.clone();
                let quick = serde_json::from_value::<T>(changed.clone());
                let is_quick = quick.is_ok_and(|value| value.is_admitted());
                let by_schema = check::document::<T>(&changed).is_ok();
                assert_eq!(
                    (is_quick, by_schema),
                    (is_right, is_right),
                    "{pointer} {value}"
                );
            }
        }
    }

    const ID: &str = "0198f7a2-3c5e-7d41-9a86-0b1c2d3e4f50";

    #[test]
    fn a_claim_is_admitted_as_by_its_schema() {
        let device = json!({"kind": "cpu", "name": "cpu", "n_threads": 2, "memory_bytes": null});
        let worker = json!({"id": ID, "boot": ID, "name": "w", "version": "0", "device": device});
        let document = json!({
            "worker": worker, "request": ID, "max": 1, "wait_s": 0.0, "labels": [], "memory_bytes": 1,
            "datasets": [],
        });
        let digest = "0".repeat(64);
        let right = [
            ("/worker/name", json!("é".repeat(200))),
            ("/max", json!(256)),
            ("/wait_s", json!(60)),
            ("/labels", json!(vec!["é".repeat(64); 64])),
            ("/datasets", json!(vec![&digest; 64])),
            ("/memory_bytes", Value::Null),
        ];
        let wrong = [
            ("/worker/name", json!("")),
            ("/worker/name", json!("n".repeat(201))),
            ("/worker/device", json!({"kind": "cpu", "colour": "red"})),
            ("/max", json!(0)),
            ("/max", json!(257)),
            ("/wait_s", json!(-0.1)),
            ("/wait_s", json!(60.1)),
            ("/labels", json!([""])),
            ("/labels", json!(["n".repeat(65)])),
            ("/labels", json!(vec!["gpu"; 65])),
            ("/datasets", json!(vec![&digest; 65])),
            ("/datasets", json!(["A".repeat(64)])),
            ("/memory_bytes", json!(-1)),
        ];
        agrees::<Claim>(&document, &right, &wrong);
    }

    #[test]
    fn a_finish_is_admitted_as_by_its_schema() {
        let document = json!({
            "outcome": "completed", "error": null, "step": 1, "metrics": {"val_loss": 0.5},
            "model": "0".repeat(64), "predictions": null, "cost": {"images": 1, "seconds": 0.5},
        });
        let right = [
            ("/step", json!(MAX_COUNT)),
            ("/metrics/val_loss", json!("NaN")),
            ("/metrics", json!({})),
            ("/model", Value::Null),
        ];
        let wrong = [
            ("/outcome", json!("won")),
            ("/step", json!(MAX_COUNT + 1)),
            ("/step", json!(-1)),
            ("/metrics/val_loss", json!("nan")),
            ("/metrics/val_loss", Value::Null),
            ("/model", json!("0")),
            ("/cost", json!({"images": -1})),
            ("/cost", json!({"colour": "red"})),
        ];
        agrees::<Finish>(&document, &right, &wrong);
    }

    #[test]
    fn metrics_are_admitted_as_by_their_schema() {
        let point = json!({"metric": "val_loss", "step": 1, "epoch": 1, "value": 0.5});
        let progress =
            json!({"phase": "training", "step": 1, "n_steps": 2, "epoch": 1, "n_epochs": 2});
        let document = json!({"points": [point], "progress": progress});
        let right = [
            ("/points/0/metric", json!("é".repeat(64))),
            ("/points/0/step", json!(MAX_COUNT)),
            ("/points", json!(vec![&point; 10_000])),
        ];
        let wrong = [
            ("/points/0/metric", json!("")),
            ("/points/0/metric", json!("n".repeat(65))),
            ("/points/0/step", json!(MAX_COUNT + 1)),
            ("/points", json!(vec![&point; 10_001])),
            ("/progress/step", json!(MAX_COUNT + 1)),
            ("/progress/n_steps", json!(MAX_COUNT + 1)),
        ];
        agrees::<MetricBatch>(&document, &right, &wrong);
    }
}
