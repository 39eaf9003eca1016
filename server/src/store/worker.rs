//! Workers and their heartbeats.

use std::collections::HashSet;

use cultivar_spec::wire::{Heartbeat, WorkerIdentity, WorkerView};
use cultivar_spec::{TrialId, WorkerId};
use sqlx::postgres::PgRow;
use sqlx::types::Json;
use sqlx::{PgConnection, PgExecutor, Row};
use uuid::Uuid;

use super::Result;
use super::columns::Columns;

/// Makes workers known, in the order of their ids, and gives each a heartbeat row for this run of its process. A known
/// one is left alone: a claim renews nothing. Their rows stay locked until the transaction ends, since `ON CONFLICT` locks
/// even where there is nothing to change: two copies of a claim that comes from nobody known run one after the other.
pub async fn greet(conn: &mut PgConnection, workers: &[&WorkerIdentity]) -> Result<()> {
    sqlx::query(
        "-- worker::greet
         WITH known AS (
             INSERT INTO worker (id, name, device, version)
             SELECT id, name, device, version
             FROM UNNEST($1::uuid[], $3::text[], $4::jsonb[], $5::text[]) AS new (id, name, device, version) ORDER BY id
             ON CONFLICT (id) DO UPDATE SET name = excluded.name, device = excluded.device, version = excluded.version
             WHERE (worker.name, worker.device, worker.version)
                IS DISTINCT FROM (excluded.name, excluded.device, excluded.version)
         )
         INSERT INTO worker_heartbeat (worker_id, boot_id)
         SELECT id, boot_id FROM UNNEST($1::uuid[], $2::uuid[]) AS new (id, boot_id) ORDER BY id
         ON CONFLICT (worker_id) DO UPDATE SET boot_id = excluded.boot_id, seen_at = now(), held = '{}'
         WHERE worker_heartbeat.boot_id <> excluded.boot_id",
    )
    .bind(workers.iter().map(|worker| worker.id.0).collect::<Vec<_>>())
    .bind(workers.iter().map(|worker| worker.boot.0).collect::<Vec<_>>())
    .bind(workers.iter().map(|worker| worker.name.clone()).collect::<Vec<_>>())
    .bind(workers.iter().map(|worker| Json(&worker.device)).collect::<Vec<_>>())
    .bind(workers.iter().map(|worker| worker.version.clone()).collect::<Vec<_>>())
    .execute(conn)
    .await?;
    Ok(())
}

/// Renews exactly the leases that each heartbeat lists, by HOT updates in the order of the workers' ids. Answers with the workers
/// that are known; of the others nothing is stored.
///
/// Each row is looked up by itself: as a plain join, Postgres goes through the table in the order of its index, once for each
/// heartbeat, until it has first analyzed it.
pub async fn beat<'b>(
    db: impl PgExecutor<'_>,
    beats: impl Iterator<Item = &'b Heartbeat>,
) -> Result<HashSet<WorkerId>> {
    let (mut workers, mut boots) = (Vec::new(), Vec::new());
    // Postgres has no ragged arrays, so the leases go end to end.
    let (mut held, mut begins, mut ends) = (Vec::new(), Vec::new(), Vec::new());
    for beat in beats {
        workers.push(beat.worker.id.0);
        boots.push(beat.worker.boot.0);
        begins.push(held.len() as i32 + 1);
        held.extend(beat.leases.iter().map(|lease| lease.0));
        ends.push(held.len() as i32);
    }
    let rows = sqlx::query(
        "-- worker::beat
         WITH locked AS MATERIALIZED (
             SELECT new.*
             FROM (SELECT * FROM UNNEST($1::uuid[], $2::uuid[], $4::integer[], $5::integer[]) AS beat (id, boot_id, begins, ends)
                   ORDER BY id) new
             CROSS JOIN LATERAL (SELECT FROM worker_heartbeat WHERE worker_id = new.id FOR UPDATE) h
         )
         UPDATE worker_heartbeat h SET boot_id = new.boot_id, seen_at = now(), held = ($3::uuid[])[new.begins:new.ends]
         FROM locked new WHERE h.worker_id = new.id
         RETURNING h.worker_id",
    )
    .bind(workers)
    .bind(boots)
    .bind(held)
    .bind(begins)
    .bind(ends)
    .try_map(|row: PgRow| Ok(WorkerId(row.try_get("worker_id")?)))
    .fetch_all(db)
    .await?;
    Ok(rows.into_iter().collect())
}

/// Trials that ended in a fault of this worker since its faults were last forgiven.
pub async fn n_faulted_trials(conn: &mut PgConnection, id: WorkerId) -> Result<u64> {
    let n: i64 = sqlx::query_scalar(
        "-- worker::n_faulted_trials
         SELECT count(DISTINCT a.trial_id) FROM attempt a JOIN worker w ON w.id = a.worker_id
         WHERE w.id = $1 AND a.outcome = 'worker_fault' AND a.ended_at > w.faults_since",
    )
    .bind(id.0)
    .fetch_one(conn)
    .await?;
    Ok(n as u64)
}

/// Puts a worker aside; the first reason stays.
pub async fn quarantine(conn: &mut PgConnection, id: WorkerId, reason: &str) -> Result<()> {
    sqlx::query(
        "-- worker::quarantine
         UPDATE worker SET quarantined_at = now(), quarantine_reason = $2 WHERE id = $1 AND quarantined_at IS NULL",
    )
    .bind(id.0)
    .bind(reason)
    .execute(conn)
    .await?;
    Ok(())
}

/// Lets a worker have leases again, and forgives its faults. Whether there is such a worker.
pub async fn release(db: impl PgExecutor<'_>, id: WorkerId) -> Result<bool> {
    let done = sqlx::query(
        "-- worker::release
         UPDATE worker SET quarantined_at = NULL, quarantine_reason = NULL, faults_since = now() WHERE id = $1",
    )
    .bind(id.0)
    .execute(db)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Every worker, the latest heard of first.
pub async fn list(db: impl PgExecutor<'_>, lease_s: f64) -> Result<Vec<WorkerView>> {
    sqlx::query(
        "-- worker::list
         SELECT w.id, w.name, w.device, w.version, h.seen_at, w.quarantined_at, w.quarantine_reason,
                h.seen_at > now() - make_interval(secs => $1) AS online,
                ARRAY(SELECT a.trial_id FROM attempt a
                      WHERE a.worker_id = w.id AND a.outcome IS NULL ORDER BY a.claimed_at) AS trials
         FROM worker w JOIN worker_heartbeat h ON h.worker_id = w.id
         ORDER BY h.seen_at DESC LIMIT 1000",
    )
    .bind(lease_s)
    .try_map(|row: PgRow| {
        let trials: Vec<Uuid> = row.try_get("trials")?;
        Ok(WorkerView {
            id: WorkerId(row.try_get("id")?),
            name: row.try_get("name")?,
            device: row.json("device")?,
            version: row.try_get("version")?,
            seen_at: row.try_get("seen_at")?,
            online: row.try_get("online")?,
            quarantined_at: row.try_get("quarantined_at")?,
            quarantine_reason: row.try_get("quarantine_reason")?,
            trials: trials.into_iter().map(TrialId).collect(),
        })
    })
    .fetch_all(db)
    .await
}
