//! Tokens, login links, enrolments and sessions.

use std::collections::BTreeSet;
use std::slice;

use chrono::{DateTime, Utc};
use cultivar_spec::wire::{Scope, TokenKind, TokenView};
use cultivar_spec::{Secret, SecretKind, TokenId, WorkerId};
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, PgExecutor, PgPool, Row};
use subtle::ConstantTimeEq;
use uuid::Uuid;

use super::Result;
use super::columns::Columns;

/// A token that is valid now.
#[derive(Clone)]
pub struct ValidToken {
    pub id: Uuid,
    pub name: String,
    pub scope: Scope,
    pub worker: Option<WorkerId>,
    kind: String,
    secret_hash: Vec<u8>,
    is_use_noted: bool,
}

/// A token to be.
pub struct NewRow<'a> {
    pub name: &'a str,
    pub scope: Scope,
    pub secret: &'a Secret,
    pub expires_in_s: Option<u64>,
    pub worker: Option<WorkerId>,
    pub replaces: Option<TokenId>,
}

/// A token that was just made.
pub struct Inserted {
    pub id: TokenId,
    pub expires_at: Option<DateTime<Utc>>,
}

/// A token about to be rotated. Its row stays locked.
pub struct Rotated {
    pub name: String,
    pub scope: Scope,
    pub worker: Option<WorkerId>,
    /// From creation to expiry.
    pub lifetime_s: Option<u64>,
}

/// Whether the token row of this alias may be used now.
macro_rules! is_usable {
    ($token:literal) => {
        concat!(
            $token,
            ".revoked_at IS NULL AND coalesce(",
            $token,
            ".expires_at > now(), true)"
        )
    };
}
pub(super) use is_usable;

/// Bytes of the hash that the index may compare, in whatever time that takes. The rest is compared
/// in constant time.
const N_LOOKED_UP: usize = 8;

/// For each of some secrets its token, if it may be used; notes the uses, each at most once a minute.
pub async fn find(conn: &mut PgConnection, secrets: &[Secret]) -> Result<Vec<Option<ValidToken>>> {
    let tokens = valid(&mut *conn, secrets).await?;
    let unnoted = tokens.iter().flatten().filter(|token| !token.is_use_noted);
    let unnoted: BTreeSet<Uuid> = unnoted.map(|token| token.id).collect();
    if !unnoted.is_empty() {
        sqlx::query(
            "-- token::note_use
             UPDATE token SET last_used_at = now()
             WHERE id IN (SELECT id FROM token WHERE id = ANY($1) ORDER BY id FOR UPDATE)",
        )
        .bind(unnoted.into_iter().collect::<Vec<_>>())
        .execute(conn)
        .await?;
    }
    Ok(tokens)
}

async fn valid(db: impl PgExecutor<'_>, secrets: &[Secret]) -> Result<Vec<Option<ValidToken>>> {
    let low: BTreeSet<Vec<u8>> = secrets
        .iter()
        .map(|secret| secret.hash()[..N_LOOKED_UP].to_vec())
        .collect();
    let padded = |low: &Vec<u8>| {
        let mut high = low.clone();
        high.resize(32, 0xff);
        high
    };
    let high: Vec<_> = low.iter().map(padded).collect();
    let found = sqlx::query(concat!(
        "-- token::valid
         SELECT t.id, t.name, t.kind, t.scope, t.worker_id, t.secret_hash,
                coalesce(t.last_used_at > now() - interval '1 minute', false) AS is_use_noted
         FROM UNNEST($1::bytea[], $2::bytea[]) AS asked (low, high)
         JOIN token t ON t.secret_hash BETWEEN asked.low AND asked.high
         WHERE ",
        is_usable!("t"),
    ))
    .bind(low.into_iter().collect::<Vec<_>>())
    .bind(high)
    .try_map(|row: PgRow| {
        let worker: Option<Uuid> = row.try_get("worker_id")?;
        Ok(ValidToken {
            id: row.try_get("id")?,
            name: row.try_get("name")?,
            kind: row.try_get("kind")?,
            scope: row.word("scope")?,
            worker: worker.map(WorkerId),
            secret_hash: row.try_get("secret_hash")?,
            is_use_noted: row.try_get("is_use_noted")?,
        })
    })
    .fetch_all(db)
    .await?;
    let of_secret = |secret: &Secret| {
        let hash = secret.hash();
        let is_it = |token: &&ValidToken| {
            token.kind == secret.kind().name() && bool::from(token.secret_hash[..].ct_eq(&hash))
        };
        found.iter().find(is_it).cloned()
    };
    Ok(secrets.iter().map(of_secret).collect())
}

/// Whether a token that was recognised before may still be used.
pub async fn is_valid(db: impl PgExecutor<'_>, id: Uuid) -> Result<bool> {
    sqlx::query_scalar(concat!(
        "-- token::is_valid
         SELECT EXISTS (SELECT FROM token t WHERE t.id = $1 AND ",
        is_usable!("t"),
        ")",
    ))
    .bind(id)
    .fetch_one(db)
    .await
}

pub async fn insert(conn: &mut PgConnection, new: NewRow<'_>) -> Result<Inserted> {
    let id = TokenId::new();
    let kind = new.secret.kind();
    let expires_at: Option<DateTime<Utc>> = sqlx::query_scalar(
        "-- token::insert
         INSERT INTO token (id, name, scope, kind, secret_hash, single_use, expires_at, worker_id, replaces)
         VALUES ($1, $2, $3, $4, $5, $6, now() + make_interval(secs => $7), $8, $9)
         RETURNING expires_at",
    )
    .bind(id.0)
    .bind(new.name)
    .bind(new.scope.name())
    .bind(kind.name())
    .bind(&new.secret.hash()[..])
    .bind(matches!(kind, SecretKind::Login | SecretKind::Enrolment))
    .bind(new.expires_in_s.map(|s| s as f64))
    .bind(new.worker.map(|id| id.0))
    .bind(new.replaces.map(|id| id.0))
    .fetch_one(conn)
    .await?;
    Ok(Inserted { id, expires_at })
}

/// Uses a login link or an enrolment up; `None` where it was used before, ran out or never was.
pub async fn consume(conn: &mut PgConnection, secret: &Secret) -> Result<Option<ValidToken>> {
    let found = valid(&mut *conn, slice::from_ref(secret)).await?;
    let Some(token) = found.into_iter().next().flatten() else {
        return Ok(None);
    };
    // Of two who come at once, the one that waited for the row finds it used.
    let done = sqlx::query(
        "-- token::consume
         UPDATE token SET revoked_at = now(), last_used_at = now() WHERE id = $1 AND revoked_at IS NULL",
    )
    .bind(token.id)
    .execute(conn)
    .await?;
    Ok((done.rows_affected() == 1).then_some(token))
}

/// Tokens that people made, newest first; login links and sessions are not among them.
pub async fn list(pool: &PgPool) -> Result<Vec<TokenView>> {
    sqlx::query(
        "-- token::list
         SELECT id, kind, name, scope, worker_id, replaces, created_at, expires_at, revoked_at, last_used_at FROM token
         WHERE kind IN ('access', 'enrolment') ORDER BY id DESC LIMIT 1000",
    )
    .try_map(|row: PgRow| {
        let kind: String = row.try_get("kind")?;
        let worker: Option<Uuid> = row.try_get("worker_id")?;
        let replaces: Option<Uuid> = row.try_get("replaces")?;
        Ok(TokenView {
            id: TokenId(row.try_get("id")?),
            kind: match kind.as_str() {
                "enrolment" => TokenKind::Enrolment,
                _ => TokenKind::Access,
            },
            name: row.try_get("name")?,
            scope: row.word("scope")?,
            worker: worker.map(WorkerId),
            replaces: replaces.map(TokenId),
            created_at: row.try_get("created_at")?,
            expires_at: row.try_get("expires_at")?,
            revoked_at: row.try_get("revoked_at")?,
            last_used_at: row.try_get("last_used_at")?,
        })
    })
    .fetch_all(pool)
    .await
}

/// Locks a valid API token that is to have a successor.
pub async fn lock_for_rotation(conn: &mut PgConnection, id: TokenId) -> Result<Option<Rotated>> {
    sqlx::query(concat!(
        "-- token::lock_for_rotation
         SELECT t.name, t.scope, t.worker_id, t.created_at, t.expires_at FROM token t
         WHERE t.id = $1 AND t.kind = 'access' AND ",
        is_usable!("t"),
        " FOR UPDATE",
    ))
    .bind(id.0)
    .try_map(|row: PgRow| {
        let worker: Option<Uuid> = row.try_get("worker_id")?;
        let created_at: DateTime<Utc> = row.try_get("created_at")?;
        let expires_at: Option<DateTime<Utc>> = row.try_get("expires_at")?;
        let lifetime = |at: DateTime<Utc>| (at - created_at).num_seconds().max(1) as u64;
        Ok(Rotated {
            name: row.try_get("name")?,
            scope: row.word("scope")?,
            worker: worker.map(WorkerId),
            lifetime_s: expires_at.map(lifetime),
        })
    })
    .fetch_optional(conn)
    .await
}

/// Lets a token work for this much longer, and no longer than it would have.
pub async fn end_within(conn: &mut PgConnection, id: TokenId, seconds: u64) -> Result<()> {
    sqlx::query(
        "-- token::end_within
         UPDATE token SET expires_at = least(expires_at, now() + make_interval(secs => $2)) WHERE id = $1",
    )
    .bind(id.0)
    .bind(seconds as f64)
    .execute(conn)
    .await?;
    Ok(())
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
