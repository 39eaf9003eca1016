//! Trials that are cancelled, paused, resumed or opened again.

use cultivar_spec::wire::JobKind;
use cultivar_spec::{Sha256Digest, SweepId, TrialId, TrialState};
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, PgExecutor, Row};
use uuid::Uuid;

use super::Result;
use super::columns::Columns;

/// What decides whether a trial may be cancelled, retried or evaluated. Its row stays locked.
#[derive(Clone)]
pub struct Locked {
    pub id: TrialId,
    pub sweep: Option<SweepId>,
    pub dataset: String,
    /// None of an external trial.
    pub version: Option<Sha256Digest>,
    pub state: TrialState,
    pub model: Option<Sha256Digest>,
}

/// Locks a trial until the transaction ends.
pub async fn lock(conn: &mut PgConnection, id: TrialId) -> Result<Option<Locked>> {
    sqlx::query(
        "-- lifecycle::lock
         SELECT id, sweep_id, dataset, dataset_version, state, model_sha256 FROM trial WHERE id = $1 FOR NO KEY UPDATE",
    )
    .bind(id.0)
    .try_map(|row: PgRow| locked(&row))
    .fetch_optional(conn)
    .await
}

/// Locks every trial of a sweep that is not settled, in id order.
pub async fn lock_unsettled(conn: &mut PgConnection, sweep: SweepId) -> Result<Vec<Locked>> {
    sqlx::query(
        "-- lifecycle::lock_unsettled
         SELECT id, sweep_id, dataset, dataset_version, state, model_sha256 FROM trial
         WHERE sweep_id = $1 AND state IN ('queued', 'running', 'paused') ORDER BY id FOR NO KEY UPDATE",
    )
    .bind(sweep.0)
    .try_map(|row: PgRow| locked(&row))
    .fetch_all(conn)
    .await
}

/// Reads the columns of a [`Locked`].
pub(super) fn locked(row: &PgRow) -> Result<Locked> {
    let sweep: Option<Uuid> = row.try_get("sweep_id")?;
    Ok(Locked {
        id: TrialId(row.try_get("id")?),
        sweep: sweep.map(SweepId),
        dataset: row.try_get("dataset")?,
        version: row.maybe_digest("dataset_version")?,
        state: row.word("state")?,
        model: row.maybe_digest("model_sha256")?,
    })
}

/// Settles trials that wait, and asks those that run to stop.
pub async fn cancel(conn: &mut PgConnection, ids: &[TrialId]) -> Result<()> {
    let ids: Vec<Uuid> = ids.iter().map(|id| id.0).collect();
    sqlx::query(
        "-- lifecycle::cancel
         UPDATE trial SET
             cancel_requested = true,
             state = CASE state WHEN 'running' THEN state ELSE 'cancelled' END,
             finished_at = CASE state WHEN 'running' THEN finished_at ELSE now() END
         WHERE id = ANY($1) AND state IN ('queued', 'running', 'paused')",
    )
    .bind(&ids)
    .execute(&mut *conn)
    .await?;
    sqlx::query(
        "-- lifecycle::cancel
         DELETE FROM trial_queue WHERE trial_id = ANY($1) AND job = 'train'",
    )
    .bind(&ids)
    .execute(conn)
    .await?;
    Ok(())
}

/// Takes a waiting trial out of the queue, and asks a running one to give way.
pub async fn pause(conn: &mut PgConnection, id: TrialId) -> Result<()> {
    sqlx::query(
        "-- lifecycle::pause
         UPDATE trial SET pause_requested = true, state = CASE state WHEN 'queued' THEN 'paused' ELSE state END
         WHERE id = $1",
    )
    .bind(id.0)
    .execute(&mut *conn)
    .await?;
    super::queue::remove(conn, id, JobKind::Train, None).await
}

/// Takes back that a trial was asked to give way.
pub async fn unpause(db: impl PgExecutor<'_>, id: TrialId) -> Result<()> {
    sqlx::query(
        "-- lifecycle::unpause
         UPDATE trial SET pause_requested = false WHERE id = $1",
    )
    .bind(id.0)
    .execute(db)
    .await?;
    Ok(())
}

/// Takes back that somebody paused a trial which its scheduler keeps waiting. False where that is not so.
pub async fn leave_to_scheduler(conn: &mut PgConnection, id: TrialId) -> Result<bool> {
    let done = sqlx::query(
        "-- lifecycle::leave_to_scheduler
         UPDATE trial SET pause_requested = false WHERE id = $1 AND held AND state = 'paused'",
    )
    .bind(id.0)
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Asks every running trial of a sweep to give way; so that whose lease was lost, whose holder may come back.
pub async fn pause_running(conn: &mut PgConnection, sweep: SweepId) -> Result<()> {
    sqlx::query(
        "-- lifecycle::pause_running
         UPDATE trial t SET pause_requested = true
         WHERE sweep_id = $1
           AND (state = 'running'
                OR state = 'queued' AND EXISTS (SELECT FROM attempt a WHERE a.trial_id = t.id AND a.job = 'train'
                                                  AND a.epoch = t.last_epoch AND a.outcome = 'lost'))",
    )
    .bind(sweep.0)
    .execute(conn)
    .await?;
    Ok(())
}

/// Opens every trial of a sweep that somebody had paused, and takes back what was asked of those that still run or may again.
/// Returns those it opened or left to their scheduler, which says when they go on; jobs are queued apart.
pub async fn resume_paused(conn: &mut PgConnection, sweep: SweepId) -> Result<Vec<Locked>> {
    sqlx::query(
        "-- lifecycle::resume_paused
         UPDATE trial SET pause_requested = false
         WHERE sweep_id = $1 AND state IN ('running', 'queued') AND pause_requested",
    )
    .bind(sweep.0)
    .execute(&mut *conn)
    .await?;
    sqlx::query(
        "-- lifecycle::resume_paused
         UPDATE trial SET state = CASE WHEN held THEN state ELSE 'queued' END, pause_requested = false
         WHERE sweep_id = $1 AND state = 'paused' AND pause_requested
         RETURNING id, sweep_id, dataset, dataset_version, state, model_sha256",
    )
    .bind(sweep.0)
    .try_map(|row: PgRow| locked(&row))
    .fetch_all(conn)
    .await
}

/// Opens every failed and cancelled trial of a sweep again; their jobs are queued apart.
pub async fn reopen_of_sweep(conn: &mut PgConnection, sweep: SweepId) -> Result<Vec<Locked>> {
    sqlx::query(
        "-- lifecycle::reopen_of_sweep
         UPDATE trial SET state = 'queued', cancel_requested = false, pause_requested = false, held = false,
                          prune_requested = false, finished_at = NULL, error = NULL
         WHERE sweep_id = $1 AND state IN ('failed', 'cancelled')
         RETURNING id, sweep_id, dataset, dataset_version, state, model_sha256",
    )
    .bind(sweep.0)
    .try_map(|row: PgRow| locked(&row))
    .fetch_all(conn)
    .await
}

/// Opens a settled or paused trial again.
pub async fn reopen(conn: &mut PgConnection, id: TrialId) -> Result<()> {
    sqlx::query(
        "-- lifecycle::reopen
         UPDATE trial SET state = 'queued', cancel_requested = false, pause_requested = false, held = false,
                          prune_requested = false, finished_at = NULL, error = NULL
         WHERE id = $1",
    )
    .bind(id.0)
    .execute(conn)
    .await?;
    Ok(())
}
