//! Which images an accepted result got right.

use cultivar_spec::manifest::Split;
use cultivar_spec::{Sha256Digest, TrialId};
use sqlx::PgConnection;

use super::Result;
use crate::service::scoring::Scored;

/// Stores a split's score; the first accepted one stays.
pub async fn insert(
    conn: &mut PgConnection,
    trial: TrialId,
    split: Split,
    predictions: &Sha256Digest,
    scored: &Scored,
) -> Result<()> {
    sqlx::query(
        "-- prediction::insert
         INSERT INTO prediction (trial_id, split, sha256, n_images, top1, correct)
         VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (trial_id, split) DO NOTHING",
    )
    .bind(trial.0)
    .bind(split.name())
    .bind(&predictions.0[..])
    .bind(scored.n_images as i32)
    .bind(scored.top1)
    .bind(&scored.correct)
    .execute(conn)
    .await?;
    Ok(())
}
