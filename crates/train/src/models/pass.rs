//! What one forward pass needs besides the images: where BatchNorm's statistics come from, and what
//! is dropped.

use rand::Rng;
use tch::{Device, Tensor};

use crate::rng::{StepRng, Stream};

/// Where BatchNorm takes its statistics from.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Norm {
    /// The running ones.
    Running,
    /// The batch, which moves the running ones by the layer's momentum.
    Batch,
    /// The batch, which moves the running ones by `share`.
    Cumulative { share: f64 },
}

pub(super) struct Pass {
    pub norm: Norm,
    /// `[n_blocks, N, 1, 1, 1]` f32: 0 where a sample skips a block, 1 / keep where it does not.
    drop_path: Option<Tensor>,
}

impl Pass {
    pub fn new(norm: Norm) -> Self {
        Self {
            norm,
            drop_path: None,
        }
    }

    /// Draws for every block which of `n` samples skip it (Huang et al. 2016,
    /// <https://arxiv.org/abs/1603.09382>). All blocks' masks go to the device at once.
    pub fn with_drop_path(mut self, rates: &[f64], n: i64, device: Device, step: &StepRng) -> Self {
        if rates.iter().any(|&rate| rate > 0.0) {
            let mut rng = step.stream(Stream::DropPath);
            let masks: Vec<f32> = rates
                .iter()
                .flat_map(|&rate| kept(&mut rng, rate, n as usize).collect::<Vec<_>>())
                .collect();
            let shape = [rates.len() as i64, n, 1, 1, 1];
            self.drop_path = Some(Tensor::from_slice(&masks).view(shape).to_device(device));
        }
        self
    }

    /// Block `block_idx`'s residual branch `[N, C, H, W]` with its dropped samples set to zero.
    pub fn drop_path(&self, branch: Tensor, block_idx: usize) -> Tensor {
        match &self.drop_path {
            Some(masks) => branch * masks.get(block_idx as i64),
            None => branch,
        }
    }
}

/// A dropout mask of the shape, kind and device of `x`: 0 with probability `rate`, else
/// 1 / (1 - rate).
pub(super) fn dropout_mask(rate: f64, x: &Tensor, step: &StepRng) -> Tensor {
    let mut rng = step.stream(Stream::Dropout);
    let mask: Vec<f32> = kept(&mut rng, rate, x.numel()).collect();
    Tensor::from_slice(&mask)
        .view(x.size().as_slice())
        .to_device(x.device())
}

fn kept(rng: &mut impl Rng, rate: f64, n: usize) -> impl Iterator<Item = f32> {
    let scale = (1.0 / (1.0 - rate)) as f32;
    (0..n).map(move |_| {
        if rng.random::<f64>() < rate {
            0.0
        } else {
            scale
        }
    })
}
