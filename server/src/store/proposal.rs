//! What samplers proposed, and what came of it.

use cultivar_spec::{SweepId, SweepSpec, TrialId};
use serde_json::Value;
use sqlx::postgres::PgRow;
use sqlx::types::Json;
use sqlx::{PgConnection, PgExecutor, Row};

use super::Result;
use super::columns::Columns;
use super::cost::{Costs, mean_costs};

/// A sweep whose sampler will propose more. Its row stays locked, so nobody else proposes for it.
pub struct Searching {
    pub spec: SweepSpec,
    /// Trials that it may have in flight now, whatever the spec said.
    pub parallel: Option<u64>,
    pub n_proposals: u32,
    /// Its trials that wait for a worker.
    pub n_waiting: u64,
    /// Its trials that run.
    pub n_running: u64,
    /// Workers heard of lately that hold no lease.
    pub n_idle_workers: u64,
}

/// Locks a searching sweep that may go on; `None` if there is nothing to do, or if somebody else is at it.
pub async fn lock_searching(
    conn: &mut PgConnection,
    id: SweepId,
    lease_s: f64,
) -> Result<Option<Searching>> {
    sqlx::query(
        "-- proposal::lock_searching
         SELECT s.spec, s.parallel,
                (SELECT count(*) FROM proposal p WHERE p.sweep_id = s.id) AS n_proposals,
                (SELECT count(*) FROM trial t WHERE t.sweep_id = s.id AND t.state = 'queued') AS n_waiting,
                (SELECT count(*) FROM trial t WHERE t.sweep_id = s.id AND t.state = 'running') AS n_running,
                (SELECT count(*) FROM worker_heartbeat h JOIN worker w ON w.id = h.worker_id
                 WHERE h.seen_at > now() - make_interval(secs => $2) AND w.quarantined_at IS NULL
                   AND (w.device->>'kind' = 'external') = coalesce(s.spec #>> '{base,task,kind}' = 'external', false)
                   AND coalesce(s.needs->>'device' = w.device->>'kind', true)
                   AND NOT EXISTS (SELECT FROM attempt a WHERE a.worker_id = w.id AND a.outcome IS NULL)
                ) AS n_idle_workers
         FROM sweep s
         WHERE s.id = $1 AND s.searching AND s.paused_at IS NULL AND s.cancelled_at IS NULL
           AND coalesce(s.start_after <= now(), true) AND coalesce(s.deadline > now(), true)
         FOR UPDATE OF s SKIP LOCKED",
    )
    .bind(id.0)
    .bind(lease_s)
    .try_map(|row: PgRow| {
        let parallel: Option<i32> = row.try_get("parallel")?;
        Ok(Searching {
            spec: row.json("spec")?,
            parallel: parallel.map(|n| n as u64),
            n_proposals: row.count("n_proposals")? as u32,
            n_waiting: row.count("n_waiting")?,
            n_running: row.count("n_running")?,
            n_idle_workers: row.count("n_idle_workers")?,
        })
    })
    .fetch_optional(conn)
    .await
}

/// A proposal with what its trials came to.
pub struct Outcome {
    pub number: u32,
    pub overlay: Value,
    /// It could not be trained at all.
    pub refused: bool,
    /// Trials that are not settled, and of which nothing is forecast.
    pub n_open: u64,
    /// Trials of which something is forecast.
    pub n_forecast: u32,
    /// Those, and completed and pruned trials with a finite objective; what a pruned one had come to by then is better than
    /// nothing.
    pub n_scored: u32,
    pub n_failed: u32,
    /// Trials that went on from another's checkpoint and under its configuration: what they came to is not this proposal's.
    pub n_clones: u32,
    /// Mean of forecasts and objectives over those.
    pub mean: Option<f64>,
    pub costs: Costs,
}

/// Every proposal of a sweep, in order; what is forecast of a trial stands for what it has come to.
pub async fn results(
    db: impl PgExecutor<'_>,
    id: SweepId,
    forecasts: &[(TrialId, f64)],
) -> Result<Vec<Outcome>> {
    sqlx::query(concat!(
        "-- proposal::results
         WITH cloned AS (
             SELECT DISTINCT trial_id FROM schedule_event
             WHERE sweep_id = $1 AND kind = 'decided' AND detail->>'kind' = 'clone'
         )
         SELECT p.number, p.overlay, p.error IS NOT NULL AS refused,
                count(t.id) FILTER (WHERE t.state IN ('queued', 'running', 'paused') AND f.value IS NULL) AS n_open,
                count(f.value) AS n_forecast,
                count(t.id) FILTER (WHERE t.state = 'failed') AS n_failed,
                count(c.trial_id) AS n_clones,
                count(coalesce(f.value, t.objective))
                    FILTER (WHERE t.state IN ('completed', 'pruned') OR f.value IS NOT NULL) AS n_scored,
                avg(coalesce(f.value, t.objective))
                    FILTER (WHERE t.state IN ('completed', 'pruned') OR f.value IS NOT NULL) AS mean, ",
        mean_costs!(),
        " FROM proposal p LEFT JOIN trial t ON t.sweep_id = p.sweep_id AND t.proposal = p.number
              LEFT JOIN UNNEST($2::uuid[], $3::float8[]) AS f (trial_id, value)
                   ON f.trial_id = t.id AND t.state NOT IN ('failed', 'cancelled')
              LEFT JOIN cloned c ON c.trial_id = t.id
         WHERE p.sweep_id = $1
         GROUP BY p.sweep_id, p.number ORDER BY p.number",
    ))
    .bind(id.0)
    .bind(forecasts.iter().map(|(trial, _)| trial.0).collect::<Vec<_>>())
    .bind(forecasts.iter().map(|(_, value)| *value).collect::<Vec<_>>())
    .try_map(|row: PgRow| {
        let number: i32 = row.try_get("number")?;
        Ok(Outcome {
            number: number as u32,
            overlay: row.json("overlay")?,
            refused: row.try_get("refused")?,
            n_open: row.count("n_open")?,
            n_forecast: row.count("n_forecast")? as u32,
            n_scored: row.count("n_scored")? as u32,
            n_failed: row.count("n_failed")? as u32,
            n_clones: row.count("n_clones")? as u32,
            mean: row.try_get("mean")?,
            costs: Costs::read(&row)?,
        })
    })
    .fetch_all(db)
    .await
}

/// What a proposal had seen of the earlier ones.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// How each stood.
    pub states: Vec<u8>,
    /// What was expected of those that stood as forecast, in order, larger is better.
    pub forecasts: Vec<f64>,
}

/// Stores a proposal with what it had seen.
pub async fn insert(
    conn: &mut PgConnection,
    id: SweepId,
    number: u32,
    overlay: &Value,
    seen: &Seen,
    error: Option<&str>,
) -> Result<()> {
    sqlx::query(
        "-- proposal::insert
         INSERT INTO proposal (sweep_id, number, overlay, seen, forecasts, error) VALUES ($1, $2, $3, $4, $5, $6)",
    )
    .bind(id.0)
    .bind(number as i32)
    .bind(Json(overlay))
    .bind(&seen.states)
    .bind(&seen.forecasts)
    .bind(error)
    .execute(conn)
    .await?;
    Ok(())
}

/// Makes a new sweep one whose configurations depend on results.
pub async fn begin(conn: &mut PgConnection, id: SweepId, n_planned: u64) -> Result<()> {
    sqlx::query(
        "-- proposal::begin
         UPDATE sweep SET searching = true, n_planned = $2 WHERE id = $1",
    )
    .bind(id.0)
    .bind(n_planned as i32)
    .execute(conn)
    .await?;
    Ok(())
}

/// The sampler has nothing more to propose; `note` says why where the budget is not spent.
pub async fn end(conn: &mut PgConnection, id: SweepId, note: Option<&str>) -> Result<()> {
    sqlx::query(
        "-- proposal::end
         UPDATE sweep SET searching = false, search_note = $2,
                          n_planned = (SELECT count(*) FROM trial WHERE sweep_id = $1)
         WHERE id = $1",
    )
    .bind(id.0)
    .bind(note)
    .execute(conn)
    .await?;
    Ok(())
}
