//! The training run itself: length, batch, resolution, precision, which weights come out, seed.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Phase;
use crate::MAX_SEED;

/// Length, batch size, resolution, precision and seed of the run, and which weights come out of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Fit {
    /// Passes over the training images.
    #[schemars(range(min = 1, max = 10000))]
    pub epochs: u32,
    /// Images of one optimizer step.
    #[schemars(range(min = 1, max = 65536))]
    pub batch_size: u32,
    /// Micro-batches a step's images are split into, one after another: less memory for the same gradient.
    /// BatchNorm sees the micro-batches.
    #[schemars(range(min = 1, max = 65536))]
    pub accumulation: u32,
    /// Side of the square training crop in pixels.
    #[schemars(range(min = 16, max = 1024))]
    pub resolution: u32,
    /// Side of the evaluation crop in pixels. Left out: the training resolution.
    #[schemars(range(min = 16, max = 1024))]
    pub eval_resolution: Option<u32>,
    pub precision: Precision,
    /// Only algorithms that repeat bit for bit; on a GPU they are slower. The CPU repeats anyhow.
    pub deterministic: bool,
    /// A moving average of the weights beside those being trained; null: none.
    pub ema: Option<Ema>,
    /// Whose validation decides, and which are kept. Left out: the average where there is one.
    pub eval_weights: Option<EvalWeights>,
    /// Which epoch's weights are kept and scored.
    pub select: Select,
    /// Stretches of the run that train different parts, at different resolutions. None: all of it in
    /// one.
    #[schemars(length(max = 16))]
    pub phases: Vec<Phase>,
    #[schemars(range(max = MAX_SEED))]
    pub seed: u64,
}

impl Default for Fit {
    fn default() -> Self {
        Self {
            epochs: 10,
            batch_size: 64,
            accumulation: 1,
            resolution: 224,
            eval_resolution: None,
            precision: Precision::Auto,
            deterministic: false,
            ema: None,
            eval_weights: None,
            select: Select::Last,
            phases: Vec::new(),
            seed: 0,
        }
    }
}

impl Fit {
    /// The weights in force: what was written, or the average where there is one.
    pub fn eval_weights(&self) -> EvalWeights {
        self.eval_weights.unwrap_or(match self.ema {
            Some(_) => EvalWeights::Ema,
            None => EvalWeights::Raw,
        })
    }
}

/// Number formats of the forward and backward passes. Weights, gradients and optimizer state are f32 always, and
/// so is evaluation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Precision {
    /// `tf32` on CUDA, `f32` elsewhere.
    Auto,
    /// f32 throughout.
    F32,
    /// f32, with matrix products and convolutions of 10 bits of mantissa; CUDA only.
    Tf32,
    /// bfloat16 where autocast deems it safe.
    Bf16,
    /// float16 where autocast deems it safe, with loss scaling; CUDA only.
    F16,
}

/// An exponential moving average of weights and BatchNorm statistics.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Ema {
    /// Epochs after which a step's weights count half.
    #[schemars(range(max = 10000.0), extend("exclusiveMinimum" = 0.0))]
    pub half_life_epochs: f64,
}

impl Default for Ema {
    fn default() -> Self {
        Self {
            half_life_epochs: 0.5,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum EvalWeights {
    /// The moving average; needs `ema`.
    Ema,
    /// Those being trained (Lookahead's slow ones under Ranger).
    Raw,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Select {
    /// The last epoch, the honest default.
    Last,
    /// The epoch with the best objective on validation, the earliest of equals. Its score is an optimistic one.
    Best,
}
