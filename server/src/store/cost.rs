//! What configurations cost, and how good they are beside that.

use cultivar_spec::sweep::CostMetric;
use cultivar_spec::{Sha256Digest, SweepId, TrialId};
use serde_json::Value;
use sqlx::postgres::PgRow;
use sqlx::{PgExecutor, Row};

use super::Result;
use super::columns::Columns;

/// The columns that [`Costs::read`] reads, over the trials `t` of a group: means of those that completed.
macro_rules! mean_costs {
    () => {
        // Nothing took no time: whoever says so did not say.
        "avg(coalesce(nullif((t.cost->>'seconds')::double precision, 0) + coalesce((t.cost->>'seconds_before')::double precision, 0),
                      (t.metrics->>'seconds')::double precision))
             FILTER (WHERE t.state = 'completed') AS seconds,
         avg(coalesce(nullif(t.cost->>'n_params', '0'), t.metrics->>'n_params')::double precision)
             FILTER (WHERE t.state = 'completed') AS n_params,
         avg(coalesce(t.cost->>'latency_ms', t.metrics->>'latency_ms')::double precision)
             FILTER (WHERE t.state = 'completed') AS latency_ms"
    };
}
pub(super) use mean_costs;

/// Mean costs of a configuration's completed trials, as far as they are known.
#[derive(Clone, Copy, Debug, Default)]
pub struct Costs {
    seconds: Option<f64>,
    n_params: Option<f64>,
    latency_ms: Option<f64>,
}

impl Costs {
    pub(super) fn read(row: &PgRow) -> Result<Self> {
        Ok(Self {
            seconds: row.try_get("seconds")?,
            n_params: row.try_get("n_params")?,
            latency_ms: row.try_get("latency_ms")?,
        })
    }

    pub fn of(&self, metric: CostMetric) -> Option<f64> {
        match metric {
            CostMetric::Seconds => self.seconds,
            CostMetric::NParams => self.n_params,
            CostMetric::LatencyMs => self.latency_ms,
        }
    }
}

/// A configuration with completed trials that have a finite objective.
pub struct Achieved {
    pub sweep: SweepId,
    /// The first of them.
    pub trial: TrialId,
    pub config_id: Sha256Digest,
    pub label: String,
    /// Its spec, resolved.
    pub spec: Value,
    /// Mean over the trials.
    pub objective: f64,
    pub n_trials: u32,
    pub costs: Costs,
}

/// Every configuration of some sweeps, by sweep and first trial. `before`: only trials that had finished when this sweep
/// was made, which stays what it is.
pub async fn achieved(
    db: impl PgExecutor<'_>,
    sweeps: &[SweepId],
    before: Option<SweepId>,
) -> Result<Vec<Achieved>> {
    let sweeps: Vec<uuid::Uuid> = sweeps.iter().map(|id| id.0).collect();
    sqlx::query(concat!(
        "-- cost::achieved
         SELECT t.sweep_id, (array_agg(t.id ORDER BY t.id))[1] AS id, t.config_id,
                (array_agg(t.label ORDER BY t.id))[1] AS label, (array_agg(t.spec ORDER BY t.id))[1] AS spec,
                avg(t.objective) AS objective, count(*) AS n_trials, ",
        mean_costs!(),
        " FROM trial t
         WHERE t.sweep_id = ANY($1) AND t.state = 'completed' AND t.objective IS NOT NULL
           AND ($2::uuid IS NULL OR t.finished_at < (SELECT created_at FROM sweep WHERE id = $2))
         GROUP BY t.sweep_id, t.config_id ORDER BY t.sweep_id, min(t.id::text)",
    ))
    .bind(sweeps)
    .bind(before.map(|id| id.0))
    .try_map(|row: PgRow| {
        Ok(Achieved {
            sweep: SweepId(row.try_get("sweep_id")?),
            trial: TrialId(row.try_get("id")?),
            config_id: row.digest("config_id")?,
            label: row.try_get("label")?,
            spec: row.json("spec")?,
            objective: row.try_get("objective")?,
            n_trials: row.count("n_trials")? as u32,
            costs: Costs::read(&row)?,
        })
    })
    .fetch_all(db)
    .await
}
