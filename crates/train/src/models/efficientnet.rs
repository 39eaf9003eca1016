//! EfficientNet-Lite (Google 2020, after Tan and Le 2019): mobile inverted bottlenecks without
//! squeeze-and-excite, ReLU6, stem and head widths that do not scale. timm's `efficientnet_lite*`:
//! symmetric padding, BatchNorm eps 1e-5.

use cultivar_spec::trial::Backbone;
use tch::{Kind, Tensor};

use super::block::{ConvBn, ConvSpec, Pass, Residual};
use super::{Init, Mode, UnknownBackbone};
use crate::activation::Nonlinearity;
use crate::params::ParamStore;

/// One stage of B0: repeats, kernel, stride, expansion, output channels.
struct Stage {
    repeats: i64,
    kernel: i64,
    stride: i64,
    expansion: i64,
    n_out: i64,
}

const fn stage(repeats: i64, kernel: i64, stride: i64, expansion: i64, n_out: i64) -> Stage {
    Stage {
        repeats,
        kernel,
        stride,
        expansion,
        n_out,
    }
}

const STAGES: [Stage; 7] = [
    stage(1, 3, 1, 1, 16),
    stage(2, 3, 2, 6, 24),
    stage(2, 5, 2, 6, 40),
    stage(3, 3, 2, 6, 80),
    stage(3, 5, 1, 6, 112),
    stage(4, 5, 2, 6, 192),
    stage(1, 3, 1, 6, 320),
];

/// Name, width and depth multipliers.
const VARIANTS: [(&str, f64, f64); 5] = [
    ("efficientnet_lite0", 1.0, 1.0),
    ("efficientnet_lite1", 1.0, 1.1),
    ("efficientnet_lite2", 1.1, 1.2),
    ("efficientnet_lite3", 1.2, 1.4),
    ("efficientnet_lite4", 1.4, 1.8),
];

const STEM: i64 = 32;
const HEAD: i64 = 1280;
const EPS: f64 = 1e-5;

#[derive(Debug)]
pub(super) struct EfficientNet {
    stem: ConvBn,
    blocks: Vec<Residual>,
    head: ConvBn,
}

impl EfficientNet {
    pub(super) fn build(
        backbone: &Backbone,
        params: &mut ParamStore,
        init: &mut Init,
    ) -> Result<Self, UnknownBackbone> {
        let variant = VARIANTS.iter().find(|(name, ..)| *name == backbone.name);
        let &(_, width, depth) = variant.ok_or_else(|| UnknownBackbone(backbone.name.clone()))?;
        let act = Some(Nonlinearity::of(backbone.activation, Nonlinearity::Relu6));
        let spec = |n_in, n_out, kernel, stride, groups| ConvSpec {
            n_in,
            n_out,
            kernel,
            stride,
            groups,
        };

        let stem = ConvBn::build(
            "conv_stem",
            "bn1",
            spec(3, STEM, 3, 2, 1),
            EPS,
            act,
            params,
            init,
        );
        // Lite models repeat the first and last stage as B0 does, whatever their depth.
        let repeats = |idx: usize, stage: &Stage| match idx {
            0 | 6 => stage.repeats,
            _ => (stage.repeats as f64 * depth).ceil() as i64,
        };
        let n_blocks: i64 = STAGES
            .iter()
            .enumerate()
            .map(|(idx, stage)| repeats(idx, stage))
            .sum();
        let mut blocks = Vec::new();
        let mut n_in = STEM;
        for (stage_idx, stage) in STAGES.iter().enumerate() {
            let n_out = round_channels(stage.n_out as f64 * width);
            for block_idx in 0..repeats(stage_idx, stage) {
                let name = |layer: &str| format!("blocks.{stage_idx}.{block_idx}.{layer}");
                let stride = if block_idx == 0 { stage.stride } else { 1 };
                let n_mid = n_in * stage.expansion;
                let depthwise = spec(n_mid, n_mid, stage.kernel, stride, n_mid);
                let mut layers = Vec::new();
                if stage.expansion == 1 {
                    layers.push(ConvBn::build(
                        &name("conv_dw"),
                        &name("bn1"),
                        depthwise,
                        EPS,
                        act,
                        params,
                        init,
                    ));
                    let project = spec(n_mid, n_out, 1, 1, 1);
                    layers.push(ConvBn::build(
                        &name("conv_pw"),
                        &name("bn2"),
                        project,
                        EPS,
                        None,
                        params,
                        init,
                    ));
                } else {
                    let expand = spec(n_in, n_mid, 1, 1, 1);
                    layers.push(ConvBn::build(
                        &name("conv_pw"),
                        &name("bn1"),
                        expand,
                        EPS,
                        act,
                        params,
                        init,
                    ));
                    layers.push(ConvBn::build(
                        &name("conv_dw"),
                        &name("bn2"),
                        depthwise,
                        EPS,
                        act,
                        params,
                        init,
                    ));
                    let project = spec(n_mid, n_out, 1, 1, 1);
                    layers.push(ConvBn::build(
                        &name("conv_pwl"),
                        &name("bn3"),
                        project,
                        EPS,
                        None,
                        params,
                        init,
                    ));
                }
                let idx = blocks.len() as u64;
                blocks.push(Residual {
                    layers,
                    shortcut: stride == 1 && n_in == n_out,
                    drop_path: backbone.drop_path * idx as f64 / n_blocks as f64,
                    idx,
                });
                n_in = n_out;
            }
        }
        let head = ConvBn::build(
            "conv_head",
            "bn2",
            spec(n_in, HEAD, 1, 1, 1),
            EPS,
            act,
            params,
            init,
        );
        Ok(Self { stem, blocks, head })
    }

    pub(super) fn n_features(&self) -> i64 {
        HEAD
    }

    /// `images: [N, 3, H, W]`. Returns `[N, 1280]`.
    pub(super) fn forward(&self, images: &Tensor, mode: Mode) -> Tensor {
        self.run(
            images,
            Pass {
                mode,
                calibrate: None,
            },
        )
    }

    /// A forward pass that moves every running statistic towards the batch's by `momentum`.
    pub(super) fn calibrate(&self, images: &Tensor, momentum: f64) {
        let _ = self.run(
            images,
            Pass {
                mode: Mode::Eval,
                calibrate: Some(momentum),
            },
        );
    }

    fn run(&self, images: &Tensor, pass: Pass) -> Tensor {
        let mut x = self.stem.forward(images, pass);
        for block in &self.blocks {
            x = block.forward(&x, pass);
        }
        self.head
            .forward(&x, pass)
            .mean_dim([2_i64, 3].as_slice(), false, Kind::Float)
    }
}

/// Channels in multiples of 8, never losing more than a tenth.
fn round_channels(n: f64) -> i64 {
    let rounded = (((n + 4.0) / 8.0).floor() * 8.0).max(8.0);
    (if rounded < 0.9 * n {
        rounded + 8.0
    } else {
        rounded
    }) as i64
}
