//! Adam: Kingma and Ba 2015, <https://arxiv.org/abs/1412.6980>, and AdamW: Loshchilov and Hutter 2019,
//! <https://arxiv.org/abs/1711.05101>.
//!
//! With gradient g, at step t (from 1):
//!
//! m <- b1 m + (1 - b1) g;  v <- b2 v + (1 - b2) g^2;
//! p <- p - lr (m / (1 - b1^t)) / (sqrt(v / (1 - b2^t)) + eps).
//!
//! The two differ in where weight decay w enters before that: Adam's is coupled, g <- g + w p, and so is rescaled
//! with the gradient; AdamW's is decoupled, p <- p (1 - lr w).
//!
//! Reference: `torch.optim.Adam` and `torch.optim.AdamW`. Differences: 1-d parameters do not decay. A beta1 that
//! the schedule moves enters the bias correction as the present one, as in PyTorch.

use tch::Tensor;

use super::target::{Block, Target};
use super::{Now, Rule};

/// Where weight decay enters, and how much of it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Decay {
    Coupled(f64),
    Decoupled(f64),
}

pub(super) struct Adam {
    /// `[n]`: m.
    mean: Tensor,
    /// `[n]`: v.
    square: Tensor,
    betas: [f64; 2],
    eps: f64,
    decay: Decay,
}

impl Adam {
    pub fn new(target: &Target, betas: [f64; 2], eps: f64, decay: Decay) -> Self {
        Self {
            mean: target.zeros(),
            square: target.zeros(),
            betas,
            eps,
            decay,
        }
    }
}

impl Rule for Adam {
    fn step(&mut self, block: &Block, Now { lr, momentum, t }: Now) {
        let (beta1, beta2) = (momentum.unwrap_or(self.betas[0]), self.betas[1]);
        let (mut mean, mut square) = (block.of(&self.mean), block.of(&self.square));
        match self.decay {
            Decay::Coupled(weight_decay) => block.decay_grads(weight_decay),
            Decay::Decoupled(weight_decay) => block.decay_values(lr, weight_decay),
        }
        let _ = mean.lerp_(&block.grads, 1.0 - beta1);
        let _ = square.lerp_(&block.grads.square(), 1.0 - beta2);
        let root = (1.0 - beta2.powf(t)).sqrt();
        let lr_corrected = lr / (1.0 - beta1.powf(t));
        block.descend_adaptively(&mean, &square, root, self.eps, lr_corrected);
    }

    fn moments(&self) -> Vec<(&'static str, &Tensor)> {
        vec![("optim.mean", &self.mean), ("optim.square", &self.square)]
    }
}
