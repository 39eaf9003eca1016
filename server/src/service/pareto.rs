//! A sweep's configurations by several objectives at once.

use cultivar_search::pareto;
use cultivar_spec::sweep::CostMetric;
use cultivar_spec::trial::Direction;
use cultivar_spec::wire::{ParetoConfig, ParetoObjective, ParetoReport};
use cultivar_spec::{SweepId, Violation, Violations};
use serde_json::Value;

use crate::error::ApiError;
use crate::service::search;
use crate::state::AppState;
use crate::store;
use crate::store::cost::Achieved;

/// `against` takes the place of what the sweep says.
///
/// # Errors
/// There is no such sweep, or neither says what to weigh its objective against.
pub async fn report(
    state: &AppState,
    id: SweepId,
    against: Option<CostMetric>,
) -> Result<ParetoReport, ApiError> {
    let detail = store::sweep::detail(&state.pool, id).await?;
    let spec = detail.ok_or_else(|| ApiError::no_such("sweep", id))?.spec;
    let against = against.map_or_else(|| spec.against.clone(), |cost| vec![cost]);
    if against.is_empty() {
        let expected = "a cost to weigh the objective against: seconds, n_params or latency_ms";
        return Err(Violations(vec![Violation::new("/against", Value::Null, expected)]).into());
    }
    let objective = search::objective(&spec);
    let mut objectives = vec![named(objective.metric.name(), objective.direction)];
    objectives.extend(
        against
            .iter()
            .map(|cost| named(cost.name(), Direction::Minimize)),
    );

    let achieved = store::cost::achieved(&state.pool, &[id], None).await?;
    // Thousands of configurations take their time: not on a thread that serves requests.
    let report = tokio::task::spawn_blocking(move || weigh(achieved, &against, objectives));
    report.await.map_err(|e| ApiError::Internal(e.into()))
}

fn weigh(
    achieved: Vec<Achieved>,
    against: &[CostMetric],
    mut objectives: Vec<ParetoObjective>,
) -> ParetoReport {
    let n_achieved = achieved.len();
    let mut configs: Vec<ParetoConfig> = achieved
        .into_iter()
        .filter_map(|config| {
            let costs: Option<Vec<f64>> =
                against.iter().map(|cost| config.costs.of(*cost)).collect();
            Some(ParetoConfig {
                trial: config.trial,
                label: config.label,
                n_seeds: config.n_trials,
                values: [vec![config.objective], costs?].concat(),
                rank: 0,
            })
        })
        .collect();
    let rows: Vec<Vec<f64>> = configs
        .iter()
        .map(|config| gains(&objectives, &config.values))
        .collect();
    for (config, rank) in configs.iter_mut().zip(pareto::ranks(&rows)) {
        config.rank = rank.unwrap_or_default() as u32;
    }
    for (idx, objective) in objectives.iter_mut().enumerate() {
        let sign = sign(objective);
        let column = || rows.iter().map(|row| row[idx]);
        objective.best = column().max_by(f64::total_cmp).map(|gain| sign * gain);
        objective.worst = column().min_by(f64::total_cmp).map(|gain| sign * gain);
    }
    let sign = sign(&objectives[0]);
    configs.sort_by(|a, b| {
        let gain = |config: &ParetoConfig| sign * config.values[0];
        a.rank.cmp(&b.rank).then(gain(b).total_cmp(&gain(a)))
    });
    ParetoReport {
        hypervolume: share(&rows),
        n_left_out: n_achieved - configs.len(),
        objectives,
        configs,
    }
}

fn named(metric: &str, direction: Direction) -> ParetoObjective {
    ParetoObjective {
        metric: metric.to_owned(),
        direction,
        best: None,
        worst: None,
    }
}

fn sign(objective: &ParetoObjective) -> f64 {
    match objective.direction {
        Direction::Maximize => 1.0,
        Direction::Minimize => -1.0,
    }
}

/// Values turned so that larger is better.
fn gains(objectives: &[ParetoObjective], values: &[f64]) -> Vec<f64> {
    let pairs = objectives.iter().zip(values);
    pairs
        .map(|(objective, value)| sign(objective) * value)
        .collect()
}

/// Share of the box from the worst to the best value of each objective that the rows dominate.
fn share(rows: &[Vec<f64>]) -> Option<f64> {
    let n_objectives = rows.first()?.len();
    let bound = |worse: fn(f64, f64) -> f64, start: f64| -> Vec<f64> {
        let column = |idx: usize| rows.iter().map(|row| row[idx]).fold(start, worse);
        (0..n_objectives).map(column).collect()
    };
    let (worst, best) = (
        bound(f64::min, f64::INFINITY),
        bound(f64::max, f64::NEG_INFINITY),
    );
    let volume: f64 = best
        .iter()
        .zip(&worst)
        .map(|(best, worst)| best - worst)
        .product();
    (volume > 0.0).then(|| pareto::hypervolume(rows, &worst) / volume)
}
