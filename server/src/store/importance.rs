//! What the trials of a sweep came to, one by one.

use cultivar_spec::{Sha256Digest, SweepId, TrialId};
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

/// Completed and pruned trials of a proposal or of a configuration, each with its label.
pub async fn trials(
    db: impl PgExecutor<'_>,
    id: SweepId,
    proposal: Option<u32>,
    config: Option<Sha256Digest>,
) -> Result<Vec<(TrialId, String)>> {
    sqlx::query(
        "-- importance::trials
         SELECT id, label FROM trial
         WHERE sweep_id = $1 AND state IN ('completed', 'pruned') AND (proposal = $2 OR config_id = $3)
         ORDER BY id",
    )
    .bind(id.0)
    .bind(proposal.map(|number| number as i32))
    .bind(config.map(|config| config.0.to_vec()))
    .try_map(|row: PgRow| Ok((TrialId(row.try_get("id")?), row.try_get("label")?)))
    .fetch_all(db)
    .await
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
