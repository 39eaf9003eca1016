//! Submitting, listing, cancelling and retrying single trials.

use cultivar_spec::wire::{Event, JobKind, NewTrial, TrialDetail, TrialPage, TrialView};
use cultivar_spec::{
    Sha256Digest, TrialId, TrialSpec, TrialState, Violation, Violations, check, config_id,
};
use sqlx::PgConnection;

use crate::auth::Principal;
use crate::error::ApiError;
use crate::routes::TrialFilter;
use crate::service::replay::{IdempotencyKey, Replay, once};
use crate::service::resolve::Resolver;
use crate::service::{feeder, label};
use crate::state::AppState;
use crate::store;
use crate::store::lifecycle::Locked;
use crate::store::sweep::Standing;
use crate::store::trial::{Filter, NewRow};
use crate::tx::run_tx;

/// Checks, resolves and queues one trial.
///
/// # Errors
/// 422 with everything that is wrong with the spec; then nothing is queued.
pub async fn submit(
    state: &AppState,
    principal: &Principal,
    key: IdempotencyKey,
    new: NewTrial,
) -> Result<TrialView, ApiError> {
    let replay = Replay::new(principal, key, "POST /api/v1/trials", &new);
    let mut spec = check::trial(&new.spec).map_err(below_spec)?;
    if spec.is_external() {
        return Err(ApiError::violation(
            "/spec/task/kind",
            "external",
            "single_label; external trials are asked for by their sweep",
        ));
    }
    let found = Resolver::new(state).resolve(&mut spec).await?;
    if !found.is_empty() {
        return Err(ApiError::Invalid(below_spec(Violations(found))));
    }
    let config = config_id(&spec);
    let mut row = row(None, label::of_spec(&spec), spec, config)?;
    row.needs = new.needs.or_none().cloned();
    let view = run_tx("submit_trial", &state.pool, move |conn| {
        Box::pin(once(conn, replay, move |conn| {
            Box::pin(async move {
                let id = row.id;
                let event = Event::Trial {
                    trial: id,
                    sweep: None,
                    dataset: row.spec.data.dataset.clone(),
                    state: TrialState::Queued,
                };
                store::trial::insert(conn, &[row]).await?;
                let front = store::queue::front(conn, 0).await?;
                store::queue::push_single(conn, id, front).await?;
                store::event::append(conn, &[event]).await?;
                store::trial::find(&mut *conn, id)
                    .await?
                    .ok_or_else(|| ApiError::no_such("trial", id))
            })
        }))
    })
    .await?;
    state.queue.notify_waiters();
    Ok(view)
}

/// The violations of a spec, as seen from a body that holds it in its field `spec`.
fn below_spec(violations: Violations) -> Violations {
    let prefixed = |violation: Violation| Violation {
        pointer: format!("/spec{}", violation.pointer),
        ..violation
    };
    Violations(violations.0.into_iter().map(prefixed).collect())
}

/// The row of a resolved spec.
pub fn row(
    sweep: Option<cultivar_spec::SweepId>,
    label: String,
    spec: TrialSpec,
    config_id: Sha256Digest,
) -> Result<NewRow, ApiError> {
    let version = spec.data.version;
    if version.is_none() && !spec.is_external() {
        return Err(anyhow::anyhow!("a resolved spec has its dataset version pinned").into());
    }
    Ok(NewRow {
        id: TrialId::new(),
        sweep,
        proposal: None,
        config_id,
        label,
        version,
        spec,
        needs: None,
    })
}

/// A page of trials.
///
/// # Errors
/// The database is out of reach.
pub async fn page(state: &AppState, filter: TrialFilter) -> Result<TrialPage, ApiError> {
    let limit = filter.limit.unwrap_or(100).clamp(1, 1000) as usize;
    let filter = Filter {
        id: None,
        sweep: filter.sweep,
        state: filter.state,
        dataset: filter.dataset,
        after: filter.cursor,
        limit: limit as i64 + 1,
    };
    let mut trials = store::trial::list(&state.pool, &filter).await?;
    let more = trials.len() > limit;
    trials.truncate(limit);
    let next_cursor = trials
        .last()
        .filter(|_| more)
        .map(|trial| trial.id.to_string());
    Ok(TrialPage {
        trials,
        next_cursor,
    })
}

/// Everything known of a trial.
///
/// # Errors
/// There is no such trial.
pub async fn detail(state: &AppState, id: TrialId) -> Result<TrialDetail, ApiError> {
    let mut conn = state.pool.acquire().await?;
    let detail = store::trial::detail(&mut conn, id).await?;
    detail.ok_or_else(|| ApiError::no_such("trial", id))
}

async fn view(state: &AppState, id: TrialId) -> Result<TrialView, ApiError> {
    let view = store::trial::find(&state.pool, id).await?;
    view.ok_or_else(|| ApiError::no_such("trial", id))
}

/// Settles a trial that waits; asks one that runs to stop. Cancelling twice is cancelling once.
///
/// # Errors
/// There is no such trial, or it settled otherwise before.
pub async fn cancel(state: &AppState, id: TrialId) -> Result<TrialView, ApiError> {
    run_tx("cancel_trial", &state.pool, move |conn| {
        Box::pin(async move {
            let trial = store::lifecycle::lock(conn, id).await?;
            let trial = trial.ok_or_else(|| ApiError::no_such("trial", id))?;
            match trial.state {
                TrialState::Cancelled => Ok(()),
                settled if settled.is_terminal() => Err(ApiError::Conflict(format!(
                    "trial {id} is {} already; only a trial that is not settled can be cancelled",
                    settled.name()
                ))),
                _ => {
                    store::lifecycle::cancel(conn, &[id]).await?;
                    store::event::append(conn, &cancellations(&[trial])).await?;
                    Ok(())
                }
            }
        })
    })
    .await?;
    view(state, id).await
}

/// What cancelling these trials is told as: those that run are told of when they stop.
pub fn cancellations(trials: &[Locked]) -> Vec<Event> {
    let settled = trials
        .iter()
        .filter(|trial| trial.state != TrialState::Running);
    settled
        .map(|trial| Event::Trial {
            trial: trial.id,
            sweep: trial.sweep,
            dataset: trial.dataset.clone(),
            state: TrialState::Cancelled,
        })
        .collect()
}

/// Takes a trial out of the queue, or asks one that runs to give way at its next step; it keeps a checkpoint and
/// waits until somebody resumes it. Pausing twice is pausing once.
///
/// # Errors
/// There is no such trial, or it is settled.
pub async fn pause(state: &AppState, id: TrialId) -> Result<TrialView, ApiError> {
    run_tx("pause_trial", &state.pool, move |conn| {
        Box::pin(async move {
            let trial = store::lifecycle::lock(conn, id).await?;
            let trial = trial.ok_or_else(|| ApiError::no_such("trial", id))?;
            if trial.state.is_terminal() {
                return Err(ApiError::Conflict(format!(
                    "trial {id} is {}; only a trial that is not settled can be paused",
                    trial.state.name()
                )));
            }
            store::lifecycle::pause(conn, id).await?;
            if trial.state == TrialState::Queued {
                let event = Event::Trial {
                    trial: id,
                    sweep: trial.sweep,
                    dataset: trial.dataset,
                    state: TrialState::Paused,
                };
                store::event::append(conn, &[event]).await?;
            }
            Ok(())
        })
    })
    .await?;
    view(state, id).await
}

/// Lets a paused trial go on from its checkpoint; one that has not given way yet just runs on.
///
/// # Errors
/// There is no such trial, or it is settled.
pub async fn resume(state: &AppState, id: TrialId) -> Result<TrialView, ApiError> {
    run_tx("resume_trial", &state.pool, move |conn| {
        Box::pin(async move {
            // Locked, so that it cannot give way between the look and the wish.
            let sweep = store::sweep::lock_of(conn, id).await?;
            let trial = store::lifecycle::lock(conn, id).await?;
            let trial = trial.ok_or_else(|| ApiError::no_such("trial", id))?;
            match trial.state {
                TrialState::Paused => queue_again(conn, trial, sweep).await,
                TrialState::Queued | TrialState::Running => {
                    Ok(store::lifecycle::unpause(conn, id).await?)
                }
                settled => Err(ApiError::Conflict(format!(
                    "trial {id} is {}; only a paused trial can be resumed",
                    settled.name()
                ))),
            }
        })
    })
    .await?;
    state.queue.notify_waiters();
    view(state, id).await
}

/// Queues a trial again that failed, was cancelled or is paused. It goes on from its last checkpoint. One that its
/// scheduler keeps waiting goes on when that says so.
///
/// # Errors
/// There is no such trial, or it is in another state.
pub async fn retry(state: &AppState, id: TrialId) -> Result<TrialView, ApiError> {
    run_tx("retry_trial", &state.pool, move |conn| {
        Box::pin(async move {
            let sweep = store::sweep::lock_of(conn, id).await?;
            let trial = store::lifecycle::lock(conn, id).await?;
            let trial = trial.ok_or_else(|| ApiError::no_such("trial", id))?;
            if !matches!(
                trial.state,
                TrialState::Failed | TrialState::Cancelled | TrialState::Paused
            ) {
                return Err(ApiError::Conflict(format!(
                    "trial {id} is {}; only a failed, cancelled or paused trial can be retried",
                    trial.state.name()
                )));
            }
            queue_again(conn, trial, sweep).await
        })
    })
    .await?;
    state.queue.notify_waiters();
    view(state, id).await
}

/// Puts a trial back in line from where it had got to, unless its scheduler keeps it waiting. One of a sweep enters the queue when
/// the sweep has room for it; of one that was cancelled it goes on alone.
async fn queue_again(
    conn: &mut PgConnection,
    trial: Locked,
    standing: Option<Standing>,
) -> Result<(), ApiError> {
    if store::lifecycle::leave_to_scheduler(conn, trial.id).await? {
        return Ok(());
    }
    store::lifecycle::reopen(conn, trial.id).await?;
    match (trial.sweep, standing) {
        (Some(sweep), Some(Standing { cancelled: false })) => {
            store::sweep::reopen(conn, sweep).await?;
            feeder::feed(conn, sweep).await?;
        }
        _ => store::queue::push(conn, trial.id, JobKind::Train, None, 0.0).await?,
    }
    let event = Event::Trial {
        trial: trial.id,
        sweep: trial.sweep,
        dataset: trial.dataset,
        state: TrialState::Queued,
    };
    store::event::append(conn, &[event]).await?;
    Ok(())
}
