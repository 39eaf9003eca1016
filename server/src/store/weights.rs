//! Registered pretrained weights.

use cultivar_spec::wire::WeightsEntry;
use sqlx::PgExecutor;
use sqlx::postgres::PgRow;
use sqlx::types::Json;

use super::Result;
use super::columns::Columns;

/// Sets what `pretrained` means from now on; trials queued before keep what they pinned.
pub async fn upsert(db: impl PgExecutor<'_>, entry: &WeightsEntry) -> Result<()> {
    sqlx::query(
        "-- weights::upsert
         INSERT INTO weights (backbone, entry, sha256) VALUES ($1, $2, $3)
         ON CONFLICT (backbone) DO UPDATE SET entry = excluded.entry, sha256 = excluded.sha256, created_at = now()",
    )
    .bind(&entry.backbone)
    .bind(Json(entry))
    .bind(&entry.sha256.0[..])
    .execute(db)
    .await?;
    Ok(())
}

pub async fn list(db: impl PgExecutor<'_>) -> Result<Vec<WeightsEntry>> {
    sqlx::query(
        "-- weights::list
         SELECT entry FROM weights ORDER BY backbone",
    )
    .try_map(|row: PgRow| row.json("entry"))
    .fetch_all(db)
    .await
}

pub async fn find(db: impl PgExecutor<'_>, backbone: &str) -> Result<Option<WeightsEntry>> {
    sqlx::query(
        "-- weights::find
         SELECT entry FROM weights WHERE backbone = $1",
    )
    .bind(backbone)
    .try_map(|row: PgRow| row.json("entry"))
    .fetch_optional(db)
    .await
}
