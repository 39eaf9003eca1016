//! Schedulers: what they hear, what they said, and what becomes of the trials.

use cultivar_search::scheduler::{Decision, Event};
use cultivar_spec::{Sha256Digest, SweepId, SweepSpec, TrialId, TrialSpec, TrialState};
use serde_json::Value;
use sqlx::postgres::PgRow;
use sqlx::types::Json;
use sqlx::{PgConnection, PgExecutor, Row};
use uuid::Uuid;

use super::Result;
use super::columns::Columns;
use super::lifecycle::{Locked, locked};

/// A sweep with a scheduler. Its row stays locked, so nobody else decides for it.
pub struct Scheduled {
    pub spec: SweepSpec,
    /// Length of its trials; none while there are none.
    pub n_epochs: Option<u32>,
    /// Its sampler will propose more.
    pub searching: bool,
}

/// Sweeps with a scheduler and trials left.
pub async fn due(db: impl PgExecutor<'_>) -> Result<Vec<SweepId>> {
    sqlx::query(
        "-- schedule::due
         SELECT s.id FROM sweep s
         WHERE s.scheduled AND s.cancelled_at IS NULL
           AND EXISTS (SELECT FROM trial t WHERE t.sweep_id = s.id AND t.state IN ('queued', 'running', 'paused'))
         ORDER BY s.id",
    )
    .try_map(|row: PgRow| Ok(SweepId(row.try_get("id")?)))
    .fetch_all(db)
    .await
}

/// Makes a new sweep one whose trials report to a scheduler.
pub async fn begin(conn: &mut PgConnection, id: SweepId) -> Result<()> {
    sqlx::query(
        "-- schedule::begin
         UPDATE sweep SET scheduled = true WHERE id = $1",
    )
    .bind(id.0)
    .execute(conn)
    .await?;
    Ok(())
}

/// Locks a scheduled sweep; `None` if it is none or was cancelled. References to it may be written meanwhile.
pub async fn lock(conn: &mut PgConnection, id: SweepId) -> Result<Option<Scheduled>> {
    sqlx::query(
        "-- schedule::lock
         SELECT s.spec, s.searching,
                (SELECT (t.spec->'fit'->>'epochs')::bigint FROM trial t WHERE t.sweep_id = s.id LIMIT 1) AS n_epochs
         FROM sweep s WHERE s.id = $1 AND s.scheduled AND s.cancelled_at IS NULL
         FOR NO KEY UPDATE OF s",
    )
    .bind(id.0)
    .try_map(|row: PgRow| {
        Ok(Scheduled {
            spec: row.json("spec")?,
            n_epochs: row.maybe_count("n_epochs")?.map(|n| n as u32),
            searching: row.try_get("searching")?,
        })
    })
    .fetch_optional(conn)
    .await
}

/// A line of a scheduler's log.
pub struct Logged {
    pub step: u64,
    /// Whom it is about; nobody where the sweep has closed.
    pub trial: Option<TrialId>,
    pub event: Event,
}

/// The log after its first `n_lines`, in order.
pub async fn log(db: impl PgExecutor<'_>, id: SweepId, n_lines: u64) -> Result<Vec<Logged>> {
    sqlx::query(
        "-- schedule::log
         SELECT step, kind, trial_id, trial, epoch, value, detail FROM schedule_event
         WHERE sweep_id = $1 AND seq >= $2 ORDER BY seq",
    )
    .bind(id.0)
    .bind(n_lines as i64)
    .try_map(|row: PgRow| {
        let trial_id: Option<Uuid> = row.try_get("trial_id")?;
        Ok(Logged {
            step: row.count("step")?,
            trial: trial_id.map(TrialId),
            event: event(&row)?,
        })
    })
    .fetch_all(db)
    .await
}

fn event(row: &PgRow) -> Result<Event> {
    let trial = || row.try_get::<i32, _>("trial").map(|n| n as u32);
    let epoch = || row.try_get::<i32, _>("epoch").map(|n| n as u32);
    Ok(match row.try_get::<&str, _>("kind")? {
        "joined" => Event::Joined {
            trial: trial()?,
            point: row.json("detail")?,
        },
        "report" => Event::Report {
            trial: trial()?,
            epoch: epoch()?,
            value: row.try_get("value")?,
        },
        "opened" => Event::Opened { trial: trial()? },
        "paused" => Event::Paused { trial: trial()? },
        "ended" => Event::Ended {
            trial: trial()?,
            end: row.json("detail")?,
        },
        "closed" => Event::Closed {},
        _ => Event::Decided {
            decision: Decision {
                trial: trial()?,
                epoch: epoch()?,
                action: row.json("detail")?,
            },
        },
    })
}

/// Appends lines to a log that has `n_lines`.
pub async fn append(
    conn: &mut PgConnection,
    id: SweepId,
    n_lines: u64,
    lines: &[Logged],
) -> Result<()> {
    let parts: serde_json::Result<Vec<Parts>> =
        lines.iter().map(|line| parts(&line.event)).collect();
    let parts = parts.map_err(|e| sqlx::Error::Encode(Box::new(e)))?;
    let number = |n: Option<u32>| n.map(|n| n as i32);
    sqlx::query(
        "-- schedule::append
         INSERT INTO schedule_event (sweep_id, seq, step, trial_id, kind, trial, epoch, value, detail)
         SELECT $1, $2 + n - 1, step, trial_id, kind, trial, epoch, value, detail
         FROM UNNEST($3::bigint[], $4::uuid[], $5::text[], $6::integer[], $7::integer[], $8::float8[], $9::jsonb[])
              WITH ORDINALITY AS new (step, trial_id, kind, trial, epoch, value, detail, n)",
    )
    .bind(id.0)
    .bind(n_lines as i64)
    .bind(lines.iter().map(|line| line.step as i64).collect::<Vec<_>>())
    .bind(lines.iter().map(|line| line.trial.map(|id| id.0)).collect::<Vec<_>>())
    .bind(parts.iter().map(|part| part.0).collect::<Vec<_>>())
    .bind(parts.iter().map(|part| number(part.1)).collect::<Vec<_>>())
    .bind(parts.iter().map(|part| number(part.2)).collect::<Vec<_>>())
    .bind(parts.iter().map(|part| part.3).collect::<Vec<_>>())
    .bind(parts.iter().map(|part| part.4.clone().map(Json)).collect::<Vec<_>>())
    .execute(conn)
    .await?;
    Ok(())
}

type Parts = (
    &'static str,
    Option<u32>,
    Option<u32>,
    Option<f64>,
    Option<Value>,
);

/// Kind, trial, epoch, value and detail.
fn parts(event: &Event) -> serde_json::Result<Parts> {
    Ok(match event {
        Event::Joined { trial, point } => ("joined", Some(*trial), None, None, Some(point.clone())),
        Event::Report {
            trial,
            epoch,
            value,
        } => ("report", Some(*trial), Some(*epoch), Some(*value), None),
        Event::Opened { trial } => ("opened", Some(*trial), None, None, None),
        Event::Paused { trial } => ("paused", Some(*trial), None, None, None),
        Event::Ended { trial, end } => (
            "ended",
            Some(*trial),
            None,
            None,
            Some(serde_json::to_value(end)?),
        ),
        Event::Closed {} => ("closed", None, None, None, None),
        Event::Decided { decision } => (
            "decided",
            Some(decision.trial),
            Some(decision.epoch),
            None,
            Some(serde_json::to_value(&decision.action)?),
        ),
    })
}

/// How a trial of a scheduled sweep stands.
pub struct Standing {
    pub id: TrialId,
    pub state: TrialState,
}

/// Every trial of a sweep that is not settled, and each of `known`, oldest first.
pub async fn standings(
    db: impl PgExecutor<'_>,
    id: SweepId,
    known: &[TrialId],
) -> Result<Vec<Standing>> {
    sqlx::query(
        "-- schedule::standings
         SELECT id, state FROM trial
         WHERE sweep_id = $1 AND (state IN ('queued', 'running', 'paused') OR id = ANY($2))
         ORDER BY id",
    )
    .bind(id.0)
    .bind(known.iter().map(|id| id.0).collect::<Vec<_>>())
    .try_map(|row: PgRow| {
        Ok(Standing {
            id: TrialId(row.try_get("id")?),
            state: row.word("state")?,
        })
    })
    .fetch_all(db)
    .await
}

/// The objective of a trial after an epoch.
pub struct Report {
    pub trial: TrialId,
    pub epoch: u32,
    pub value: f64,
}

/// Empties a scheduler's inbox.
pub async fn take_reports(conn: &mut PgConnection, id: SweepId) -> Result<Vec<Report>> {
    sqlx::query(
        "-- schedule::take_reports
         UPDATE epoch_report SET taken = true WHERE sweep_id = $1 AND NOT taken
         RETURNING trial_id, epoch, value",
    )
    .bind(id.0)
    .try_map(|row: PgRow| {
        let epoch: i32 = row.try_get("epoch")?;
        Ok(Report {
            trial: TrialId(row.try_get("trial_id")?),
            epoch: epoch as u32,
            value: row.try_get("value")?,
        })
    })
    .fetch_all(conn)
    .await
}

/// Ends trials as pruned: those that wait at once, those that run are asked to stop. Returns those that ended.
pub async fn stop(conn: &mut PgConnection, ids: &[TrialId]) -> Result<Vec<Locked>> {
    let ids: Vec<Uuid> = ids.iter().map(|id| id.0).collect();
    let trials = sqlx::query(
        "-- schedule::stop
         UPDATE trial SET prune_requested = true, held = false,
             state = CASE state WHEN 'running' THEN state ELSE 'pruned' END,
             finished_at = CASE state WHEN 'running' THEN finished_at ELSE now() END
         WHERE id = ANY($1) AND state IN ('queued', 'running', 'paused')
         RETURNING id, sweep_id, dataset, dataset_version, state, model_sha256",
    )
    .bind(&ids)
    .try_map(|row: PgRow| locked(&row))
    .fetch_all(&mut *conn)
    .await?;
    unqueue(conn, &ids).await?;
    let ended = trials.into_iter();
    Ok(ended
        .filter(|trial| trial.state == TrialState::Pruned)
        .collect())
}

/// Asks trials to give way until they are released. Returns those that waited for a worker.
pub async fn hold(conn: &mut PgConnection, ids: &[TrialId]) -> Result<Vec<Locked>> {
    let ids: Vec<Uuid> = ids.iter().map(|id| id.0).collect();
    let trials = sqlx::query(
        "-- schedule::hold
         UPDATE trial SET held = true, state = CASE state WHEN 'queued' THEN 'paused' ELSE state END
         WHERE id = ANY($1) AND state IN ('queued', 'running', 'paused')
         RETURNING id, sweep_id, dataset, dataset_version, state, model_sha256",
    )
    .bind(&ids)
    .try_map(|row: PgRow| locked(&row))
    .fetch_all(&mut *conn)
    .await?;
    unqueue(conn, &ids).await?;
    let waiting = trials.into_iter();
    Ok(waiting
        .filter(|trial| trial.state == TrialState::Paused)
        .collect())
}

/// Lets held trials go on, unless somebody paused them too. Returns those that had given way; the feeder queues them.
pub async fn release(conn: &mut PgConnection, ids: &[TrialId]) -> Result<Vec<Locked>> {
    sqlx::query(
        "-- schedule::release
         UPDATE trial SET held = false,
             state = CASE WHEN state = 'paused' AND NOT pause_requested THEN 'queued' ELSE state END
         WHERE id = ANY($1) AND state IN ('running', 'paused')
         RETURNING id, sweep_id, dataset, dataset_version, state, model_sha256",
    )
    .bind(ids.iter().map(|id| id.0).collect::<Vec<_>>())
    .try_map(|row: PgRow| locked(&row))
    .fetch_all(conn)
    .await
    .map(|trials| {
        let released = trials.into_iter();
        released
            .filter(|trial| trial.state == TrialState::Queued)
            .collect()
    })
}

async fn unqueue(conn: &mut PgConnection, ids: &[Uuid]) -> Result<()> {
    sqlx::query(
        "-- schedule::unqueue
         DELETE FROM trial_queue WHERE trial_id = ANY($1) AND job = 'train'",
    )
    .bind(ids)
    .execute(conn)
    .await?;
    Ok(())
}

/// A trial that goes on from another's checkpoint.
pub struct Cloned {
    pub trial: TrialId,
    pub source: TrialId,
    /// What it reported beyond belongs to the run it gave up.
    pub epoch: u32,
    pub spec: TrialSpec,
    pub config_id: Sha256Digest,
    pub label: String,
    /// Of the spec under which the source's checkpoint was written.
    pub checkpoint_spec: Sha256Digest,
}

/// Replaces a paused trial's spec and checkpoint.
pub async fn become_clone(conn: &mut PgConnection, cloned: &Cloned) -> Result<()> {
    sqlx::query(
        "-- schedule::become_clone
         UPDATE trial t SET spec = $3, config_id = $4, label = $5, checkpoint_sha256 = s.checkpoint_sha256,
             checkpoint_epoch = s.checkpoint_epoch, checkpoint_step = s.checkpoint_step,
             checkpoint_spec = coalesce(s.checkpoint_spec, $6)
         FROM trial s WHERE t.id = $1 AND s.id = $2",
    )
    .bind(cloned.trial.0)
    .bind(cloned.source.0)
    .bind(Json(&cloned.spec))
    .bind(&cloned.config_id.0[..])
    .bind(&cloned.label)
    .bind(&cloned.checkpoint_spec.0[..])
    .execute(&mut *conn)
    .await?;
    sqlx::query(
        "-- schedule::become_clone
         DELETE FROM epoch_report WHERE trial_id = $1 AND epoch > $2",
    )
    .bind(cloned.trial.0)
    .bind(cloned.epoch as i32)
    .execute(conn)
    .await?;
    Ok(())
}
