//! Finishes: the last word of a lease, checked before it counts.

use std::collections::BTreeMap;

use cultivar_spec::manifest::Split;
use cultivar_spec::trial::TrainOn;
use cultivar_spec::wire::{Finish, JobKind, LeaseReply, Order};
use cultivar_spec::{LeaseId, Outcome, Sha256Digest};
use sqlx::PgConnection;

use crate::error::ApiError;
use crate::metrics::OutcomeLabel;
use crate::service::fence::{self, Standing};
use crate::service::reports::{answer, set_aside};
use crate::service::scoring::{self, Scored};
use crate::service::settle::Ending;
use crate::service::{artifacts, settle};
use crate::state::AppState;
use crate::store;
use crate::store::attempt::{Held, Job};
use crate::store::trial::Accepted;
use crate::tx::run_tx;

/// How far a reported accuracy may lie from the one computed from the logits.
const TOLERANCE: f64 = 1e-6;

/// What a completed job left behind, checked.
enum Checked {
    Trained {
        accepted: Accepted,
        /// Absent where nothing was held out.
        val: Option<(Sha256Digest, Scored)>,
    },
    Evaluated {
        split: Split,
        metrics: BTreeMap<String, f64>,
        predictions: Sha256Digest,
        scored: Scored,
    },
    /// It did not complete, and left nothing.
    Nothing,
}

/// Ends an attempt. Sent again, it gets the same answer (I4).
///
/// # Errors
/// 422 if it claims completion with a result that does not hold; then the attempt stays active, so its
/// holder can finish it otherwise. 409 if the lease is superseded or was finished otherwise.
pub async fn finish(
    state: &AppState,
    lease: LeaseId,
    mut finish: Finish,
) -> Result<LeaseReply, ApiError> {
    finish.error = finish.error.as_deref().map(settle::tidy);
    let job = store::attempt::job(&state.pool, lease).await?;
    let job = job.ok_or_else(|| ApiError::no_such("lease", lease))?;
    let outcome = finish.outcome;
    let checked = match outcome {
        Outcome::Completed => check(state, &job, &finish).await?,
        _ => Checked::Nothing,
    };
    let counters = state.metrics.clone();
    let order = run_tx("finish", &state.pool, move |conn| {
        Box::pin(async move {
            match fence::enter(conn, lease, &counters).await? {
                Standing::Active(held) => {
                    accept(conn, &held, &finish, &checked).await?;
                    let label = OutcomeLabel {
                        outcome: outcome.name(),
                    };
                    counters.attempts_ended.get_or_create(&label).inc();
                    Ok(Some(Order::Continue))
                }
                Standing::Finished(held)
                    if held
                        .finish
                        .as_ref()
                        .is_some_and(|kept| same_result(kept, &finish)) =>
                {
                    Ok(Some(Order::Continue))
                }
                Standing::Finished(_) => Err(ApiError::Conflict(format!(
                    "lease {lease} was finished with another result before"
                ))),
                Standing::Superseded(_) => {
                    set_aside(conn, lease, "finish", &finish).await?;
                    Ok(None)
                }
            }
        })
    })
    .await?;
    // What was requeued, or waited behind this attempt, may be claimed now.
    state.queue.notify_waiters();
    state.feeder.notify_one();
    answer(state, lease, order)
}

/// Metrics are left out: a number may come back from JSON one unit in the last place away.
fn same_result(kept: &Finish, again: &Finish) -> bool {
    (kept.outcome, kept.step, kept.model, kept.predictions)
        == (again.outcome, again.step, again.model, again.predictions)
}

/// Stores the result and moves the trial on, all in one transaction.
async fn accept(
    conn: &mut PgConnection,
    held: &Held,
    finish: &Finish,
    checked: &Checked,
) -> Result<(), ApiError> {
    let mut result = None;
    match checked {
        Checked::Nothing => {}
        Checked::Trained { accepted, val } => {
            result = Some(accepted);
            if let Some((predictions, scored)) = val {
                store::prediction::insert(conn, held.trial, Split::Val, predictions, scored)
                    .await?;
            }
        }
        Checked::Evaluated {
            split,
            metrics,
            predictions,
            scored,
        } => {
            store::evaluation::accept(conn, held.trial, *split, metrics, predictions).await?;
            store::prediction::insert(conn, held.trial, *split, predictions, scored).await?;
        }
    }
    let ending = Ending {
        outcome: finish.outcome,
        error: finish.error.as_deref(),
        finish: Some(finish),
        accepted: result,
    };
    settle::settle(conn, held, ending).await
}

async fn check(state: &AppState, job: &Job, finish: &Finish) -> Result<Checked, ApiError> {
    match job.job {
        JobKind::Train => check_training(state, job, finish).await,
        JobKind::Evaluate => check_evaluation(state, job, finish).await,
    }
}

async fn check_training(state: &AppState, job: &Job, finish: &Finish) -> Result<Checked, ApiError> {
    if job.spec.is_external() {
        return check_external(job, finish);
    }
    let model = required("/model", finish.model)?;
    let mut references = vec![("/model", model)];
    let validates = job.spec.data.train_on == TrainOn::Train;
    if validates {
        required("/predictions", finish.predictions)?;
    }
    references.extend(finish.predictions.map(|digest| ("/predictions", digest)));
    artifacts::must_exist(state, &references).await?;

    let mut metrics = finite(finish);
    let val = match finish.predictions.filter(|_| validates) {
        None => None,
        Some(predictions) => {
            let scored = score(state, job, Split::Val, predictions).await?;
            agree("val_top1", &scored, &mut metrics)?;
            Some((predictions, scored))
        }
    };
    let accepted = Accepted {
        objective: metrics.get(job.spec.objective.metric.name()).copied(),
        metrics,
        model: Some(model),
        predictions: finish.predictions,
        cost: serde_json::to_value(&finish.cost).map_err(anyhow::Error::from)?,
    };
    Ok(Checked::Trained { accepted, val })
}

/// Nobody here can check what somebody else measured; it only has to be a number.
fn check_external(job: &Job, finish: &Finish) -> Result<Checked, ApiError> {
    let name = job.spec.objective.metric.name();
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
    artifacts::must_exist(state, &[("/predictions", predictions)]).await?;
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
    let known = state.manifests.get(&version).await?;
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
