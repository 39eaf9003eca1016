//! What a sweep's sampler learns from other sweeps: their configurations as points of its own space.

use cultivar_search::sampler::{Origin, Past, PastState};
use cultivar_search::scheduler::point_of;
use cultivar_spec::sweep::CostMetric;
use cultivar_spec::trial::Objective;
use cultivar_spec::{SweepId, SweepSpec, Violation, Violations};
use serde_json::Value;
use sqlx::PgConnection;

use crate::error::ApiError;
use crate::service::search;
use crate::state::AppState;
use crate::store;
use crate::store::cost::Achieved;

/// What a result on the same dataset counts for beside an own one, and what one on another does.
const SAME_DATASET: f64 = 0.5;
const OTHER_DATASET: f64 = 0.2;

/// Everything that had been achieved elsewhere when the sweep was made, which is the same whenever it is asked for.
///
/// # Errors
/// The database is out of reach.
pub async fn past(
    conn: &mut PgConnection,
    id: SweepId,
    spec: &SweepSpec,
) -> Result<Vec<Past>, ApiError> {
    if spec.learn_from.is_empty() {
        return Ok(Vec::new());
    }
    let achieved = store::cost::achieved(conn, &spec.learn_from, Some(id)).await?;
    let dataset = &spec.base["data"]["dataset"];
    let known = achieved.iter().zip(0..).filter_map(|(achieved, number)| {
        let source = spec
            .learn_from
            .iter()
            .position(|id| *id == achieved.sweep)?;
        Some(Past {
            number,
            // A value out of range is left out by whoever is told.
            overlay: point_of(&spec.space, &achieved.spec).ok()??,
            state: scored(achieved, &spec.against)?,
            origin: Origin::Foreign {
                source: source as u32,
                weight: match achieved.spec["data"]["dataset"] == *dataset {
                    true => SAME_DATASET,
                    false => OTHER_DATASET,
                },
            },
        })
    });
    Ok(known.collect())
}

/// By the objective of its own sweep: it is compared within that sweep only. Nothing where its costs are not known: that is no
/// failure of it.
fn scored(achieved: &Achieved, against: &[CostMetric]) -> Option<PastState> {
    let objective: Objective = serde_json::from_value(achieved.spec["objective"].clone()).ok()?;
    let (value, costs) = (achieved.objective, &achieved.costs);
    let values = search::values(objective.direction, value, against, costs);
    if values.iter().any(|value| value.is_nan()) {
        return None;
    }
    Some(PastState::Scored {
        values,
        n_seeds: achieved.n_trials,
        cost_s: costs.of(CostMetric::Seconds).unwrap_or(0.0),
    })
}

/// Whether there is something to learn from, and somebody to learn it.
///
/// # Errors
/// 422 for a sweep that does not exist, and for a sampler that does not learn.
pub async fn check(state: &AppState, spec: &SweepSpec, is_adaptive: bool) -> Result<(), ApiError> {
    let mut found = Vec::new();
    for (idx, id) in spec.learn_from.iter().enumerate() {
        if store::sweep::detail(&state.pool, *id).await?.is_none() {
            let value = Value::String(id.to_string());
            found.push(Violation::new(
                format!("/learn_from/{idx}"),
                value,
                "a sweep that exists",
            ));
        }
    }
    if !is_adaptive && !spec.learn_from.is_empty() {
        let value = serde_json::to_value(&spec.sampler).unwrap_or_default();
        let expected =
            "a sampler that learns from results (tpe, gp, cma_es, evolution), or no learn_from";
        found.push(Violation::new(
            "/sampler/kind",
            value["kind"].clone(),
            expected,
        ));
    }
    match found.is_empty() {
        true => Ok(()),
        false => Err(Violations(found).into()),
    }
}
