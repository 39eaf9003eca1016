//! The register of blobs: a row stands for a verified file (I5).

use cultivar_spec::Sha256Digest;
use sqlx::PgExecutor;
use sqlx::postgres::PgRow;

use super::Result;
use super::columns::Columns;

/// Registers a blob that is on disk.
pub async fn insert(db: impl PgExecutor<'_>, digest: &Sha256Digest, n_bytes: u64) -> Result<()> {
    sqlx::query(
        "-- artifact::insert
         INSERT INTO artifact (sha256, n_bytes) VALUES ($1, $2) ON CONFLICT DO NOTHING",
    )
    .bind(&digest.0[..])
    .bind(n_bytes as i64)
    .execute(db)
    .await?;
    Ok(())
}

/// Size in bytes of a registered blob.
pub async fn size(db: impl PgExecutor<'_>, digest: &Sha256Digest) -> Result<Option<u64>> {
    sqlx::query(
        "-- artifact::size
         SELECT n_bytes FROM artifact WHERE sha256 = $1",
    )
    .bind(&digest.0[..])
    .try_map(|row: PgRow| row.count("n_bytes"))
    .fetch_optional(db)
    .await
}

/// Which of these are registered, with their sizes.
pub async fn sizes(
    db: impl PgExecutor<'_>,
    digests: &[Sha256Digest],
) -> Result<Vec<(Sha256Digest, u64)>> {
    let digests: Vec<Vec<u8>> = digests.iter().map(|digest| digest.0.to_vec()).collect();
    sqlx::query(
        "-- artifact::sizes
         SELECT sha256, n_bytes FROM artifact WHERE sha256 = ANY($1)",
    )
    .bind(digests)
    .try_map(|row: PgRow| Ok((row.digest("sha256")?, row.count("n_bytes")?)))
    .fetch_all(db)
    .await
}
