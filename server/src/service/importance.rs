//! Which parameters of a sweep matter, by its results so far.

use std::collections::HashMap;

use cultivar_search::importance;
use cultivar_search::sampler::{self, Origin, Past, PastState};
use cultivar_search::space::lay_over;
use cultivar_spec::trial::Direction;
use cultivar_spec::wire::ImportanceReport;
use cultivar_spec::{Sha256Digest, SweepId, SweepSpec, check, config_id};
use serde_json::json;

use crate::error::ApiError;
use crate::service::resolve::Resolver;
use crate::service::search;
use crate::state::AppState;
use crate::store;
use crate::store::importance::Scored;

/// Of the forest's draws: the same results say the same.
const SEED: u64 = 0;

/// # Errors
/// There is no such sweep.
pub async fn report(state: &AppState, id: SweepId) -> Result<ImportanceReport, ApiError> {
    let detail = store::sweep::detail(&state.pool, id).await?;
    let mut spec = detail.ok_or_else(|| ApiError::no_such("sweep", id))?.spec;
    // It is the objective alone that is explained.
    spec.against.clear();
    let past = results(state, id, &spec).await?;
    let past: Vec<Past> = past.into_iter().map(|(past, _)| past).collect();
    let direction = search::objective(&spec).direction;
    // A forest takes its time: not on a thread that serves requests.
    let report = tokio::task::spawn_blocking(move || {
        let n_results = past.iter().filter(|past| is_scored(past)).count();
        let found = importance::explain(&spec, &past, 0, SEED)?;
        let nothing = ImportanceReport {
            n_results,
            params: Vec::new(),
            interactions: Vec::new(),
        };
        Ok::<_, anyhow::Error>(found.unwrap_or(nothing))
    });
    let mut report = report
        .await
        .map_err(|e| ApiError::Internal(e.into()))?
        .map_err(ApiError::Internal)?;
    // The search saw what is minimised with its sign turned.
    if direction == Direction::Minimize {
        let curves = report.params.iter_mut().flat_map(|param| &mut param.curve);
        curves.for_each(|point| point.mean = -point.mean);
    }
    Ok(report)
}

pub fn is_scored(past: &Past) -> bool {
    matches!(past.state, PastState::Scored { .. })
}

/// Where the trials of a configuration are found.
#[derive(Clone, Copy, Debug)]
pub enum Key {
    Proposal(u32),
    Config(Sha256Digest),
}

/// What the configurations of a sweep came to, each that is known to have been trained as it was proposed.
///
/// # Errors
/// The database is out of reach.
pub async fn results(
    state: &AppState,
    id: SweepId,
    spec: &SweepSpec,
) -> Result<Vec<(Past, Key)>, ApiError> {
    if !sampler::is_adaptive(spec).map_err(anyhow::Error::from)? {
        return of_plan(state, id, spec).await;
    }
    let mut outcomes = store::proposal::results(&state.pool, id, &[]).await?;
    outcomes.retain(|outcome| outcome.n_clones == 0);
    let past = search::past(spec, &outcomes).into_iter();
    Ok(past
        .map(|past| {
            let key = Key::Proposal(past.number);
            (past, key)
        })
        .collect())
}

/// The past of a sweep whose configurations were all known ahead: each overlay with what the trials of its
/// configuration came to.
async fn of_plan(
    state: &AppState,
    id: SweepId,
    sweep: &SweepSpec,
) -> Result<Vec<(Past, Key)>, ApiError> {
    let scored = store::importance::scored(&state.pool, id).await?;
    let Some(first) = scored.first() else {
        return Ok(Vec::new());
    };
    let sign = match search::objective(sweep).direction {
        Direction::Maximize => 1.0,
        Direction::Minimize => -1.0,
    };
    // As the names were resolved then, whatever they stand for today.
    let base = match first.dataset_version {
        Some(version) => lay_over(&sweep.base, &json!({"data": {"version": version}})),
        None => sweep.base.clone(),
    };
    let mut by_config: HashMap<Sha256Digest, Vec<Scored>> = HashMap::new();
    for scored in scored {
        by_config.entry(scored.config_id).or_default().push(scored);
    }
    let sweep = sweep.clone();
    let overlays = tokio::task::spawn_blocking(move || sampler::overlays(&sweep)).await;
    let overlays = overlays
        .map_err(|e| ApiError::Internal(e.into()))?
        .map_err(anyhow::Error::from)?;
    let mut resolver = Resolver::new(state);
    let mut past = Vec::new();
    for (number, overlay) in overlays.into_iter().enumerate() {
        let Ok(mut spec) = check::trial(&lay_over(&base, &overlay)) else {
            continue;
        };
        if !resolver.resolve(&mut spec).await?.is_empty() {
            continue;
        }
        // A seed that the space gives is a parameter like any other.
        let own_seed = overlay.pointer("/fit/seed").is_some();
        let config = config_id(&spec);
        let runs = by_config.get(&config).into_iter().flatten();
        let values: Vec<f64> = runs
            .filter(|run| !own_seed || run.seed == spec.fit.seed)
            .map(|run| sign * run.objective)
            .collect();
        if !values.is_empty() {
            let scored = Past {
                number: number as u32,
                overlay,
                state: PastState::Scored {
                    values: vec![values.iter().sum::<f64>() / values.len() as f64],
                    n_seeds: values.len() as u32,
                    cost_s: 0.0,
                },
                origin: Origin::Own,
            };
            past.push((scored, Key::Config(config)));
        }
    }
    Ok(past)
}
