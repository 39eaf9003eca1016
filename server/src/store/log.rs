//! Log lines of a trial, read over its attempts.

use cultivar_spec::TrialId;
use sqlx::postgres::PgRow;
use sqlx::{PgExecutor, Row};

use super::Result;
use super::columns::Columns;

/// A log line and where it stands.
pub struct LogLine {
    /// Number of its attempt.
    pub epoch: u64,
    pub line_no: u64,
    pub text: String,
}

/// Of the log lines of a trial that hold `needle`, whatever the case of ASCII letters: the last `limit`, or the first that stand
/// after (attempt, line) `after`; in order.
pub async fn lines(
    db: impl PgExecutor<'_>,
    trial: TrialId,
    needle: Option<&str>,
    after: Option<(i64, i64)>,
    limit: i64,
) -> Result<Vec<LogLine>> {
    let (after_epoch, after_line) = after.unzip();
    sqlx::query(
        "-- log::lines
         SELECT epoch, line_no, text FROM (
             SELECT a.epoch, l.line_no, l.text
             FROM attempt a JOIN log_line l ON l.lease_id = a.lease_id
             WHERE a.trial_id = $1
               AND ($3::text IS NULL OR l.text ILIKE $3 ESCAPE '\\')
               AND ($4::bigint IS NULL OR (a.epoch, l.line_no) > ($4, $5::bigint))
             ORDER BY CASE WHEN $4::bigint IS NULL THEN -a.epoch ELSE a.epoch END,
                      CASE WHEN $4::bigint IS NULL THEN -l.line_no ELSE l.line_no END
             LIMIT $2
         ) AS chosen ORDER BY epoch, line_no",
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
