//! The training run itself: length, batch, resolution, seed.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Phase;
use crate::MAX_SEED;

/// Length, batch size, resolution and seed of the run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Fit {
    /// Passes over the training images.
    #[schemars(range(min = 1, max = 10000))]
    pub epochs: u32,
    #[schemars(range(min = 1, max = 65536))]
    pub batch_size: u32,
    /// Side of the square training crop in pixels.
    #[schemars(range(min = 16, max = 1024))]
    pub resolution: u32,
    /// Side of the evaluation crop in pixels. Left out: the training resolution.
    #[schemars(range(min = 16, max = 1024))]
    pub eval_resolution: Option<u32>,
    pub precision: Precision,
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
            resolution: 224,
            eval_resolution: None,
            precision: Precision::Auto,
            select: Select::Last,
            phases: Vec::new(),
            seed: 0,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Precision {
    /// f32 (TF32 matrix products on CUDA).
    Auto,
    /// f32 throughout.
    F32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Select {
    /// The last epoch, the honest default.
    Last,
}
