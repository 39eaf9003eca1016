//! The claim: jobs leave the queue and become attempts.

use cultivar_spec::manifest::Split;
use cultivar_spec::wire::{CheckpointRef, JobKind, WorkerIdentity};
use cultivar_spec::{LeaseId, Sha256Digest, SweepId, TrialId, TrialSpec};
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row};
use uuid::Uuid;

use super::Result;
use super::columns::Columns;

/// An attempt and all that its lease must say.
pub struct Claimed {
    pub lease: LeaseId,
    pub trial: TrialId,
    pub sweep: Option<SweepId>,
    pub epoch: u64,
    pub job: JobKind,
    pub split: Option<Split>,
    pub spec: TrialSpec,
    /// None of an external trial.
    pub version: Option<Sha256Digest>,
    pub model: Option<Sha256Digest>,
    pub resume: Option<CheckpointRef>,
    /// Of the spec under which that checkpoint was written, where it was another's.
    pub resume_spec: Option<Sha256Digest>,
}

/// Takes up to `max` jobs off the queue and opens an attempt for each, in one statement: jobs for workers or, where a
/// sweep is `asked` for, its external trials.
///
/// The pick is MATERIALIZED so that `LIMIT` bounds what is locked. It locks trial rows as well as
/// queue rows, and skips what somebody else has locked, so it waits for nobody and cannot deadlock with
/// a finish. Of several jobs of one trial only the first is taken: a trial has one active attempt.
pub async fn take(
    conn: &mut PgConnection,
    worker: &WorkerIdentity,
    request: Uuid,
    max: u32,
    asked: Option<SweepId>,
) -> Result<u64> {
    let done = sqlx::query(
        "-- claim::take
         WITH picked AS MATERIALIZED (
             SELECT q.seq
             FROM trial_queue q JOIN trial t ON t.id = q.trial_id
             WHERE q.external = ($5::uuid IS NOT NULL) AND ($5::uuid IS NULL OR t.sweep_id = $5)
               AND q.available_at <= now()
               AND NOT EXISTS (SELECT FROM attempt a WHERE a.trial_id = q.trial_id AND a.outcome IS NULL)
               AND NOT EXISTS (SELECT FROM trial_queue o WHERE o.trial_id = q.trial_id AND o.seq < q.seq)
             ORDER BY q.priority DESC, q.fair_at, q.seq
             LIMIT $1
             FOR UPDATE OF q, t SKIP LOCKED
         ), taken AS (
             DELETE FROM trial_queue q USING picked p WHERE q.seq = p.seq
             RETURNING q.trial_id, q.job, q.split
         ), begun AS (
             UPDATE trial t SET
                 last_epoch = t.last_epoch + 1,
                 state = CASE k.job WHEN 'train' THEN 'running' ELSE t.state END,
                 started_at = coalesce(t.started_at, now())
             FROM taken k WHERE t.id = k.trial_id
             RETURNING t.id, t.last_epoch, k.job, k.split, t.checkpoint_step
         ), evaluating AS (
             UPDATE evaluation e SET state = 'running'
             FROM taken k WHERE k.job = 'evaluate' AND e.trial_id = k.trial_id AND e.split = k.split
         )
         INSERT INTO attempt (lease_id, trial_id, job, split, epoch, worker_id, boot_id, claim_request, resumed_from_step)
         SELECT gen_random_uuid(), id, job, split, last_epoch, $2, $3, $4,
                CASE job WHEN 'train' THEN coalesce(checkpoint_step, 0) ELSE 0 END
         FROM begun",
    )
    .bind(max as i64)
    .bind(worker.id.0)
    .bind(worker.boot.0)
    .bind(request)
    .bind(asked.map(|sweep| sweep.0))
    .execute(conn)
    .await?;
    Ok(done.rows_affected())
}

/// The attempts a claim was answered with, whether just now or the first time it was sent.
pub async fn of_request(
    conn: &mut PgConnection,
    worker: &WorkerIdentity,
    request: Uuid,
) -> Result<Vec<Claimed>> {
    sqlx::query(
        "-- claim::of_request
         SELECT a.lease_id, a.trial_id, t.sweep_id, a.epoch, a.job, a.split, a.resumed_from_step, t.spec,
                t.dataset_version, t.model_sha256, t.checkpoint_sha256, t.checkpoint_epoch, t.checkpoint_step,
                t.checkpoint_spec
         FROM attempt a JOIN trial t ON t.id = a.trial_id
         WHERE a.worker_id = $1 AND a.claim_request = $2
         ORDER BY a.trial_id",
    )
    .bind(worker.id.0)
    .bind(request)
    .try_map(|row: PgRow| {
        let sweep: Option<Uuid> = row.try_get("sweep_id")?;
        let epoch: Option<i32> = row.try_get("checkpoint_epoch")?;
        let checkpoint = (row.maybe_digest("checkpoint_sha256")?, epoch, row.maybe_count("checkpoint_step")?);
        let resume = match checkpoint {
            (Some(sha256), Some(epoch), Some(step)) => Some(CheckpointRef {
                sha256,
                epoch: epoch as u32,
                step,
            }),
            _ => None,
        };
        Ok(Claimed {
            lease: LeaseId(row.try_get("lease_id")?),
            trial: TrialId(row.try_get("trial_id")?),
            sweep: sweep.map(SweepId),
            epoch: row.count("epoch")?,
            job: row.word("job")?,
            split: row.maybe_word("split")?,
            spec: row.json("spec")?,
            version: row.maybe_digest("dataset_version")?,
            model: row.maybe_digest("model_sha256")?,
            resume,
            resume_spec: row.maybe_digest("checkpoint_spec")?,
        })
    })
    .fetch_all(conn)
    .await
}
