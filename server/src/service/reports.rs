//! What running attempts report: metric values, progress, log lines, checkpoints.

use cultivar_spec::wire::{CheckpointRef, JobKind, LeaseReply, LogBatch, MetricBatch, Order};
use cultivar_spec::{LeaseId, Outcome};
use serde::Serialize;
use serde_json::Value;

use crate::error::ApiError;
use crate::service::artifacts;
use crate::service::fence::{self, Standing};
use crate::service::scheduling;
use crate::state::AppState;
use crate::store::{self, Step};
use crate::tx::run_tx;

/// Bytes of a log line that are kept: a page of the log holds ten thousand.
const MAX_LINE: usize = 8 << 10;

/// Stores metric values and the attempt's latest word. What the trial's scheduler says to them is in the reply.
///
/// # Errors
/// The lease is unknown or superseded.
pub async fn metrics(
    state: &AppState,
    lease: LeaseId,
    batch: MetricBatch,
) -> Result<LeaseReply, ApiError> {
    let (reply, heard_by) = report(
        state,
        lease,
        "metrics",
        batch,
        |conn, lease, batch, writer| {
            Box::pin(async move {
                store::points::insert(conn, lease, &batch.points).await?;
                let is_active = matches!(writer, Writer::Active);
                if let Some(progress) = batch.progress.as_ref().filter(|_| is_active) {
                    store::report::set_progress(conn, lease, progress).await?;
                }
                match writer {
                    Writer::Active | Writer::Completed => {
                        Ok(store::report::insert_epochs(conn, lease, &batch.points).await?)
                    }
                    Writer::Ended => Ok(None),
                }
            })
        },
    )
    .await?;
    let Some(sweep) = heard_by.flatten() else {
        return Ok(reply);
    };
    if let Err(error) = scheduling::step(state, sweep).await {
        // The values are stored, and whoever steps next sees them.
        tracing::error!(%sweep, %error, "cannot schedule the sweep");
        return Ok(reply);
    }
    let order = store::report::order(&state.pool, lease).await?;
    Ok(order.map_or(reply, |order| LeaseReply { order }))
}

/// Stores log lines.
///
/// # Errors
/// The lease is unknown or superseded.
pub async fn logs(
    state: &AppState,
    lease: LeaseId,
    mut batch: LogBatch,
) -> Result<LeaseReply, ApiError> {
    batch.lines.iter_mut().for_each(clip);
    let (reply, _) = report(state, lease, "logs", batch, |conn, lease, batch, _| {
        Box::pin(async move {
            store::report::insert_lines(conn, lease, batch.first_line, &batch.lines).await?;
            Ok(())
        })
    })
    .await?;
    Ok(reply)
}

/// Cuts a line that is too long.
fn clip(line: &mut String) {
    if line.len() > MAX_LINE {
        let mut end = MAX_LINE;
        while !line.is_char_boundary(end) {
            end -= 1;
        }
        line.truncate(end);
        line.push('…');
    }
}

/// Whose report it is.
#[derive(Clone, Copy)]
enum Writer {
    Active,
    /// Its attempt completed the trial.
    Completed,
    /// Its attempt ended otherwise: the epochs that schedulers hear of are those of the next one.
    Ended,
}

/// Rows of a report belong to its lease, so an active one needs no lock; any other goes through the fence. Answers with
/// what `write` came to, too, unless what it would have written was kept aside.
async fn report<T, R, W>(
    state: &AppState,
    lease: LeaseId,
    kind: &'static str,
    batch: T,
    write: W,
) -> Result<(LeaseReply, Option<R>), ApiError>
where
    T: Serialize + Send + Sync + 'static,
    R: Send + 'static,
    W: for<'c> Fn(&'c mut sqlx::PgConnection, LeaseId, &'c T, Writer) -> Step<'c, R>
        + Send
        + Sync
        + 'static,
{
    let counters = state.metrics.clone();
    let (order, written) = run_tx(kind, &state.pool, move |conn| {
        Box::pin(async move {
            if let Some(order) = store::report::order(&mut *conn, lease).await? {
                let written = write(conn, lease, &batch, Writer::Active).await?;
                return Ok((Some(order), Some(written)));
            }
            match fence::enter(conn, lease, &counters).await? {
                Standing::Active(_) => {
                    let written = write(conn, lease, &batch, Writer::Active).await?;
                    Ok((Some(Order::Continue), Some(written)))
                }
                Standing::Finished(held) => {
                    let writer = match held.outcome {
                        Some(Outcome::Completed) => Writer::Completed,
                        _ => Writer::Ended,
                    };
                    let written = write(conn, lease, &batch, writer).await?;
                    Ok((Some(Order::Unknown), Some(written)))
                }
                Standing::Superseded(_) => {
                    set_aside(conn, lease, kind, &batch).await?;
                    Ok((None, None))
                }
            }
        })
    })
    .await?;
    Ok((answer(state, lease, order)?, written))
}

/// Names the checkpoint that the next attempt goes on from.
///
/// # Errors
/// The artifact does not exist, or the lease is unknown or superseded.
pub async fn checkpoint(
    state: &AppState,
    lease: LeaseId,
    checkpoint: CheckpointRef,
) -> Result<LeaseReply, ApiError> {
    artifacts::must_exist(state, &[("/sha256", checkpoint.sha256)]).await?;
    let counters = state.metrics.clone();
    let order = run_tx("checkpoint", &state.pool, move |conn| {
        Box::pin(async move {
            match fence::enter(conn, lease, &counters).await? {
                Standing::Active(held) => {
                    store::attempt::set_checkpoint(conn, lease, checkpoint.step).await?;
                    if held.job == JobKind::Train {
                        store::trial::set_checkpoint(conn, held.trial, &checkpoint).await?;
                    }
                    let is_training = held.job == JobKind::Train;
                    Ok(Some(store::attempt::wanted(
                        is_training && held.cancel_requested,
                        is_training && held.prune_requested,
                        is_training && held.is_to_pause,
                    )))
                }
                Standing::Finished(_) => Ok(Some(Order::Unknown)),
                Standing::Superseded(_) => {
                    set_aside(conn, lease, "checkpoint", &checkpoint).await?;
                    Ok(None)
                }
            }
        })
    })
    .await?;
    answer(state, lease, order)
}

/// Keeps a superseded write where it cannot count.
pub async fn set_aside(
    conn: &mut sqlx::PgConnection,
    lease: LeaseId,
    kind: &'static str,
    body: &impl Serialize,
) -> Result<(), ApiError> {
    let body: Value = serde_json::to_value(body).map_err(anyhow::Error::from)?;
    Ok(store::attempt::set_aside(conn, lease, kind, &body).await?)
}

/// The reply to a lease holder; no order means that it was superseded.
pub fn answer(
    state: &AppState,
    lease: LeaseId,
    order: Option<Order>,
) -> Result<LeaseReply, ApiError> {
    match order {
        Some(order) => Ok(LeaseReply { order }),
        None => {
            state.metrics.superseded_writes.inc();
            Err(ApiError::Superseded(lease.0))
        }
    }
}
