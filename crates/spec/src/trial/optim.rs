//! Optimizers and learning-rate schedules.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The optimizer. Weight decay never touches biases and other 1-d parameters.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Optimizer {
    /// Stochastic gradient descent with (Nesterov) momentum; coupled L2 decay, as in PyTorch.
    Sgd {
        #[serde(default = "d::lr_sgd")]
        #[schemars(range(max = 100.0), extend("exclusiveMinimum" = 0.0))]
        lr: f64,
        #[serde(default = "d::momentum")]
        #[schemars(range(min = 0.0, max = 0.9999))]
        momentum: f64,
        #[serde(default = "d::yes")]
        nesterov: bool,
        #[serde(default = "d::decay_sgd")]
        #[schemars(range(min = 0.0, max = 10.0))]
        weight_decay: f64,
        /// Largest global gradient norm; null switches clipping off.
        #[serde(default)]
        #[schemars(extend("exclusiveMinimum" = 0.0))]
        clip: Option<f64>,
    },
    /// Adam with decoupled weight decay (Loshchilov and Hutter 2019).
    Adamw {
        #[serde(default = "d::lr_adam")]
        #[schemars(range(max = 100.0), extend("exclusiveMinimum" = 0.0))]
        lr: f64,
        #[serde(default = "d::betas")]
        #[schemars(inner(range(min = 0.0, max = 0.9999999)))]
        betas: [f64; 2],
        #[serde(default = "d::eps")]
        #[schemars(range(max = 1.0), extend("exclusiveMinimum" = 0.0))]
        eps: f64,
        #[serde(default = "d::decay_adamw")]
        #[schemars(range(min = 0.0, max = 10.0))]
        weight_decay: f64,
        /// Largest global gradient norm; null switches clipping off.
        #[serde(default)]
        #[schemars(extend("exclusiveMinimum" = 0.0))]
        clip: Option<f64>,
    },
    /// RAdam with gradient centralization inside Lookahead (Wright and Demeure 2021).
    Ranger {
        #[serde(default = "d::lr_adam")]
        #[schemars(range(max = 100.0), extend("exclusiveMinimum" = 0.0))]
        lr: f64,
        #[serde(default = "d::betas_ranger")]
        #[schemars(inner(range(min = 0.0, max = 0.9999999)))]
        betas: [f64; 2],
        #[serde(default = "d::eps_ranger")]
        #[schemars(range(max = 1.0), extend("exclusiveMinimum" = 0.0))]
        eps: f64,
        #[serde(default = "d::decay_adamw")]
        #[schemars(range(min = 0.0, max = 10.0))]
        weight_decay: f64,
        /// Lookahead: fast steps between two synchronisations.
        #[serde(default = "d::lookahead_k")]
        #[schemars(range(min = 1, max = 1000))]
        lookahead_k: u32,
        /// Lookahead: share of the way the slow weights move.
        #[serde(default = "d::half")]
        #[schemars(range(max = 1.0), extend("exclusiveMinimum" = 0.0))]
        lookahead_alpha: f64,
        /// Largest global gradient norm; null switches clipping off.
        #[serde(default)]
        #[schemars(extend("exclusiveMinimum" = 0.0))]
        clip: Option<f64>,
    },
}

impl Default for Optimizer {
    fn default() -> Self {
        Self::Adamw {
            lr: d::lr_adam(),
            betas: d::betas(),
            eps: d::eps(),
            weight_decay: d::decay_adamw(),
            clip: None,
        }
    }
}

impl Optimizer {
    /// The peak learning rate of the backbone.
    pub fn lr(&self) -> f64 {
        match self {
            Self::Sgd { lr, .. } | Self::Adamw { lr, .. } | Self::Ranger { lr, .. } => *lr,
        }
    }

    /// Sets the peak learning rate.
    pub fn set_lr(&mut self, value: f64) {
        match self {
            Self::Sgd { lr, .. } | Self::Adamw { lr, .. } | Self::Ranger { lr, .. } => *lr = value,
        }
    }

    /// Largest global gradient norm, if gradients are clipped.
    pub fn clip(&self) -> Option<f64> {
        match self {
            Self::Sgd { clip, .. } | Self::Adamw { clip, .. } | Self::Ranger { clip, .. } => *clip,
        }
    }

    /// The tag, as in the spec.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Sgd { .. } => "sgd",
            Self::Adamw { .. } => "adamw",
            Self::Ranger { .. } => "ranger",
        }
    }
}

/// The learning rate over the run, as a factor of the optimizer's `lr`; stepped every batch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Schedule {
    /// Linear warm-up, then half a cosine down to `final_fraction` of the peak.
    Cosine {
        /// Share of all steps spent warming up from 0.
        #[serde(default)]
        #[schemars(range(min = 0.0, max = 0.9))]
        warmup_fraction: f64,
        #[serde(default)]
        #[schemars(range(min = 0.0, max = 1.0))]
        final_fraction: f64,
    },
    /// One cycle (Smith and Topin 2018), with PyTorch's conventions: cosine up from `lr / div` over
    /// the first `pct_start`, cosine down to `lr / div / final_div`; momentum (beta1) moves the other way.
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
        }
    }
}

impl Schedule {
    /// The tag, as in the spec.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Cosine { .. } => "cosine",
            Self::OneCycle { .. } => "one_cycle",
            Self::Constant { .. } => "constant",
        }
    }
}

/// Defaults, one place for each number.
mod d {
    pub fn lr_sgd() -> f64 {
        0.01
    }
    pub fn lr_adam() -> f64 {
        1e-3
    }
    pub fn momentum() -> f64 {
        0.9
    }
    pub fn decay_sgd() -> f64 {
        5e-4
    }
    pub fn decay_adamw() -> f64 {
        0.01
    }
    pub fn betas() -> [f64; 2] {
        [0.9, 0.999]
    }
    pub fn betas_ranger() -> [f64; 2] {
        [0.95, 0.999]
    }
    pub fn eps() -> f64 {
        1e-8
    }
    pub fn eps_ranger() -> f64 {
        1e-5
    }
    pub fn lookahead_k() -> u32 {
        6
    }
    pub fn half() -> f64 {
        0.5
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
