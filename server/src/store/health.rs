//! Figures for `/readyz` and `/metrics`.

use sqlx::postgres::PgRow;
use sqlx::{PgExecutor, Row};

use super::Result;

pub async fn ping(db: impl PgExecutor<'_>) -> Result<()> {
    sqlx::query(
        "-- health::ping
         SELECT 1",
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Jobs waiting for a worker.
pub async fn queue_depth(db: impl PgExecutor<'_>) -> Result<i64> {
    sqlx::query_scalar(
        "-- health::queue_depth
         SELECT count(*) FROM trial_queue",
    )
    .fetch_one(db)
    .await
}

/// Trials that are not settled, by state: the partial index keeps this cheap whatever the history.
pub async fn unsettled(db: impl PgExecutor<'_>) -> Result<Vec<(String, i64)>> {
    sqlx::query(
        "-- health::unsettled
         SELECT state, count(*) AS n FROM trial WHERE state IN ('queued', 'running', 'paused') GROUP BY state",
    )
    .try_map(|row: PgRow| Ok((row.try_get("state")?, row.try_get("n")?)))
    .fetch_all(db)
    .await
}
