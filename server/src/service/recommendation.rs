//! The configuration of a sweep to go on with.

use cultivar_search::sampler::{self, Past, PastState};
use cultivar_spec::SweepId;
use cultivar_spec::trial::Direction;
use cultivar_spec::wire::{Recommendation, RecommendedConfig};

use crate::error::ApiError;
use crate::service::importance::{self, Key, is_scored};
use crate::service::search;
use crate::state::AppState;
use crate::store;

/// # Errors
/// There is no such sweep.
pub async fn report(state: &AppState, id: SweepId) -> Result<Recommendation, ApiError> {
    let detail = store::sweep::detail(&state.pool, id).await?;
    let spec = detail.ok_or_else(|| ApiError::no_such("sweep", id))?.spec;
    let (past, keys): (Vec<Past>, Vec<Key>) = importance::results(state, id, &spec)
        .await?
        .into_iter()
        .unzip();
    let n_results = past.iter().filter(|past| is_scored(past)).count();
    let direction = search::objective(&spec).direction;
    // A Gaussian process takes its time: not on a thread that serves requests.
    let found = tokio::task::spawn_blocking(move || {
        let idx = sampler::recommend(&spec, &past)?;
        Ok::<_, anyhow::Error>(idx.map(|idx| (past[idx].clone(), keys[idx])))
    });
    let found = found.await.map_err(|e| ApiError::Internal(e.into()))?;
    let config = match found.map_err(ApiError::Internal)? {
        Some((past, key)) => Some(config(state, id, past, key, direction).await?),
        None => None,
    };
    Ok(Recommendation { n_results, config })
}

async fn config(
    state: &AppState,
    id: SweepId,
    past: Past,
    key: Key,
    direction: Direction,
) -> Result<RecommendedConfig, ApiError> {
    let (proposal, config) = match key {
        Key::Proposal(number) => (Some(number), None),
        Key::Config(config) => (None, Some(config)),
    };
    let trials = store::importance::trials(&state.pool, id, proposal, config).await?;
    let (mean, n_seeds) = match past.state {
        PastState::Scored {
            values, n_seeds, ..
        } => (values.first().copied().unwrap_or(f64::NAN), n_seeds),
        _ => (f64::NAN, 0),
    };
    Ok(RecommendedConfig {
        label: trials
            .first()
            .map(|(_, label)| label.clone())
            .unwrap_or_default(),
        overlay: past.overlay,
        // The search saw what is minimised with its sign turned.
        mean: match direction {
            Direction::Maximize => mean,
            Direction::Minimize => -mean,
        },
        n_seeds,
        trials: trials.into_iter().map(|(trial, _)| trial).collect(),
    })
}
