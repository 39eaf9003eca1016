//! Attempts: one lease of one trial, from claim to outcome.

use chrono::{DateTime, Utc};
use cultivar_spec::manifest::Split;
use cultivar_spec::wire::{Finish, JobKind, Order};
use cultivar_spec::{
    LeaseId, Outcome, Sha256Digest, SweepId, TrialId, TrialSpec, TrialState, WorkerId,
};
use serde::Deserialize;
use sqlx::postgres::PgRow;
use sqlx::types::Json;
use sqlx::{PgConnection, PgExecutor, Row};
use uuid::Uuid;

use super::Result;
use super::columns::Columns;

/// An attempt with what its trial says of it. Both rows stay locked until the transaction ends.
pub struct Held {
    pub lease: LeaseId,
    pub trial: TrialId,
    pub sweep: Option<SweepId>,
    pub dataset: String,
    pub job: JobKind,
    pub split: Option<Split>,
    pub epoch: u64,
    pub outcome: Option<Outcome>,
    pub finish: Option<Finish>,
    pub resumed_from_step: u64,
    pub checkpoint_step: Option<u64>,
    /// Epoch of the trial's newest attempt.
    pub last_epoch: u64,
    pub state: TrialState,
    pub cancel_requested: bool,
    pub prune_requested: bool,
    /// Somebody paused it, or its scheduler keeps it waiting.
    pub is_to_pause: bool,
    pub worker: WorkerId,
    /// Ended attempts at the same job before this one, oldest first.
    pub past: Vec<Past>,
}

/// Locks the trial and the attempt behind a lease.
pub async fn lock(conn: &mut PgConnection, lease: LeaseId) -> Result<Option<Held>> {
    sqlx::query(
        "-- attempt::lock
         SELECT a.lease_id, a.trial_id, t.sweep_id, t.dataset, a.job, a.split, a.epoch, a.outcome, a.finish,
                a.resumed_from_step, a.checkpoint_step, t.last_epoch, t.state, t.cancel_requested, t.prune_requested,
                t.pause_requested OR t.held AS is_to_pause, a.worker_id,
                (SELECT coalesce(jsonb_agg(jsonb_build_object('outcome', p.outcome, 'resumed_from_step', p.resumed_from_step,
                                                              'checkpoint_step', p.checkpoint_step) ORDER BY p.epoch), '[]')
                 FROM attempt p
                 WHERE p.trial_id = a.trial_id AND p.job = a.job AND p.split IS NOT DISTINCT FROM a.split
                   AND p.epoch < a.epoch AND p.outcome IS NOT NULL) AS past
         FROM attempt a JOIN trial t ON t.id = a.trial_id
         WHERE a.lease_id = $1
         FOR UPDATE OF t, a",
    )
    .bind(lease.0)
    .try_map(|row: PgRow| {
        let sweep: Option<Uuid> = row.try_get("sweep_id")?;
        Ok(Held {
            lease: LeaseId(row.try_get("lease_id")?),
            trial: TrialId(row.try_get("trial_id")?),
            sweep: sweep.map(SweepId),
            dataset: row.try_get("dataset")?,
            job: row.word("job")?,
            split: row.maybe_word("split")?,
            epoch: row.count("epoch")?,
            outcome: row.maybe_word("outcome")?,
            finish: row.maybe_json("finish")?,
            resumed_from_step: row.count("resumed_from_step")?,
            checkpoint_step: row.maybe_count("checkpoint_step")?,
            last_epoch: row.count("last_epoch")?,
            state: row.word("state")?,
            cancel_requested: row.try_get("cancel_requested")?,
            prune_requested: row.try_get("prune_requested")?,
            is_to_pause: row.try_get("is_to_pause")?,
            worker: WorkerId(row.try_get("worker_id")?),
            past: row.json("past")?,
        })
    })
    .fetch_optional(conn)
    .await
}

/// What a finish is judged by, read without locks: none of it ever changes.
pub struct Job {
    pub job: JobKind,
    pub split: Option<Split>,
    pub spec: TrialSpec,
    /// None of an external trial.
    pub version: Option<Sha256Digest>,
}

pub async fn job(db: impl PgExecutor<'_>, lease: LeaseId) -> Result<Option<Job>> {
    sqlx::query(
        "-- attempt::job
         SELECT a.job, a.split, t.spec, t.dataset_version
         FROM attempt a JOIN trial t ON t.id = a.trial_id WHERE a.lease_id = $1",
    )
    .bind(lease.0)
    .try_map(|row: PgRow| {
        Ok(Job {
            job: row.word("job")?,
            split: row.maybe_word("split")?,
            spec: row.json("spec")?,
            version: row.maybe_digest("dataset_version")?,
        })
    })
    .fetch_optional(db)
    .await
}

/// An earlier attempt at the same job, as far as retry budgets care.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Past {
    pub outcome: Outcome,
    pub resumed_from_step: u64,
    pub checkpoint_step: Option<u64>,
}

/// Ends an attempt, once, and forgets its latest word.
///
/// `num_nulls` says `IS NULL` in words that the planner does not match to the index on active attempts: by its statistics
/// that is nearly empty, but while somebody holds a snapshot open it is full of what is dead.
pub async fn end(
    conn: &mut PgConnection,
    held: &Held,
    outcome: Outcome,
    error: Option<&str>,
    finish: Option<&Finish>,
) -> Result<()> {
    sqlx::query(
        "-- attempt::end
         WITH word AS (DELETE FROM trial_progress WHERE trial_id = $5 AND lease_id = $1)
         UPDATE attempt SET outcome = $2, ended_at = now(), error = $3, finish = $4
         WHERE lease_id = $1 AND num_nulls(outcome) = 1",
    )
    .bind(held.lease.0)
    .bind(outcome.name())
    .bind(error)
    .bind(finish.map(Json))
    .bind(held.trial.0)
    .execute(conn)
    .await?;
    Ok(())
}

/// Takes back that an attempt was lost: its holder is here.
pub async fn revive(conn: &mut PgConnection, lease: LeaseId) -> Result<()> {
    sqlx::query(
        "-- attempt::revive
         UPDATE attempt SET outcome = NULL, ended_at = NULL, error = NULL WHERE lease_id = $1",
    )
    .bind(lease.0)
    .execute(conn)
    .await?;
    Ok(())
}

pub async fn set_checkpoint(conn: &mut PgConnection, lease: LeaseId, step: u64) -> Result<()> {
    sqlx::query(
        "-- attempt::set_checkpoint
         UPDATE attempt SET checkpoint_step = greatest(checkpoint_step, $2) WHERE lease_id = $1",
    )
    .bind(lease.0)
    .bind(step as i64)
    .execute(conn)
    .await?;
    Ok(())
}

/// An external trainer is there.
pub async fn renew(db: impl PgExecutor<'_>, lease: LeaseId) -> Result<()> {
    sqlx::query(
        "-- attempt::renew
         UPDATE attempt SET renewed_at = now() WHERE lease_id = $1 AND num_nulls(outcome) = 1",
    )
    .bind(lease.0)
    .execute(db)
    .await?;
    Ok(())
}

/// Active attempts nobody has renewed for `lease_s` seconds, counted from the latest of: the claim, the last
/// heartbeat that listed the lease or report of an external trainer, the database's start, and `healthy_since`, when this replica could
/// last begin to hear heartbeats.
pub async fn overdue(
    db: impl PgExecutor<'_>,
    healthy_since: DateTime<Utc>,
    lease_s: f64,
) -> Result<Vec<LeaseId>> {
    sqlx::query(
        "-- attempt::overdue
         SELECT a.lease_id
         FROM attempt a
         LEFT JOIN worker_heartbeat h
             ON h.worker_id = a.worker_id AND h.boot_id = a.boot_id AND a.lease_id = ANY(h.held)
         WHERE a.outcome IS NULL
           AND greatest(a.claimed_at, h.seen_at, a.renewed_at, pg_postmaster_start_time(), $1)
               + make_interval(secs => $2) < now()
         LIMIT 1000",
    )
    .bind(healthy_since)
    .bind(lease_s)
    .try_map(|row: PgRow| Ok(LeaseId(row.try_get("lease_id")?)))
    .fetch_all(db)
    .await
}

/// What each listed lease should do, and whether an expired one might be taken up again.
pub async fn orders(
    db: impl PgExecutor<'_>,
    leases: &[LeaseId],
) -> Result<Vec<(LeaseId, Order, bool)>> {
    let leases: Vec<Uuid> = leases.iter().map(|lease| lease.0).collect();
    sqlx::query(
        "-- attempt::orders
         SELECT a.lease_id, a.outcome IS NULL AS active, a.job = 'train' AND t.cancel_requested AS cancel,
                a.job = 'train' AND t.prune_requested AS prune, a.job = 'train' AND (t.pause_requested OR t.held) AS pause,
                a.outcome = 'lost' AND a.epoch = t.last_epoch AS expired
         FROM attempt a JOIN trial t ON t.id = a.trial_id
         WHERE a.lease_id = ANY($1)",
    )
    .bind(leases)
    .try_map(|row: PgRow| {
        let order = if !row.try_get::<bool, _>("active")? {
            Order::Unknown
        } else {
            wanted(
                row.try_get("cancel")?,
                row.try_get("prune")?,
                row.try_get("pause")?,
            )
        };
        let expired: Option<bool> = row.try_get("expired")?;
        Ok((LeaseId(row.try_get("lease_id")?), order, expired.unwrap_or(false)))
    })
    .fetch_all(db)
    .await
}

/// What is wanted of a running attempt.
pub fn wanted(cancel: bool, prune: bool, pause: bool) -> Order {
    match (cancel, prune, pause) {
        (true, _, _) => Order::Cancel,
        (false, true, _) => Order::Prune,
        (false, false, true) => Order::Yield,
        (false, false, false) => Order::Continue,
    }
}

/// Keeps what a superseded lease wrote, where it cannot count (I3).
pub async fn set_aside(
    conn: &mut PgConnection,
    lease: LeaseId,
    kind: &str,
    body: &serde_json::Value,
) -> Result<()> {
    sqlx::query(
        "-- attempt::set_aside
         INSERT INTO superseded_write (lease_id, kind, body) VALUES ($1, $2, $3)",
    )
    .bind(lease.0)
    .bind(kind)
    .bind(body)
    .execute(conn)
    .await?;
    Ok(())
}

/// The database's clock.
pub async fn now(db: impl PgExecutor<'_>) -> Result<DateTime<Utc>> {
    sqlx::query_scalar(
        "-- attempt::now
         SELECT now()",
    )
    .fetch_one(db)
    .await
}
