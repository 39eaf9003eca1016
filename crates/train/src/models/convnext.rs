//! ConvNeXt: Liu et al. 2022, <https://arxiv.org/abs/2201.03545>. A new member is a new row.
//!
//! A block is a 7 x 7 depthwise convolution, a LayerNorm over channels, a two-layer perceptron at every
//! place and a learned scale per channel; x + scale * branch(x). Reference: timm's `convnext_tiny`,
//! `_small` and `_base`.

use cultivar_spec::trial::Backbone;
use tch::Tensor;

use super::Trunk;
use super::head::{HeadShape, narrow};
use super::layers::{Conv, LayerNorm, Linear, Padding, mean_pool};
use super::maker::{ConvShape, Init, Maker};
use super::pass::{Pass, linear_rates};
use crate::activation::Nonlinearity;
use crate::params::{ParamKind, channels_last};

/// A member of the family.
struct Arch {
    name: &'static str,
    /// Blocks of each stage.
    repeats: [u32; 4],
    /// Channels of each stage.
    channels: [i64; 4],
}

const ARCHS: &[Arch] = &[
    Arch {
        name: "convnext_tiny",
        repeats: [3, 3, 9, 3],
        channels: [96, 192, 384, 768],
    },
    Arch {
        name: "convnext_small",
        repeats: [3, 3, 27, 3],
        channels: [96, 192, 384, 768],
    },
    Arch {
        name: "convnext_base",
        repeats: [3, 3, 27, 3],
        channels: [128, 256, 512, 1024],
    },
];

const EPS: f64 = 1e-6;
const INIT: Init = Init::Normal { std: 0.02 };
/// What a block's branch is scaled by at first.
const LAYER_SCALE: f64 = 1e-6;

struct ConvNext {
    stem: Conv,
    stem_norm: LayerNorm,
    stages: Vec<Stage>,
    head_norm: LayerNorm,
    activation: Nonlinearity,
    n_features: i64,
    drop_path_rates: Vec<f64>,
}

struct Stage {
    /// Halves the sides; the first stage has none.
    downsample: Option<(LayerNorm, Conv)>,
    blocks: Vec<Block>,
}

/// Builds the member of that name, if there is one.
pub(super) fn build(backbone: &Backbone, maker: &mut Maker<'_>) -> Option<Box<dyn Trunk>> {
    let arch = ARCHS.iter().find(|arch| arch.name == backbone.name)?;
    let activation = Nonlinearity::choose(backbone.activation, Nonlinearity::Gelu);
    let n_stem = arch.channels[0];
    let patches =
        |n_in, n_out, side| ConvShape::dense(n_in, n_out, side, side).padded(Padding::None);
    let stem = maker.conv("stem.0", patches(3, n_stem, 4), true, INIT);
    let stem_norm = maker.layer_norm("stem.1", n_stem, EPS);

    let mut stages = Vec::new();
    let mut n_in = n_stem;
    for (stage_idx, (&repeats, &n)) in arch.repeats.iter().zip(&arch.channels).enumerate() {
        let mut blocks = Vec::new();
        let mut downsample = None;
        for repeat_idx in 0..repeats {
            maker.deeper();
            let mut maker = maker.within(&format!("stages.{stage_idx}"));
            if repeat_idx == 0 && stage_idx > 0 {
                let norm = maker.layer_norm("downsample.0", n_in, EPS);
                let conv = maker.conv("downsample.1", patches(n_in, n, 2), true, INIT);
                downsample = Some((norm, conv));
            }
            let mut maker = maker.within(&format!("blocks.{repeat_idx}"));
            blocks.push(Block::new(n, activation, &mut maker));
        }
        n_in = n;
        stages.push(Stage { downsample, blocks });
    }
    maker.deeper();
    let head_norm = maker.layer_norm("head.norm", n_in, EPS);
    let n_blocks = stages.iter().map(|stage| stage.blocks.len()).sum();
    Some(Box::new(ConvNext {
        stem,
        stem_norm,
        stages,
        head_norm,
        activation,
        n_features: n_in,
        drop_path_rates: linear_rates(backbone.drop_path, n_blocks),
    }))
}

impl Trunk for ConvNext {
    fn features(&self, images: &Tensor, pass: &Pass) -> Tensor {
        let stem = self.stem.forward(&channels_last(images));
        let mut x = self.stem_norm.forward_2d(&stem);
        let mut block_idx = 0;
        for stage in &self.stages {
            if let Some((norm, conv)) = &stage.downsample {
                x = conv.forward(&norm.forward_2d(&x));
            }
            for block in &stage.blocks {
                x = block.forward(&x, pass, block_idx);
                block_idx += 1;
            }
        }
        self.head_norm.forward(&mean_pool(&x))
    }

    fn n_features(&self) -> i64 {
        self.n_features
    }

    fn drop_path_rates(&self) -> &[f64] {
        &self.drop_path_rates
    }

    fn head(&self) -> HeadShape {
        HeadShape {
            name: "head.fc",
            init: narrow,
            activation: self.activation,
        }
    }

    fn last_norm(&self) -> &str {
        "head.norm"
    }
}

struct Block {
    /// `[C]`.
    scale: Tensor,
    depthwise: Conv,
    norm: LayerNorm,
    up: Linear,
    down: Linear,
    activation: Nonlinearity,
}

impl Block {
    fn new(n: i64, activation: Nonlinearity, maker: &mut Maker<'_>) -> Self {
        Self {
            scale: maker.param("gamma", ParamKind::Norm, &[n], Init::Constant(LAYER_SCALE)),
            depthwise: maker.conv("conv_dw", ConvShape::depthwise(n, 7, 1), true, INIT),
            norm: maker.layer_norm("norm", n, EPS),
            up: maker.linear("mlp.fc1", n, 4 * n, INIT),
            down: maker.linear("mlp.fc2", 4 * n, n, INIT),
            activation,
        }
    }

    /// `x`: `[N, C, H, W]`, as is the result.
    fn forward(&self, x: &Tensor, pass: &Pass, block_idx: usize) -> Tensor {
        let places = self.depthwise.forward(x).permute([0, 2, 3, 1]);
        let hidden = self
            .activation
            .apply(self.up.forward(&self.norm.forward(&places)));
        let branch = (self.down.forward(&hidden) * &self.scale).permute([0, 3, 1, 2]);
        pass.drop_path(branch, block_idx) + x
    }
}
