//! The blocks EfficientNets are made of.

use tch::Tensor;

use super::super::layers::{BatchNormConfig, ConvNorm, ConvShape, Maker};
use super::super::pass::Pass;
use crate::activation::Nonlinearity;

/// The geometry of a block.
#[derive(Clone, Copy, Debug)]
pub(super) struct BlockShape {
    pub n_in: i64,
    pub n_out: i64,
    /// Channels between expansion and projection; without an expansion, none.
    pub n_mid: Option<i64>,
    pub kernel: i64,
    pub stride: i64,
}

/// A mobile inverted bottleneck (Sandler et al. 2018, <https://arxiv.org/abs/1801.04381>), or, without
/// the expansion, a depthwise-separable convolution. The projection has no nonlinearity; where
/// input and output have one shape, a shortcut goes around it all.
pub(super) struct Block {
    expand: Option<ConvNorm>,
    depthwise: ConvNorm,
    project: ConvNorm,
    activation: Nonlinearity,
    has_shortcut: bool,
}

impl Block {
    pub fn new(
        name: &str,
        shape: BlockShape,
        norm: BatchNormConfig,
        activation: Nonlinearity,
        maker: &mut Maker<'_>,
    ) -> Self {
        let BlockShape {
            n_in,
            n_out,
            n_mid,
            kernel,
            stride,
        } = shape;
        let mut layer = |(conv, bn): (&str, &str), shape| {
            let names = (format!("{name}.{conv}"), format!("{name}.{bn}"));
            maker.conv_norm((&names.0, &names.1), shape, norm)
        };
        // timm counts the layers of each kind of block on its own.
        let (expand, depthwise, project) = match n_mid {
            Some(n_mid) => (
                Some(layer(("conv_pw", "bn1"), ConvShape::pointwise(n_in, n_mid))),
                layer(
                    ("conv_dw", "bn2"),
                    ConvShape::depthwise(n_mid, kernel, stride),
                ),
                layer(("conv_pwl", "bn3"), ConvShape::pointwise(n_mid, n_out)),
            ),
            None => (
                None,
                layer(
                    ("conv_dw", "bn1"),
                    ConvShape::depthwise(n_in, kernel, stride),
                ),
                layer(("conv_pw", "bn2"), ConvShape::pointwise(n_in, n_out)),
            ),
        };
        Self {
            expand,
            depthwise,
            project,
            activation,
            has_shortcut: stride == 1 && n_in == n_out,
        }
    }

    /// `x`: `[N, n_in, H, W]`. Returns `[N, n_out, H / stride, W / stride]`, rounded up.
    pub fn forward(&self, x: &Tensor, pass: &Pass, block_idx: usize) -> Tensor {
        let expanded = self
            .expand
            .as_ref()
            .map(|layer| self.activation.apply(layer.forward(x, pass)));
        let depthwise = self.depthwise.forward(expanded.as_ref().unwrap_or(x), pass);
        let projected = self
            .project
            .forward(&self.activation.apply(depthwise), pass);
        if self.has_shortcut {
            pass.drop_path(projected, block_idx) + x
        } else {
            projected
        }
    }
}
