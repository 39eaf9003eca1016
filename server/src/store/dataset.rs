//! Dataset versions.

use cultivar_spec::Sha256Digest;
use cultivar_spec::wire::DatasetView;
use sqlx::postgres::PgRow;
use sqlx::types::Json;
use sqlx::{PgConnection, PgExecutor, Row};

use super::Result;
use super::columns::Columns;

/// Registers a version. One registered before becomes the newest again.
pub async fn insert(conn: &mut PgConnection, view: &DatasetView) -> Result<()> {
    sqlx::query(
        "-- dataset::insert
         INSERT INTO dataset (version, name, title, summary) VALUES ($1, $2, $3, $4)
         ON CONFLICT (version) DO UPDATE SET created_at = now()",
    )
    .bind(&view.version.0[..])
    .bind(&view.name)
    .bind(&view.title)
    .bind(Json(view))
    .execute(conn)
    .await?;
    Ok(())
}

/// The newest version of each dataset, by name.
pub async fn list(db: impl PgExecutor<'_>) -> Result<Vec<DatasetView>> {
    sqlx::query(
        "-- dataset::list
         SELECT DISTINCT ON (name) summary, created_at FROM dataset ORDER BY name, created_at DESC",
    )
    .try_map(|row: PgRow| view(&row))
    .fetch_all(db)
    .await
}

/// The newest version of a dataset.
pub async fn newest(db: impl PgExecutor<'_>, name: &str) -> Result<Option<DatasetView>> {
    sqlx::query(
        "-- dataset::newest
         SELECT summary, created_at FROM dataset WHERE name = $1 ORDER BY created_at DESC LIMIT 1",
    )
    .bind(name)
    .try_map(|row: PgRow| view(&row))
    .fetch_optional(db)
    .await
}

/// A given version of a dataset.
pub async fn version(
    db: impl PgExecutor<'_>,
    name: &str,
    version: &Sha256Digest,
) -> Result<Option<DatasetView>> {
    sqlx::query(
        "-- dataset::version
         SELECT summary, created_at FROM dataset WHERE name = $1 AND version = $2",
    )
    .bind(name)
    .bind(&version.0[..])
    .try_map(|row: PgRow| view(&row))
    .fetch_optional(db)
    .await
}

/// Versions whose blobs nothing refers to yet: registered by a server of an earlier version.
pub async fn unpinned(db: impl PgExecutor<'_>) -> Result<Vec<Sha256Digest>> {
    sqlx::query(
        "-- dataset::unpinned
         SELECT version FROM dataset d
         WHERE NOT EXISTS (SELECT FROM artifact_pin p WHERE p.holder = 'dataset:' || encode(d.version, 'hex'))",
    )
    .try_map(|row: PgRow| row.digest("version"))
    .fetch_all(db)
    .await
}

fn view(row: &PgRow) -> Result<DatasetView> {
    let view: DatasetView = row.json("summary")?;
    Ok(DatasetView {
        created_at: row.try_get("created_at")?,
        ..view
    })
}
