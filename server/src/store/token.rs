//! Tokens, login tokens and sessions.

use chrono::{DateTime, Utc};
use cultivar_spec::TokenId;
use cultivar_spec::wire::{Scope, TokenView};
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, PgPool, Row};
use uuid::Uuid;

use super::Result;
use super::columns::Columns;

/// A token that is valid now.
pub struct ValidToken {
    pub id: Uuid,
    pub scope: Scope,
    pub expires_at: Option<DateTime<Utc>>,
}

/// A token to be.
pub struct NewRow<'a> {
    pub name: &'a str,
    pub scope: Scope,
    pub secret_hash: [u8; 32],
    pub single_use: bool,
    pub expires_in_s: Option<u64>,
}

/// The token with this hash, if it may be used; notes the use, at most once a minute.
pub async fn find(pool: &PgPool, secret_hash: &[u8; 32]) -> Result<Option<ValidToken>> {
    let row = sqlx::query(
        "-- token::find
         WITH used AS (
             UPDATE token SET last_used_at = now()
             WHERE secret_hash = $1 AND (last_used_at IS NULL OR last_used_at < now() - interval '1 minute')
         )
         SELECT id, scope, expires_at FROM token
         WHERE secret_hash = $1 AND NOT single_use AND revoked_at IS NULL
           AND (expires_at IS NULL OR expires_at > now())",
    )
    .bind(&secret_hash[..])
    .fetch_optional(pool)
    .await?;
    row.map(|row| {
        Ok(ValidToken {
            id: row.try_get("id")?,
            scope: row.word("scope")?,
            expires_at: row.try_get("expires_at")?,
        })
    })
    .transpose()
}

pub async fn insert(conn: &mut PgConnection, new: NewRow<'_>) -> Result<TokenId> {
    let id = TokenId::new();
    sqlx::query(
        "-- token::insert
         INSERT INTO token (id, name, scope, secret_hash, single_use, expires_at)
         VALUES ($1, $2, $3, $4, $5, now() + make_interval(secs => $6))",
    )
    .bind(id.0)
    .bind(new.name)
    .bind(new.scope.name())
    .bind(&new.secret_hash[..])
    .bind(new.single_use)
    .bind(new.expires_in_s.map(|s| s as f64))
    .execute(conn)
    .await?;
    Ok(id)
}

/// Uses a login token up; `None` where it was used before, ran out or never was.
pub async fn consume(conn: &mut PgConnection, secret_hash: &[u8; 32]) -> Result<Option<Scope>> {
    sqlx::query(
        "-- token::consume
         UPDATE token SET revoked_at = now(), last_used_at = now()
         WHERE secret_hash = $1 AND single_use AND revoked_at IS NULL
           AND (expires_at IS NULL OR expires_at > now())
         RETURNING scope",
    )
    .bind(&secret_hash[..])
    .try_map(|row: PgRow| row.word("scope"))
    .fetch_optional(conn)
    .await
}

/// Tokens people made, newest first; login tokens and sessions are not among them.
pub async fn list(pool: &PgPool) -> Result<Vec<TokenView>> {
    sqlx::query(
        "-- token::list
         SELECT id, name, scope, created_at, expires_at, revoked_at, last_used_at FROM token
         WHERE NOT single_use AND name <> 'session' ORDER BY id DESC LIMIT 1000",
    )
    .try_map(|row: PgRow| {
        Ok(TokenView {
            id: TokenId(row.try_get("id")?),
            name: row.try_get("name")?,
            scope: row.word("scope")?,
            created_at: row.try_get("created_at")?,
            expires_at: row.try_get("expires_at")?,
            revoked_at: row.try_get("revoked_at")?,
            last_used_at: row.try_get("last_used_at")?,
        })
    })
    .fetch_all(pool)
    .await
}

/// Whether there was such a token; revoking twice is revoking once.
pub async fn revoke(pool: &PgPool, id: TokenId) -> Result<bool> {
    let done = sqlx::query(
        "-- token::revoke
         UPDATE token SET revoked_at = coalesce(revoked_at, now()) WHERE id = $1",
    )
    .bind(id.0)
    .execute(pool)
    .await?;
    Ok(done.rows_affected() == 1)
}
