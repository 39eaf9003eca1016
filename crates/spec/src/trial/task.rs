//! What is learnt, from which data, and which number decides.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{MAX_SEED, Sha256Digest};

/// The kind of labels.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Task {
    /// Every image has exactly one class.
    SingleLabel {},
}

impl Default for Task {
    fn default() -> Self {
        Self::SingleLabel {}
    }
}

/// The number a sweep optimises, always measured on validation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Objective {
    pub metric: ObjectiveMetric,
    pub direction: Direction,
}

impl Default for Objective {
    fn default() -> Self {
        Self {
            metric: ObjectiveMetric::ValTop1,
            direction: Direction::Maximize,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ObjectiveMetric {
    ValTop1,
    ValMeanPerClass,
    ValMacroF1,
    ValLoss,
}

impl ObjectiveMetric {
    /// The metric's name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::ValTop1 => "val_top1",
            Self::ValMeanPerClass => "val_mean_per_class",
            Self::ValMacroF1 => "val_macro_f1",
            Self::ValLoss => "val_loss",
        }
    }

    /// Which way is better.
    pub fn direction(self) -> Direction {
        match self {
            Self::ValTop1 | Self::ValMeanPerClass | Self::ValMacroF1 => Direction::Maximize,
            Self::ValLoss => Direction::Minimize,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    Maximize,
    Minimize,
}

/// Which images train and which validate.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Data {
    /// Name of a registered dataset.
    #[schemars(length(min = 1))]
    pub dataset: String,
    /// The dataset version (hash of its manifest). Left out: the newest, pinned at submission.
    pub version: Option<Sha256Digest>,
    /// Seed of the validation split of a dataset that ships none.
    #[schemars(range(max = MAX_SEED))]
    pub split_seed: u64,
    /// Share of the training split used, per class, in (0, 1].
    #[schemars(range(max = 1.0), extend("exclusiveMinimum" = 0.0))]
    pub train_fraction: f64,
    /// What the weights are fitted on.
    pub train_on: TrainOn,
}

impl Default for Data {
    fn default() -> Self {
        Self {
            dataset: String::new(),
            version: None,
            split_seed: 0,
            train_fraction: 1.0,
            train_on: TrainOn::Train,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TrainOn {
    Train,
    /// Finalists only: nothing is left to validate on.
    TrainVal,
}
