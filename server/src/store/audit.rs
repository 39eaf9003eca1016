//! The audit log, which only grows.

use std::net::IpAddr;

use cultivar_spec::TokenId;
use cultivar_spec::wire::{AuditEntry, Scope};
use sqlx::postgres::PgRow;
use sqlx::{PgExecutor, Row};
use uuid::Uuid;

use super::Result;
use super::columns::Columns;

/// What is written down of a request.
pub struct NewRow {
    pub caller: Option<(Uuid, Scope)>,
    pub action: String,
    pub target: Option<String>,
    pub status: u16,
    pub ip: IpAddr,
    pub request_id: Uuid,
}

pub async fn insert(db: impl PgExecutor<'_>, row: &NewRow) -> Result<()> {
    sqlx::query(
        "-- audit::insert
         INSERT INTO audit (token_id, scope, action, target, status, ip, request_id) VALUES ($1, $2, $3, $4, $5, $6, $7)",
    )
    .bind(row.caller.map(|(token_id, _)| token_id))
    .bind(row.caller.map(|(_, scope)| scope.name()))
    .bind(&row.action)
    .bind(&row.target)
    .bind(i32::from(row.status))
    .bind(row.ip.to_string())
    .bind(row.request_id)
    .execute(db)
    .await?;
    Ok(())
}

/// A page before `cursor`, newest first; of one token, if it is given.
pub async fn page(
    db: impl PgExecutor<'_>,
    cursor: Option<u64>,
    token: Option<TokenId>,
    limit: u32,
) -> Result<Vec<AuditEntry>> {
    sqlx::query(
        "-- audit::page
         SELECT a.id, a.at, a.token_id, t.name, a.scope, a.action, a.target, a.status, a.ip, a.request_id
         FROM audit a LEFT JOIN token t ON t.id = a.token_id
         WHERE ($1::bigint IS NULL OR a.id < $1) AND ($2::uuid IS NULL OR a.token_id = $2)
         ORDER BY a.id DESC LIMIT $3",
    )
    .bind(cursor.map(|id| i64::try_from(id).unwrap_or(i64::MAX)))
    .bind(token.map(|id| id.0))
    .bind(i64::from(limit))
    .try_map(|row: PgRow| {
        let token: Option<Uuid> = row.try_get("token_id")?;
        let request_id: Uuid = row.try_get("request_id")?;
        let status: i32 = row.try_get("status")?;
        Ok(AuditEntry {
            id: row.count("id")?,
            at: row.try_get("at")?,
            token: token.map(TokenId),
            token_name: row.try_get("name")?,
            scope: row.maybe_word("scope")?,
            action: row.try_get("action")?,
            target: row.try_get("target")?,
            status: status as u16,
            ip: row.try_get("ip")?,
            request_id: request_id.to_string(),
        })
    })
    .fetch_all(db)
    .await
}
