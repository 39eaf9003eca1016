//! What running attempts report: progress, log lines, and to schedulers the objective.

use cultivar_spec::wire::{MetricPoint, Order, Progress};
use cultivar_spec::{LeaseId, SweepId};
use sqlx::postgres::PgRow;
use sqlx::types::Json;
use sqlx::{PgConnection, PgExecutor, Row};

use super::{Result, attempt};

/// What an active lease should do; `None` unless it is active.
pub async fn order(db: impl PgExecutor<'_>, lease: LeaseId) -> Result<Option<Order>> {
    sqlx::query(
        "-- report::order
         SELECT a.job = 'train' AND t.cancel_requested AS cancel, a.job = 'train' AND t.prune_requested AS prune,
                a.job = 'train' AND (t.pause_requested OR t.held) AS pause
         FROM attempt a JOIN trial t ON t.id = a.trial_id
         WHERE a.lease_id = $1 AND num_nulls(a.outcome) = 1",
    )
    .bind(lease.0)
    .try_map(|row: PgRow| {
        Ok(attempt::wanted(
            row.try_get("cancel")?,
            row.try_get("prune")?,
            row.try_get("pause")?,
        ))
    })
    .fetch_optional(db)
    .await
}

/// Puts what the scheduler of the trial's sweep is to hear into its inbox: the objective after whole epochs. Says which
/// sweep that is, if there is anything new. The first report of an epoch stands.
pub async fn insert_epochs(
    conn: &mut PgConnection,
    lease: LeaseId,
    points: &[MetricPoint],
) -> Result<Option<SweepId>> {
    let whole: Vec<_> = points
        .iter()
        .filter(|point| point.epoch >= 1.0 && point.epoch.fract() == 0.0)
        .collect();
    if whole.is_empty() {
        return Ok(None);
    }
    sqlx::query(
        "-- report::insert_epochs
         INSERT INTO epoch_report (trial_id, epoch, sweep_id, value)
         SELECT t.id, new.epoch::integer, s.id, new.value
         FROM attempt a JOIN trial t ON t.id = a.trial_id JOIN sweep s ON s.id = t.sweep_id
         JOIN UNNEST($2::text[], $3::float8[], $4::float8[]) AS new (metric, epoch, value)
             ON new.metric = t.spec->'objective'->>'metric'
         WHERE a.lease_id = $1 AND a.job = 'train' AND s.scheduled AND new.epoch < 2e9
         ON CONFLICT DO NOTHING
         RETURNING sweep_id",
    )
    .bind(lease.0)
    .bind(
        whole
            .iter()
            .map(|point| point.metric.clone())
            .collect::<Vec<_>>(),
    )
    .bind(whole.iter().map(|point| point.epoch).collect::<Vec<_>>())
    .bind(whole.iter().map(|point| point.value).collect::<Vec<_>>())
    .try_map(|row: PgRow| Ok(SweepId(row.try_get("sweep_id")?)))
    .fetch_all(conn)
    .await
    .map(|sweeps| sweeps.into_iter().next())
}

/// Replaces the trial's latest word, if the lease is active.
pub async fn set_progress(
    conn: &mut PgConnection,
    lease: LeaseId,
    progress: &Progress,
) -> Result<()> {
    sqlx::query(
        "-- report::set_progress
         INSERT INTO trial_progress (trial_id, lease_id, progress)
         SELECT trial_id, lease_id, $2 FROM attempt WHERE lease_id = $1 AND num_nulls(outcome) = 1
         ON CONFLICT (trial_id) DO UPDATE
         SET lease_id = excluded.lease_id, progress = excluded.progress, updated_at = now()",
    )
    .bind(lease.0)
    .bind(Json(progress))
    .execute(conn)
    .await?;
    Ok(())
}

/// Stores log lines; those stored before stay (I4).
pub async fn insert_lines(
    conn: &mut PgConnection,
    lease: LeaseId,
    first_line: u64,
    lines: &[String],
) -> Result<()> {
    sqlx::query(
        "-- report::insert_lines
         INSERT INTO log_line (lease_id, line_no, text)
         SELECT $1, $2 + n - 1, text FROM UNNEST($3::text[]) WITH ORDINALITY AS new (text, n)
         ON CONFLICT DO NOTHING",
    )
    .bind(lease.0)
    .bind(first_line as i64)
    .bind(lines)
    .execute(conn)
    .await?;
    Ok(())
}
