//! Backbones under timm's names. One family a file; a family is a table and a builder.

mod block;
mod efficientnet;

use cultivar_spec::trial::Backbone;
use tch::{Device, Kind, Tensor};

use crate::params::{Group, ParamStore};
use crate::rng::{Stream, stream};
use efficientnet::EfficientNet;

/// How a forward pass behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Running statistics, nothing dropped.
    Eval,
    /// Batch statistics; dropout and drop path drawn from (seed, step).
    Train { seed: u64, step: u64 },
}

/// A backbone with a linear classifier.
#[derive(Debug)]
pub struct Model {
    pub params: ParamStore,
    net: EfficientNet,
    classifier: Linear,
    dropout: f64,
}

#[derive(Debug)]
struct Linear {
    weight: Tensor,
    bias: Tensor,
}

/// No trainer builds this backbone.
#[derive(Debug, thiserror::Error)]
#[error("no backbone is called {0:?}")]
pub struct UnknownBackbone(pub String);

/// Builds a backbone with fresh weights, drawn from `seed`.
///
/// # Errors
/// The name is not one of [`cultivar_spec::backbones::BACKBONES`].
pub fn build(
    backbone: &Backbone,
    n_classes: i64,
    seed: u64,
    device: Device,
) -> Result<Model, UnknownBackbone> {
    let mut params = ParamStore::new(device);
    let mut init = Init { seed, n_drawn: 0 };
    let net = EfficientNet::build(backbone, &mut params, &mut init)?;
    let n_features = net.n_features();
    // timm draws an EfficientNet's classifier from +-1/sqrt(n_classes).
    let range = 1.0 / (n_classes as f64).sqrt();
    let classifier = Linear {
        weight: params.parameter(
            "classifier.weight",
            init.uniform(&[n_classes, n_features], range),
            Group::Head,
        ),
        bias: params.parameter(
            "classifier.bias",
            Tensor::zeros([n_classes], (Kind::Float, Device::Cpu)),
            Group::Head,
        ),
    };
    Ok(Model {
        params,
        net,
        classifier,
        dropout: backbone.dropout,
    })
}

impl Model {
    /// `images: [N, 3, H, W]` f32, normalised, channels-last. Returns logits `[N, n_classes]`.
    pub fn forward(&self, images: &Tensor, mode: Mode) -> Tensor {
        self.head(&self.features(images, mode), mode)
    }

    /// `images: [N, 3, H, W]`. Returns pooled features `[N, n_features]`, before dropout.
    pub fn features(&self, images: &Tensor, mode: Mode) -> Tensor {
        self.net.forward(images, mode)
    }

    /// `features: [N, n_features]`. Returns logits `[N, n_classes]`.
    pub fn head(&self, features: &Tensor, mode: Mode) -> Tensor {
        let features = match mode {
            Mode::Train { seed, step } if self.dropout > 0.0 => {
                features
                    * block::keep_mask(
                        &features.size(),
                        self.dropout,
                        stream(seed, step, Stream::Dropout),
                        features.device(),
                    )
            }
            _ => features.shallow_clone(),
        };
        features.linear(&self.classifier.weight, Some(&self.classifier.bias))
    }

    /// Width of the pooled features.
    pub fn n_features(&self) -> i64 {
        self.net.n_features()
    }

    /// Replaces every BatchNorm's running statistics by the average over `batches` of images.
    pub fn recalibrate_batch_norm(&self, batches: impl Iterator<Item = Tensor>) {
        tch::no_grad(|| {
            for (idx, images) in batches.enumerate() {
                // A cumulative average: the k-th batch weighs 1/k.
                self.net.calibrate(&images, 1.0 / (idx + 1) as f64);
            }
        });
    }
}

/// Fresh weights, drawn on the host so that they do not depend on the device.
pub(crate) struct Init {
    seed: u64,
    n_drawn: u64,
}

impl Init {
    /// Normal with the standard deviation of timm's EfficientNets: sqrt(2 / fan_out).
    pub(crate) fn conv(&mut self, shape: [i64; 4], groups: i64) -> Tensor {
        let fan_out = shape[0] * shape[2] * shape[3] / groups;
        let normal = rand_distr::Normal::new(0.0_f32, (2.0 / fan_out as f32).sqrt())
            .expect("a positive deviation");
        self.draw(&shape, normal)
    }

    pub(crate) fn uniform(&mut self, shape: &[i64], range: f64) -> Tensor {
        let range = range as f32;
        self.draw(
            shape,
            rand_distr::Uniform::new(-range, range).expect("a positive range"),
        )
    }

    fn draw(&mut self, shape: &[i64], distribution: impl rand_distr::Distribution<f32>) -> Tensor {
        let mut rng = stream(self.seed, self.n_drawn, Stream::Init);
        self.n_drawn += 1;
        let n = shape.iter().product::<i64>() as usize;
        let values: Vec<f32> = (0..n).map(|_| distribution.sample(&mut rng)).collect();
        Tensor::from_slice(&values).view(shape)
    }
}
