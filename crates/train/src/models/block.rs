//! The layers EfficientNets are made of.

use rand::Rng;
use rand_chacha::ChaCha8Rng;
use tch::{Device, Kind, Tensor};

use crate::activation::Nonlinearity;
use crate::models::{Init, Mode};
use crate::params::{Group, ParamStore};
use crate::rng::{Stream, stream};

const MOMENTUM: f64 = 0.1;

/// Convolution without bias, BatchNorm, and a nonlinearity if there is one.
#[derive(Debug)]
pub(super) struct ConvBn {
    weight: Tensor,
    bn: BatchNorm,
    stride: i64,
    padding: i64,
    groups: i64,
    nonlinearity: Option<Nonlinearity>,
}

/// The shape of a [`ConvBn`].
pub(super) struct ConvSpec {
    pub n_in: i64,
    pub n_out: i64,
    pub kernel: i64,
    pub stride: i64,
    pub groups: i64,
}

impl ConvBn {
    pub(super) fn build(
        conv: &str,
        bn: &str,
        spec: ConvSpec,
        eps: f64,
        nonlinearity: Option<Nonlinearity>,
        params: &mut ParamStore,
        init: &mut Init,
    ) -> Self {
        let shape = [
            spec.n_out,
            spec.n_in / spec.groups,
            spec.kernel,
            spec.kernel,
        ];
        Self {
            weight: params.parameter(
                &format!("{conv}.weight"),
                init.conv(shape, spec.groups),
                Group::Backbone,
            ),
            bn: BatchNorm::build(bn, spec.n_out, eps, params),
            stride: spec.stride,
            padding: (spec.kernel - 1) / 2,
            groups: spec.groups,
            nonlinearity,
        }
    }

    pub(super) fn forward(&self, x: &Tensor, pass: Pass) -> Tensor {
        let stride = [self.stride, self.stride];
        let padding = [self.padding, self.padding];
        let x = x.conv2d(
            &self.weight,
            None::<&Tensor>,
            stride,
            padding,
            [1, 1],
            self.groups,
        );
        let x = self.bn.forward(&x, pass);
        match self.nonlinearity {
            Some(nonlinearity) => nonlinearity.apply(&x),
            None => x,
        }
    }
}

/// Which statistics a forward pass uses, and how it moves the running ones.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pass {
    pub mode: Mode,
    /// Overrides the momentum and forces batch statistics while they are recalibrated.
    pub calibrate: Option<f64>,
}

#[derive(Debug)]
struct BatchNorm {
    weight: Tensor,
    bias: Tensor,
    mean: Tensor,
    var: Tensor,
    eps: f64,
}

impl BatchNorm {
    fn build(name: &str, n: i64, eps: f64, params: &mut ParamStore) -> Self {
        let ones = || Tensor::ones([n], (Kind::Float, Device::Cpu));
        let zeros = || Tensor::zeros([n], (Kind::Float, Device::Cpu));
        Self {
            weight: params.parameter(&format!("{name}.weight"), ones(), Group::Backbone),
            bias: params.parameter(&format!("{name}.bias"), zeros(), Group::Backbone),
            mean: params.buffer(&format!("{name}.running_mean"), zeros(), Group::Backbone),
            var: params.buffer(&format!("{name}.running_var"), ones(), Group::Backbone),
            eps,
        }
    }

    fn forward(&self, x: &Tensor, pass: Pass) -> Tensor {
        let train = pass.calibrate.is_some() || matches!(pass.mode, Mode::Train { .. });
        let momentum = pass.calibrate.unwrap_or(MOMENTUM);
        x.batch_norm(
            Some(&self.weight),
            Some(&self.bias),
            Some(&self.mean),
            Some(&self.var),
            train,
            momentum,
            self.eps,
            true,
        )
    }
}

/// A stack of convolutions with a shortcut where shapes allow, and stochastic depth
/// (Huang et al. 2016): per sample, the branch is dropped or scaled by 1 / keep.
#[derive(Debug)]
pub(super) struct Residual {
    pub layers: Vec<ConvBn>,
    pub shortcut: bool,
    pub drop_path: f64,
    /// Tells the blocks' draws apart.
    pub idx: u64,
}

impl Residual {
    pub(super) fn forward(&self, x: &Tensor, pass: Pass) -> Tensor {
        let mut branch = x.shallow_clone();
        for layer in &self.layers {
            branch = layer.forward(&branch, pass);
        }
        if !self.shortcut {
            return branch;
        }
        if let (Mode::Train { seed, step }, true) = (pass.mode, self.drop_path > 0.0) {
            // Blocks draw from steps far apart from one another's.
            let rng = stream(seed, step | (self.idx + 1) << 48, Stream::DropPath);
            branch = branch * keep_mask(&[x.size()[0], 1, 1, 1], self.drop_path, rng, x.device());
        }
        branch + x
    }
}

/// Zeros with probability `drop`, else `1 / (1 - drop)`.
pub(super) fn keep_mask(shape: &[i64], drop: f64, mut rng: ChaCha8Rng, device: Device) -> Tensor {
    let kept = (1.0 / (1.0 - drop)) as f32;
    let n = shape.iter().product::<i64>() as usize;
    let mask: Vec<f32> = (0..n)
        .map(|_| if rng.random_bool(drop) { 0.0 } else { kept })
        .collect();
    Tensor::from_slice(&mask).view(shape).to_device(device)
}
