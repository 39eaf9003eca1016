use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::TrialId;
use crate::trial::Direction;

/// `GET /api/v1/sweeps/{id}/pareto`: a sweep's configurations by several objectives at once.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ParetoReport {
    /// The sweep's own objective, then the costs.
    pub objectives: Vec<ParetoObjective>,
    /// By rank, then by the first objective, the best first.
    pub configs: Vec<ParetoConfig>,
    /// Configurations with a result of which some cost is not known.
    pub n_left_out: usize,
    /// Share of the box between the worst and the best value of each objective that the front dominates, in [0, 1]; `null`
    /// where the configurations do not differ in some objective.
    pub hypervolume: Option<f64>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ParetoObjective {
    pub metric: String,
    pub direction: Direction,
    /// The best and the worst value of the configurations; `null` while there are none.
    pub best: Option<f64>,
    pub worst: Option<f64>,
}

/// A configuration with its completed trials.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ParetoConfig {
    /// Its first trial.
    pub trial: TrialId,
    pub label: String,
    pub n_seeds: u32,
    /// Means over the seeds, one an objective.
    pub values: Vec<f64>,
    /// 0: no other configuration is as good in every objective and better in one. 1: only those of rank 0 are; and so on.
    pub rank: u32,
}
