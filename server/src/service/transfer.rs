//! The transfer report of a dataset: fetches the trials, and leaves the verdicts to the statistics.

use cultivar_search::stats::transfer::{self, SplitSizes, TransferTrial};
use cultivar_spec::wire::{DatasetView, TransferReport};
use rand::SeedableRng;
use rand::rngs::StdRng;

use super::ranking::{HeldOut, find_dataset};
use crate::error::ApiError;
use crate::state::AppState;
use crate::store;

/// Joint resamples for the slope's interval.
const N_RESAMPLES: usize = 2000;

/// Pretrained against random weights on the newest version of a dataset.
///
/// # Errors
/// There is no such dataset.
pub async fn report(state: &AppState, dataset: &str) -> Result<TransferReport, ApiError> {
    let dataset = find_dataset(state, dataset, None).await?;
    let fingerprint =
        store::ranking::fingerprint(&state.pool, &dataset.name, &dataset.version).await?;
    let report = state
        .rankings
        .transfers
        .get(dataset.version, fingerprint, compute(state, &dataset))
        .await?;
    Ok(TransferReport::clone(&report))
}

async fn compute(state: &AppState, dataset: &DatasetView) -> Result<TransferReport, ApiError> {
    let trials = store::ranking::completed(&state.pool, &dataset.name, &dataset.version).await?;
    let known = state.manifests.get(&dataset.version).await?;
    let (name, version) = (dataset.name.clone(), dataset.version);
    // Thousands of resamples: not on a thread that serves requests.
    let report = tokio::task::spawn_blocking(move || {
        let held_out = HeldOut::of(&known.manifest);
        let trials: Vec<TransferTrial> = trials
            .into_iter()
            .map(|trial| {
                let (val, test) = held_out.counts(&trial);
                TransferTrial {
                    id: trial.id,
                    config_id: trial.config_id,
                    spec: trial.spec,
                    val,
                    test,
                }
            })
            .collect();
        let sizes = SplitSizes {
            val: held_out.val.sizes(),
            test: held_out.test.sizes(),
        };
        // The same draws every time, so that a report read twice is the same report.
        let mut rng = StdRng::from_seed(version.0);
        transfer::report(&name, &trials, sizes, &mut rng, N_RESAMPLES)
    });
    report.await.map_err(|e| ApiError::Internal(e.into()))
}
