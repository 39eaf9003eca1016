//! Learning-rate schedules.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The learning rate over the run, as a factor of the optimizer's `lr`; stepped every batch. Fractions are of all
/// steps of the run unless they say otherwise. `warmup_fraction` is spent rising linearly from 0.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Schedule {
    /// Half a cosine from the peak down to `final_fraction` of it or, with several cycles, that again and again
    /// (SGDR, Loshchilov and Hutter 2017).
    Cosine {
        #[serde(default)]
        #[schemars(range(min = 0.0, max = 0.9))]
        warmup_fraction: f64,
        #[serde(default)]
        #[schemars(range(min = 0.0, max = 1.0))]
        final_fraction: f64,
        /// Cosines one after another in what the warm-up leaves.
        #[serde(default = "d::one")]
        #[schemars(range(min = 1, max = 100))]
        cycles: u32,
        /// Each cycle's length over the last one's.
        #[serde(default = "d::unit")]
        #[schemars(range(min = 0.1, max = 10.0))]
        cycle_mult: f64,
        /// Each cycle's peak over the last one's.
        #[serde(default = "d::unit")]
        #[schemars(range(max = 1.0), extend("exclusiveMinimum" = 0.0))]
        cycle_decay: f64,
    },
    /// The peak for `flat_fraction` of what the warm-up leaves, then half a cosine down: Ranger's usual companion.
    FlatCosine {
        #[serde(default)]
        #[schemars(range(min = 0.0, max = 0.9))]
        warmup_fraction: f64,
        #[serde(default = "d::flat")]
        #[schemars(range(min = 0.0, max = 1.0))]
        flat_fraction: f64,
        #[serde(default)]
        #[schemars(range(min = 0.0, max = 1.0))]
        final_fraction: f64,
    },
    /// Times `gamma` after every `every` of the run.
    Step {
        #[serde(default)]
        #[schemars(range(min = 0.0, max = 0.9))]
        warmup_fraction: f64,
        #[serde(default = "d::every")]
        #[schemars(range(max = 1.0), extend("exclusiveMinimum" = 0.0))]
        every: f64,
        #[serde(default = "d::gamma")]
        #[schemars(range(max = 1.0), extend("exclusiveMinimum" = 0.0))]
        gamma: f64,
    },
    /// Times `gamma` at each milestone, a share of the run.
    MultiStep {
        #[serde(default)]
        #[schemars(range(min = 0.0, max = 0.9))]
        warmup_fraction: f64,
        #[serde(default = "d::milestones")]
        #[schemars(length(min = 1, max = 100), inner(range(min = 0.0, max = 1.0)))]
        milestones: Vec<f64>,
        #[serde(default = "d::gamma")]
        #[schemars(range(max = 1.0), extend("exclusiveMinimum" = 0.0))]
        gamma: f64,
    },
    /// From the peak down to `final_fraction` of it as (1 - t) to the power of `power`; a straight line at 1.
    Polynomial {
        #[serde(default)]
        #[schemars(range(min = 0.0, max = 0.9))]
        warmup_fraction: f64,
        #[serde(default = "d::unit")]
        #[schemars(range(max = 10.0), extend("exclusiveMinimum" = 0.0))]
        power: f64,
        #[serde(default)]
        #[schemars(range(min = 0.0, max = 1.0))]
        final_fraction: f64,
    },
    /// One cycle (Smith and Topin 2018), with PyTorch's conventions: cosine up from `lr / div` over
    /// the first `pct_start`, cosine down to `lr / div / final_div`; momentum (beta1) moves the other way.
    /// The way up is its warm-up.
    OneCycle {
        #[serde(default = "d::pct_start")]
        #[schemars(range(min = 0.01, max = 0.99))]
        pct_start: f64,
        #[serde(default = "d::div")]
        #[schemars(range(min = 1.0, max = 1.0e6))]
        div: f64,
        #[serde(default = "d::final_div")]
        #[schemars(range(min = 1.0, max = 1.0e9))]
        final_div: f64,
        #[serde(default = "d::yes")]
        cycle_momentum: bool,
    },
    /// The peak all the way, after the warm-up.
    Constant {
        #[serde(default)]
        #[schemars(range(min = 0.0, max = 0.9))]
        warmup_fraction: f64,
    },
}

impl Default for Schedule {
    fn default() -> Self {
        Self::Cosine {
            warmup_fraction: 0.1,
            final_fraction: 0.0,
            cycles: d::one(),
            cycle_mult: d::unit(),
            cycle_decay: d::unit(),
        }
    }
}

impl Schedule {
    /// The tag, as in the spec.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Cosine { .. } => "cosine",
            Self::FlatCosine { .. } => "flat_cosine",
            Self::Step { .. } => "step",
            Self::MultiStep { .. } => "multi_step",
            Self::Polynomial { .. } => "polynomial",
            Self::OneCycle { .. } => "one_cycle",
            Self::Constant { .. } => "constant",
        }
    }

    /// Share of all steps spent rising linearly from 0; none in one cycle, which has its own way up.
    pub fn warmup_fraction(&self) -> f64 {
        match self {
            Self::Cosine {
                warmup_fraction, ..
            }
            | Self::FlatCosine {
                warmup_fraction, ..
            }
            | Self::Step {
                warmup_fraction, ..
            }
            | Self::MultiStep {
                warmup_fraction, ..
            }
            | Self::Polynomial {
                warmup_fraction, ..
            }
            | Self::Constant { warmup_fraction } => *warmup_fraction,
            Self::OneCycle { .. } => 0.0,
        }
    }
}

/// Defaults, one place for each number.
mod d {
    pub fn one() -> u32 {
        1
    }
    pub fn unit() -> f64 {
        1.0
    }
    pub fn flat() -> f64 {
        0.75
    }
    pub fn every() -> f64 {
        0.3
    }
    pub fn milestones() -> Vec<f64> {
        vec![0.5, 0.75]
    }
    pub fn gamma() -> f64 {
        0.1
    }
    pub fn pct_start() -> f64 {
        0.3
    }
    pub fn div() -> f64 {
        25.0
    }
    pub fn final_div() -> f64 {
        1e4
    }
    pub fn yes() -> bool {
        true
    }
}
