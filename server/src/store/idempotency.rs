//! Answers already given (I4).

use serde_json::Value;
use sqlx::postgres::PgRow;
use sqlx::types::Json;
use sqlx::{PgConnection, Row};

use super::Result;

/// Makes a second request with the same key wait until the first has answered.
pub async fn lock(conn: &mut PgConnection, key: &str, route: &str) -> Result<()> {
    sqlx::query(
        "-- idempotency::lock
         SELECT pg_advisory_xact_lock(hashtextextended($1 || ' ' || $2, 0))",
    )
    .bind(key)
    .bind(route)
    .execute(conn)
    .await?;
    Ok(())
}

/// The hash of the request answered under this key, and the answer.
pub async fn find(
    conn: &mut PgConnection,
    key: &str,
    route: &str,
) -> Result<Option<(Vec<u8>, Value)>> {
    sqlx::query(
        "-- idempotency::find
         SELECT request_hash, response FROM idempotency WHERE key = $1 AND route = $2",
    )
    .bind(key)
    .bind(route)
    .try_map(|row: PgRow| {
        Ok((
            row.try_get("request_hash")?,
            row.try_get::<Json<Value>, _>("response")?.0,
        ))
    })
    .fetch_optional(conn)
    .await
}

pub async fn keep(
    conn: &mut PgConnection,
    key: &str,
    route: &str,
    request_hash: &[u8; 32],
    response: &Value,
) -> Result<()> {
    sqlx::query(
        "-- idempotency::keep
         INSERT INTO idempotency (key, route, request_hash, response) VALUES ($1, $2, $3, $4)",
    )
    .bind(key)
    .bind(route)
    .bind(&request_hash[..])
    .bind(Json(response))
    .execute(conn)
    .await?;
    Ok(())
}
