//! The EfficientNet families as tables: a new member is a new row.
//!
//! - EfficientNet (Tan and Le 2019, <https://arxiv.org/abs/1905.11946>), B0 to B7 and L2;
//! - Lite, Google's variant for phones
//!   (<https://github.com/tensorflow/tpu/tree/master/models/official/efficientnet/lite>): no
//!   squeeze-and-excitation, ReLU6 for swish, stem and ends unscaled;
//! - EfficientNetV2 (Tan and Le 2021, <https://arxiv.org/abs/2104.00298>), S, M and L: fused blocks in
//!   front.
//!
//! The rows called `tf_` take the weights that were trained in TensorFlow (Noisy Student, AdvProp and
//! others): their convolutions pad as TensorFlow's SAME, and BatchNorm's epsilon is 1e-3. The
//! others are timm's own: symmetric padding, 1e-5. BatchNorm's momentum is 0.1 in both, as in timm,
//! though TensorFlow's was 0.01. Reference: timm's models of the same names.

mod blocks;

use cultivar_spec::trial::Backbone;
use tch::Tensor;

use super::Trunk;
use super::head::HeadShape;
use super::layers::{BatchNormConfig, ConvNorm, Padding, mean_pool};
use super::maker::{ConvShape, Init, Maker};
use super::pass::Pass;
use crate::activation::Nonlinearity;
use crate::params::channels_last;
use blocks::{Block, BlockKind, BlockShape};

/// A member of a family.
struct Arch {
    name: &'static str,
    /// Scales the channels of every stage.
    width: f64,
    /// Scales the repeats of every stage.
    depth: f64,
    n_stem: i64,
    n_features: i64,
    /// Stem and features are not scaled by the width, nor the first and last stage by the depth.
    has_fixed_ends: bool,
    stages: &'static [Stage],
    /// Squeeze-and-excitation in the blocks with depthwise convolutions.
    squeezes: bool,
    activation: Nonlinearity,
    padding: Padding,
    norm: BatchNormConfig,
}

/// A run of like blocks; only the first one strides.
struct Stage {
    kind: BlockKind,
    repeats: u32,
    kernel: i64,
    stride: i64,
    n_out: i64,
}

const fn stage(kind: BlockKind, repeats: u32, kernel: i64, stride: i64, n_out: i64) -> Stage {
    Stage {
        kind,
        repeats,
        kernel,
        stride,
        n_out,
    }
}

const PLAIN: BlockKind = BlockKind::Plain;
const FUSED_4: BlockKind = BlockKind::Fused { expand: 4 };
const BY_4: BlockKind = BlockKind::Inverted { expand: 4 };
const BY_6: BlockKind = BlockKind::Inverted { expand: 6 };

const STAGES: &[Stage] = &[
    stage(BlockKind::Separable, 1, 3, 1, 16),
    stage(BY_6, 2, 3, 2, 24),
    stage(BY_6, 2, 5, 2, 40),
    stage(BY_6, 3, 3, 2, 80),
    stage(BY_6, 3, 5, 1, 112),
    stage(BY_6, 4, 5, 2, 192),
    stage(BY_6, 1, 3, 1, 320),
];

const V2_S: &[Stage] = &[
    stage(PLAIN, 2, 3, 1, 24),
    stage(FUSED_4, 4, 3, 2, 48),
    stage(FUSED_4, 4, 3, 2, 64),
    stage(BY_4, 6, 3, 2, 128),
    stage(BY_6, 9, 3, 1, 160),
    stage(BY_6, 15, 3, 2, 256),
];

const V2_M: &[Stage] = &[
    stage(PLAIN, 3, 3, 1, 24),
    stage(FUSED_4, 5, 3, 2, 48),
    stage(FUSED_4, 5, 3, 2, 80),
    stage(BY_4, 7, 3, 2, 160),
    stage(BY_6, 14, 3, 1, 176),
    stage(BY_6, 18, 3, 2, 304),
    stage(BY_6, 5, 3, 1, 512),
];

const V2_L: &[Stage] = &[
    stage(PLAIN, 4, 3, 1, 32),
    stage(FUSED_4, 7, 3, 2, 64),
    stage(FUSED_4, 7, 3, 2, 96),
    stage(BY_4, 10, 3, 2, 192),
    stage(BY_6, 19, 3, 1, 224),
    stage(BY_6, 25, 3, 2, 384),
    stage(BY_6, 7, 3, 1, 640),
];

const fn scaled(name: &'static str, width: f64, depth: f64) -> Arch {
    Arch {
        name,
        width,
        depth,
        n_stem: 32,
        n_features: 1280,
        has_fixed_ends: false,
        stages: STAGES,
        squeezes: true,
        activation: Nonlinearity::Swish,
        padding: Padding::Half,
        norm: BatchNormConfig {
            momentum: 0.1,
            eps: 1e-5,
        },
    }
}

const fn lite(name: &'static str, width: f64, depth: f64) -> Arch {
    Arch {
        has_fixed_ends: true,
        squeezes: false,
        activation: Nonlinearity::Relu6,
        ..scaled(name, width, depth)
    }
}

const fn v2(name: &'static str, stages: &'static [Stage]) -> Arch {
    Arch {
        stages,
        n_stem: stages[0].n_out,
        ..scaled(name, 1.0, 1.0)
    }
}

/// The same, as TensorFlow computes it.
const fn tf(name: &'static str, arch: Arch) -> Arch {
    Arch {
        name,
        padding: Padding::Same,
        norm: BatchNormConfig {
            momentum: 0.1,
            eps: 1e-3,
        },
        ..arch
    }
}

const ARCHS: &[Arch] = &[
    scaled("efficientnet_b0", 1.0, 1.0),
    scaled("efficientnet_b1", 1.0, 1.1),
    scaled("efficientnet_b2", 1.1, 1.2),
    scaled("efficientnet_b3", 1.2, 1.4),
    scaled("efficientnet_b4", 1.4, 1.8),
    scaled("efficientnet_b5", 1.6, 2.2),
    scaled("efficientnet_b6", 1.8, 2.6),
    scaled("efficientnet_b7", 2.0, 3.1),
    tf("tf_efficientnet_b0", scaled("", 1.0, 1.0)),
    tf("tf_efficientnet_b1", scaled("", 1.0, 1.1)),
    tf("tf_efficientnet_b2", scaled("", 1.1, 1.2)),
    tf("tf_efficientnet_b3", scaled("", 1.2, 1.4)),
    tf("tf_efficientnet_b4", scaled("", 1.4, 1.8)),
    tf("tf_efficientnet_b5", scaled("", 1.6, 2.2)),
    tf("tf_efficientnet_b6", scaled("", 1.8, 2.6)),
    tf("tf_efficientnet_b7", scaled("", 2.0, 3.1)),
    tf("tf_efficientnet_l2", scaled("", 4.3, 5.3)),
    lite("efficientnet_lite0", 1.0, 1.0),
    lite("efficientnet_lite1", 1.0, 1.1),
    lite("efficientnet_lite2", 1.1, 1.2),
    lite("efficientnet_lite3", 1.2, 1.4),
    lite("efficientnet_lite4", 1.4, 1.8),
    tf("tf_efficientnet_lite0", lite("", 1.0, 1.0)),
    tf("tf_efficientnet_lite1", lite("", 1.0, 1.1)),
    tf("tf_efficientnet_lite2", lite("", 1.1, 1.2)),
    tf("tf_efficientnet_lite3", lite("", 1.2, 1.4)),
    tf("tf_efficientnet_lite4", lite("", 1.4, 1.8)),
    v2("efficientnetv2_s", V2_S),
    v2("efficientnetv2_m", V2_M),
    v2("efficientnetv2_l", V2_L),
    tf("tf_efficientnetv2_s", v2("", V2_S)),
    tf("tf_efficientnetv2_m", v2("", V2_M)),
    tf("tf_efficientnetv2_l", v2("", V2_L)),
];

impl Arch {
    fn n_stem(&self) -> i64 {
        self.ends(self.n_stem)
    }

    fn n_features(&self) -> i64 {
        self.ends(self.n_features)
    }

    fn ends(&self, n: i64) -> i64 {
        match self.has_fixed_ends {
            true => n,
            false => round_channels(n as f64 * self.width),
        }
    }

    fn repeats(&self, stage_idx: usize) -> u32 {
        let is_end = stage_idx == 0 || stage_idx + 1 == self.stages.len();
        let repeats = self.stages[stage_idx].repeats;
        match is_end && self.has_fixed_ends {
            true => repeats,
            false => (f64::from(repeats) * self.depth).ceil() as u32,
        }
    }
}

/// Everything below the classifier.
struct EfficientNet {
    stem: ConvNorm,
    blocks: Vec<Block>,
    last: ConvNorm,
    activation: Nonlinearity,
    n_features: i64,
    drop_path_rates: Vec<f64>,
}

/// Builds the member of that name, if there is one.
pub(super) fn build(backbone: &Backbone, maker: &mut Maker<'_>) -> Option<Box<dyn Trunk>> {
    let arch = ARCHS.iter().find(|arch| arch.name == backbone.name)?;
    let activation = Nonlinearity::choose(backbone.activation, arch.activation);
    let stem_shape = ConvShape::dense(3, arch.n_stem(), 3, 2).padded(arch.padding);
    let stem = maker.conv_norm(("conv_stem", "bn1"), stem_shape, arch.norm, 1.0);

    let mut blocks = Vec::new();
    let mut n_in = arch.n_stem();
    for (stage_idx, stage) in arch.stages.iter().enumerate() {
        let n_out = round_channels(stage.n_out as f64 * arch.width);
        for repeat_idx in 0..arch.repeats(stage_idx) {
            maker.deeper();
            let shape = BlockShape {
                n_in,
                n_out,
                kernel: stage.kernel,
                stride: if repeat_idx == 0 { stage.stride } else { 1 },
                padding: arch.padding,
                squeezes: arch.squeezes,
            };
            let mut maker = maker.within(&format!("blocks.{stage_idx}.{repeat_idx}"));
            blocks.push(Block::new(
                stage.kind, shape, arch.norm, activation, &mut maker,
            ));
            n_in = n_out;
        }
    }
    let last_shape = ConvShape::pointwise(n_in, arch.n_features());
    let last = maker.conv_norm(("conv_head", "bn2"), last_shape, arch.norm, 1.0);
    maker.deeper();

    let n_blocks = blocks.len();
    Some(Box::new(EfficientNet {
        stem,
        blocks,
        last,
        activation,
        n_features: arch.n_features(),
        // timm counts to the number of blocks here, so that the last one stays below the full rate.
        drop_path_rates: (0..n_blocks)
            .map(|idx| backbone.drop_path * idx as f64 / n_blocks as f64)
            .collect(),
    }))
}

/// The nearest multiple of 8, but never less than 90% of `n`.
fn round_channels(n: f64) -> i64 {
    let nearest = ((n + 4.0) as i64 / 8 * 8).max(8);
    if (nearest as f64) < 0.9 * n {
        nearest + 8
    } else {
        nearest
    }
}

impl Trunk for EfficientNet {
    fn features(&self, images: &Tensor, pass: &Pass) -> Tensor {
        let stem = self.stem.forward(&channels_last(images), pass);
        let mut x = self.activation.apply(stem);
        for (idx, block) in self.blocks.iter().enumerate() {
            x = block.forward(&x, pass, idx);
        }
        mean_pool(&self.activation.apply(self.last.forward_last(&x, pass)))
    }

    fn n_features(&self) -> i64 {
        self.n_features
    }

    fn drop_path_rates(&self) -> &[f64] {
        &self.drop_path_rates
    }

    fn head(&self) -> HeadShape {
        HeadShape {
            name: "classifier",
            init: |_, n_out| Init::Uniform {
                range: 1.0 / (n_out as f64).sqrt(),
            },
            activation: self.activation,
        }
    }

    fn last_norm(&self) -> &str {
        "bn2"
    }
}
