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

/// A log line and where it stands.
pub struct LogLine {
    /// Number of its attempt.
    pub epoch: u64,
    pub line_no: u64,
    pub text: String,
}

/// Of the log lines of a trial that hold `needle`, whatever the case, and stand after (attempt, line) `after`: the last
/// `limit`, in order.
pub async fn log_lines(
    db: impl PgExecutor<'_>,
    trial: TrialId,
    needle: Option<&str>,
    after: Option<(i64, i64)>,
    limit: i64,
) -> Result<Vec<LogLine>> {
    let (after_epoch, after_line) = after.unzip();
    sqlx::query(
        "-- series::log_lines
         SELECT epoch, line_no, text FROM (
             SELECT a.epoch, l.line_no, l.text
             FROM attempt a JOIN log_line l ON l.lease_id = a.lease_id
             WHERE a.trial_id = $1
               AND ($3::text IS NULL OR l.text ILIKE $3 ESCAPE '\\')
               AND ($4::bigint IS NULL OR (a.epoch, l.line_no) > ($4, $5::bigint))
             ORDER BY a.epoch DESC, l.line_no DESC LIMIT $2
         ) AS last ORDER BY epoch, line_no",
    )
    .bind(trial.0)
    .bind(limit)
    .bind(needle.map(|needle| format!("%{}%", like_escaped(needle))))
    .bind(after_epoch)
    .bind(after_line)
    .try_map(|row: PgRow| {
        Ok(LogLine {
            epoch: row.count("epoch")?,
            line_no: row.count("line_no")?,
            text: row.try_get("text")?,
        })
    })
    .fetch_all(db)
    .await
}

/// A pattern of LIKE that matches `text` and nothing else.
fn like_escaped(text: &str) -> String {
    let mut pattern = String::with_capacity(text.len());
    for c in text.chars() {
        if matches!(c, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(c);
    }
    pattern
}
