use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::TrialId;

/// `GET /api/v1/sweeps/{id}/recommendation`: the configuration to go on with. The best expected value counts, by a Gaussian process
/// through the results, not the luckiest single one; with several objectives, what balances them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Recommendation {
    /// Configurations with a result.
    pub n_results: usize,
    /// None while there are no results.
    pub config: Option<RecommendedConfig>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RecommendedConfig {
    /// For people: what sets it apart.
    pub label: String,
    /// What it lays over the sweep's base.
    pub overlay: Value,
    /// Mean of the objective over its seeds, as measured.
    pub mean: f64,
    pub n_seeds: u32,
    /// Its completed and pruned trials.
    pub trials: Vec<TrialId>,
}
