//! Phases: a run in stretches that train different parts, at different resolutions.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A stretch of the run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Phase {
    /// Its share of the epochs, over the sum of all phases' shares.
    #[schemars(range(max = 1000.0), extend("exclusiveMinimum" = 0.0))]
    pub share: f64,
    pub train: PhaseTrains,
    /// Side of the training crop in pixels. Left out: `fit.resolution`, or `fit.eval_resolution` where the
    /// views are those of evaluation.
    #[schemars(range(min = 16, max = 1024))]
    pub resolution: Option<u32>,
    pub views: PhaseViews,
    /// Its learning rates over the spec's.
    #[schemars(range(max = 1000.0), extend("exclusiveMinimum" = 0.0))]
    pub lr_mult: f64,
}

impl Default for Phase {
    fn default() -> Self {
        Self {
            share: 1.0,
            train: PhaseTrains::All,
            resolution: None,
            views: PhaseViews::Augmented,
            lr_mult: 1.0,
        }
    }
}

/// What a phase trains. The rest is frozen, BatchNorm's statistics included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PhaseTrains {
    All,
    Head,
    /// The head and the normalisation nearest to it, as FixRes does.
    HeadAndLastNorm,
}

/// How a phase sees its images.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PhaseViews {
    /// As `augment` says.
    Augmented,
    /// As evaluation does, unmixed.
    Evaluation,
}

/// How many of `epochs` each phase gets: the shares add up, and the sums are rounded.
pub fn phase_epochs(phases: &[Phase], epochs: u32) -> Vec<u32> {
    let total: f64 = phases.iter().map(|phase| phase.share).sum();
    let mut sum = 0.0;
    let mut done = 0;
    phases
        .iter()
        .map(|phase| {
            sum += phase.share;
            let end = (sum / total * f64::from(epochs)).round() as u32;
            let n_epochs = end - done;
            done = end;
            n_epochs
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_become_whole_epochs_and_lose_none() {
        let check = |shares: &[f64], epochs, expect: &[u32]| {
            let phases: Vec<Phase> = shares
                .iter()
                .map(|&share| Phase {
                    share,
                    ..Phase::default()
                })
                .collect();
            let found = phase_epochs(&phases, epochs);
            assert_eq!(found, expect, "{shares:?} of {epochs}");
            assert_eq!(found.iter().sum::<u32>(), epochs);
        };
        check(&[1.0], 10, &[10]);
        check(&[0.1, 0.8, 0.1], 30, &[3, 24, 3]);
        check(&[1.0, 30.0, 2.0], 33, &[1, 30, 2]);
        check(&[1.0, 1.0, 1.0], 10, &[3, 4, 3]);
        check(&[1.0, 99.0], 10, &[0, 10]);
    }
}
