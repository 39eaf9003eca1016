//! What the trials of a sweep came to, one by one.

use cultivar_spec::{Sha256Digest, SweepId};
use sqlx::postgres::PgRow;
use sqlx::{PgExecutor, Result, Row};

use super::columns::Columns;

/// A completed or pruned trial with a finite objective.
pub struct Scored {
    pub config_id: Sha256Digest,
    pub seed: u64,
    /// None of an external trial.
    pub dataset_version: Option<Sha256Digest>,
    pub objective: f64,
}

pub async fn scored(db: impl PgExecutor<'_>, id: SweepId) -> Result<Vec<Scored>> {
    sqlx::query(
        "-- importance::scored
         SELECT config_id, seed, dataset_version, objective FROM trial
         WHERE sweep_id = $1 AND state IN ('completed', 'pruned') AND objective IS NOT NULL
         ORDER BY id",
    )
    .bind(id.0)
    .try_map(|row: PgRow| {
        Ok(Scored {
            config_id: row.digest("config_id")?,
            seed: row.count("seed")?,
            dataset_version: row.maybe_digest("dataset_version")?,
            objective: row.try_get("objective")?,
        })
    })
    .fetch_all(db)
    .await
}
