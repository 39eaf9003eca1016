//! Workers and their heartbeats.

use std::collections::HashMap;

use cultivar_spec::wire::{WorkerIdentity, WorkerView};
use cultivar_spec::{LeaseId, TrialId, WorkerId};
use sqlx::postgres::PgRow;
use sqlx::types::Json;
use sqlx::{PgConnection, PgExecutor, Row};
use uuid::Uuid;

use super::Result;
use super::columns::Columns;

/// Makes workers known, in the order of their ids, and gives each a heartbeat row for this run of its process. A known
/// one is left alone: a claim renews nothing. Their rows stay locked until the transaction ends, since `ON CONFLICT` locks
/// even where there is nothing to change: two copies of one claim run one after the other.
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

/// Renews exactly the leases listed: one HOT update. False where the worker is not known yet.
pub async fn beat(
    db: impl PgExecutor<'_>,
    worker: &WorkerIdentity,
    held: &[LeaseId],
) -> Result<bool> {
    let held: Vec<Uuid> = held.iter().map(|lease| lease.0).collect();
    let done = sqlx::query(
        "-- worker::beat
         UPDATE worker_heartbeat SET boot_id = $2, seen_at = now(), held = $3 WHERE worker_id = $1",
    )
    .bind(worker.id.0)
    .bind(worker.boot.0)
    .bind(held)
    .execute(db)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Which of the workers get no leases, and why. Their rows were locked by [`greet`].
pub async fn quarantined(
    conn: &mut PgConnection,
    workers: &[&WorkerIdentity],
) -> Result<HashMap<WorkerId, String>> {
    let rows = sqlx::query(
        "-- worker::quarantined
         SELECT id, quarantine_reason FROM worker WHERE id = ANY($1) AND quarantined_at IS NOT NULL",
    )
    .bind(workers.iter().map(|worker| worker.id.0).collect::<Vec<_>>())
    .try_map(|row: PgRow| Ok((WorkerId(row.try_get("id")?), row.try_get("quarantine_reason")?)))
    .fetch_all(conn)
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
