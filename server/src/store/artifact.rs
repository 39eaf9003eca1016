//! The register of blobs: a row stands for a verified file (I5).

use cultivar_spec::Sha256Digest;
use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, PgConnection, PgExecutor, PgPool, Row};

use super::Result;
use super::columns::Columns;

/// Registers a blob that is on disk.
pub async fn insert(db: impl PgExecutor<'_>, digest: &Sha256Digest, n_bytes: u64) -> Result<()> {
    sqlx::query(
        "-- artifact::insert
         INSERT INTO artifact (sha256, n_bytes) VALUES ($1, $2)
         ON CONFLICT (sha256) DO UPDATE SET touched_at = now()",
    )
    .bind(&digest.0[..])
    .bind(n_bytes as i64)
    .execute(db)
    .await?;
    Ok(())
}

/// Size in bytes of a registered blob, which then stays for a while: whoever asks may be about to refer
/// to it. Written at most once a minute.
pub async fn touch(db: &PgPool, digest: &Sha256Digest) -> Result<Option<u64>> {
    let row = sqlx::query(
        "-- artifact::touch
         SELECT n_bytes, touched_at < now() - interval '1 minute' AS is_old FROM artifact WHERE sha256 = $1",
    )
    .bind(&digest.0[..])
    .fetch_optional(db)
    .await?;
    match row {
        None => Ok(None),
        Some(row) if !row.try_get("is_old")? => Ok(Some(row.count("n_bytes")?)),
        // Of a blob that is going in this moment, no row is left to be written.
        Some(_) => {
            sqlx::query(
                "-- artifact::touch_old
                 UPDATE artifact SET touched_at = now() WHERE sha256 = $1 RETURNING n_bytes",
            )
            .bind(&digest.0[..])
            .try_map(|row: PgRow| row.count("n_bytes"))
            .fetch_optional(db)
            .await
        }
    }
}

/// Keeps everybody else from giving this blob its name or taking it away, until the transaction ends.
pub async fn lock(conn: &mut PgConnection, digest: &Sha256Digest) -> Result<()> {
    let [key, ..] = digest.0.as_chunks::<8>().0 else {
        unreachable!("a digest has 32 bytes")
    };
    sqlx::query(
        "-- artifact::lock
         SELECT pg_advisory_xact_lock($1)",
    )
    .bind(i64::from_be_bytes(*key))
    .execute(conn)
    .await?;
    Ok(())
}

/// No column and no pin refers to `artifact`.
const UNREFERENCED: &str = "
    NOT EXISTS (SELECT FROM artifact_pin r WHERE r.sha256 = artifact.sha256)
    AND NOT EXISTS (SELECT FROM dataset r WHERE r.version = artifact.sha256)
    AND NOT EXISTS (SELECT FROM weights r WHERE r.sha256 = artifact.sha256)
    AND NOT EXISTS (SELECT FROM trial r WHERE r.checkpoint_sha256 = artifact.sha256)
    AND NOT EXISTS (SELECT FROM trial r WHERE r.model_sha256 = artifact.sha256)
    AND NOT EXISTS (SELECT FROM trial r WHERE r.predictions_sha256 = artifact.sha256)
    AND NOT EXISTS (SELECT FROM evaluation r WHERE r.predictions_sha256 = artifact.sha256)
    AND NOT EXISTS (SELECT FROM prediction r WHERE r.sha256 = artifact.sha256)";

/// Blobs nobody refers to and nobody has asked about for `grace_s`, from after `cursor` on, in order.
pub async fn unreferenced(
    db: impl PgExecutor<'_>,
    grace_s: f64,
    cursor: Option<&Sha256Digest>,
    limit: i64,
) -> Result<Vec<Sha256Digest>> {
    let sql = format!(
        "-- artifact::unreferenced
         SELECT sha256 FROM artifact
         WHERE touched_at <= now() - make_interval(secs => $1) AND sha256 > $2 AND {UNREFERENCED}
         ORDER BY sha256 LIMIT $3"
    );
    sqlx::query(AssertSqlSafe(sql))
        .bind(grace_s)
        .bind(cursor.map(|digest| digest.0.to_vec()).unwrap_or_default())
        .bind(limit)
        .try_map(|row: PgRow| row.digest("sha256"))
        .fetch_all(db)
        .await
}

/// Takes a blob out of the register, if it is still unreferenced. A reference that is being made at this
/// moment holds a lock on the row, which this waits for, and then the constraint refuses.
///
/// # Errors
/// Somebody refers to it by now: a foreign key violation.
pub async fn delete(conn: &mut PgConnection, digest: &Sha256Digest, grace_s: f64) -> Result<bool> {
    let sql = format!(
        "-- artifact::delete
         DELETE FROM artifact
         WHERE sha256 = $1 AND touched_at <= now() - make_interval(secs => $2) AND {UNREFERENCED}"
    );
    let done = sqlx::query(AssertSqlSafe(sql))
        .bind(&digest.0[..])
        .bind(grace_s)
        .execute(conn)
        .await?;
    Ok(done.rows_affected() == 1)
}

/// Refers to blobs for a document of `holder`. What is pinned already stays so.
pub async fn pin(conn: &mut PgConnection, digests: &[Sha256Digest], holder: &str) -> Result<()> {
    if digests.is_empty() {
        return Ok(());
    }
    let digests: Vec<Vec<u8>> = digests.iter().map(|digest| digest.0.to_vec()).collect();
    sqlx::query(
        "-- artifact::pin
         INSERT INTO artifact_pin (sha256, holder) SELECT DISTINCT sha256, $2 FROM UNNEST($1::bytea[]) AS new (sha256)
         ORDER BY sha256 ON CONFLICT DO NOTHING",
    )
    .bind(digests)
    .bind(holder)
    .execute(conn)
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

/// Every registered blob with its size.
pub async fn all(db: impl PgExecutor<'_>) -> Result<Vec<(Sha256Digest, u64)>> {
    sqlx::query(
        "-- artifact::all
         SELECT sha256, n_bytes FROM artifact ORDER BY sha256",
    )
    .try_map(|row: PgRow| Ok((row.digest("sha256")?, row.count("n_bytes")?)))
    .fetch_all(db)
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
