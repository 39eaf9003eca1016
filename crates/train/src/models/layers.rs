//! Layers over tensors of a [`ParamStore`](crate::params::ParamStore). [`Maker`](super::maker::Maker)
//! makes them.

use tch::{Kind, Tensor};

use super::pass::{Norm, Pass};
use crate::loss::metric::unit;

/// What a convolution sees beyond the border: zeros.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Padding {
    /// Half a kernel on every side: PyTorch's way.
    Half,
    /// As many as make the output `ceil(size / stride)`, the odd one at the bottom and the right:
    /// TensorFlow's SAME.
    Same,
    None,
}

pub(super) struct Conv {
    pub weight: Tensor,
    pub bias: Option<Tensor>,
    pub stride: i64,
    pub padding: Padding,
    pub groups: i64,
}

impl Conv {
    /// `x`: `[N, n_in, H, W]`.
    pub fn forward(&self, x: &Tensor) -> Tensor {
        let (kernel, stride) = (self.weight.size()[2], self.stride);
        match self.padding {
            Padding::None => self.convolve(x, [0, 0]),
            Padding::Half => self.convolve(x, [kernel / 2, kernel / 2]),
            Padding::Same => {
                let size = x.size();
                let [top, bottom] = same(size[2], kernel, stride);
                let [left, right] = same(size[3], kernel, stride);
                if (top, left) == (bottom, right) {
                    self.convolve(x, [top, left])
                } else {
                    self.convolve(&x.constant_pad_nd([left, right, top, bottom]), [0, 0])
                }
            }
        }
    }

    fn convolve(&self, x: &Tensor, padding: [i64; 2]) -> Tensor {
        let (weight, padding) = without_idle_taps(&self.weight, x, padding);
        let is_product = weight.size() == [self.groups, 1, 1, 1] && x.size()[2..] == [1, 1];
        if is_product && self.bias.is_none() {
            return x * weight.to_kind(x.kind()).view([1, -1, 1, 1]);
        }
        x.conv2d(
            &weight,
            self.bias.as_ref(),
            [self.stride, self.stride],
            padding,
            [1, 1],
            self.groups,
        )
    }
}

/// Filters and their padding without the rows and columns that reach beyond the image from wherever they stand: they only ever
/// meet zeros. On the CPU a depthwise 5 x 5 over a single pixel costs a hundred times what a product does.
///
/// `weight`: `[n_out, n_in / groups, k, k]`; `x`: `[N, n_in, H, W]`; `padding`: rows and columns of zeros on each side.
fn without_idle_taps(weight: &Tensor, x: &Tensor, padding: [i64; 2]) -> (Tensor, [i64; 2]) {
    let (mut weight, mut padding) = (weight.shallow_clone(), padding);
    for (axis, padding) in (2..).zip(&mut padding) {
        let size = weight.size()[axis as usize];
        let n_idle = *padding - (x.size()[axis as usize] - 1);
        if n_idle > 0 {
            weight = weight.slice(axis, n_idle, size - n_idle, 1);
            *padding -= n_idle;
        }
    }
    (weight, padding)
}

/// Zeros before and after `size` pixels.
fn same(size: i64, kernel: i64, stride: i64) -> [i64; 2] {
    let n_out = (size + stride - 1) / stride;
    let n_zeros = ((n_out - 1) * stride + kernel - size).max(0);
    [n_zeros / 2, n_zeros - n_zeros / 2]
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
    pub weight: Tensor,
    pub bias: Tensor,
    pub running_mean: Tensor,
    pub running_var: Tensor,
    pub config: BatchNormConfig,
    /// That of its parameters.
    pub depth: u32,
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
    pub conv: Conv,
    pub norm: BatchNorm,
}

impl ConvNorm {
    pub fn forward(&self, x: &Tensor, pass: &Pass) -> Tensor {
        let norm = pass.norm_at(self.norm.depth);
        self.norm.forward(&self.conv.forward(x), norm)
    }

    /// The same for the BatchNorm nearest to the head.
    pub fn forward_last(&self, x: &Tensor, pass: &Pass) -> Tensor {
        let norm = pass.last_norm_at(self.norm.depth);
        self.norm.forward(&self.conv.forward(x), norm)
    }
}

/// Ba et al. 2016, <https://arxiv.org/abs/1607.06450>.
pub(super) struct LayerNorm {
    pub weight: Tensor,
    pub bias: Tensor,
    pub eps: f64,
}

impl LayerNorm {
    /// Normalises the last dimension of `x`.
    pub fn forward(&self, x: &Tensor) -> Tensor {
        x.layer_norm(
            self.weight.size().as_slice(),
            Some(&self.weight),
            Some(&self.bias),
            self.eps,
            true,
        )
    }

    /// Normalises the channels of `x` `[N, C, H, W]` at every place.
    pub fn forward_2d(&self, x: &Tensor) -> Tensor {
        self.forward(&x.permute([0, 2, 3, 1])).permute([0, 3, 1, 2])
    }
}

pub(super) struct Linear {
    pub weight: Tensor,
    pub bias: Tensor,
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

/// Mean over the places of `x` `[N, C, H, W]`: `[N, C]` f32, or f64 if `x` is.
pub(super) fn mean_pool(x: &Tensor) -> Tensor {
    let kind = match x.kind() {
        Kind::Double => Kind::Double,
        _ => Kind::Float,
    };
    x.mean_dim([2, 3].as_slice(), false, kind)
}

#[cfg(test)]
mod tests {
    use tch::Device;

    use super::*;

    #[test]
    fn taps_that_only_meet_zeros_change_nothing() {
        let wave = |size: &[i64]| {
            let n: i64 = size.iter().product();
            (Tensor::arange(n, (Kind::Float, Device::Cpu)) * 0.7)
                .sin()
                .reshape(size)
        };
        for (height, width) in [(1, 1), (1, 3), (2, 2), (3, 2), (6, 6)] {
            for (kernel, stride, groups) in [(3, 1, 4), (5, 1, 4), (5, 2, 4), (7, 2, 1), (1, 2, 4)]
            {
                let x = wave(&[2, 4, height, width]).set_requires_grad(true);
                let weight = wave(&[4, 4 / groups, kernel, kernel]).set_requires_grad(true);
                let conv = Conv {
                    weight: weight.shallow_clone(),
                    bias: None,
                    stride,
                    padding: Padding::Half,
                    groups,
                };
                let half = kernel / 2;
                let all = x.conv2d(
                    &weight,
                    None::<&Tensor>,
                    [stride; 2],
                    [half; 2],
                    [1, 1],
                    groups,
                );
                let some = conv.forward(&x);
                assert_eq!(some.size(), all.size());
                let gradients = |y: &Tensor| {
                    let sum = (y * wave(&y.size())).sum(Kind::Float);
                    Tensor::run_backward(&[sum], &[&x, &weight], false, false)
                };
                let pairs = gradients(&all).into_iter().zip(gradients(&some));
                for (expected, found) in pairs.chain([(all.shallow_clone(), some)]) {
                    let off = (expected - found).abs().max().double_value(&[]);
                    assert!(
                        off < 1e-5,
                        "{height} x {width}, kernel {kernel}, stride {stride}: {off}"
                    );
                }
            }
        }
    }
}
