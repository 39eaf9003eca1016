//! What training has cost.

use cultivar_spec::{Sha256Digest, SweepId};
use sqlx::postgres::PgRow;
use sqlx::{PgExecutor, Row};

use super::Result;
use super::columns::Columns;

/// Latest measurements looked at.
const MAX_MEASURED: i64 = 5000;

/// A completed trial, as far as its speed goes.
pub struct Measured {
    pub version: Sha256Digest,
    pub backbone: String,
    pub mode: String,
    pub resolution: u32,
    pub seconds_per_image: f64,
}

/// The latest completed trials with these backbones.
pub async fn measured(db: impl PgExecutor<'_>, backbones: &[String]) -> Result<Vec<Measured>> {
    sqlx::query(
        "-- budget::measured
         SELECT dataset_version, spec->'backbone'->>'name' AS backbone, spec->'adaptation'->>'mode' AS mode,
                (spec->'fit'->>'resolution')::bigint AS resolution,
                (cost->>'seconds')::double precision / (cost->>'images')::double precision AS seconds_per_image
         FROM trial
         WHERE state = 'completed' AND dataset_version IS NOT NULL AND spec->'backbone'->>'name' = ANY($1)
           AND (cost->>'seconds')::double precision > 0 AND (cost->>'images')::double precision > 0
         ORDER BY finished_at DESC LIMIT $2",
    )
    .bind(backbones)
    .bind(MAX_MEASURED)
    .try_map(|row: PgRow| {
        Ok(Measured {
            version: row.digest("dataset_version")?,
            backbone: row.try_get("backbone")?,
            mode: row.try_get("mode")?,
            resolution: row.count("resolution")? as u32,
            seconds_per_image: row.try_get("seconds_per_image")?,
        })
    })
    .fetch_all(db)
    .await
}

/// Workers heard of lately that may have leases.
pub async fn n_workers(db: impl PgExecutor<'_>, lease_s: f64) -> Result<u64> {
    sqlx::query(
        "-- budget::n_workers
         SELECT count(*) AS n FROM worker_heartbeat h JOIN worker w ON w.id = h.worker_id
         WHERE h.seen_at > now() - make_interval(secs => $1) AND w.quarantined_at IS NULL
           AND w.device->>'kind' <> 'external'",
    )
    .bind(lease_s)
    .try_map(|row: PgRow| row.count("n"))
    .fetch_one(db)
    .await
}

/// How far a sweep has come, in seconds.
pub struct Spent {
    /// Of all attempts, failed and lost ones too, those that run up to now.
    pub spent_s: f64,
    /// Of each trial that ended well, all its attempts together.
    pub by_trial: Vec<f64>,
    /// Of each trial that a scheduler has heard of, for an epoch.
    pub by_epoch: Vec<f64>,
    /// Epochs of a whole trial, and those that a scheduler has heard of in all.
    pub n_epochs: u32,
    pub n_trained: u64,
    /// Trials that hold a lease now.
    pub n_running: u64,
}

pub async fn spent(db: impl PgExecutor<'_>, id: SweepId) -> Result<Spent> {
    sqlx::query(
        "-- budget::spent
         WITH per_trial AS (
             SELECT t.state, sum(extract(epoch FROM coalesce(a.ended_at, now()) - a.claimed_at)::double precision) AS seconds,
                    count(*) FILTER (WHERE a.outcome IS NULL) AS n_active, (t.spec #>> '{fit,epochs}')::bigint AS n_epochs,
                    (SELECT max(r.epoch)::bigint FROM epoch_report r WHERE r.trial_id = t.id) AS n_trained
             FROM trial t JOIN attempt a ON a.trial_id = t.id AND a.job = 'train'
             WHERE t.sweep_id = $1 GROUP BY t.id
         )
         SELECT coalesce(sum(seconds), 0) AS spent_s,
                coalesce(array_agg(seconds) FILTER (WHERE state IN ('completed', 'pruned')), '{}') AS by_trial,
                coalesce(array_agg(seconds / n_trained) FILTER (WHERE n_trained > 0), '{}') AS by_epoch,
                coalesce(max(n_epochs), 0) AS n_epochs, coalesce(sum(n_trained), 0)::bigint AS n_trained,
                coalesce(sum(n_active), 0)::bigint AS n_running
         FROM per_trial",
    )
    .bind(id.0)
    .try_map(|row: PgRow| {
        Ok(Spent {
            spent_s: row.try_get("spent_s")?,
            by_trial: row.try_get("by_trial")?,
            by_epoch: row.try_get("by_epoch")?,
            n_epochs: row.count("n_epochs")? as u32,
            n_trained: row.count("n_trained")?,
            n_running: row.count("n_running")?,
        })
    })
    .fetch_one(db)
    .await
}
