//! ResNet: He et al. 2015, <https://arxiv.org/abs/1512.03385>. A new member is a new row.
//!
//! The bottleneck strides in its 3 x 3 convolution, as in torchvision and timm (ResNet "v1.5"), not in
//! the first. The last BatchNorm of each block starts at zero, so that a fresh block is the identity
//! (Goyal et al. 2017, <https://arxiv.org/abs/1706.02677>). Reference: timm's `resnet18` to `152`.

use cultivar_spec::trial::Backbone;
use tch::Tensor;

use super::Trunk;
use super::head::{HeadShape, by_fan_in};
use super::layers::{BatchNormConfig, ConvNorm, mean_pool};
use super::maker::{ConvShape, Maker};
use super::pass::{Pass, linear_rates};
use crate::activation::Nonlinearity;
use crate::params::channels_last;

/// A member of the family.
struct Arch {
    name: &'static str,
    kind: BlockKind,
    /// Blocks of each stage.
    repeats: [u32; 4],
}

#[derive(Clone, Copy, PartialEq)]
enum BlockKind {
    /// Two 3 x 3 convolutions.
    Basic,
    /// 1 x 1 to a quarter of the channels, 3 x 3, 1 x 1 back.
    Bottleneck,
}

const fn arch(name: &'static str, kind: BlockKind, repeats: [u32; 4]) -> Arch {
    Arch {
        name,
        kind,
        repeats,
    }
}

const ARCHS: &[Arch] = &[
    arch("resnet18", BlockKind::Basic, [2, 2, 2, 2]),
    arch("resnet34", BlockKind::Basic, [3, 4, 6, 3]),
    arch("resnet50", BlockKind::Bottleneck, [3, 4, 6, 3]),
    arch("resnet101", BlockKind::Bottleneck, [3, 4, 23, 3]),
    arch("resnet152", BlockKind::Bottleneck, [3, 8, 36, 3]),
];

const NORM: BatchNormConfig = BatchNormConfig {
    momentum: 0.1,
    eps: 1e-5,
};
const N_STEM: i64 = 64;

struct ResNet {
    stem: ConvNorm,
    blocks: Vec<Block>,
    activation: Nonlinearity,
    n_features: i64,
    drop_path_rates: Vec<f64>,
    last_norm: String,
}

/// Builds the member of that name, if there is one.
pub(super) fn build(backbone: &Backbone, maker: &mut Maker<'_>) -> Option<Box<dyn Trunk>> {
    let arch = ARCHS.iter().find(|arch| arch.name == backbone.name)?;
    let activation = Nonlinearity::choose(backbone.activation, Nonlinearity::Relu);
    let stem = maker.conv_norm(
        ("conv1", "bn1"),
        ConvShape::dense(3, N_STEM, 7, 2),
        NORM,
        1.0,
    );
    let widening = match arch.kind {
        BlockKind::Basic => 1,
        BlockKind::Bottleneck => 4,
    };
    let mut blocks = Vec::new();
    let mut n_in = N_STEM;
    for (stage_idx, &repeats) in arch.repeats.iter().enumerate() {
        let n_mid = N_STEM << stage_idx;
        let n_out = n_mid * widening;
        for repeat_idx in 0..repeats {
            maker.deeper();
            let stride = if stage_idx > 0 && repeat_idx == 0 {
                2
            } else {
                1
            };
            let mut maker = maker.within(&format!("layer{}.{repeat_idx}", stage_idx + 1));
            let channels = [n_in, n_mid, n_out];
            blocks.push(Block::new(
                arch.kind, channels, stride, activation, &mut maker,
            ));
            n_in = n_out;
        }
    }
    maker.deeper();
    let n_last = arch.repeats[3] - 1;
    let n_convs = match arch.kind {
        BlockKind::Basic => 2,
        BlockKind::Bottleneck => 3,
    };
    Some(Box::new(ResNet {
        stem,
        activation,
        n_features: n_in,
        drop_path_rates: linear_rates(backbone.drop_path, blocks.len()),
        last_norm: format!("layer4.{n_last}.bn{n_convs}"),
        blocks,
    }))
}

impl Trunk for ResNet {
    fn features(&self, images: &Tensor, pass: &Pass) -> Tensor {
        let stem = self.stem.forward(&channels_last(images), pass);
        let mut x = self
            .activation
            .apply(stem)
            .max_pool2d([3, 3], [2, 2], [1, 1], [1, 1], false);
        for (idx, block) in self.blocks.iter().enumerate() {
            let is_last = idx + 1 == self.blocks.len();
            x = block.forward(&x, pass, idx, is_last);
        }
        mean_pool(&x)
    }

    fn n_features(&self) -> i64 {
        self.n_features
    }

    fn drop_path_rates(&self) -> &[f64] {
        &self.drop_path_rates
    }

    fn head(&self) -> HeadShape {
        HeadShape {
            name: "fc",
            init: by_fan_in,
            activation: self.activation,
        }
    }

    fn last_norm(&self) -> &str {
        &self.last_norm
    }
}

/// A residual block: the nonlinearity comes after the addition.
struct Block {
    /// All but the last are followed by the nonlinearity.
    layers: Vec<ConvNorm>,
    /// Makes the shortcut's shape that of the branch.
    downsample: Option<ConvNorm>,
    activation: Nonlinearity,
}

impl Block {
    fn new(
        kind: BlockKind,
        [n_in, n_mid, n_out]: [i64; 3],
        stride: i64,
        activation: Nonlinearity,
        maker: &mut Maker<'_>,
    ) -> Self {
        let shapes = match kind {
            BlockKind::Basic => vec![
                ConvShape::dense(n_in, n_mid, 3, stride),
                ConvShape::dense(n_mid, n_out, 3, 1),
            ],
            BlockKind::Bottleneck => vec![
                ConvShape::pointwise(n_in, n_mid),
                ConvShape::dense(n_mid, n_mid, 3, stride),
                ConvShape::pointwise(n_mid, n_out),
            ],
        };
        let n_layers = shapes.len();
        let layers = (1..)
            .zip(shapes)
            .map(|(idx, shape)| {
                let scale = if idx == n_layers { 0.0 } else { 1.0 };
                let names = (format!("conv{idx}"), format!("bn{idx}"));
                maker.conv_norm((&names.0, &names.1), shape, NORM, scale)
            })
            .collect();
        let downsample = (stride > 1 || n_in != n_out).then(|| {
            let shape = ConvShape::dense(n_in, n_out, 1, stride);
            maker.conv_norm(("downsample.0", "downsample.1"), shape, NORM, 1.0)
        });
        Self {
            layers,
            downsample,
            activation,
        }
    }

    fn forward(&self, x: &Tensor, pass: &Pass, idx: usize, is_last_block: bool) -> Tensor {
        let (last, inner) = self.layers.split_last().expect("a block has layers");
        let mut branch = x.shallow_clone();
        for layer in inner {
            branch = self.activation.apply(layer.forward(&branch, pass));
        }
        let branch = match is_last_block {
            true => last.forward_last(&branch, pass),
            false => last.forward(&branch, pass),
        };
        let branch = pass.drop_path(branch, idx);
        let sum = match &self.downsample {
            Some(layer) => branch + layer.forward(x, pass),
            None => branch + x,
        };
        self.activation.apply(sum)
    }
}
