//! Workers and their heartbeats.

use cultivar_spec::wire::{WorkerIdentity, WorkerView};
use cultivar_spec::{LeaseId, TrialId, WorkerId};
use sqlx::postgres::PgRow;
use sqlx::types::Json;
use sqlx::{PgConnection, PgExecutor, Row};
use uuid::Uuid;

use super::Result;
use super::columns::Columns;

/// Makes the worker known, and locks its row until the transaction ends: `ON CONFLICT` locks it even
/// where there is nothing to change, so two copies of one claim run one after the other.
pub async fn upsert(conn: &mut PgConnection, worker: &WorkerIdentity) -> Result<()> {
    sqlx::query(
        "-- worker::upsert
         INSERT INTO worker (id, name, device, version) VALUES ($1, $2, $3, $4)
         ON CONFLICT (id) DO UPDATE SET name = excluded.name, device = excluded.device, version = excluded.version
         WHERE (worker.name, worker.device, worker.version)
            IS DISTINCT FROM (excluded.name, excluded.device, excluded.version)",
    )
    .bind(worker.id.0)
    .bind(&worker.name)
    .bind(Json(&worker.device))
    .bind(&worker.version)
    .execute(conn)
    .await?;
    Ok(())
}

/// Gives the worker a heartbeat row for this run of its process. A known one is left alone: a claim
/// renews nothing.
pub async fn enlist(conn: &mut PgConnection, worker: &WorkerIdentity) -> Result<()> {
    sqlx::query(
        "-- worker::enlist
         INSERT INTO worker_heartbeat (worker_id, boot_id) VALUES ($1, $2)
         ON CONFLICT (worker_id) DO UPDATE SET boot_id = excluded.boot_id, seen_at = now(), held = '{}'
         WHERE worker_heartbeat.boot_id <> excluded.boot_id",
    )
    .bind(worker.id.0)
    .bind(worker.boot.0)
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

/// Why a worker gets no leases, if somebody or something put it aside. Its row was locked by [`upsert`].
pub async fn quarantine_of(conn: &mut PgConnection, id: WorkerId) -> Result<Option<String>> {
    sqlx::query_scalar(
        "-- worker::quarantine_of
         SELECT quarantine_reason FROM worker WHERE id = $1 AND quarantined_at IS NOT NULL",
    )
    .bind(id.0)
    .fetch_optional(conn)
    .await
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
