//! Comparing arms of trials that somebody chose: the leaderboard's statistics, without its ranking.

use std::collections::HashMap;

use cultivar_search::stats::interval::estimate;
use cultivar_search::stats::ranking::{against, n_pairs};
use cultivar_search::stats::{Correct, SeedSpread};
use cultivar_spec::wire::{Compare, CompareReport, ComparedArm};
use cultivar_spec::{Sha256Digest, TrialId, Violation, Violations};

use super::ranking::{HeldOut, RankBy, find_dataset};
use crate::error::ApiError;
use crate::state::AppState;
use crate::store;
use crate::store::ranking::CompletedTrial;

/// Compares on the newest version of a dataset.
///
/// # Errors
/// There is no such dataset; or an arm's trials are not completed on it, are of several configurations, or lack
/// the metric.
pub async fn report(state: &AppState, asked: Compare) -> Result<CompareReport, ApiError> {
    let by = RankBy::parse(&asked.metric)?;
    let dataset = find_dataset(state, &asked.dataset, None).await?;
    let version = dataset.version;
    let trials = store::ranking::completed(&state.pool, &dataset.name, &version).await?;
    let known = state.manifests.get(&version).await?;
    // Exact sign-flip tests take their time: not on a thread that serves requests.
    let report = tokio::task::spawn_blocking(move || {
        compare(asked, by, &HeldOut::of(&known.manifest), trials)
    });
    report.await.map_err(|e| ApiError::Internal(e.into()))?
}

fn compare(
    asked: Compare,
    by: RankBy,
    held_out: &HeldOut,
    trials: Vec<CompletedTrial>,
) -> Result<CompareReport, ApiError> {
    let trials: HashMap<TrialId, CompletedTrial> =
        trials.into_iter().map(|trial| (trial.id, trial)).collect();
    let mut arms = Vec::new();
    let mut found = Vec::new();
    for (arm_idx, arm) in asked.arms.iter().enumerate() {
        match counts(&arm.trials, by, held_out, &trials) {
            Ok(counts) => arms.push(counts),
            Err((trial_idx, expected)) => found.push(Violation::new(
                format!("/arms/{arm_idx}/trials/{trial_idx}"),
                arm.trials[trial_idx].to_string(),
                expected,
            )),
        }
    }
    if !found.is_empty() {
        return Err(ApiError::Invalid(Violations(found)));
    }
    let sizes = match by {
        RankBy::Val => held_out.val.sizes(),
        RankBy::Test => held_out.test.sizes(),
    };
    let arms: Vec<Correct> = arms
        .iter()
        .map(|seeds| Correct::new(sizes, seeds.iter().map(Vec::as_slice).collect()))
        .collect();
    let Some((first, others)) = arms.split_first() else {
        return Err(ApiError::violation("/arms", 0, "at least two"));
    };
    let family = match asked.selected {
        true => n_pairs(arms.len()),
        false => others.len(),
    };
    let others: Vec<&Correct> = others.iter().collect();
    let comparisons = against(first, &others, &SeedSpread::UNKNOWN, family);
    let vs_first = std::iter::once(None).chain(comparisons.into_iter().map(Some));
    let compared = asked.arms.into_iter().zip(&arms).zip(vs_first);
    Ok(CompareReport {
        dataset: asked.dataset,
        metric: asked.metric,
        arms: compared
            .map(|((arm, correct), vs_first)| ComparedArm {
                name: arm.name,
                top1: estimate(correct),
                vs_first,
            })
            .collect(),
    })
}

/// `[n_seeds][n_groups]` of an arm; or which of its trials is wrong, and what would be right.
fn counts(
    ids: &[TrialId],
    by: RankBy,
    held_out: &HeldOut,
    trials: &HashMap<TrialId, CompletedTrial>,
) -> Result<Vec<Vec<u32>>, (usize, &'static str)> {
    let mut config: Option<Sha256Digest> = None;
    let mut seeds = Vec::new();
    for (idx, id) in ids.iter().enumerate() {
        let trial = trials.get(id).ok_or((
            idx,
            "a trial that has completed on this dataset, the first of its configuration and seed",
        ))?;
        if ids[..idx].contains(id) {
            return Err((idx, "every trial once: a repetition is not another seed"));
        }
        if *config.get_or_insert(trial.config_id) != trial.config_id {
            return Err((idx, "trials of one configuration: seeds alone may differ"));
        }
        let (val, test) = held_out.counts(trial);
        let counts = match by {
            RankBy::Val => val,
            RankBy::Test => test,
        };
        seeds.push(counts.ok_or((idx, "a trial with predictions on that split"))?);
    }
    Ok(seeds)
}
