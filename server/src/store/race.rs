//! What the runs of a race came to.

use std::collections::HashMap;

use cultivar_spec::trial::Objective;
use cultivar_spec::{Sha256Digest, TrialId, TrialState};
use sqlx::{PgExecutor, Row};
use uuid::Uuid;

use super::Result;
use super::columns::Columns;

/// A trial, as far as a race looks at it.
pub struct Run {
    pub state: TrialState,
    pub config_id: Sha256Digest,
    pub seed: u64,
    pub dataset: String,
    /// None of an external trial.
    pub version: Option<Sha256Digest>,
    pub objective: Objective,
    /// Of that objective.
    pub value: Option<f64>,
}

pub async fn runs(db: impl PgExecutor<'_>, ids: &[TrialId]) -> Result<HashMap<TrialId, Run>> {
    let ids: Vec<Uuid> = ids.iter().map(|id| id.0).collect();
    let rows = sqlx::query(
        "-- race::runs
         SELECT id, state, config_id, seed, dataset, dataset_version, spec->'objective' AS asked, objective
         FROM trial WHERE id = ANY($1)",
    )
    .bind(ids)
    .try_map(|row| {
        let run = Run {
            state: row.word("state")?,
            config_id: row.digest("config_id")?,
            seed: row.count("seed")?,
            dataset: row.try_get("dataset")?,
            version: row.maybe_digest("dataset_version")?,
            objective: row.json("asked")?,
            value: row.try_get("objective")?,
        };
        Ok((TrialId(row.try_get("id")?), run))
    })
    .fetch_all(db)
    .await?;
    Ok(rows.into_iter().collect())
}
