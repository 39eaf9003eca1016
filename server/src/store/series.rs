//! Metrics and logs of a trial, read over its attempts.

use cultivar_spec::TrialId;
use cultivar_spec::wire::SeriesPoint;
use sqlx::postgres::PgRow;
use sqlx::{PgExecutor, Row};

use super::Result;
use super::columns::Columns;

/// A metric over the run. Where an attempt resumed from a checkpoint, what its forerunner had done
/// beyond it is left out: those steps were done again.
pub async fn points(
    db: impl PgExecutor<'_>,
    trial: TrialId,
    metric: &str,
) -> Result<Vec<SeriesPoint>> {
    sqlx::query(
        "-- series::points
         WITH run AS (
             SELECT lease_id, min(resumed_from_step) OVER (
                        ORDER BY epoch ROWS BETWEEN 1 FOLLOWING AND UNBOUNDED FOLLOWING) AS redone_after
             FROM attempt WHERE trial_id = $1 AND job = 'train'
         )
         SELECT m.step, m.epoch, m.value
         FROM run JOIN metric_point m ON m.lease_id = run.lease_id
         WHERE m.metric = $2 AND (run.redone_after IS NULL OR m.step <= run.redone_after)
         ORDER BY m.step",
    )
    .bind(trial.0)
    .bind(metric)
    .try_map(|row: PgRow| {
        Ok(SeriesPoint {
            step: row.count("step")?,
            epoch: row.try_get("epoch")?,
            value: row.try_get("value")?,
        })
    })
    .fetch_all(db)
    .await
}

/// The last `limit` log lines of a trial with the epoch of their attempt, in order.
pub async fn log_lines(
    db: impl PgExecutor<'_>,
    trial: TrialId,
    limit: i64,
) -> Result<Vec<(u64, String)>> {
    sqlx::query(
        "-- series::log_lines
         SELECT epoch, text FROM (
             SELECT a.epoch, l.line_no, l.text
             FROM attempt a JOIN log_line l ON l.lease_id = a.lease_id
             WHERE a.trial_id = $1 ORDER BY a.epoch DESC, l.line_no DESC LIMIT $2
         ) AS last ORDER BY epoch, line_no",
    )
    .bind(trial.0)
    .bind(limit)
    .try_map(|row: PgRow| Ok((row.count("epoch")?, row.try_get("text")?)))
    .fetch_all(db)
    .await
}
