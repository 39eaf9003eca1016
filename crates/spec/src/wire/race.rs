use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::TrialId;

/// `POST /api/v1/race`: which of a few configurations are owed another run, and which of them has won.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Race {
    #[schemars(length(min = 1, max = 100))]
    pub arms: Vec<RaceArm>,
    /// Of the winner: 0.95 lets one in twenty be wrong at most.
    #[schemars(range(min = 0.5), extend("exclusiveMaximum" = 1.0))]
    pub confidence: f64,
    /// Runs of all arms together.
    #[schemars(range(min = 1, max = 10_000))]
    pub max_runs: u32,
}

/// Trials of one configuration, in the order of their seeds; none before its first run.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RaceArm {
    #[schemars(length(min = 1, max = 200))]
    pub name: String,
    #[schemars(length(max = 10_000))]
    pub trials: Vec<TrialId>,
}

/// The answer: how the race stands, and what it was decided on, arms in the order they were asked for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RaceReport {
    pub standing: Standing,
    pub arms: Vec<RacedArm>,
}

/// Arms by their names.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Standing {
    /// These are owed their next run.
    Running { next: Vec<String> },
    /// Every other arm is shown to be worse, or has failed.
    Separated { winner: String },
    /// The runs are used up; the rivals are not shown to be worse than the leader.
    Undecided { leader: String, rivals: Vec<String> },
    /// No arm is left.
    AllFailed {},
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RacedArm {
    pub name: String,
    /// Objectives of its runs, up to the first that has not ended; null for one that ended without, which puts its arm out.
    pub values: Vec<Option<f64>>,
}
