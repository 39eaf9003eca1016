//! Attempts: one lease of one trial, from claim to outcome.

use chrono::{DateTime, Utc};
use cultivar_spec::manifest::Split;
use cultivar_spec::trial::{ObjectiveMetric, TrainOn};
use cultivar_spec::wire::{Event, Finish, JobKind, Order};
use cultivar_spec::{LeaseId, Outcome, Sha256Digest, SweepId, TrialId, TrialState, WorkerId};
use serde::Deserialize;
use sqlx::postgres::PgRow;
use sqlx::types::Json;
use sqlx::{AssertSqlSafe, PgConnection, PgExecutor, Row};
use uuid::Uuid;

use super::Result;
use super::columns::Columns;
use super::trial::Accepted;

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

/// What to do about a trial that somebody else has locked.
#[derive(Clone, Copy, PartialEq)]
pub enum Busy {
    Wait,
    Skip,
}

/// Locks the trials and the attempts behind leases. Whoever locks several skips those that are busy, so that it cannot
/// deadlock. Rows that refer to them may be stored meanwhile: a report names its attempt before its trial.
pub async fn lock(conn: &mut PgConnection, leases: &[LeaseId], busy: Busy) -> Result<Vec<Held>> {
    let skip = match busy {
        Busy::Wait => "",
        Busy::Skip => "SKIP LOCKED",
    };
    sqlx::query(AssertSqlSafe(format!(
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
         WHERE a.lease_id = ANY($1)
         FOR NO KEY UPDATE OF t, a {skip}",
    )))
    .bind(leases.iter().map(|lease| lease.0).collect::<Vec<_>>())
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
    .fetch_all(conn)
    .await
}

/// What a finish is judged by, and told of. None of it ever changes.
#[derive(Clone)]
pub struct Job {
    pub trial: TrialId,
    pub worker: WorkerId,
    pub sweep: Option<SweepId>,
    pub dataset: String,
    pub job: JobKind,
    pub split: Option<Split>,
    pub is_external: bool,
    pub train_on: TrainOn,
    pub objective: ObjectiveMetric,
    /// None of an external trial.
    pub version: Option<Sha256Digest>,
}

pub async fn job(db: impl PgExecutor<'_>, lease: LeaseId) -> Result<Option<Job>> {
    sqlx::query(
        "-- attempt::job
         SELECT a.trial_id, a.worker_id, t.sweep_id, t.dataset, a.job, a.split, t.dataset_version, t.spec #>> '{data,train_on}' AS train_on,
                t.spec #>> '{objective,metric}' AS objective, t.spec #>> '{task,kind}' = 'external' AS is_external
         FROM attempt a JOIN trial t ON t.id = a.trial_id WHERE a.lease_id = $1",
    )
    .bind(lease.0)
    .try_map(|row: PgRow| {
        let is_external: Option<bool> = row.try_get("is_external")?;
        let sweep: Option<Uuid> = row.try_get("sweep_id")?;
        Ok(Job {
            trial: TrialId(row.try_get("trial_id")?),
            worker: WorkerId(row.try_get("worker_id")?),
            sweep: sweep.map(SweepId),
            dataset: row.try_get("dataset")?,
            job: row.word("job")?,
            split: row.maybe_word("split")?,
            is_external: is_external.unwrap_or(false),
            train_on: row.word("train_on")?,
            objective: row.word("objective")?,
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

/// How an attempt ended, and what becomes of its trial.
pub struct Ending<'a> {
    pub held: &'a Held,
    pub outcome: Outcome,
    /// Why, in short.
    pub error: Option<&'a str>,
    /// What its holder said, if it said anything.
    pub finish: Option<&'a Finish>,
    /// The result of a completed training.
    pub accepted: Option<&'a Accepted>,
}

/// Ends attempts, each once, forgets their latest words, moves trials to `states` (none: it stays) with their accepted
/// results, and tells of it, in one statement. True unless a result is of a trial that was not running, or has one (I2).
///
/// `num_nulls` says `IS NULL`, and `state || ''` says `state`, in words that match no index: the one on active attempts and the
/// one on unsettled trials had every row in them once, and are full of what is dead, as long as anybody holds a snapshot open.
pub async fn settle(
    conn: &mut PgConnection,
    endings: &[Ending<'_>],
    states: &[Option<TrialState>],
    events: &[Event],
) -> Result<bool> {
    let results = || endings.iter().map(|ending| ending.accepted);
    let bytes = |digest: Option<Sha256Digest>| digest.map(|digest| digest.0.to_vec());
    let n_refused: i64 = sqlx::query_scalar(
        "-- attempt::settle
         WITH ended AS (
             SELECT * FROM UNNEST($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::jsonb[])
                 AS ended (lease_id, trial_id, outcome, error, finish)
         ), moved AS (
             SELECT * FROM UNNEST($2::uuid[], $4::text[], $6::text[], $7::bool[], $8::jsonb[], $9::float8[], $10::bytea[], $11::bytea[], $12::jsonb[])
                 AS moved (trial_id, error, state, is_settled, metrics, objective, model, predictions, cost) WHERE state IS NOT NULL
         ), word AS (
             DELETE FROM trial_progress p USING ended WHERE p.trial_id = ended.trial_id AND p.lease_id = ended.lease_id
         ), attempts AS (
             UPDATE attempt a SET outcome = ended.outcome, ended_at = now(), error = ended.error, finish = ended.finish
             FROM ended WHERE a.lease_id = ended.lease_id AND num_nulls(a.outcome) = 1
         ), trials AS (
             UPDATE trial t SET
                 state = moved.state, error = moved.error, finished_at = CASE WHEN moved.is_settled THEN now() END,
                 metrics = coalesce(moved.metrics, t.metrics), cost = coalesce(moved.cost, t.cost),
                 objective = CASE WHEN moved.metrics IS NULL THEN t.objective ELSE moved.objective END,
                 model_sha256 = CASE WHEN moved.metrics IS NULL THEN t.model_sha256 ELSE moved.model END,
                 predictions_sha256 = CASE WHEN moved.metrics IS NULL THEN t.predictions_sha256 ELSE moved.predictions END
             FROM moved
             WHERE t.id = moved.trial_id AND (moved.metrics IS NULL OR t.state || '' = 'running' AND t.model_sha256 IS NULL)
             RETURNING t.id
         ), told AS (
             INSERT INTO event (body) SELECT body FROM UNNEST($13::jsonb[]) WITH ORDINALITY AS e (body, n) ORDER BY n
         )
         SELECT (SELECT count(*) FROM moved) - (SELECT count(*) FROM trials)",
    )
    .bind(endings.iter().map(|ending| ending.held.lease.0).collect::<Vec<_>>())
    .bind(endings.iter().map(|ending| ending.held.trial.0).collect::<Vec<_>>())
    .bind(endings.iter().map(|ending| ending.outcome.name()).collect::<Vec<_>>())
    .bind(endings.iter().map(|ending| ending.error).collect::<Vec<_>>())
    .bind(endings.iter().map(|ending| ending.finish.map(Json)).collect::<Vec<_>>())
    .bind(states.iter().map(|state| state.map(TrialState::name)).collect::<Vec<_>>())
    .bind(states.iter().map(|state| state.is_some_and(TrialState::is_terminal)).collect::<Vec<_>>())
    .bind(results().map(|result| result.map(|it| Json(&it.metrics))).collect::<Vec<_>>())
    .bind(results().map(|result| result.and_then(|it| it.objective)).collect::<Vec<_>>())
    .bind(results().map(|result| bytes(result.and_then(|it| it.model))).collect::<Vec<_>>())
    .bind(results().map(|result| bytes(result.and_then(|it| it.predictions))).collect::<Vec<_>>())
    .bind(results().map(|result| result.map(|it| &it.cost)).collect::<Vec<_>>())
    .bind(super::event::bodies(events))
    .fetch_one(conn)
    .await?;
    Ok(n_refused == 0)
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

/// Attempts `a` as [`overdue`] tells, since `$1`, for `$2` seconds. By `clock_timestamp()`, since a transaction may have waited
/// for a lock since it began.
macro_rules! unheard {
    () => {
        "attempt a
         LEFT JOIN worker_heartbeat h
             ON h.worker_id = a.worker_id AND h.boot_id = a.boot_id AND a.lease_id = ANY(h.held)
         WHERE a.outcome IS NULL
           AND greatest(a.claimed_at, h.seen_at, a.renewed_at, pg_postmaster_start_time(), $1)
               + make_interval(secs => $2) < clock_timestamp()"
    };
}

/// Active attempts nobody has renewed for `lease_s` seconds, counted from the latest of: the claim, the last
/// heartbeat that listed the lease or report of an external trainer, the database's start, and `healthy_since`, when this replica could
/// last begin to hear heartbeats.
pub async fn overdue(
    db: impl PgExecutor<'_>,
    healthy_since: DateTime<Utc>,
    lease_s: f64,
) -> Result<Vec<LeaseId>> {
    sqlx::query(concat!(
        "-- attempt::overdue
         SELECT a.lease_id FROM ",
        unheard!(),
        " LIMIT 1000"
    ))
    .bind(healthy_since)
    .bind(lease_s)
    .try_map(|row: PgRow| Ok(LeaseId(row.try_get("lease_id")?)))
    .fetch_all(db)
    .await
}

/// Whether an attempt is still [`overdue`]. No heartbeat of its worker is heard until the transaction ends.
pub async fn is_overdue(
    conn: &mut PgConnection,
    lease: LeaseId,
    healthy_since: DateTime<Utc>,
    lease_s: f64,
) -> Result<bool> {
    sqlx::query(
        "-- attempt::is_overdue
         SELECT FROM worker_heartbeat WHERE worker_id = (SELECT worker_id FROM attempt WHERE lease_id = $1) FOR UPDATE",
    )
    .bind(lease.0)
    .execute(&mut *conn)
    .await?;
    // Another statement, which sees what was committed before the lock was had.
    sqlx::query_scalar(concat!(
        "-- attempt::is_overdue
         SELECT EXISTS (SELECT FROM ",
        unheard!(),
        " AND a.lease_id = $3)"
    ))
    .bind(healthy_since)
    .bind(lease_s)
    .bind(lease.0)
    .fetch_one(conn)
    .await
}

/// What a lease should do.
pub struct Standing {
    pub lease: LeaseId,
    /// Who holds it.
    pub worker: WorkerId,
    pub order: Order,
    /// It ran out, and might be taken up again.
    pub is_expired: bool,
}

pub async fn standings(db: impl PgExecutor<'_>, leases: &[LeaseId]) -> Result<Vec<Standing>> {
    let leases: Vec<Uuid> = leases.iter().map(|lease| lease.0).collect();
    sqlx::query(
        "-- attempt::standings
         SELECT a.lease_id, a.worker_id, a.outcome IS NULL AS active, a.job = 'train' AND t.cancel_requested AS cancel,
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
        Ok(Standing {
            lease: LeaseId(row.try_get("lease_id")?),
            worker: WorkerId(row.try_get("worker_id")?),
            order,
            is_expired: expired.unwrap_or(false),
        })
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
