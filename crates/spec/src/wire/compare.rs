use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::TrialId;
use crate::wire::{Comparison, Estimate};

/// `POST /api/v1/compare`: arms of completed trials, each with its seeds, against the first of them.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Compare {
    pub dataset: String,
    /// `val_top1`, or `test_top1` where every trial was evaluated on test.
    #[schemars(extend("enum" = ["val_top1", "test_top1"]))]
    pub metric: String,
    #[schemars(length(min = 2, max = 200))]
    pub arms: Vec<CompareArm>,
    /// The first arm is the first because it did best by this metric: p values are then adjusted over all pairs of arms, from
    /// which looking picked these, and not only over the comparisons made.
    #[serde(default)]
    pub selected: bool,
}

/// Trials that differ in nothing but their seeds.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CompareArm {
    #[schemars(length(min = 1, max = 200))]
    pub name: String,
    #[schemars(length(min = 1, max = 1000))]
    pub trials: Vec<TrialId>,
}

/// The answer: the arms in the order they were asked for.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct CompareReport {
    pub dataset: String,
    pub metric: String,
    pub arms: Vec<ComparedArm>,
}

#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct ComparedArm {
    pub name: String,
    /// Mean over the seeds, with its interval over groups and seeds.
    pub top1: Estimate,
    /// Against the first arm on the same images, p values adjusted over all arms; absent for the first itself.
    pub vs_first: Option<Comparison>,
}
