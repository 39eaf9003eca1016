//! The claim: jobs leave the queue and become attempts.

use cultivar_spec::manifest::Split;
use cultivar_spec::queueing::{Needs, Offer};
use cultivar_spec::wire::{CheckpointRef, JobKind};
use cultivar_spec::{BootId, LeaseId, Sha256Digest, SweepId, TrialId, TrialSpec, WorkerId};
use sqlx::postgres::PgRow;
use sqlx::types::Json;
use sqlx::{PgConnection, Row};
use uuid::Uuid;

use super::Result;
use super::columns::Columns;

/// An attempt and all that its lease must say.
#[derive(Clone)]
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
    /// Seconds since it was handed out.
    pub age_s: f64,
}

/// A job in the queue.
pub struct Waiting {
    pub seq: i64,
    pub needs: Needs,
    /// The dataset it reads; none of an external trial.
    pub version: Option<Sha256Digest>,
}

/// A job and the claim that gets it.
pub struct Grant {
    pub seq: i64,
    pub worker: WorkerId,
    pub boot: BootId,
    pub request: Uuid,
}

/// The first `max` jobs in line, but for those in `taken`: jobs for workers that fit one of the offers or, where a sweep
/// is `asked` for, its external trials. Their queue rows and trials stay locked until the transaction ends.
///
/// It skips what somebody else has locked, so it waits for nobody and cannot deadlock with a finish. Of several jobs of
/// one trial only the first is picked: a trial has one active attempt.
pub async fn pick(
    conn: &mut PgConnection,
    offers: &[Offer<'_>],
    taken: &[i64],
    max: u32,
    asked: Option<SweepId>,
) -> Result<Vec<Waiting>> {
    sqlx::query(
        "-- claim::pick
         SELECT q.seq, q.needs, t.dataset_version
         FROM trial_queue q JOIN trial t ON t.id = q.trial_id
         WHERE q.external = ($4::uuid IS NOT NULL) AND ($4::uuid IS NULL OR t.sweep_id = $4)
           AND q.available_at <= now() AND q.seq <> ALL($3) AND (q.job <> 'train' OR t.state = 'queued')
           AND (q.external OR q.needs IS NULL OR EXISTS (
               SELECT FROM jsonb_to_recordset($2) AS offer (device text, memory_bytes numeric, labels jsonb)
               WHERE coalesce(q.needs->>'device' = offer.device, true)
                 AND coalesce((q.needs->>'memory_bytes')::numeric <= coalesce(offer.memory_bytes, 0), true)
                 AND coalesce(q.needs->'labels' <@ offer.labels, true)))
           AND NOT EXISTS (SELECT FROM attempt a WHERE a.trial_id = q.trial_id AND a.outcome IS NULL)
           AND NOT EXISTS (SELECT FROM trial_queue o WHERE o.trial_id = q.trial_id AND o.seq < q.seq)
         ORDER BY q.priority DESC, q.fair_at, q.seq
         LIMIT $1
         FOR UPDATE OF q, t SKIP LOCKED",
    )
    .bind(i64::from(max))
    .bind(Json(offers))
    .bind(taken)
    .bind(asked.map(|sweep| sweep.0))
    .try_map(|row: PgRow| {
        let needs: Option<Needs> = row.maybe_json("needs")?;
        Ok(Waiting {
            seq: row.try_get("seq")?,
            needs: needs.unwrap_or_default(),
            version: row.maybe_digest("dataset_version")?,
        })
    })
    .fetch_all(conn)
    .await
}

/// Takes picked jobs off the queue and opens an attempt for each, in one statement. Each comes with the claim that got it.
pub async fn begin(
    conn: &mut PgConnection,
    grants: &[Grant],
) -> Result<Vec<(WorkerId, Uuid, Claimed)>> {
    sqlx::query(
        "-- claim::begin
         WITH taken AS (
             DELETE FROM trial_queue q
             USING UNNEST($1::bigint[], $2::uuid[], $3::uuid[], $4::uuid[]) AS g (seq, worker_id, boot_id, request)
             WHERE q.seq = g.seq
             RETURNING q.trial_id, q.job, q.split, g.worker_id, g.boot_id, g.request
         ), begun AS (
             UPDATE trial t SET
                 last_epoch = t.last_epoch + 1,
                 state = CASE k.job WHEN 'train' THEN 'running' ELSE t.state END,
                 started_at = coalesce(t.started_at, now())
             FROM taken k WHERE t.id = k.trial_id
             RETURNING t.*, k.job, k.split, k.worker_id, k.boot_id, k.request
         ), evaluating AS (
             UPDATE evaluation e SET state = 'running'
             FROM taken k WHERE k.job = 'evaluate' AND e.trial_id = k.trial_id AND e.split = k.split
         ), opened AS (
             INSERT INTO attempt (lease_id, trial_id, job, split, epoch, worker_id, boot_id, claim_request, resumed_from_step)
             SELECT gen_random_uuid(), id, job, split, last_epoch, worker_id, boot_id, request,
                    CASE job WHEN 'train' THEN coalesce(checkpoint_step, 0) ELSE 0 END
             FROM begun
             RETURNING lease_id, trial_id, epoch, job, split, worker_id, claim_request
         )
         SELECT o.*, b.sweep_id, b.spec, b.dataset_version, b.model_sha256, b.checkpoint_sha256, b.checkpoint_epoch,
                b.checkpoint_step, b.checkpoint_spec, 0::float8 AS age_s
         FROM opened o JOIN begun b ON b.id = o.trial_id
         ORDER BY o.trial_id",
    )
    .bind(grants.iter().map(|grant| grant.seq).collect::<Vec<_>>())
    .bind(grants.iter().map(|grant| grant.worker.0).collect::<Vec<_>>())
    .bind(grants.iter().map(|grant| grant.boot.0).collect::<Vec<_>>())
    .bind(grants.iter().map(|grant| grant.request).collect::<Vec<_>>())
    .try_map(|row: PgRow| {
        let worker = WorkerId(row.try_get("worker_id")?);
        Ok((worker, row.try_get("claim_request")?, claimed(&row)?))
    })
    .fetch_all(conn)
    .await
}

/// The attempts that claims were answered with before, each with the place of its claim in `requests`.
pub async fn of_requests(
    conn: &mut PgConnection,
    requests: &[(WorkerId, Uuid)],
) -> Result<Vec<(usize, Claimed)>> {
    sqlx::query(
        "-- claim::of_requests
         SELECT asked.place, a.lease_id, a.trial_id, a.epoch, a.job, a.split, t.sweep_id, t.spec, t.dataset_version,
                t.model_sha256, t.checkpoint_sha256, t.checkpoint_epoch, t.checkpoint_step, t.checkpoint_spec,
                extract(epoch FROM now() - a.claimed_at)::float8 AS age_s
         FROM UNNEST($1::uuid[], $2::uuid[]) WITH ORDINALITY AS asked (worker_id, request, place)
         JOIN attempt a ON a.worker_id = asked.worker_id AND a.claim_request = asked.request
         JOIN trial t ON t.id = a.trial_id
         ORDER BY a.trial_id",
    )
    .bind(requests.iter().map(|(worker, _)| worker.0).collect::<Vec<_>>())
    .bind(requests.iter().map(|(_, request)| *request).collect::<Vec<_>>())
    .try_map(|row: PgRow| Ok((row.count("place")? as usize - 1, claimed(&row)?)))
    .fetch_all(conn)
    .await
}

fn claimed(row: &PgRow) -> Result<Claimed> {
    let sweep: Option<Uuid> = row.try_get("sweep_id")?;
    let epoch: Option<i32> = row.try_get("checkpoint_epoch")?;
    let checkpoint = (
        row.maybe_digest("checkpoint_sha256")?,
        epoch,
        row.maybe_count("checkpoint_step")?,
    );
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
        age_s: row.try_get("age_s")?,
    })
}
