//! External sweeps: somebody else's code trains the trials, under the same leases and behind the same fence as a
//! worker. Its reports are its heartbeats.

use cultivar_spec::trial::{ObjectiveMetric, Task};
use cultivar_spec::wire::{
    Ask, Asked, Claim, Complete, DeviceInfo, EpochReport, Finish, MetricBatch, MetricPoint, Order,
    Verdict, WorkerIdentity,
};
use cultivar_spec::{BootId, LeaseId, Outcome, Sha256Digest, SweepId, TrialSpec, WorkerId};
use serde_json::Value;
use uuid::Uuid;

use crate::auth::{Familiar, Principal};
use crate::error::ApiError;
use crate::service::fence::{self, Standing};
use crate::service::replay::IdempotencyKey;
use crate::service::{claim, finish, jobs, reports};
use crate::state::AppState;
use crate::store;
use crate::tx::run_tx;

/// Hands out the next trial of a sweep; with none to train waits up to `ask.wait_s`. Asked again with the same
/// Idempotency-Key, it is the same trial.
///
/// # Errors
/// There is no such sweep, its trials are for workers, the token is an enrolled worker's, or the trainer was put aside.
pub async fn ask(
    state: &AppState,
    principal: &Principal,
    key: IdempotencyKey,
    sweep: SweepId,
    ask: Ask,
) -> Result<Asked, ApiError> {
    let detail = store::sweep::detail(&state.pool, sweep).await?;
    let detail = detail.ok_or_else(|| ApiError::no_such("sweep", sweep))?;
    if detail.spec.base["task"]["kind"] != "external" {
        return Err(ApiError::Conflict(format!(
            "sweep {sweep} is for workers; only one whose base has task: {{kind: external}} can be asked for trials"
        )));
    }
    let id = uuid_of(&format!("external {}", ask.worker));
    principal.act_as(WorkerId(id))?;
    let request = match &key.0 {
        Some(key) => uuid_of(&format!("{} {sweep} {key}", principal.token_id)),
        None => Uuid::new_v4(),
    };
    let claim = Claim {
        worker: WorkerIdentity {
            id: WorkerId(id),
            boot: BootId(id),
            name: ask.worker,
            device: DeviceInfo {
                kind: "external".into(),
                name: "external".into(),
                ..DeviceInfo::default()
            },
            version: env!("CARGO_PKG_VERSION").into(),
        },
        request,
        max: 1,
        wait_s: ask.wait_s,
        labels: Vec::new(),
        memory_bytes: None,
        datasets: Vec::new(),
    };
    let taken = claim::wait(state, principal.token_id, claim, Some(sweep)).await?;
    let mut asked = Asked {
        lease: None,
        trial: None,
        params: serde_json::Map::new(),
        seed: 0,
        epochs: 0,
        resume: None,
        lease_s: state.config.lease_s,
        finished: false,
    };
    match taken.claimed.into_iter().next() {
        Some(claimed) => {
            asked.lease = Some(claimed.lease);
            asked.trial = Some(claimed.trial);
            let spec: TrialSpec = claimed.spec.read().map_err(anyhow::Error::from)?;
            if let Task::External { params } = spec.task {
                asked.params = params;
            }
            asked.seed = spec.fit.seed;
            asked.epochs = spec.fit.epochs;
            asked.resume = claimed.resume;
        }
        None => {
            if let Some(why) = taken.quarantine {
                return Err(ApiError::Conflict(format!(
                    "this trainer's name gets no more trials until an admin releases it: {why}"
                )));
            }
            let detail = store::sweep::detail(&state.pool, sweep).await?;
            asked.finished = detail.is_none_or(|detail| detail.sweep.finished);
        }
    }
    Ok(asked)
}

/// The same for the same text.
fn uuid_of(text: &str) -> Uuid {
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&Sha256Digest::of(text.as_bytes()).0[..16]);
    Uuid::from_bytes(bytes)
}

/// Stores the value after an epoch and renews the lease.
///
/// # Errors
/// The lease is unknown, superseded or a worker's.
pub async fn report(
    state: &AppState,
    lease: LeaseId,
    report: EpochReport,
) -> Result<Verdict, ApiError> {
    must_be_external(state, lease).await?;
    let point = MetricPoint {
        metric: ObjectiveMetric::Value.name().into(),
        step: report.epoch.into(),
        epoch: report.epoch.into(),
        value: report.value.0,
    };
    let batch = MetricBatch {
        points: vec![point],
        progress: None,
    };
    let reply = reports::metrics(state, lease, batch).await?;
    store::attempt::renew(&state.pool, lease).await?;
    Ok(reply.order.into())
}

/// Renews the lease, and says what is wanted of its trial.
///
/// # Errors
/// The lease is unknown, superseded or a worker's.
pub async fn should_stop(state: &AppState, lease: LeaseId) -> Result<Verdict, ApiError> {
    must_be_external(state, lease).await?;
    let counters = state.metrics.clone();
    let order = run_tx("should_stop", &state.pool, move |conn| {
        Box::pin(async move {
            Ok(match fence::enter(conn, lease, &counters).await? {
                Standing::Active(held) => {
                    store::attempt::renew(&mut *conn, lease).await?;
                    Some(store::attempt::wanted(
                        held.cancel_requested,
                        held.prune_requested,
                        held.is_to_pause,
                    ))
                }
                Standing::Finished(_) => Some(Order::Unknown),
                Standing::Superseded(_) => None,
            })
        })
    })
    .await?;
    Ok(reports::answer(state, lease, order)?.order.into())
}

/// Ends an external trial.
///
/// # Errors
/// 422 if it completed without a finite value, or the outcome is none that a trainer can tell of; 409 if the lease is
/// superseded or was finished otherwise; the lease is unknown or a worker's.
pub async fn complete(
    state: &AppState,
    caller: &Familiar,
    lease: LeaseId,
    complete: Complete,
) -> Result<Verdict, ApiError> {
    must_be_external(state, lease).await?;
    if matches!(complete.outcome, Outcome::Lost | Outcome::WorkerFault) {
        let expected = "what became of the trial: completed, pruned, cancelled, yielded, diverged, crashed, preempted, \
                        stalled, out_of_memory or bad_input";
        return Err(ApiError::violation(
            "/outcome",
            complete.outcome.name(),
            expected,
        ));
    }
    if complete.outcome == Outcome::Completed
        && !complete.value.is_some_and(|value| value.0.is_finite())
    {
        let given = serde_json::to_value(complete.value).unwrap_or(Value::Null);
        let expected = "a finite number; a trial that has none ends with the outcome diverged";
        return Err(ApiError::violation("/value", given, expected));
    }
    let mut metrics = complete.metrics;
    if let Some(value) = complete.value {
        metrics.insert(ObjectiveMetric::Value.name().into(), value);
    }
    let mut finished = Finish {
        outcome: complete.outcome,
        error: complete.error,
        step: 0,
        metrics,
        model: None,
        predictions: None,
        cost: Default::default(),
    };
    finished.cost.seconds = complete.seconds;
    let reply = finish::finish(state, caller, lease, finished).await?;
    Ok(reply.order.into())
}

async fn must_be_external(state: &AppState, lease: LeaseId) -> Result<(), ApiError> {
    match jobs::of_lease(state, lease).await?.is_external {
        true => Ok(()),
        false => Err(ApiError::Conflict(format!(
            "lease {lease} is a worker's; it reports through metrics, heartbeats and finish"
        ))),
    }
}
