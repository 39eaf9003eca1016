//! Jobs waiting for a worker.

use cultivar_spec::TrialId;
use cultivar_spec::manifest::Split;
use cultivar_spec::wire::JobKind;
use sqlx::{PgConnection, PgExecutor};
use uuid::Uuid;

use super::Result;

/// Fresh training jobs, first come, first served.
pub const FRESH: i32 = 0;
/// Work already begun, and evaluations of finished trials, go before fresh training.
pub const BEGUN: i32 = 1;

/// Queues the training of many trials, in the order given.
pub async fn push_trials(conn: &mut PgConnection, trials: &[TrialId]) -> Result<()> {
    let trials: Vec<Uuid> = trials.iter().map(|id| id.0).collect();
    sqlx::query(
        "-- queue::push_trials
         INSERT INTO trial_queue (trial_id, job, priority)
         SELECT id, 'train', $2 FROM UNNEST($1::uuid[]) WITH ORDINALITY AS new (id, n) ORDER BY n",
    )
    .bind(trials)
    .bind(FRESH)
    .execute(conn)
    .await?;
    Ok(())
}

/// Queues one job, to be handed out after `delay_s` seconds.
pub async fn push(
    conn: &mut PgConnection,
    trial: TrialId,
    job: JobKind,
    split: Option<Split>,
    priority: i32,
    delay_s: f64,
) -> Result<()> {
    sqlx::query(
        "-- queue::push
         INSERT INTO trial_queue (trial_id, job, split, priority, available_at)
         VALUES ($1, $2, $3, $4, now() + make_interval(secs => $5))",
    )
    .bind(trial.0)
    .bind(job.name())
    .bind(split.map(Split::name))
    .bind(priority)
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
