//! What happens to a training image between the cache and the network.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Training-time augmentation, applied to whole batches on the device.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Augment {
    pub crop: Crop,
    pub flip: Flip,
    pub mix: Mix,
}

impl Default for Augment {
    fn default() -> Self {
        Self::standard()
    }
}

impl Augment {
    /// Random resized crop and horizontal flip.
    pub fn standard() -> Self {
        Self {
            crop: Crop::RandomResized {
                scale: default_scale(),
                ratio: default_ratio(),
            },
            flip: Flip::default(),
            mix: Mix::None {},
        }
    }

    /// Nothing random: training images look like evaluation images.
    pub fn none() -> Self {
        Self {
            crop: Crop::Center {},
            flip: Flip {
                horizontal: 0.0,
                vertical: 0.0,
            },
            mix: Mix::None {},
        }
    }
}

/// How a training crop is chosen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Crop {
    /// The evaluation crop.
    Center {},
    /// Inception-style crop (Szegedy et al. 2015): a random area and aspect ratio, resized to the
    /// training resolution.
    RandomResized {
        /// Smallest and largest share of the image's area, in (0, 1].
        #[serde(default = "default_scale")]
        #[schemars(inner(range(min = 0.01, max = 1.0)))]
        scale: [f64; 2],
        /// Smallest and largest width / height.
        #[serde(default = "default_ratio")]
        #[schemars(inner(range(min = 0.1, max = 10.0)))]
        ratio: [f64; 2],
    },
}

fn default_scale() -> [f64; 2] {
    [0.35, 1.0]
}

fn default_ratio() -> [f64; 2] {
    [0.75, 4.0 / 3.0]
}

/// Mirror probabilities.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Flip {
    #[schemars(range(min = 0.0, max = 1.0))]
    pub horizontal: f64,
    #[schemars(range(min = 0.0, max = 1.0))]
    pub vertical: f64,
}

impl Default for Flip {
    fn default() -> Self {
        Self {
            horizontal: 0.5,
            vertical: 0.0,
        }
    }
}

/// Mixing of two images of a batch and their labels.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Mix {
    None {},
    /// A box of one image pasted into another (Yun et al. 2019), labels mixed by area.
    Cutmix {
        /// Both parameters of the Beta distribution the area is drawn from.
        #[serde(default = "one")]
        #[schemars(range(max = 100.0), extend("exclusiveMinimum" = 0.0))]
        alpha: f64,
        /// Probability that a batch is mixed.
        #[serde(default = "one")]
        #[schemars(range(min = 0.0, max = 1.0))]
        prob: f64,
    },
}

fn one() -> f64 {
    1.0
}
