//! Layers over tensors of a [`ParamStore`], and the maker that creates them with fresh weights.

use rand::Rng;
use rand_distr::{Distribution, StandardNormal};
use tch::{Kind, Tensor};

use super::pass::{Norm, Pass};
use crate::loss::metric::unit;
use crate::params::{Group, ParamKind, ParamStore};
use crate::rng::{Stream, stream};

/// A convolution without bias; a BatchNorm follows it.
pub(super) struct Conv {
    weight: Tensor,
    stride: i64,
    padding: i64,
    groups: i64,
}

impl Conv {
    pub fn forward(&self, x: &Tensor) -> Tensor {
        let both = |n: i64| [n, n];
        x.conv2d(
            &self.weight,
            None::<&Tensor>,
            both(self.stride),
            both(self.padding),
            both(1),
            self.groups,
        )
    }
}

/// How a family of networks normalises.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct BatchNormConfig {
    /// How far one batch moves the running statistics.
    pub momentum: f64,
    /// Added to the variance.
    pub eps: f64,
}

pub(super) struct BatchNorm {
    weight: Tensor,
    bias: Tensor,
    running_mean: Tensor,
    running_var: Tensor,
    config: BatchNormConfig,
}

impl BatchNorm {
    pub fn forward(&self, x: &Tensor, norm: Norm) -> Tensor {
        let (training, momentum) = match norm {
            Norm::Running => (false, 0.0),
            Norm::Batch => (true, self.config.momentum),
            Norm::Cumulative { share } => (true, share),
        };
        x.batch_norm(
            Some(&self.weight),
            Some(&self.bias),
            Some(&self.running_mean),
            Some(&self.running_var),
            training,
            momentum,
            self.config.eps,
            true,
        )
    }
}

/// A convolution and its BatchNorm.
pub(super) struct ConvNorm {
    conv: Conv,
    norm: BatchNorm,
}

impl ConvNorm {
    pub fn forward(&self, x: &Tensor, pass: &Pass) -> Tensor {
        self.norm.forward(&self.conv.forward(x), pass.norm)
    }
}

pub(super) struct Linear {
    weight: Tensor,
    bias: Tensor,
}

impl Linear {
    pub fn forward(&self, x: &Tensor) -> Tensor {
        x.linear(&self.weight, Some(&self.bias))
    }

    /// Cosines between the rows of `x: [N, n_in]` and those of the weight: `[N, n_out]`. The bias has no part.
    pub fn cosines(&self, x: &Tensor) -> Tensor {
        unit(x).mm(&unit(&self.weight).tr())
    }
}

/// The geometry of a convolution.
#[derive(Clone, Copy, Debug)]
pub(super) struct ConvShape {
    pub n_in: i64,
    pub n_out: i64,
    pub kernel: i64,
    pub stride: i64,
    pub groups: i64,
}

impl ConvShape {
    /// 1 x 1.
    pub fn pointwise(n_in: i64, n_out: i64) -> Self {
        Self {
            n_in,
            n_out,
            kernel: 1,
            stride: 1,
            groups: 1,
        }
    }

    /// One filter per channel.
    pub fn depthwise(n: i64, kernel: i64, stride: i64) -> Self {
        Self {
            n_in: n,
            n_out: n,
            kernel,
            stride,
            groups: n,
        }
    }
}

/// Makes layers and registers their tensors under timm's names.
pub(super) struct Maker<'a> {
    store: &'a mut ParamStore,
    seed: u64,
    depth: u32,
    group: Group,
}

impl<'a> Maker<'a> {
    pub fn new(store: &'a mut ParamStore, seed: u64) -> Self {
        Self {
            store,
            seed,
            depth: 0,
            group: Group::Backbone,
        }
    }

    /// What is made from here on lies one step nearer to the head.
    pub fn deeper(&mut self) {
        self.depth += 1;
    }

    /// What is made from here on belongs to the head.
    pub fn start_head(&mut self) {
        self.deeper();
        self.group = Group::Head;
    }

    /// A convolution with half a kernel of zeros on every side. Weights are normal with variance
    /// 2 / fan-out, where the fan-out counts the channels of one group only, as in TensorFlow's
    /// EfficientNet and timm.
    fn conv(&mut self, name: &str, shape: ConvShape) -> Conv {
        let ConvShape {
            n_in,
            n_out,
            kernel,
            stride,
            groups,
        } = shape;
        let fan_out = kernel * kernel * n_out / groups;
        let std = (2.0 / fan_out as f64).sqrt() as f32;
        let size = [n_out, n_in / groups, kernel, kernel];
        let weight = self.weight(format!("{name}.weight"), &size, |rng| {
            let normal: f32 = StandardNormal.sample(rng);
            normal * std
        });
        Conv {
            weight,
            stride,
            padding: kernel / 2,
            groups,
        }
    }

    /// A convolution and its BatchNorm, which starts as the identity.
    pub fn conv_norm(
        &mut self,
        (conv, norm): (&str, &str),
        shape: ConvShape,
        config: BatchNormConfig,
    ) -> ConvNorm {
        let conv = self.conv(conv, shape);
        let ones = Tensor::ones([shape.n_out], (Kind::Float, tch::Device::Cpu));
        let zeros = ones.zeros_like();
        let mut param = |field: &str, values: &Tensor| {
            self.store.add_param(
                format!("{norm}.{field}"),
                ParamKind::Norm,
                self.group,
                self.depth,
                values,
            )
        };
        let (weight, bias) = (param("weight", &ones), param("bias", &zeros));
        let mut buffer = |field: &str, values: &Tensor| {
            self.store
                .add_buffer(format!("{norm}.{field}"), &values.copy())
        };
        ConvNorm {
            conv,
            norm: BatchNorm {
                weight,
                bias,
                running_mean: buffer("running_mean", &zeros),
                running_var: buffer("running_var", &ones),
                config,
            },
        }
    }

    /// A linear layer: weights uniform in `+-range`, bias zero.
    pub fn linear(&mut self, name: &str, n_in: i64, n_out: i64, range: f32) -> Linear {
        let weight = self.weight(format!("{name}.weight"), &[n_out, n_in], |rng| {
            rng.random_range(-range..range)
        });
        let bias = self.store.add_param(
            format!("{name}.bias"),
            ParamKind::Bias,
            self.group,
            self.depth,
            &Tensor::zeros([n_out], (Kind::Float, tch::Device::Cpu)),
        );
        Linear { weight, bias }
    }

    /// A weight drawn from a generator of its own, so that no layer's draws depend on another's.
    fn weight<R>(&mut self, name: String, size: &[i64], mut draw: R) -> Tensor
    where
        R: FnMut(&mut rand_chacha::ChaCha8Rng) -> f32,
    {
        let param_idx = self.store.params().len() as u64;
        let mut rng = stream(self.seed, param_idx, Stream::Init);
        let n: i64 = size.iter().product();
        let values: Vec<f32> = (0..n).map(|_| draw(&mut rng)).collect();
        self.store.add_param(
            name,
            ParamKind::Weight,
            self.group,
            self.depth,
            &Tensor::from_slice(&values).view(size),
        )
    }
}
