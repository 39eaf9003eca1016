use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Sha256Digest, TrialId};

/// `GET /api/v1/leaderboard?dataset=&metric=`
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Leaderboard {
    pub dataset: String,
    pub version: Option<Sha256Digest>,
    /// The metric ranked by: `val_top1` or, where every shown row has it, `test_top1`.
    pub metric: String,
    /// Best first.
    pub rows: Vec<LeaderboardRow>,
    pub sota: Vec<SotaEntry>,
    /// How many times the test split was opened, in all.
    pub n_test_accesses: u64,
    /// What a reader must know to read the table right.
    pub notes: Vec<String>,
}

/// One configuration, its seeds folded together.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct LeaderboardRow {
    pub rank: u64,
    pub config_id: Sha256Digest,
    /// What sets it apart, in a few words.
    pub label: String,
    pub backbone: String,
    pub weights: String,
    pub adaptation: String,
    pub activation: String,
    pub optimizer: String,
    pub schedule: String,
    pub mix: String,
    pub lr: f64,
    pub smoothing: f64,
    pub epochs: u32,
    pub resolution: u32,
    /// Completed trials, one per seed.
    pub trials: Vec<TrialId>,
    pub val_top1: Option<Estimate>,
    /// Only where the test split was opened for it.
    pub test_top1: Option<Estimate>,
    /// Against the top row, on the same validation images; absent for the top row itself.
    pub vs_top: Option<Comparison>,
    /// Sum over the seeds, in seconds.
    pub train_seconds: f64,
    /// The best of several tried on this same split: its number is flattered by the choice.
    pub selected: bool,
}

/// A mean with its 95% interval. Accuracies are fractions in [0, 1].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Estimate {
    pub mean: f64,
    pub low: f64,
    pub high: f64,
    /// Seeds.
    pub n: u32,
}

/// A difference between two rows, with its interval and p value.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Comparison {
    /// This row minus the other.
    pub difference: f64,
    pub low: f64,
    pub high: f64,
    /// Sign-flip test over groups, Holm-adjusted over the rows of the table.
    pub p_holm: f64,
}

/// A published result.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SotaEntry {
    #[schemars(length(min = 1))]
    pub dataset: String,
    #[schemars(length(min = 1))]
    pub method: String,
    #[serde(default)]
    pub backbone: String,
    #[serde(default)]
    pub resolution: Option<u32>,
    /// Fraction in [0, 1].
    #[schemars(range(min = 0.0, max = 1.0))]
    pub value: f64,
    /// Standard deviation over runs, as a fraction.
    #[serde(default)]
    #[schemars(range(min = 0.0, max = 1.0))]
    pub std: Option<f64>,
    /// What the paper averaged: `top1` or `mean_per_class`.
    pub metric: SotaMetric,
    #[serde(default)]
    pub extra_data: String,
    pub selection: Selection,
    #[serde(default)]
    pub year: Option<u32>,
    #[serde(default)]
    pub source: String,
    /// `read` in the paper, or `secondary`: quoted elsewhere.
    pub confidence: Confidence,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SotaMetric {
    Top1,
    MeanPerClass,
}

/// Which epoch a published number is from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Selection {
    Last,
    BestOnTest,
    Unknown,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Confidence {
    Read,
    Secondary,
}
