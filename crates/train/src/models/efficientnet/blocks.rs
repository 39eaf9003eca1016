//! The blocks EfficientNets are made of.

use tch::{Kind, Tensor};

use super::super::layers::{BatchNormConfig, Conv, ConvNorm, Padding};
use super::super::maker::{ConvShape, Maker};
use super::super::pass::Pass;
use super::round_channels;
use crate::activation::Nonlinearity;

/// What a block is made of. Where input and output have one shape, a shortcut goes around it all.
#[derive(Clone, Copy, Debug)]
pub(super) enum BlockKind {
    /// A convolution.
    Plain,
    /// Depthwise, then pointwise.
    Separable,
    /// The mobile inverted bottleneck (Sandler et al. 2018, <https://arxiv.org/abs/1801.04381>):
    /// pointwise to `expand` times the channels, depthwise, pointwise back.
    Inverted { expand: i64 },
    /// The same with its first two convolutions fused into one.
    Fused { expand: i64 },
}

/// The geometry of a block.
#[derive(Clone, Copy, Debug)]
pub(super) struct BlockShape {
    pub n_in: i64,
    pub n_out: i64,
    pub kernel: i64,
    pub stride: i64,
    pub padding: Padding,
    /// Squeeze-and-excitation, where there is a depthwise convolution.
    pub squeezes: bool,
}

pub(super) struct Block {
    /// Each is followed by the nonlinearity.
    layers: Vec<ConvNorm>,
    squeeze: Option<SqueezeExcite>,
    /// Back to few channels, without a nonlinearity.
    project: Option<ConvNorm>,
    activation: Nonlinearity,
    has_shortcut: bool,
}

impl Block {
    pub fn new(
        kind: BlockKind,
        shape: BlockShape,
        norm: BatchNormConfig,
        activation: Nonlinearity,
        maker: &mut Maker<'_>,
    ) -> Self {
        let BlockShape {
            n_in,
            n_out,
            kernel,
            stride,
            padding,
            squeezes,
        } = shape;
        let dense = |n_out| ConvShape::dense(n_in, n_out, kernel, stride).padded(padding);
        let depthwise = |n| ConvShape::depthwise(n, kernel, stride).padded(padding);
        let expanded = |expand: i64| round_channels((n_in * expand) as f64);
        // timm counts the layers of each kind of block on its own.
        let (layers, n_mid, project) = match kind {
            BlockKind::Plain => (vec![(("conv", "bn1"), dense(n_out))], n_out, None),
            BlockKind::Separable => (
                vec![(("conv_dw", "bn1"), depthwise(n_in))],
                n_in,
                Some(("conv_pw", "bn2")),
            ),
            BlockKind::Inverted { expand } => {
                let n_mid = expanded(expand);
                let layers = vec![
                    (("conv_pw", "bn1"), ConvShape::pointwise(n_in, n_mid)),
                    (("conv_dw", "bn2"), depthwise(n_mid)),
                ];
                (layers, n_mid, Some(("conv_pwl", "bn3")))
            }
            BlockKind::Fused { expand } => {
                let n_mid = expanded(expand);
                (
                    vec![(("conv_exp", "bn1"), dense(n_mid))],
                    n_mid,
                    Some(("conv_pwl", "bn2")),
                )
            }
        };
        let is_depthwise = matches!(kind, BlockKind::Separable | BlockKind::Inverted { .. });
        Self {
            layers: layers
                .into_iter()
                .map(|(names, shape)| maker.conv_norm(names, shape, norm, 1.0))
                .collect(),
            squeeze: (squeezes && is_depthwise)
                .then(|| SqueezeExcite::new(n_mid, n_in / 4, activation, &mut maker.within("se"))),
            project: project
                .map(|names| maker.conv_norm(names, ConvShape::pointwise(n_mid, n_out), norm, 1.0)),
            activation,
            has_shortcut: stride == 1 && n_in == n_out,
        }
    }

    /// `x`: `[N, n_in, H, W]`. Returns `[N, n_out, H / stride, W / stride]`, rounded up.
    pub fn forward(&self, x: &Tensor, pass: &Pass, block_idx: usize) -> Tensor {
        let mut branch = x.shallow_clone();
        for layer in &self.layers {
            branch = self.activation.apply(layer.forward(&branch, pass));
        }
        if let Some(squeeze) = &self.squeeze {
            branch = squeeze.forward(&branch);
        }
        if let Some(project) = &self.project {
            branch = project.forward(&branch, pass);
        }
        if self.has_shortcut {
            pass.drop_path(branch, block_idx) + x
        } else {
            branch
        }
    }
}

/// Hu et al. 2017, <https://arxiv.org/abs/1709.01507>: each channel scaled by what a small network makes
/// of the means of all.
struct SqueezeExcite {
    reduce: Conv,
    expand: Conv,
    activation: Nonlinearity,
}

impl SqueezeExcite {
    fn new(n: i64, n_squeezed: i64, activation: Nonlinearity, maker: &mut Maker<'_>) -> Self {
        let mut conv = |name, n_in, n_out| {
            let shape = ConvShape::pointwise(n_in, n_out);
            maker.conv(name, shape, true, shape.by_fan_out())
        };
        Self {
            reduce: conv("conv_reduce", n, n_squeezed),
            expand: conv("conv_expand", n_squeezed, n),
            activation,
        }
    }

    /// `x`: `[N, C, H, W]`, as is the result.
    fn forward(&self, x: &Tensor) -> Tensor {
        let means = x.mean_dim([2, 3].as_slice(), true, None::<Kind>);
        let squeezed = self.activation.apply(self.reduce.forward(&means));
        x * self.expand.forward(&squeezed).sigmoid()
    }
}
