//! Optimizers.

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
        #[serde(default = "d::decay_l2")]
        #[schemars(range(min = 0.0, max = 10.0))]
        weight_decay: f64,
        /// Largest global gradient norm; null switches clipping off.
        #[serde(default)]
        #[schemars(extend("exclusiveMinimum" = 0.0))]
        clip: Option<f64>,
        /// Sharpness-aware minimisation; null switches it off.
        #[serde(default)]
        sam: Option<Sam>,
    },
    /// Adam (Kingma and Ba 2015) with coupled L2 decay, as in PyTorch.
    Adam {
        #[serde(default = "d::lr_adam")]
        #[schemars(range(max = 100.0), extend("exclusiveMinimum" = 0.0))]
        lr: f64,
        #[serde(default = "d::betas")]
        #[schemars(inner(range(min = 0.0, max = 0.9999999)))]
        betas: [f64; 2],
        #[serde(default = "d::eps")]
        #[schemars(range(max = 1.0), extend("exclusiveMinimum" = 0.0))]
        eps: f64,
        #[serde(default = "d::decay_l2")]
        #[schemars(range(min = 0.0, max = 10.0))]
        weight_decay: f64,
        /// Largest global gradient norm; null switches clipping off.
        #[serde(default)]
        #[schemars(extend("exclusiveMinimum" = 0.0))]
        clip: Option<f64>,
        /// Sharpness-aware minimisation; null switches it off.
        #[serde(default)]
        sam: Option<Sam>,
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
        #[serde(default = "d::decay_decoupled")]
        #[schemars(range(min = 0.0, max = 10.0))]
        weight_decay: f64,
        /// Largest global gradient norm; null switches clipping off.
        #[serde(default)]
        #[schemars(extend("exclusiveMinimum" = 0.0))]
        clip: Option<f64>,
        /// Sharpness-aware minimisation; null switches it off.
        #[serde(default)]
        sam: Option<Sam>,
    },
    /// Rectified Adam (Liu et al. 2020) with decoupled weight decay, as the authors' code and timm have it.
    Radam {
        #[serde(default = "d::lr_adam")]
        #[schemars(range(max = 100.0), extend("exclusiveMinimum" = 0.0))]
        lr: f64,
        #[serde(default = "d::betas")]
        #[schemars(inner(range(min = 0.0, max = 0.9999999)))]
        betas: [f64; 2],
        #[serde(default = "d::eps")]
        #[schemars(range(max = 1.0), extend("exclusiveMinimum" = 0.0))]
        eps: f64,
        #[serde(default = "d::decay_decoupled")]
        #[schemars(range(min = 0.0, max = 10.0))]
        weight_decay: f64,
        /// Largest global gradient norm; null switches clipping off.
        #[serde(default)]
        #[schemars(extend("exclusiveMinimum" = 0.0))]
        clip: Option<f64>,
        /// Sharpness-aware minimisation; null switches it off.
        #[serde(default)]
        sam: Option<Sam>,
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
        #[serde(default = "d::decay_decoupled")]
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
        /// Sharpness-aware minimisation; null switches it off.
        #[serde(default)]
        sam: Option<Sam>,
    },
}

/// Sharpness-aware minimisation (Foret et al. 2021) around any optimizer: its gradient is taken where the loss
/// nearby is largest. A step costs two forward and two backward passes.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Sam {
    /// How far uphill the gradient is taken.
    #[schemars(range(max = 100.0), extend("exclusiveMinimum" = 0.0))]
    pub rho: f64,
    /// Distances relative to each weight's size (ASAM, Kwon et al. 2021).
    pub adaptive: bool,
}

impl Default for Sam {
    fn default() -> Self {
        Self {
            rho: 0.05,
            adaptive: false,
        }
    }
}

impl Default for Optimizer {
    fn default() -> Self {
        Self::Adamw {
            lr: d::lr_adam(),
            betas: d::betas(),
            eps: d::eps(),
            weight_decay: d::decay_decoupled(),
            clip: None,
            sam: None,
        }
    }
}

impl Optimizer {
    /// The peak learning rate of the backbone.
    pub fn lr(&self) -> f64 {
        match self {
            Self::Sgd { lr, .. }
            | Self::Adam { lr, .. }
            | Self::Adamw { lr, .. }
            | Self::Radam { lr, .. }
            | Self::Ranger { lr, .. } => *lr,
        }
    }

    /// Sets the peak learning rate.
    pub fn set_lr(&mut self, value: f64) {
        match self {
            Self::Sgd { lr, .. }
            | Self::Adam { lr, .. }
            | Self::Adamw { lr, .. }
            | Self::Radam { lr, .. }
            | Self::Ranger { lr, .. } => *lr = value,
        }
    }

    /// Largest global gradient norm, if gradients are clipped.
    pub fn clip(&self) -> Option<f64> {
        match self {
            Self::Sgd { clip, .. }
            | Self::Adam { clip, .. }
            | Self::Adamw { clip, .. }
            | Self::Radam { clip, .. }
            | Self::Ranger { clip, .. } => *clip,
        }
    }

    /// Sharpness-aware minimisation, if it is on.
    pub fn sam(&self) -> Option<Sam> {
        match self {
            Self::Sgd { sam, .. }
            | Self::Adam { sam, .. }
            | Self::Adamw { sam, .. }
            | Self::Radam { sam, .. }
            | Self::Ranger { sam, .. } => *sam,
        }
    }

    /// The tag, as in the spec.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Sgd { .. } => "sgd",
            Self::Adam { .. } => "adam",
            Self::Adamw { .. } => "adamw",
            Self::Radam { .. } => "radam",
            Self::Ranger { .. } => "ranger",
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
    pub fn decay_l2() -> f64 {
        5e-4
    }
    pub fn decay_decoupled() -> f64 {
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
    pub fn yes() -> bool {
        true
    }
}
