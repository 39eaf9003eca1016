//! Jobs waiting for a worker.

use cultivar_spec::manifest::Split;
use cultivar_spec::wire::JobKind;
use cultivar_spec::{SweepId, TrialId};
use sqlx::{PgConnection, PgExecutor};

use super::Result;
use super::sweep::Feeding;

/// Where in line the next trial of a priority would stand, were nobody to have been there before: the front.
/// While nobody waits, the sweeps that are under way say where the line had got to.
pub async fn front(conn: &mut PgConnection, priority: i32) -> Result<f64> {
    sqlx::query_scalar(
        "-- queue::front
         SELECT coalesce(
             (SELECT min(fair_at) FROM trial_queue WHERE priority = 2 * $1),
             (SELECT max(fair_at) FROM sweep WHERE open),
             0)",
    )
    .bind(priority)
    .fetch_one(conn)
    .await
}

/// Queues the training of one trial that belongs to no sweep, at the front of its priority.
pub async fn push_single(conn: &mut PgConnection, trial: TrialId, fair_at: f64) -> Result<()> {
    sqlx::query(
        "-- queue::push_single
         INSERT INTO trial_queue (trial_id, job, fair_at, external, needs)
         SELECT id, 'train', $2, spec->'task'->>'kind' = 'external', needs FROM trial WHERE id = $1",
    )
    .bind(trial.0)
    .bind(fair_at)
    .execute(conn)
    .await?;
    Ok(())
}

/// Queues up to `max` trials of a sweep that wait outside the queue, in the order they were drawn; those that had
/// begun first, ahead of everything fresh. The first stands at `start`, each further one `1 / weight` behind.
/// Returns how many. A trial that somebody has locked is left for later: its former holder may be taking it up again.
pub async fn push_waiting(
    conn: &mut PgConnection,
    sweep: SweepId,
    feeding: &Feeding,
    start: f64,
    max: Option<u64>,
) -> Result<u64> {
    let done = sqlx::query(
        // By key, whatever the statistics: see `claim::in_line`.
        "-- queue::push_waiting
         WITH waiting AS MATERIALIZED (
             SELECT id, last_epoch, spec->'task'->>'kind' AS kind
             FROM trial t
             WHERE sweep_id = $1 AND state = 'queued'
               AND NOT EXISTS (SELECT FROM trial_queue q WHERE q.trial_id = t.id AND q.job = 'train' OFFSET 0)
             ORDER BY last_epoch > 0 DESC, id LIMIT $5
             FOR UPDATE OF t SKIP LOCKED
         )
         INSERT INTO trial_queue (trial_id, job, priority, fair_at, external, needs)
         SELECT id, 'train', 2 * $2 + (last_epoch > 0)::int, CASE WHEN last_epoch > 0 THEN 0 ELSE $3 + (n - 1) / $4 END,
                kind = 'external', (SELECT needs FROM sweep WHERE id = $1)
         FROM (SELECT *, row_number() OVER (ORDER BY last_epoch > 0 DESC, id) AS n FROM waiting) AS placed
         ORDER BY n
         ON CONFLICT DO NOTHING",
    )
    .bind(sweep.0)
    .bind(feeding.priority)
    .bind(start)
    .bind(feeding.weight)
    .bind(max.map(|max| max as i64))
    .execute(conn)
    .await?;
    Ok(done.rows_affected())
}

/// Trials of a sweep that are queued for a worker or run.
pub async fn in_flight(conn: &mut PgConnection, sweep: SweepId) -> Result<u64> {
    let n: i64 = sqlx::query_scalar(
        "-- queue::in_flight
         SELECT (SELECT count(*) FROM trial_queue q JOIN trial t ON t.id = q.trial_id
                 WHERE q.job = 'train' AND t.sweep_id = $1)
              + (SELECT count(*) FROM attempt a JOIN trial t ON t.id = a.trial_id
                 WHERE a.outcome IS NULL AND a.job = 'train' AND t.sweep_id = $1)",
    )
    .bind(sweep.0)
    .fetch_one(conn)
    .await?;
    Ok(n as u64)
}

/// Takes the training of a sweep's trials out of the queue; they wait outside it.
pub async fn withdraw(conn: &mut PgConnection, sweep: SweepId) -> Result<()> {
    sqlx::query(
        "-- queue::withdraw
         DELETE FROM trial_queue q USING trial t
         WHERE t.id = q.trial_id AND t.sweep_id = $1 AND q.job = 'train'",
    )
    .bind(sweep.0)
    .execute(conn)
    .await?;
    Ok(())
}

/// Queues a job that goes before fresh training of its priority, to be handed out after `delay_s` seconds: an
/// evaluation, or work already begun. The training of a trial whose sweep is paused is left to wait outside the queue; of one that was cancelled meanwhile nobody
/// else lets it in.
pub async fn push(
    conn: &mut PgConnection,
    trial: TrialId,
    job: JobKind,
    split: Option<Split>,
    delay_s: f64,
) -> Result<()> {
    sqlx::query(
        "-- queue::push
         INSERT INTO trial_queue (trial_id, job, split, priority, available_at, external, needs)
         SELECT t.id, $2, $3, 2 * coalesce(s.priority, 0) + 1, now() + make_interval(secs => $4),
                t.spec->'task'->>'kind' = 'external', coalesce(t.needs, s.needs)
         FROM trial t LEFT JOIN sweep s ON s.id = t.sweep_id
         WHERE t.id = $1 AND ($2 <> 'train' OR s.paused_at IS NULL OR s.cancelled_at IS NOT NULL)",
    )
    .bind(trial.0)
    .bind(job.name())
    .bind(split.map(Split::name))
    .bind(delay_s)
    .execute(conn)
    .await?;
    Ok(())
}

/// Takes a job back out, since its former holder goes on with it.
pub async fn remove(
    conn: &mut PgConnection,
    trial: TrialId,
    job: JobKind,
    split: Option<Split>,
) -> Result<()> {
    sqlx::query(
        "-- queue::remove
         DELETE FROM trial_queue WHERE trial_id = $1 AND job = $2 AND split IS NOT DISTINCT FROM $3",
    )
    .bind(trial.0)
    .bind(job.name())
    .bind(split.map(Split::name))
    .execute(conn)
    .await?;
    Ok(())
}

/// Whether a claim could succeed now.
pub async fn has_work(db: impl PgExecutor<'_>) -> Result<bool> {
    sqlx::query_scalar(
        "-- queue::has_work
         SELECT EXISTS (SELECT FROM trial_queue WHERE available_at <= now())",
    )
    .fetch_one(db)
    .await
}
