//! What people do to a sweep that is under way: pause it, let it go on, cancel it, retry what failed, change its share.

use cultivar_spec::queueing::Queueing;
use cultivar_spec::wire::{Event, PauseSweep, SweepView};
use cultivar_spec::{SweepId, TrialState, Violation, Violations};
use sqlx::PgConnection;

use crate::error::ApiError;
use crate::service::{feeder, trials};
use crate::state::AppState;
use crate::store;
use crate::store::lifecycle::Locked;
use crate::tx::run_tx;

/// Begins no more trials. Those that run give way at their next step and keep a checkpoint, or run on to their end
/// where `pause.drain` says so. Pausing twice is pausing once.
///
/// # Errors
/// There is no such sweep, or it was cancelled.
pub async fn pause(
    state: &AppState,
    id: SweepId,
    pause: PauseSweep,
) -> Result<SweepView, ApiError> {
    change(state, "pause_sweep", id, move |conn, id| {
        Box::pin(async move {
            store::sweep::set_paused(conn, id, true).await?;
            store::queue::withdraw(conn, id).await?;
            if !pause.drain {
                store::lifecycle::pause_running(conn, id).await?;
            }
            Ok(Vec::new())
        })
    })
    .await
}

/// Lets a paused sweep go on: paused trials resume from their checkpoints.
///
/// # Errors
/// There is no such sweep, or it was cancelled.
pub async fn resume(state: &AppState, id: SweepId) -> Result<SweepView, ApiError> {
    change(state, "resume_sweep", id, |conn, id| {
        Box::pin(async move {
            store::sweep::set_paused(conn, id, false).await?;
            let resumed = store::lifecycle::resume_paused(conn, id).await?;
            feeder::feed(conn, id).await?;
            Ok(queued_again(&resumed))
        })
    })
    .await
}

/// Replaces a sweep's share of the workers: priority, weight, limits. Holds for what has not begun.
///
/// # Errors
/// There is no such sweep, it was cancelled, or the deadline has passed.
pub async fn requeue(
    state: &AppState,
    id: SweepId,
    queueing: Queueing,
) -> Result<SweepView, ApiError> {
    check_deadline(&queueing, "")?;
    change(state, "requeue_sweep", id, move |conn, id| {
        Box::pin(async move {
            store::sweep::set_queueing(conn, id, &queueing).await?;
            store::queue::withdraw(conn, id).await?;
            feeder::feed(conn, id).await?;
            Ok(Vec::new())
        })
    })
    .await
}

/// Queues every failed and cancelled trial of a sweep again; they go on from their last checkpoints. A deadline that has passed
/// holds no longer.
///
/// # Errors
/// There is no such sweep.
pub async fn retry(state: &AppState, id: SweepId) -> Result<SweepView, ApiError> {
    run_tx("retry_sweep", &state.pool, move |conn| {
        Box::pin(async move {
            let standing = store::sweep::lock(conn, id).await?;
            standing.ok_or_else(|| ApiError::no_such("sweep", id))?;
            let reopened = store::lifecycle::reopen_of_sweep(conn, id).await?;
            store::sweep::reopen(conn, id).await?;
            feeder::feed(conn, id).await?;
            tell(conn, id, queued_again(&reopened)).await
        })
    })
    .await?;
    state.queue.notify_waiters();
    view(state, id).await
}

/// Cancels every trial of a sweep that is not settled.
///
/// # Errors
/// There is no such sweep.
pub async fn cancel(state: &AppState, id: SweepId) -> Result<SweepView, ApiError> {
    run_tx("cancel_sweep", &state.pool, move |conn| {
        Box::pin(async move {
            let standing = store::sweep::lock(conn, id).await?;
            standing.ok_or_else(|| ApiError::no_such("sweep", id))?;
            cancel_locked(conn, id).await
        })
    })
    .await?;
    view(state, id).await
}

async fn cancel_locked(conn: &mut PgConnection, id: SweepId) -> Result<(), ApiError> {
    store::sweep::cancel(conn, id).await?;
    let unsettled = store::lifecycle::lock_unsettled(conn, id).await?;
    let ids: Vec<_> = unsettled.iter().map(|trial| trial.id).collect();
    store::lifecycle::cancel(conn, &ids).await?;
    tell(conn, id, trials::cancellations(&unsettled)).await
}

/// Cancels the sweeps whose deadline has passed.
///
/// # Errors
/// The database is out of reach.
pub async fn end_overdue(state: &AppState) -> Result<(), ApiError> {
    for sweep in store::sweep::overdue(&state.pool).await? {
        let ended = run_tx("end_overdue", &state.pool, move |conn| {
            Box::pin(async move {
                // Somebody may have given it another deadline since.
                let is_overdue = store::sweep::lock_overdue(conn, sweep).await?;
                if is_overdue {
                    cancel_locked(conn, sweep).await?;
                }
                Ok(is_overdue)
            })
        });
        match ended.await {
            Ok(true) => {
                tracing::info!(%sweep, "the sweep's deadline has passed: what was left is cancelled")
            }
            Ok(false) => {}
            Err(error) => tracing::error!(%sweep, %error, "cannot cancel the sweep"),
        }
    }
    Ok(())
}

/// Refuses a deadline that nothing could meet.
///
/// # Errors
/// The deadline has passed, or comes before the start.
pub fn check_deadline(queueing: &Queueing, prefix: &str) -> Result<(), Violations> {
    let Some(deadline) = queueing.deadline else {
        return Ok(());
    };
    let earliest = queueing
        .start_after
        .into_iter()
        .fold(chrono::Utc::now(), Ord::max);
    if deadline > earliest {
        return Ok(());
    }
    Err(Violations(vec![Violation::new(
        format!("{prefix}/deadline"),
        deadline.to_rfc3339(),
        format!("a time after {}", earliest.to_rfc3339()),
    )]))
}

type Changes<'a> = futures::future::BoxFuture<'a, Result<Vec<Event>, ApiError>>;

/// Changes a sweep that was not cancelled, in one transaction, and tells open pages.
async fn change<F>(
    state: &AppState,
    name: &'static str,
    id: SweepId,
    apply: F,
) -> Result<SweepView, ApiError>
where
    F: for<'a> FnOnce(&'a mut PgConnection, SweepId) -> Changes<'a> + Send + 'static,
{
    run_tx(name, &state.pool, move |conn| {
        Box::pin(async move {
            let standing = store::sweep::lock(conn, id).await?;
            let standing = standing.ok_or_else(|| ApiError::no_such("sweep", id))?;
            if standing.cancelled {
                return Err(ApiError::Conflict(format!(
                    "sweep {id} was cancelled; retry it to queue its trials again"
                )));
            }
            let events = apply(conn, id).await?;
            tell(conn, id, events).await
        })
    })
    .await?;
    state.queue.notify_waiters();
    view(state, id).await
}

async fn tell(
    conn: &mut PgConnection,
    id: SweepId,
    mut events: Vec<Event>,
) -> Result<(), ApiError> {
    events.push(Event::Sweep { sweep: id });
    store::event::append(conn, &events).await?;
    Ok(())
}

fn queued_again(trials: &[Locked]) -> Vec<Event> {
    let queued = trials
        .iter()
        .filter(|trial| trial.state == TrialState::Queued);
    queued
        .map(|trial| Event::Trial {
            trial: trial.id,
            sweep: trial.sweep,
            dataset: trial.dataset.clone(),
            state: TrialState::Queued,
        })
        .collect()
}

async fn view(state: &AppState, id: SweepId) -> Result<SweepView, ApiError> {
    let detail = store::sweep::detail(&state.pool, id).await?;
    detail
        .map(|detail| detail.sweep)
        .ok_or_else(|| ApiError::no_such("sweep", id))
}
