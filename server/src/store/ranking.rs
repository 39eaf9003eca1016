//! What the leaderboard and the transfer report are computed from.

use chrono::{DateTime, Utc};
use cultivar_spec::{Sha256Digest, TrialId, TrialSpec};
use sqlx::{PgExecutor, Row};

use super::Result;
use super::columns::Columns;

/// Changes whenever a ranking of the version might.
#[derive(Clone, Debug, PartialEq)]
pub struct Fingerprint {
    n_trials: i64,
    last_finished_at: Option<DateTime<Utc>>,
    n_evaluated: i64,
    n_pruned: i64,
}

/// A completed trial and what it got right.
#[derive(Clone, Debug)]
pub struct CompletedTrial {
    pub id: TrialId,
    pub config_id: Sha256Digest,
    pub label: String,
    pub spec: TrialSpec,
    /// Training time, 0 where none was reported.
    pub seconds: f64,
    /// One bit an image of the validation split.
    pub val: Option<Vec<u8>>,
    /// One bit an image of the test split, where it was opened.
    pub test: Option<Vec<u8>>,
}

pub async fn fingerprint(
    db: impl PgExecutor<'_>,
    dataset: &str,
    version: &Sha256Digest,
) -> Result<Fingerprint> {
    sqlx::query(
        "-- ranking::fingerprint
         SELECT count(*) AS n_trials, max(t.finished_at) AS last_finished_at, count(p.trial_id) AS n_evaluated,
                (SELECT count(*) FROM trial
                 WHERE dataset = $1 AND dataset_version = $2 AND state = 'pruned') AS n_pruned
         FROM trial t LEFT JOIN prediction p ON p.trial_id = t.id AND p.split = 'test'
         WHERE t.dataset = $1 AND t.dataset_version = $2 AND t.state = 'completed'",
    )
    .bind(dataset)
    .bind(&version.0[..])
    .try_map(|row| {
        Ok(Fingerprint {
            n_trials: row.try_get("n_trials")?,
            last_finished_at: row.try_get("last_finished_at")?,
            n_evaluated: row.try_get("n_evaluated")?,
            n_pruned: row.try_get("n_pruned")?,
        })
    })
    .fetch_one(db)
    .await
}

/// Completed trials by configuration and seed. A configuration that was run twice with one seed
/// counts once, by the run that finished first: a repetition is not another seed.
pub async fn completed(
    db: impl PgExecutor<'_>,
    dataset: &str,
    version: &Sha256Digest,
) -> Result<Vec<CompletedTrial>> {
    sqlx::query(
        "-- ranking::completed
         SELECT DISTINCT ON (t.config_id, t.seed)
                t.id, t.config_id, t.label, t.spec,
                coalesce((t.cost->>'seconds')::double precision, 0)
                    + coalesce((t.cost->>'seconds_before')::double precision, 0) AS seconds,
                val.correct AS val, test.correct AS test
         FROM trial t
         LEFT JOIN prediction val ON val.trial_id = t.id AND val.split = 'val'
         LEFT JOIN prediction test ON test.trial_id = t.id AND test.split = 'test'
         WHERE t.dataset = $1 AND t.dataset_version = $2 AND t.state = 'completed'
         ORDER BY t.config_id, t.seed, t.finished_at, t.id",
    )
    .bind(dataset)
    .bind(&version.0[..])
    .try_map(|row| {
        Ok(CompletedTrial {
            id: TrialId(row.try_get("id")?),
            config_id: row.digest("config_id")?,
            label: row.try_get("label")?,
            spec: row.json("spec")?,
            seconds: row.try_get("seconds")?,
            val: row.try_get("val")?,
            test: row.try_get("test")?,
        })
    })
    .fetch_all(db)
    .await
}

/// Configurations with seeds that a scheduler stopped beside some that completed.
pub async fn n_thinned(
    db: impl PgExecutor<'_>,
    dataset: &str,
    version: &Sha256Digest,
) -> Result<u64> {
    sqlx::query(
        "-- ranking::n_thinned
         WITH stopped AS (
             SELECT config_id, seed FROM trial
             WHERE dataset = $1 AND dataset_version = $2 AND state = 'pruned'
         ), done AS (
             SELECT config_id, seed FROM trial
             WHERE dataset = $1 AND dataset_version = $2 AND state = 'completed'
         )
         SELECT count(DISTINCT config_id) AS n FROM stopped
         WHERE config_id IN (SELECT config_id FROM done)
           AND NOT EXISTS (SELECT FROM done WHERE done.config_id = stopped.config_id AND done.seed = stopped.seed)",
    )
    .bind(dataset)
    .bind(&version.0[..])
    .try_map(|row| row.count("n"))
    .fetch_one(db)
    .await
}

/// How often the test split of a dataset was opened.
pub async fn n_test_accesses(db: impl PgExecutor<'_>, dataset: &str) -> Result<u64> {
    sqlx::query(
        "-- ranking::n_test_accesses
         SELECT count(*) AS n FROM test_access WHERE dataset = $1",
    )
    .bind(dataset)
    .try_map(|row| row.count("n"))
    .fetch_one(db)
    .await
}
