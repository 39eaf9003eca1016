//! Finishes: the last word of a lease, checked before it counts.

use std::collections::BTreeMap;

use cultivar_spec::manifest::Split;
use cultivar_spec::trial::TrainOn;
use cultivar_spec::wire::{Finish, JobKind, LeaseReply, Order};
use cultivar_spec::{LeaseId, Outcome, Sha256Digest};

use crate::auth::Familiar;
use crate::error::ApiError;
use crate::service::ledger::{self, Checked, Entry, Verdict};
use crate::service::reports::answer;
use crate::service::scoring::{self, Scored};
use crate::service::{artifacts, jobs, settle};
use crate::state::AppState;
use crate::store::attempt::Job;
use crate::store::trial::Accepted;

/// How far a reported accuracy may lie from the one computed from the logits.
const TOLERANCE: f64 = 1e-6;

/// Ends an attempt. Sent again, it gets the same answer (I4).
///
/// # Errors
/// 401 if the caller's token has ended. 422 if it claims completion with a result that does not hold; then the attempt stays active, so its
/// holder can finish it otherwise. 409 if the lease is superseded or was finished otherwise.
pub async fn finish(
    state: &AppState,
    caller: &Familiar,
    lease: LeaseId,
    finish: Finish,
) -> Result<LeaseReply, ApiError> {
    let finished = try_finish(state, caller, lease, finish).await;
    caller.unless_gone(state, finished).await
}

async fn try_finish(
    state: &AppState,
    caller: &Familiar,
    lease: LeaseId,
    mut finish: Finish,
) -> Result<LeaseReply, ApiError> {
    finish.error = finish.error.as_deref().map(settle::tidy);
    let job = jobs::of_lease(state, lease).await?;
    caller.act_as(job.worker)?;
    let checked = match finish.outcome {
        Outcome::Completed => check(state, &job, &finish).await?,
        _ => Checked::Nothing,
    };
    let entry = Entry {
        lease,
        token: caller.token_id(),
        job,
        finish,
        checked,
    };
    let verdict = ledger::enter(state, caller, entry).await?;
    let order = match verdict {
        Verdict::Accepted => Some(Order::Continue),
        Verdict::Superseded => None,
        Verdict::Differs => {
            return Err(ApiError::Conflict(format!(
                "lease {lease} was finished with another result before"
            )));
        }
    };
    state.jobs.forget(lease);
    // What was requeued, or waited behind this attempt, may be claimed now.
    state.queue.notify_waiters();
    state.feeder.notify_one();
    answer(state, lease, order)
}

async fn check(state: &AppState, job: &Job, finish: &Finish) -> Result<Checked, ApiError> {
    match job.job {
        JobKind::Train => check_training(state, job, finish).await,
        JobKind::Evaluate => check_evaluation(state, job, finish).await,
    }
}

async fn check_training(state: &AppState, job: &Job, finish: &Finish) -> Result<Checked, ApiError> {
    if job.is_external {
        return check_external(job, finish);
    }
    let model = required("/model", finish.model)?;
    let mut metrics = finite(finish);
    let val = match job.train_on {
        TrainOn::TrainVal => None,
        TrainOn::Train => {
            let predictions = required("/predictions", finish.predictions)?;
            let scored = score(state, job, Split::Val, predictions).await?;
            agree("val_top1", &scored, &mut metrics)?;
            Some((predictions, scored))
        }
    };
    let accepted = Accepted {
        objective: metrics.get(job.objective.name()).copied(),
        metrics,
        model: Some(model),
        predictions: finish.predictions,
        cost: serde_json::to_value(&finish.cost).map_err(anyhow::Error::from)?,
    };
    Ok(Checked::Trained { accepted, val })
}

/// Nobody here can check what somebody else measured; it only has to be a number.
fn check_external(job: &Job, finish: &Finish) -> Result<Checked, ApiError> {
    let name = job.objective.name();
    let metrics = finite(finish);
    let Some(value) = metrics.get(name).copied() else {
        return Err(ApiError::violation(
            format!("/metrics/{name}"),
            serde_json::Value::Null,
            "the finite number that the sweep optimises",
        ));
    };
    let accepted = Accepted {
        objective: Some(value),
        metrics,
        model: None,
        predictions: None,
        cost: serde_json::to_value(&finish.cost).map_err(anyhow::Error::from)?,
    };
    Ok(Checked::Trained {
        accepted,
        val: None,
    })
}

async fn check_evaluation(
    state: &AppState,
    job: &Job,
    finish: &Finish,
) -> Result<Checked, ApiError> {
    let split = job
        .split
        .ok_or_else(|| anyhow::anyhow!("an evaluation has a split"))?;
    let predictions = required("/predictions", finish.predictions)?;
    let scored = score(state, job, split, predictions).await?;
    let mut metrics = finite(finish);
    agree(&format!("{}_top1", split.name()), &scored, &mut metrics)?;
    Ok(Checked::Evaluated {
        split,
        metrics,
        predictions,
        scored,
    })
}

fn required(pointer: &str, digest: Option<Sha256Digest>) -> Result<Sha256Digest, ApiError> {
    digest.ok_or_else(|| {
        ApiError::violation(
            pointer,
            serde_json::Value::Null,
            "the artifact a completed job leaves",
        )
    })
}

/// Final values by name; what is not finite is never ranked and never stored.
fn finite(finish: &Finish) -> BTreeMap<String, f64> {
    let values = finish
        .metrics
        .iter()
        .map(|(name, value)| (name.clone(), value.0));
    values.filter(|(_, value)| value.is_finite()).collect()
}

async fn score(
    state: &AppState,
    job: &Job,
    split: Split,
    predictions: Sha256Digest,
) -> Result<Scored, ApiError> {
    let version = job
        .version
        .ok_or_else(|| anyhow::anyhow!("what is scored has a dataset"))?;
    artifacts::must_exist(state, &[("/predictions", predictions)]).await?;
    let known = state.manifests.get(&version).await?;
    let n_bytes = state.blobs.size(&predictions).await;
    let n_bytes = n_bytes.map_err(anyhow::Error::from)?.unwrap_or_default();
    let max_bytes = scoring::max_bytes(&known.manifest, split);
    if n_bytes > max_bytes {
        let expected = format!(
            "predictions of the {} split, {max_bytes} bytes at most: this artifact has {n_bytes}",
            split.name()
        );
        return Err(ApiError::violation(
            "/predictions",
            predictions.to_string(),
            expected,
        ));
    }
    let bytes = state
        .blobs
        .read(&predictions)
        .await
        .map_err(anyhow::Error::from)?;
    let scored =
        tokio::task::spawn_blocking(move || scoring::score(&bytes, &known.manifest, split)).await;
    let scored = scored.map_err(anyhow::Error::from)?;
    scored.map_err(|e| ApiError::violation("/predictions", predictions.to_string(), e.to_string()))
}

/// Puts the computed accuracy in place of the reported one.
///
/// # Errors
/// They differ: whoever reports cannot be trusted with the rest either.
fn agree(name: &str, scored: &Scored, metrics: &mut BTreeMap<String, f64>) -> Result<(), ApiError> {
    match metrics.insert(name.to_owned(), scored.top1) {
        Some(reported) if (reported - scored.top1).abs() > TOLERANCE => Err(ApiError::violation(
            format!("/metrics/{name}"),
            reported,
            format!("{}, which the uploaded logits come to", scored.top1),
        )),
        _ => Ok(()),
    }
}
