//! What is learnt, from which data, and which number decides.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{MAX_SEED, Sha256Digest};

/// The kind of labels.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Task {
    /// Every image has exactly one class.
    SingleLabel {},
    /// Somebody else's code trains it: see `docs/external.md`. Of the rest of the spec only `objective`, `fit.epochs`
    /// and `fit.seed` mean anything.
    External {
        /// Handed to that code as they are.
        #[serde(default)]
        params: Map<String, Value>,
    },
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
    /// Share of validation images whose nearest other one, by embedding, is of their class. Metric losses only.
    #[serde(rename = "val_recall_at_1")]
    ValRecallAt1,
    /// Top-1 accuracy of the nearest training images' vote. Metric losses only.
    ValKnnTop1,
    /// What an external trial reports.
    Value,
}

impl ObjectiveMetric {
    /// The metric's name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::ValTop1 => "val_top1",
            Self::ValMeanPerClass => "val_mean_per_class",
            Self::ValMacroF1 => "val_macro_f1",
            Self::ValLoss => "val_loss",
            Self::ValRecallAt1 => "val_recall_at_1",
            Self::ValKnnTop1 => "val_knn_top1",
            Self::Value => "value",
        }
    }

    /// Whether it looks at the neighbours of an embedding.
    pub fn is_of_neighbours(self) -> bool {
        matches!(self, Self::ValRecallAt1 | Self::ValKnnTop1)
    }

    /// Which way is better; either may be for what somebody else measures.
    pub fn direction(self) -> Option<Direction> {
        match self {
            Self::ValTop1
            | Self::ValMeanPerClass
            | Self::ValMacroF1
            | Self::ValRecallAt1
            | Self::ValKnnTop1 => Some(Direction::Maximize),
            Self::ValLoss => Some(Direction::Minimize),
            Self::Value => None,
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
    /// How training images come into batches.
    pub sampler: Sampler,
}

impl Default for Data {
    fn default() -> Self {
        Self {
            dataset: String::new(),
            version: None,
            split_seed: 0,
            train_fraction: 1.0,
            train_on: TrainOn::Train,
            sampler: Sampler::Shuffle {},
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

/// How training images come into batches.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Sampler {
    /// Every image once an epoch, in random order.
    Shuffle {},
    /// As many images an epoch, but of every class the same number: those of large classes take turns
    /// over the epochs, those of small classes come several times.
    ClassBalanced {},
    /// Batches of `p` classes with `k` images each, as metric losses need them; every image at least
    /// once an epoch.
    Pk {
        #[schemars(range(min = 2, max = 4096))]
        p: u32,
        #[schemars(range(min = 2, max = 4096))]
        k: u32,
    },
}
