//! What happens to a training image between the cache and the network.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Training-time augmentation, applied to whole batches on the device, in the order of the fields:
/// crop and flip, rotation, policy and colour jitter on levels, then, on normalised images, erasing,
/// cutout and mixing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Augment {
    pub crop: Crop,
    pub flip: Flip,
    pub rotation: Rotation,
    pub policy: Policy,
    pub color_jitter: ColorJitter,
    pub erasing: Erasing,
    pub cutout: Cutout,
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
            ..Self::none()
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
            rotation: Rotation::default(),
            policy: Policy::None {},
            color_jitter: ColorJitter::default(),
            erasing: Erasing::default(),
            cutout: Cutout::default(),
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

/// Rotation about the centre.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Rotation {
    /// The angle is uniform in plus or minus this.
    #[schemars(range(min = 0.0, max = 180.0))]
    pub degrees: f64,
}

/// Operations drawn for each image from a published list.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Policy {
    None {},
    /// One of 25 learnt pairs of operations (Cubuk et al. 2019), as torchvision has them.
    AutoAugment {
        /// The dataset the pairs were learnt on.
        #[serde(default)]
        policy: LearntOn,
    },
    /// `n` operations of one magnitude (Cubuk et al. 2020).
    RandAugment {
        convention: RandConvention,
        /// Operations an image.
        #[serde(default = "default_n")]
        #[schemars(range(min = 1, max = 16))]
        n: u32,
        /// Magnitude: of 10 in timm's convention, one of 0 to 30 in torchvision's.
        #[serde(default = "default_m")]
        #[schemars(range(min = 0.0, max = 30.0))]
        m: f64,
        /// timm only: standard deviation of the magnitude.
        #[serde(default)]
        #[schemars(range(min = 0.0, max = 10.0))]
        mstd: f64,
        /// timm only: every operation grows stronger with the magnitude (`inc1`).
        #[serde(default)]
        increasing: bool,
    },
    /// One operation of a random magnitude, from torchvision's wide list (Mueller and Hutter 2021).
    TrivialAugment {},
}

impl Policy {
    /// The tag, as in the spec.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::None {} => "none",
            Self::AutoAugment { .. } => "auto_augment",
            Self::RandAugment { .. } => "rand_augment",
            Self::TrivialAugment {} => "trivial_augment",
        }
    }
}

/// The dataset an AutoAugment policy was learnt on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LearntOn {
    #[default]
    Imagenet,
    Cifar10,
    Svhn,
}

/// Whose RandAugment: the two differ in operations, ranges and probabilities.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RandConvention {
    /// 15 operations, each applied with probability 0.5; m 9 is 9 / 10 of the range.
    Timm,
    /// 14 operations, always applied; m 9 is 9 / 30 of the range.
    Torchvision,
}

/// Colour jitter, as torchvision's: the four in random order, each by a factor of its own.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ColorJitter {
    /// The factor is uniform in [1 - x, 1 + x].
    #[schemars(range(min = 0.0, max = 1.0))]
    pub brightness: f64,
    #[schemars(range(min = 0.0, max = 1.0))]
    pub contrast: f64,
    #[schemars(range(min = 0.0, max = 1.0))]
    pub saturation: f64,
    /// The shift of the hue is uniform in [-x, x] turns.
    #[schemars(range(min = 0.0, max = 0.5))]
    pub hue: f64,
}

/// Random erasing (Zhong et al. 2020): a rectangle of an image is overwritten.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Erasing {
    /// Probability that an image loses a rectangle.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub prob: f64,
    pub fill: EraseFill,
    /// Smallest and largest share of the image's area.
    #[schemars(inner(range(min = 0.001, max = 1.0)))]
    pub area: [f64; 2],
    /// Smallest and largest height / width.
    #[schemars(inner(range(min = 0.01, max = 100.0)))]
    pub ratio: [f64; 2],
}

impl Default for Erasing {
    fn default() -> Self {
        Self {
            prob: 0.0,
            fill: EraseFill::Pixel,
            area: [0.02, 1.0 / 3.0],
            ratio: [0.3, 1.0 / 0.3],
        }
    }
}

/// What stands where an image was erased.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum EraseFill {
    /// Zero after normalisation: the mean colour.
    Const,
    /// Normal noise of its own for each pixel and channel, after normalisation.
    Pixel,
}

/// Cutout (DeVries and Taylor 2017): a square around a random pixel is set to the mean colour.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Cutout {
    /// Side of the square over that of the image; what lies beyond the border is cut off.
    #[schemars(range(max = 1.0), extend("exclusiveMinimum" = 0.0))]
    pub size: f64,
    /// Probability that an image loses a square.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub prob: f64,
}

impl Default for Cutout {
    fn default() -> Self {
        Self {
            size: 0.25,
            prob: 0.0,
        }
    }
}

/// Mixing of two images of a batch and their labels. The partner of an image is its mirror in the
/// batch; all images of a batch share one draw.
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
    /// A weighted mean of two images (Zhang et al. 2018), labels mixed by weight.
    Mixup {
        /// Both parameters of the Beta distribution the weight is drawn from.
        #[serde(default = "default_mixup_alpha")]
        #[schemars(range(max = 100.0), extend("exclusiveMinimum" = 0.0))]
        alpha: f64,
        /// Probability that a batch is mixed.
        #[serde(default = "one")]
        #[schemars(range(min = 0.0, max = 1.0))]
        prob: f64,
    },
    /// For each batch one of the two, as timm switches between them.
    CutmixOrMixup {
        #[serde(default = "one")]
        #[schemars(range(max = 100.0), extend("exclusiveMinimum" = 0.0))]
        cutmix_alpha: f64,
        #[serde(default = "default_mixup_alpha")]
        #[schemars(range(max = 100.0), extend("exclusiveMinimum" = 0.0))]
        mixup_alpha: f64,
        /// Probability that a mixed batch is mixed by CutMix.
        #[serde(default = "half")]
        #[schemars(range(min = 0.0, max = 1.0))]
        switch_prob: f64,
        /// Probability that a batch is mixed.
        #[serde(default = "one")]
        #[schemars(range(min = 0.0, max = 1.0))]
        prob: f64,
    },
}

impl Mix {
    /// The tag, as in the spec.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::None {} => "none",
            Self::Cutmix { .. } => "cutmix",
            Self::Mixup { .. } => "mixup",
            Self::CutmixOrMixup { .. } => "cutmix_or_mixup",
        }
    }
}

fn one() -> f64 {
    1.0
}

fn half() -> f64 {
    0.5
}

/// timm's recipes' for training from scratch and fine-tuning alike.
fn default_mixup_alpha() -> f64 {
    0.8
}

fn default_n() -> u32 {
    2
}

fn default_m() -> f64 {
    9.0
}
