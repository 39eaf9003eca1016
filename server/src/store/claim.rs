//! The claim: jobs leave the queue and become attempts.

use cultivar_spec::manifest::Split;
use cultivar_spec::queueing::{Needs, Offer};
use cultivar_spec::wire::{CheckpointRef, Claim, Event, JobKind};
use cultivar_spec::{BootId, LeaseId, Sha256Digest, SweepId, TrialId, TrialState, WorkerId};
use serde_json::Value;
use sqlx::postgres::PgRow;
use sqlx::types::Json;
use sqlx::{PgConnection, PgExecutor, Row};
use uuid::Uuid;

use super::Result;
use super::columns::{Columns, decode_error};
use super::spec_text::{Gist, SpecText};
use super::token::is_usable;

/// An attempt and all that its lease must say.
#[derive(Clone)]
pub struct Claimed {
    pub lease: LeaseId,
    pub trial: TrialId,
    pub sweep: Option<SweepId>,
    pub epoch: u64,
    pub job: JobKind,
    pub split: Option<Split>,
    pub spec: SpecText,
    pub gist: Gist,
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

/// Room for one job more in a claim.
pub struct Seat {
    /// Of the attempt that the job becomes.
    pub lease: LeaseId,
    pub worker: WorkerId,
    pub boot: BootId,
    pub request: Uuid,
    /// Number of the job among those that the claim gets.
    pub place: u32,
    /// Of whoever claims.
    pub token: Uuid,
}

/// A job and the claim that gets it.
pub struct Grant {
    pub seq: i64,
    pub seat: Seat,
}

/// A place in line. Jobs are handed out in the order of these: the highest priority first, then by fair share.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Place {
    pub priority: i32,
    pub fair_at: f64,
    pub seq: i64,
}

impl Place {
    pub fn is_behind(&self, other: &Self) -> bool {
        match self.priority == other.priority {
            true => (self.fair_at, self.seq) > (other.fair_at, other.seq),
            false => self.priority < other.priority,
        }
    }
}

/// The worker of an attempt, the claim that got it, and the attempt.
pub type Granted = (WorkerId, Uuid, Claimed);

/// Jobs `q` in line that could begin now, each with its trial `t`. Of several jobs of one trial only the first could: a trial
/// has one active attempt.
///
/// A queue is empty now and then, and statistics of that moment make every plan look cheap: one that reads the whole queue for
/// each job, say. So what is asked of a job stands apart, by `OFFSET 0`, and leaves nothing but the look-up by its key (`+ 0` makes
/// a condition that no index serves), and rows that were found are found again by their `ctid`.
macro_rules! in_line {
    () => {
        "trial_queue q JOIN trial t ON t.id = q.trial_id
         WHERE q.available_at <= now() AND (q.job <> 'train' OR t.state = 'queued')
           AND NOT EXISTS (SELECT FROM attempt a WHERE a.trial_id = q.trial_id AND a.outcome IS NULL OFFSET 0)
           AND NOT EXISTS (SELECT FROM trial_queue o WHERE o.trial_id = q.trial_id AND o.seq + 0 < q.seq OFFSET 0)"
    };
}

/// Opens an attempt for each job that was `taken` off the queue, and tells of it: [`begun`], which is `$1`.
macro_rules! begin {
    () => {
        ", begun AS (
             UPDATE trial t SET
                 last_epoch = t.last_epoch + 1,
                 state = CASE k.job WHEN 'train' THEN 'running' ELSE t.state END,
                 started_at = coalesce(t.started_at, now())
             FROM taken k WHERE t.id = k.trial_id
             RETURNING t.*, k.job, k.split, k.lease_id, k.worker_id, k.boot_id, k.request, k.place,
                       k.priority, k.fair_at, k.seq
         ), evaluating AS (
             UPDATE evaluation e SET state = 'running'
             FROM taken k WHERE k.job = 'evaluate' AND e.trial_id = k.trial_id AND e.split = k.split
         ), opened AS (
             INSERT INTO attempt (lease_id, trial_id, job, split, epoch, worker_id, boot_id, claim_request, claim_place, resumed_from_step)
             SELECT lease_id, id, job, split, last_epoch, worker_id, boot_id, request, place,
                    CASE job WHEN 'train' THEN coalesce(checkpoint_step, 0) ELSE 0 END
             FROM begun ORDER BY worker_id, request, place
             RETURNING lease_id, trial_id, epoch, job, split, worker_id, claim_request
         ), told AS (
             INSERT INTO event (body)
             SELECT $1::jsonb || jsonb_build_object('trial', id, 'sweep', sweep_id, 'dataset', dataset) FROM begun WHERE job = 'train'
         )
         SELECT o.*, b.sweep_id, b.spec, b.dataset_version, b.model_sha256, b.checkpoint_sha256, b.checkpoint_epoch,
                b.checkpoint_step, b.checkpoint_spec, b.priority, b.fair_at, b.seq, 0::float8 AS age_s
         FROM opened o JOIN begun b ON b.id = o.trial_id
         ORDER BY o.trial_id"
    };
}

/// The first `max` jobs in line, but for those in `taken`: jobs for workers that fit one of the offers or, where a sweep
/// is `asked` for, its external trials. Their queue rows and trials stay locked until the transaction ends.
///
/// It skips what somebody else has locked, so it waits for nobody and cannot deadlock with a finish.
pub async fn pick(
    conn: &mut PgConnection,
    offers: &[Offer<'_>],
    taken: &[i64],
    max: u32,
    asked: Option<SweepId>,
) -> Result<Vec<Waiting>> {
    sqlx::query(concat!(
        "-- claim::pick
         SELECT q.seq, q.needs, t.dataset_version
         FROM ",
        in_line!(),
        "  AND q.external = ($4::uuid IS NOT NULL) AND ($4::uuid IS NULL OR t.sweep_id = $4) AND q.seq <> ALL($3)
           AND (q.external OR q.needs IS NULL OR EXISTS (
               SELECT FROM jsonb_to_recordset($2) AS offer (device text, memory_bytes numeric, labels jsonb)
               WHERE coalesce(q.needs->>'device' = offer.device, true)
                 AND coalesce((q.needs->>'memory_bytes')::numeric <= coalesce(offer.memory_bytes, 0), true)
                 AND coalesce(q.needs->'labels' <@ offer.labels, true)))
         ORDER BY q.priority DESC, q.fair_at, q.seq
         LIMIT $1
         FOR UPDATE OF q, t SKIP LOCKED",
    ))
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

/// Takes picked jobs off the queue, opens an attempt for each and tells of it, in one statement.
pub async fn begin(conn: &mut PgConnection, grants: &[Grant]) -> Result<Vec<Granted>> {
    let seats = || grants.iter().map(|grant| &grant.seat);
    sqlx::query(concat!(
        "-- claim::begin
         WITH taken AS (
             DELETE FROM trial_queue q
             USING (
                 SELECT s.*, (SELECT p.ctid FROM trial_queue p WHERE p.seq = s.seq) AS tid
                 FROM UNNEST($2::uuid[], $3::uuid[], $4::uuid[], $5::uuid[], $6::integer[], $7::bigint[])
                     AS s (lease_id, worker_id, boot_id, request, place, seq)
             ) AS s
             WHERE q.ctid = s.tid
             RETURNING q.trial_id, q.job, q.split, q.priority, q.fair_at, q.seq, s.lease_id, s.worker_id, s.boot_id, s.request, s.place
         )",
        begin!(),
    ))
    .bind(begun())
    .bind(seats().map(|seat| seat.lease.0).collect::<Vec<_>>())
    .bind(seats().map(|seat| seat.worker.0).collect::<Vec<_>>())
    .bind(seats().map(|seat| seat.boot.0).collect::<Vec<_>>())
    .bind(seats().map(|seat| seat.request).collect::<Vec<_>>())
    .bind(seats().map(|seat| seat.place as i32).collect::<Vec<_>>())
    .bind(grants.iter().map(|grant| grant.seq).collect::<Vec<_>>())
    .try_map(|row: PgRow| granted(&row))
    .fetch_all(conn)
    .await
}

/// The statement of [`take`], over the jobs in line of which `$where` holds; it takes none where `$enough` does not hold of them.
macro_rules! take {
    ($where:literal, $enough:literal) => {
        concat!(
            "-- claim::take
         WITH line AS (
             SELECT q.ctid AS tid, q.seq, q.priority, q.fair_at FROM ",
            in_line!(),
            "      AND NOT q.external",
            $where,
            "
               AND NOT EXISTS (SELECT FROM trial_queue p WHERE p.needs IS NOT NULL AND NOT p.external)
             ORDER BY q.priority DESC, q.fair_at, q.seq
             LIMIT cardinality($2::uuid[])
             FOR UPDATE OF q, t SKIP LOCKED
         ), seat AS (
             SELECT s.*, row_number() OVER (ORDER BY s.n) AS nth
             FROM UNNEST($2::uuid[], $3::uuid[], $4::uuid[], $5::uuid[], $6::integer[], $7::uuid[]) WITH ORDINALITY
                 AS s (lease_id, worker_id, boot_id, request, place, token_id, n)
             WHERE EXISTS (SELECT FROM worker w WHERE w.id = s.worker_id AND w.quarantined_at IS NULL OFFSET 0)
               AND EXISTS (SELECT FROM worker_heartbeat h WHERE h.worker_id = s.worker_id AND h.boot_id = s.boot_id OFFSET 0)
               AND EXISTS (SELECT FROM token k WHERE k.id = s.token_id AND ",
            is_usable!("k"),
            " OFFSET 0)
         ), placed AS (
             SELECT tid, row_number() OVER (ORDER BY priority DESC, fair_at, seq) AS nth FROM line WHERE ",
            $enough,
            "
         ), taken AS (
             DELETE FROM trial_queue q
             USING placed p JOIN seat s ON s.nth = p.nth
             WHERE q.ctid = p.tid
             RETURNING q.trial_id, q.job, q.split, q.priority, q.fair_at, q.seq, s.lease_id, s.worker_id, s.boot_id, s.request, s.place
         )",
            begin!(),
        )
    };
}

const TAKE_FIRST: &str = take!("", "true");
const TAKE_BEHIND: &str = take!(
    " AND q.priority = $8 AND (q.fair_at, q.seq) > ($9, $10)
               AND NOT EXISTS (
                   SELECT FROM trial_queue p WHERE NOT p.external AND p.priority > $8 AND p.available_at <= now())",
    "(SELECT count(*) FROM line) = cardinality($2::uuid[])"
);

/// Fills seats with the first jobs in line, in their order, by one statement: [`pick`] and [`begin()`] where any job may go to any
/// seat. It does nothing while a job in the queue needs something of its worker. Seats of workers that are put aside or that
/// another process plays by now stay empty, and those claimed with a token that ended. Where the first seat of a claim that was
/// answered before gets a job it fails, since two leases would have one place.
///
/// With `after` it looks at the jobs of that place's priority behind it, and takes nothing while one of a higher priority waits or
/// where there are fewer of them than seats: that spares the way past all that was taken before and that some old snapshot keeps
/// Postgres from clearing away. Each job comes with its place.
pub async fn take(
    db: impl PgExecutor<'_>,
    seats: &[Seat],
    after: Option<Place>,
) -> Result<Vec<(Granted, Place)>> {
    let statement = match after {
        Some(_) => TAKE_BEHIND,
        None => TAKE_FIRST,
    };
    let mut query = sqlx::query(statement)
        .bind(begun())
        .bind(seats.iter().map(|seat| seat.lease.0).collect::<Vec<_>>())
        .bind(seats.iter().map(|seat| seat.worker.0).collect::<Vec<_>>())
        .bind(seats.iter().map(|seat| seat.boot.0).collect::<Vec<_>>())
        .bind(seats.iter().map(|seat| seat.request).collect::<Vec<_>>())
        .bind(
            seats
                .iter()
                .map(|seat| seat.place as i32)
                .collect::<Vec<_>>(),
        )
        .bind(seats.iter().map(|seat| seat.token).collect::<Vec<_>>());
    if let Some(after) = after {
        query = query
            .bind(after.priority)
            .bind(after.fair_at)
            .bind(after.seq);
    }
    query
        .try_map(|row: PgRow| {
            let place = Place {
                priority: row.try_get("priority")?,
                fair_at: row.try_get("fair_at")?,
                seq: row.try_get("seq")?,
            };
            Ok((granted(&row)?, place))
        })
        .fetch_all(db)
        .await
}

/// What pages are told of a training that begins, but for which; evaluations make no noise until they end.
fn begun() -> Value {
    let event = Event::Trial {
        trial: TrialId(Uuid::nil()),
        sweep: None,
        dataset: String::new(),
        state: TrialState::Running,
    };
    serde_json::to_value(event).expect("events serialize")
}

fn granted(row: &PgRow) -> Result<Granted> {
    let worker = WorkerId(row.try_get("worker_id")?);
    Ok((worker, row.try_get("claim_request")?, claimed(row)?))
}

/// What is known of a claim that is not simply new.
pub struct Known {
    /// Of the claim among those asked about.
    pub place: usize,
    /// Whether the token that it came with may be used.
    pub is_admitted: bool,
    /// Whether its worker is known as it is now.
    pub is_worker_known: bool,
    /// An attempt that it was answered with before.
    pub claimed: Option<Claimed>,
    /// Why its worker gets nothing.
    pub quarantine: Option<String>,
}

/// What there is to know of claims before they get anything: each with its token. Of a new claim of a known worker in good
/// standing, nothing.
pub async fn recall(conn: &mut PgConnection, claims: &[(&Claim, Uuid)]) -> Result<Vec<Known>> {
    let workers = || claims.iter().map(|(claim, _)| &claim.worker);
    sqlx::query(concat!(
        "-- claim::recall
         SELECT asked.place, k.id IS NOT NULL AS is_admitted, w.known AS is_worker_known, w.quarantine, a.lease_id, a.trial_id, a.epoch, a.job, a.split, t.sweep_id,
                t.spec, t.dataset_version, t.model_sha256, t.checkpoint_sha256, t.checkpoint_epoch, t.checkpoint_step,
                t.checkpoint_spec, extract(epoch FROM now() - a.claimed_at)::float8 AS age_s
         FROM UNNEST($1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::jsonb[], $6::text[], $7::uuid[]) WITH ORDINALITY
             AS asked (worker_id, boot_id, request, name, device, version, token_id, place)
         LEFT JOIN token k ON k.id = asked.token_id AND ",
        is_usable!("k"),
        "
         LEFT JOIN LATERAL (
             SELECT (w.name, w.device, w.version, h.boot_id) = (asked.name, asked.device, asked.version, asked.boot_id) AS known,
                    CASE WHEN w.quarantined_at IS NOT NULL THEN w.quarantine_reason END AS quarantine
             FROM worker w JOIN worker_heartbeat h ON h.worker_id = w.id WHERE w.id = asked.worker_id
         ) w ON true
         LEFT JOIN attempt a ON a.worker_id = asked.worker_id AND a.claim_request = asked.request
         LEFT JOIN trial t ON t.id = a.trial_id
         WHERE a.lease_id IS NOT NULL OR w.quarantine IS NOT NULL OR w.known IS NOT TRUE OR k.id IS NULL
         ORDER BY a.trial_id",
    ))
    .bind(workers().map(|worker| worker.id.0).collect::<Vec<_>>())
    .bind(workers().map(|worker| worker.boot.0).collect::<Vec<_>>())
    .bind(claims.iter().map(|(claim, _)| claim.request).collect::<Vec<_>>())
    .bind(workers().map(|worker| worker.name.clone()).collect::<Vec<_>>())
    .bind(workers().map(|worker| Json(&worker.device)).collect::<Vec<_>>())
    .bind(workers().map(|worker| worker.version.clone()).collect::<Vec<_>>())
    .bind(claims.iter().map(|(_, token)| *token).collect::<Vec<_>>())
    .try_map(|row: PgRow| {
        let lease: Option<Uuid> = row.try_get("lease_id")?;
        let known: Option<bool> = row.try_get("is_worker_known")?;
        Ok(Known {
            place: row.count("place")? as usize - 1,
            is_admitted: row.try_get("is_admitted")?,
            is_worker_known: known.unwrap_or(false),
            claimed: lease.map(|_| claimed(&row)).transpose()?,
            quarantine: row.try_get("quarantine")?,
        })
    })
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
    let spec: SpecText = row.json("spec")?;
    Ok(Claimed {
        lease: LeaseId(row.try_get("lease_id")?),
        trial: TrialId(row.try_get("trial_id")?),
        sweep: sweep.map(SweepId),
        epoch: row.count("epoch")?,
        job: row.word("job")?,
        split: row.maybe_word("split")?,
        gist: spec.read().map_err(|e| decode_error("spec", e))?,
        spec,
        version: row.maybe_digest("dataset_version")?,
        model: row.maybe_digest("model_sha256")?,
        resume,
        resume_spec: row.maybe_digest("checkpoint_spec")?,
        age_s: row.try_get("age_s")?,
    })
}
