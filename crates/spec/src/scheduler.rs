//! Schedulers: which trials of a sweep stop early, wait for others, or take over from them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::MAX_SEED;

/// One in so many goes on past a rung unless a sweep says.
pub const DEFAULT_ETA: f64 = 3.0;

/// What becomes of a sweep's trials while they run, judged by the objective that each reports after every epoch.
/// Every seed of a configuration is a trial of its own here. All trials train towards the same `fit.epochs`, with
/// the learning-rate schedule of that full run: one that is stopped has trained the beginning of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Scheduler {
    /// Every trial runs to its end.
    None {},
    /// Stops a trial whose best value lies below the median of the other trials' running averages.
    MedianStop {
        /// Epochs that every trial gets.
        #[serde(default = "one")]
        #[schemars(range(min = 1, max = 100_000))]
        min_epochs: u32,
        /// Other trials that must have come as far before one is judged.
        #[serde(default = "five")]
        #[schemars(range(min = 1, max = 100_000))]
        min_trials: u32,
    },
    /// All trials of a cohort wait for each other at every rung; the best of them go on, the others stop.
    SuccessiveHalving {
        /// The first rung, in epochs; by default a sixteenth of `fit.epochs`, at least one.
        #[serde(default)]
        #[schemars(range(min = 1, max = 100_000))]
        min_epochs: Option<u32>,
        /// One in `eta` goes on, `eta` times as far.
        #[serde(default = "default_eta")]
        #[schemars(range(min = 1.1, max = 100.0))]
        eta: f64,
        /// Trials that are compared with each other; by default all of the sweep.
        #[serde(default)]
        #[schemars(range(min = 2, max = 100_000))]
        cohort: Option<u32>,
    },
    /// Successive halving that waits for nobody: a trial goes on as soon as it is among the best of its rung so far.
    Asha {
        /// The first rung, in epochs; by default a sixteenth of `fit.epochs`, at least one.
        #[serde(default)]
        #[schemars(range(min = 1, max = 100_000))]
        min_epochs: Option<u32>,
        /// One in `eta` goes on, `eta` times as far.
        #[serde(default = "default_eta")]
        #[schemars(range(min = 1.1, max = 100.0))]
        eta: f64,
    },
    /// ASHA with brackets: many trials are first compared early, fewer later, and some of those that wait are trained to
    /// their ends.
    Hyperband {
        /// No trial is compared before so many epochs; by default a sixteenth of `fit.epochs`, at least one.
        #[serde(default)]
        #[schemars(range(min = 1, max = 100_000))]
        min_epochs: Option<u32>,
        /// One in `eta` goes on, `eta` times as far.
        #[serde(default = "default_eta")]
        #[schemars(range(min = 1.1, max = 100.0))]
        eta: f64,
    },
    /// Population based training: every so often the worst go on from copies of the best, with hyperparameters a
    /// little changed. Its trials end with a history of hyperparameters, not with one configuration.
    Pbt {
        /// Epochs between two comparisons.
        #[serde(default = "one")]
        #[schemars(range(min = 1, max = 100_000))]
        interval: u32,
        /// Share of the population that is replaced, and share that is copied.
        #[serde(default = "fifth")]
        #[schemars(range(max = 0.5), extend("exclusiveMinimum" = 0.0))]
        quantile: f64,
        /// A hyperparameter is multiplied or divided by this.
        #[serde(default = "six_fifths")]
        #[schemars(range(max = 10.0), extend("exclusiveMinimum" = 1.0))]
        factor: f64,
        /// Probability that a hyperparameter is drawn anew instead.
        #[serde(default = "quarter")]
        #[schemars(range(min = 0.0, max = 1.0))]
        resample: f64,
        #[serde(default)]
        #[schemars(range(max = MAX_SEED))]
        seed: u64,
    },
    /// Stops a trial whose extrapolated curve, at the upper end of its uncertainty, stays below the best finished trial.
    CurveStop {
        /// Epochs that every trial gets; a curve is fitted to no fewer.
        #[serde(default = "five")]
        #[schemars(range(min = 3, max = 100_000))]
        min_epochs: u32,
        /// Probability that a trial's end lies below its upper bound. Extrapolations are checked against finished
        /// trials; with fewer than confidence / (1 - confidence) of them nothing is stopped.
        #[serde(default = "nine_tenths")]
        #[schemars(extend("exclusiveMinimum" = 0.5, "exclusiveMaximum" = 1.0))]
        confidence: f64,
    },
}

impl Default for Scheduler {
    fn default() -> Self {
        Self::None {}
    }
}

impl Scheduler {
    /// The tag, as on the wire.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::None {} => "none",
            Self::MedianStop { .. } => "median_stop",
            Self::SuccessiveHalving { .. } => "successive_halving",
            Self::Asha { .. } => "asha",
            Self::Hyperband { .. } => "hyperband",
            Self::Pbt { .. } => "pbt",
            Self::CurveStop { .. } => "curve_stop",
        }
    }

    /// It lets every trial run to its end.
    pub fn is_none(&self) -> bool {
        matches!(self, Self::None {})
    }
}

fn one() -> u32 {
    1
}

fn five() -> u32 {
    5
}

fn default_eta() -> f64 {
    DEFAULT_ETA
}

fn fifth() -> f64 {
    0.2
}

fn quarter() -> f64 {
    0.25
}

fn six_fifths() -> f64 {
    1.2
}

fn nine_tenths() -> f64 {
    0.9
}
