//! The maker of layers: creates their tensors in a [`ParamStore`] under timm's names, with fresh
//! weights.

use rand::Rng;
use rand_distr::{Distribution, StandardNormal};
use tch::{Device, Kind, Tensor};

use super::layers::{BatchNorm, BatchNormConfig, Conv, ConvNorm, LayerNorm, Linear, Padding};
use crate::params::{Group, ParamKind, ParamStore};
use crate::rng::{Stream, stream};

/// What a tensor starts as.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Init {
    Constant(f64),
    /// In `+-range`.
    Uniform {
        range: f64,
    },
    Normal {
        std: f64,
    },
}

/// The geometry of a convolution.
#[derive(Clone, Copy, Debug)]
pub(super) struct ConvShape {
    pub n_in: i64,
    pub n_out: i64,
    pub kernel: i64,
    pub stride: i64,
    pub groups: i64,
    pub padding: Padding,
}

impl ConvShape {
    /// Every output channel from every input channel.
    pub fn dense(n_in: i64, n_out: i64, kernel: i64, stride: i64) -> Self {
        Self {
            n_in,
            n_out,
            kernel,
            stride,
            groups: 1,
            padding: Padding::Half,
        }
    }

    /// 1 x 1.
    pub fn pointwise(n_in: i64, n_out: i64) -> Self {
        Self::dense(n_in, n_out, 1, 1)
    }

    /// One filter per channel.
    pub fn depthwise(n: i64, kernel: i64, stride: i64) -> Self {
        Self {
            groups: n,
            ..Self::dense(n, n, kernel, stride)
        }
    }

    pub fn padded(self, padding: Padding) -> Self {
        Self { padding, ..self }
    }

    /// Normal with variance 2 / fan-out, where the fan-out counts the channels of one group only, as
    /// in TensorFlow's EfficientNet and in timm.
    pub fn by_fan_out(&self) -> Init {
        let fan_out = self.kernel * self.kernel * self.n_out / self.groups;
        Init::Normal {
            std: (2.0 / fan_out as f64).sqrt(),
        }
    }
}

/// Makes layers and registers their tensors.
pub(super) struct Maker<'a> {
    store: &'a mut ParamStore,
    seed: u64,
    depth: u32,
    group: Group,
    prefix: String,
}

impl<'a> Maker<'a> {
    pub fn new(store: &'a mut ParamStore, seed: u64) -> Self {
        Self {
            store,
            seed,
            depth: 0,
            group: Group::Backbone,
            prefix: String::new(),
        }
    }

    /// What is made from here on lies one step nearer to the head.
    pub fn deeper(&mut self) {
        self.depth += 1;
    }

    /// What is made from here on belongs to the head.
    pub fn start_head(&mut self) {
        self.group = Group::Head;
    }

    /// A maker for the parts of `name`: theirs are below it.
    pub fn within(&mut self, name: &str) -> Maker<'_> {
        Maker {
            seed: self.seed,
            depth: self.depth,
            group: self.group,
            prefix: self.named(name) + ".",
            store: self.store,
        }
    }

    pub fn device(&self) -> Device {
        self.store.device()
    }

    /// Takes a module's own parameter in.
    pub fn adopt_param(&mut self, name: String, kind: ParamKind, tensor: Tensor) {
        self.store
            .adopt_param(name, kind, self.group, self.depth, tensor);
    }

    /// Takes a module's own buffer in.
    pub fn adopt_buffer(&mut self, name: String, tensor: Tensor) {
        self.store.adopt_buffer(name, tensor);
    }

    /// A convolution; its bias, if there is one, starts at zero.
    pub fn conv(&mut self, name: &str, shape: ConvShape, has_bias: bool, init: Init) -> Conv {
        let ConvShape {
            n_in,
            n_out,
            kernel,
            stride,
            groups,
            padding,
        } = shape;
        let mut inner = self.within(name);
        let size = [n_out, n_in / groups, kernel, kernel];
        let weight = inner.param("weight", ParamKind::Weight, &size, init);
        let bias = has_bias.then(|| inner.bias(n_out));
        Conv {
            weight,
            bias,
            stride,
            padding,
            groups,
        }
    }

    /// A convolution without bias and its BatchNorm, whose scale starts at `scale`.
    pub fn conv_norm(
        &mut self,
        (conv, norm): (&str, &str),
        shape: ConvShape,
        config: BatchNormConfig,
        scale: f64,
    ) -> ConvNorm {
        let conv = self.conv(conv, shape, false, shape.by_fan_out());
        let mut inner = self.within(norm);
        let size = [shape.n_out];
        let depth = inner.depth;
        ConvNorm {
            conv,
            norm: BatchNorm {
                weight: inner.param("weight", ParamKind::BatchNorm, &size, Init::Constant(scale)),
                bias: inner.param("bias", ParamKind::BatchNorm, &size, Init::Constant(0.0)),
                running_mean: inner.buffer("running_mean", &size, 0.0),
                running_var: inner.buffer("running_var", &size, 1.0),
                config,
                depth,
            },
        }
    }

    /// A LayerNorm over `n` channels; it starts without scale or shift.
    pub fn layer_norm(&mut self, name: &str, n: i64, eps: f64) -> LayerNorm {
        let mut inner = self.within(name);
        LayerNorm {
            weight: inner.param("weight", ParamKind::Norm, &[n], Init::Constant(1.0)),
            bias: inner.param("bias", ParamKind::Norm, &[n], Init::Constant(0.0)),
            eps,
        }
    }

    /// A linear layer; its bias starts at zero.
    pub fn linear(&mut self, name: &str, n_in: i64, n_out: i64, init: Init) -> Linear {
        let mut inner = self.within(name);
        Linear {
            weight: inner.param("weight", ParamKind::Weight, &[n_out, n_in], init),
            bias: inner.bias(n_out),
        }
    }

    /// A parameter drawn from a generator of its own, so that no layer's draws depend on another's.
    pub fn param(&mut self, name: &str, kind: ParamKind, size: &[i64], init: Init) -> Tensor {
        let values = match init {
            _ if self.store.is_outline() => outline(size),
            Init::Constant(value) => Tensor::full(size, value, (Kind::Float, Device::Cpu)),
            Init::Uniform { range } => {
                let range = range as f32;
                self.drawn(size, |rng| rng.random_range(-range..range))
            }
            Init::Normal { std } => {
                let std = std as f32;
                self.drawn(size, |rng| {
                    let normal: f32 = StandardNormal.sample(rng);
                    normal * std
                })
            }
        };
        self.store
            .add_param(self.named(name), kind, self.group, self.depth, &values)
    }

    fn bias(&mut self, n: i64) -> Tensor {
        self.param("bias", ParamKind::Bias, &[n], Init::Constant(0.0))
    }

    fn buffer(&mut self, name: &str, size: &[i64], value: f64) -> Tensor {
        let values = match self.store.is_outline() {
            true => outline(size),
            false => Tensor::full(size, value, (Kind::Float, Device::Cpu)),
        };
        self.store.add_buffer(self.named(name), &values)
    }

    fn drawn(
        &self,
        size: &[i64],
        mut draw: impl FnMut(&mut rand_chacha::ChaCha8Rng) -> f32,
    ) -> Tensor {
        let param_idx = self.store.params().len() as u64;
        let mut rng = stream(self.seed, param_idx, Stream::Init);
        let n: i64 = size.iter().product();
        let values: Vec<f32> = (0..n).map(|_| draw(&mut rng)).collect();
        Tensor::from_slice(&values).view(size)
    }

    fn named(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }
}

/// A tensor that has a shape and takes no memory.
fn outline(size: &[i64]) -> Tensor {
    Tensor::zeros([1], (Kind::Float, Device::Cpu)).expand(size, false)
}
