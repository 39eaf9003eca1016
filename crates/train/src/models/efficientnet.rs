//! The EfficientNet family as tables: Tan and Le 2019, <https://arxiv.org/abs/1905.11946>. A new
//! member is a new row.
//!
//! Lite is Google's variant for phones (<https://github.com/tensorflow/tpu/tree/master/models/official/efficientnet/lite>):
//! no squeeze-and-excitation, ReLU6 for swish, stem and ends unscaled. Reference: timm's
//! `efficientnet_lite0` to `4`, whose parameter names, symmetric padding and BatchNorm constants
//! these are (timm's `tf_` ports pad and normalise otherwise).

mod blocks;

use cultivar_spec::trial::Backbone;
use tch::{Kind, Tensor};

use super::Trunk;
use super::layers::{BatchNormConfig, ConvNorm, ConvShape, Linear, Maker};
use super::pass::Pass;
use crate::activation::Nonlinearity;
use crate::params::channels_last;
use blocks::{Block, BlockShape};

/// A member of the family.
pub(super) struct Arch {
    name: &'static str,
    /// Scales the channels of every stage.
    width: f64,
    /// Scales the repeats of every stage but the first and the last.
    depth: f64,
    n_stem: i64,
    stages: &'static [Stage],
    n_features: i64,
    activation: Nonlinearity,
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

#[derive(Clone, Copy)]
enum BlockKind {
    /// Depthwise, then pointwise.
    Separable,
    /// Pointwise to `expand` times the channels, depthwise, pointwise back.
    Inverted { expand: i64 },
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

const fn lite(name: &'static str, width: f64, depth: f64) -> Arch {
    Arch {
        name,
        width,
        depth,
        n_stem: 32,
        stages: STAGES,
        n_features: 1280,
        activation: Nonlinearity::Relu6,
        norm: BatchNormConfig {
            momentum: 0.1,
            eps: 1e-5,
        },
    }
}

const ARCHS: &[Arch] = &[
    lite("efficientnet_lite0", 1.0, 1.0),
    lite("efficientnet_lite1", 1.0, 1.1),
    lite("efficientnet_lite2", 1.1, 1.2),
    lite("efficientnet_lite3", 1.2, 1.4),
    lite("efficientnet_lite4", 1.4, 1.8),
];

/// Looks a member up by timm's name.
pub(super) fn find(name: &str) -> Option<&'static Arch> {
    ARCHS.iter().find(|arch| arch.name == name)
}

/// timm's names of all members.
pub(super) fn names() -> Vec<&'static str> {
    ARCHS.iter().map(|arch| arch.name).collect()
}

/// Everything below the classifier.
pub(super) struct EfficientNet {
    stem: ConvNorm,
    blocks: Vec<Block>,
    head: ConvNorm,
    activation: Nonlinearity,
    n_features: i64,
    drop_path_rates: Vec<f64>,
}

/// Builds a member and its classifier.
pub(super) fn build(
    arch: &Arch,
    backbone: &Backbone,
    n_classes: i64,
    maker: &mut Maker<'_>,
) -> (EfficientNet, Linear) {
    let activation = Nonlinearity::choose(backbone.activation, arch.activation);
    let stem_shape = ConvShape {
        n_in: 3,
        n_out: arch.n_stem,
        kernel: 3,
        stride: 2,
        groups: 1,
    };
    let stem = maker.conv_norm(("conv_stem", "bn1"), stem_shape, arch.norm);

    let mut blocks = Vec::new();
    let mut n_in = arch.n_stem;
    for (stage_idx, stage) in arch.stages.iter().enumerate() {
        let is_end = stage_idx == 0 || stage_idx + 1 == arch.stages.len();
        let repeats = match is_end {
            true => stage.repeats,
            false => (f64::from(stage.repeats) * arch.depth).ceil() as u32,
        };
        let n_out = round_channels(stage.n_out as f64 * arch.width);
        for repeat_idx in 0..repeats {
            maker.deeper();
            let shape = BlockShape {
                n_in,
                n_out,
                n_mid: match stage.kind {
                    BlockKind::Separable => None,
                    BlockKind::Inverted { expand } => Some(round_channels((n_in * expand) as f64)),
                },
                kernel: stage.kernel,
                stride: if repeat_idx == 0 { stage.stride } else { 1 },
            };
            let name = format!("blocks.{stage_idx}.{repeat_idx}");
            blocks.push(Block::new(&name, shape, arch.norm, activation, maker));
            n_in = n_out;
        }
    }

    maker.deeper();
    let head_shape = ConvShape::pointwise(n_in, arch.n_features);
    let head = maker.conv_norm(("conv_head", "bn2"), head_shape, arch.norm);

    maker.start_head();
    let range = (1.0 / (n_classes as f64).sqrt()) as f32;
    let classifier = maker.linear("classifier", arch.n_features, n_classes, range);

    let n_blocks = blocks.len();
    let drop_path_rates = (0..n_blocks)
        .map(|idx| backbone.drop_path * idx as f64 / n_blocks as f64)
        .collect();
    let trunk = EfficientNet {
        stem,
        blocks,
        head,
        activation,
        n_features: arch.n_features,
        drop_path_rates,
    };
    (trunk, classifier)
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
        let x = self.activation.apply(self.head.forward(&x, pass));
        x.mean_dim([2, 3].as_slice(), false, Kind::Float)
    }

    fn n_features(&self) -> i64 {
        self.n_features
    }

    fn drop_path_rates(&self) -> &[f64] {
        &self.drop_path_rates
    }
}
