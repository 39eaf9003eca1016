//! Published results.

use cultivar_spec::wire::{SotaEntry, SotaMetric};
use sqlx::PgExecutor;
use sqlx::types::Json;

use super::Result;
use super::columns::Columns;

/// Results of one dataset, or of all; best first.
pub async fn list(db: impl PgExecutor<'_>, dataset: Option<&str>) -> Result<Vec<SotaEntry>> {
    sqlx::query(
        "-- sota::list
         SELECT entry FROM sota WHERE $1::text IS NULL OR dataset = $1
         ORDER BY dataset, (entry->>'value')::double precision DESC, id",
    )
    .bind(dataset)
    .try_map(|row| row.json("entry"))
    .fetch_all(db)
    .await
}

/// Stores what somebody posted, in place of an entry for the same result.
pub async fn post(db: impl PgExecutor<'_>, entry: &SotaEntry) -> Result<()> {
    let upsert = "-- sota::post
         INSERT INTO sota (dataset, method, backbone, metric, resolution, source, entry)
         VALUES ($1, $2, $3, $4, $5, $6, $7)
         ON CONFLICT (dataset, method, backbone, metric, resolution, source)
         DO UPDATE SET entry = excluded.entry, seeded = false";
    let metric = metric(entry.metric);
    sqlx::query(upsert)
        .bind(&entry.dataset)
        .bind(&entry.method)
        .bind(&entry.backbone)
        .bind(metric)
        .bind(entry.resolution.map(|px| px as i32))
        .bind(&entry.source)
        .bind(Json(entry))
        .execute(db)
        .await?;
    Ok(())
}

/// Stores what ships with the server: new entries, and corrections of its own earlier ones. What
/// somebody posted stays.
pub async fn seed(db: impl PgExecutor<'_>, entries: &[SotaEntry]) -> Result<()> {
    sqlx::query(
        "-- sota::seed
         INSERT INTO sota (dataset, method, backbone, metric, resolution, source, entry, seeded)
         SELECT e->>'dataset', e->>'method', e->>'backbone', e->>'metric', (e->>'resolution')::integer,
                e->>'source', e, true
         FROM jsonb_array_elements($1) AS e
         ON CONFLICT (dataset, method, backbone, metric, resolution, source)
         DO UPDATE SET entry = excluded.entry WHERE sota.seeded AND sota.entry <> excluded.entry",
    )
    .bind(Json(entries))
    .execute(db)
    .await?;
    Ok(())
}

/// As in the entry's JSON.
fn metric(metric: SotaMetric) -> &'static str {
    match metric {
        SotaMetric::Top1 => "top1",
        SotaMetric::MeanPerClass => "mean_per_class",
    }
}
