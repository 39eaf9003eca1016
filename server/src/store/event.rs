//! What happened, for pages that stay open.

use cultivar_spec::wire::{Event, Progress};
use cultivar_spec::{SweepId, TrialId};
use serde_json::Value;
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, PgExecutor, Row};

use chrono::{DateTime, Utc};

use super::Result;
use super::columns::Columns;
use crate::live::Position;

/// Tells pages of what this transaction does; they hear of it once it has committed.
pub async fn append(conn: &mut PgConnection, events: &[Event]) -> Result<()> {
    if events.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "-- event::append
         INSERT INTO event (body) SELECT body FROM UNNEST($1::jsonb[]) WITH ORDINALITY AS e (body, n) ORDER BY n",
    )
    .bind(bodies(events))
    .execute(conn)
    .await?;
    Ok(())
}

/// Events as they are stored.
pub(super) fn bodies<'e>(events: impl IntoIterator<Item = &'e Event>) -> Vec<Value> {
    let body = |event| serde_json::to_value(event).expect("events serialize");
    events.into_iter().map(body).collect()
}

/// Events after a position, oldest first. Stops short of the oldest transaction still running: an event
/// it may yet commit would come before later ones, and would be skipped for good.
pub async fn after(
    db: impl PgExecutor<'_>,
    position: Position,
    limit: i64,
) -> Result<Vec<(Position, Event)>> {
    sqlx::query(
        "-- event::after
         SELECT xid::text AS xid, id, body FROM event
         WHERE (xid, id) > ($1::xid8, $2) AND xid < pg_snapshot_xmin(pg_current_snapshot())
         ORDER BY xid, id LIMIT $3",
    )
    .bind(position.xid.to_string())
    .bind(position.id as i64)
    .bind(limit)
    .try_map(|row: PgRow| {
        let xid: String = row.try_get("xid")?;
        let position = Position {
            xid: xid.parse().map_err(|e| sqlx::Error::Decode(Box::new(e)))?,
            id: row.count("id")?,
        };
        Ok((position, row.json("body")?))
    })
    .fetch_all(db)
    .await
}

/// Where the stream stands now: every event from here on is still to come.
pub async fn now(db: impl PgExecutor<'_>) -> Result<Position> {
    let xmin: String = sqlx::query_scalar(
        "-- event::now
         SELECT pg_snapshot_xmin(pg_current_snapshot())::text",
    )
    .fetch_one(db)
    .await?;
    let xid: u64 = xmin.parse().map_err(|e| sqlx::Error::Decode(Box::new(e)))?;
    Ok(Position { xid, id: 0 })
}

/// Where every running attempt is, as told within the last seconds.
pub async fn recent_progress(db: impl PgExecutor<'_>) -> Result<Vec<(DateTime<Utc>, Event)>> {
    sqlx::query(
        "-- event::recent_progress
         SELECT p.trial_id, t.sweep_id, p.progress, p.updated_at
         FROM trial_progress p JOIN trial t ON t.id = p.trial_id
         WHERE p.updated_at > now() - interval '10 seconds'",
    )
    .try_map(|row: PgRow| {
        let sweep: Option<uuid::Uuid> = row.try_get("sweep_id")?;
        let event = Event::Progress {
            trial: TrialId(row.try_get("trial_id")?),
            sweep: sweep.map(SweepId),
            progress: row.json::<Progress>("progress")?,
        };
        Ok((row.try_get("updated_at")?, event))
    })
    .fetch_all(db)
    .await
}

/// Removes what no page will resume from and no client will send again.
pub async fn prune(db: &sqlx::PgPool) -> Result<()> {
    sqlx::query(
        "-- event::prune
         DELETE FROM event WHERE created_at < now() - interval '7 days'",
    )
    .execute(db)
    .await?;
    sqlx::query(
        "-- event::prune
         DELETE FROM idempotency WHERE created_at < now() - interval '7 days'",
    )
    .execute(db)
    .await?;
    Ok(())
}
