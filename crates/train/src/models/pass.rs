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
    norm: Norm,
    scope: Scope,
    /// `[n_branches, N]` f32: 0 where a sample skips a branch, 1 / keep where it does not.
    drop_path: Option<Tensor>,
    /// For draws that libtorch makes.
    seed: Option<i64>,
}

/// Which BatchNorms do as the pass says; the others use their running statistics and leave them alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scope {
    /// Those of layers of this depth and above.
    From(u32),
    /// The one nearest to the head.
    Last,
}

impl Scope {
    pub const ALL: Self = Self::From(0);
    pub const NONE: Self = Self::From(u32::MAX);
}

impl Pass {
    pub fn new(norm: Norm, scope: Scope) -> Self {
        Self {
            norm,
            scope,
            drop_path: None,
            seed: None,
        }
    }

    /// Gives modules that draw by libtorch's own generator a seed of this step.
    pub fn seeded(mut self, step: &StepRng) -> Self {
        self.seed = Some(step.stream(Stream::Module).random());
        self
    }

    pub fn seed(&self) -> Option<i64> {
        self.seed
    }

    /// For a BatchNorm of that depth.
    pub fn norm_at(&self, depth: u32) -> Norm {
        match self.scope {
            Scope::From(first) if depth >= first => self.norm,
            _ => Norm::Running,
        }
    }

    /// For the BatchNorm nearest to the head.
    pub fn last_norm_at(&self, depth: u32) -> Norm {
        match self.scope {
            Scope::Last => self.norm,
            Scope::From(_) => self.norm_at(depth),
        }
    }

    /// Draws for every branch which of `n` samples skip it (Huang et al. 2016,
    /// <https://arxiv.org/abs/1603.09382>). All branches' masks go to the device at once.
    pub fn with_drop_path(mut self, rates: &[f64], n: i64, device: Device, step: &StepRng) -> Self {
        if rates.iter().any(|&rate| rate > 0.0) {
            let mut rng = step.stream(Stream::DropPath);
            let masks: Vec<f32> = rates
                .iter()
                .flat_map(|&rate| kept(&mut rng, rate, n as usize).collect::<Vec<_>>())
                .collect();
            let shape = [rates.len() as i64, n];
            self.drop_path = Some(Tensor::from_slice(&masks).view(shape).to_device(device));
        }
        self
    }

    /// Residual branch number `idx`, `[N, ...]`, with its dropped samples set to zero.
    pub fn drop_path(&self, branch: Tensor, idx: usize) -> Tensor {
        let Some(masks) = &self.drop_path else {
            return branch;
        };
        let mut shape = vec![1; branch.dim()];
        shape[0] = branch.size()[0];
        let mask = masks
            .get(idx as i64)
            .view(shape.as_slice())
            .to_kind(branch.kind());
        branch * mask
    }
}

/// Drop rates that grow linearly: the first of `n` blocks keeps everything, the last has the full
/// `rate`.
pub(super) fn linear_rates(rate: f64, n: usize) -> Vec<f64> {
    (0..n)
        .map(|idx| rate * idx as f64 / (n - 1) as f64)
        .collect()
}

/// A dropout mask of the shape, kind and device of `x`: 0 with probability `rate`, else
/// 1 / (1 - rate).
///
/// Srivastava et al. 2014, <https://jmlr.org/papers/v15/srivastava14a.html>, scaled in training, as
/// `torch.nn.functional.dropout` does, where the paper scales the weights at test time. Differences: the draws are the
/// step's own, not those of libtorch's generator.
pub(super) fn dropout_mask(rate: f64, x: &Tensor, step: &StepRng) -> Tensor {
    let mut rng = step.stream(Stream::Dropout);
    let mask: Vec<f32> = kept(&mut rng, rate, x.numel()).collect();
    Tensor::from_slice(&mask)
        .view(x.size().as_slice())
        .to_device(x.device())
        .to_kind(x.kind())
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
