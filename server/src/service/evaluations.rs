//! Asking for predictions on a held-out split.

use cultivar_spec::manifest::Split;
use cultivar_spec::wire::{EvaluationView, Event, JobKind, NewEvaluation};
use cultivar_spec::{TrialId, TrialState};

use crate::auth::Principal;
use crate::error::ApiError;
use crate::service::replay::{IdempotencyKey, Replay, once};
use crate::state::AppState;
use crate::store;
use crate::tx::run_tx;

/// Queues an evaluation of a completed trial. One that was asked for before is not run twice, but every
/// request for the test split is counted.
///
/// # Errors
/// The trial is unknown or not completed, or its dataset has no such split.
pub async fn request(
    state: &AppState,
    principal: &Principal,
    key: IdempotencyKey,
    trial: TrialId,
    new: NewEvaluation,
) -> Result<EvaluationView, ApiError> {
    let replay = Replay::new(
        principal,
        key,
        "POST /api/v1/trials/{id}/evaluate",
        &(trial, &new),
    );
    let manifests = state.manifests.clone();
    let view = run_tx("request_evaluation", &state.pool, move |conn| {
        Box::pin(once(conn, replay, move |conn| {
            Box::pin(async move {
                let locked = store::lifecycle::lock(conn, trial).await?;
                let locked = locked.ok_or_else(|| ApiError::no_such("trial", trial))?;
                if locked.state == TrialState::Completed && locked.model.is_none() {
                    return Err(ApiError::Conflict(format!(
                        "the model of trial {trial} is gone: this server keeps those of the best of a sweep only"
                    )));
                }
                if locked.state != TrialState::Completed {
                    return Err(ApiError::Conflict(format!(
                        "trial {trial} is {}; only a completed trial can be evaluated",
                        locked.state.name()
                    )));
                }
                let version = locked
                    .version
                    .ok_or_else(|| anyhow::anyhow!("trial {trial} has a model and no dataset"))?;
                let known = manifests.get(&version).await?;
                if known.manifest.n_images(new.split) == 0 {
                    return Err(ApiError::violation(
                        "/split",
                        new.split.name(),
                        format!("a split of {} that has images", locked.dataset),
                    ));
                }
                let before = store::evaluation::find(&mut *conn, trial, new.split).await?;
                let settled_badly = |view: &EvaluationView| {
                    view.state.is_terminal() && view.state != TrialState::Completed
                };
                if before.as_ref().is_none_or(settled_badly) {
                    store::evaluation::open(conn, trial, &new).await?;
                    let job = JobKind::Evaluate;
                    store::queue::push(conn, trial, job, Some(new.split), 0.0).await?;
                }
                if new.split == Split::Test {
                    store::evaluation::count_test_access(conn, &locked.dataset, trial, &new.reason)
                        .await?;
                }
                let event = Event::Evaluation {
                    trial,
                    dataset: locked.dataset,
                };
                store::event::append(conn, &[event]).await?;
                let view = store::evaluation::find(&mut *conn, trial, new.split).await?;
                view.ok_or_else(|| ApiError::no_such("evaluation of trial", trial))
            })
        }))
    })
    .await?;
    state.queue.notify_waiters();
    Ok(view)
}
