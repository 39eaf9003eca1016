//! Stochastic gradient descent with (Nesterov) momentum: Sutskever et al. 2013,
//! <https://proceedings.mlr.press/v28/sutskever13.html>.
//!
//! With gradient g, weight decay w, momentum m:
//!
//! g <- g + w p;  b <- m b + g;  p <- p - lr (g + m b) with Nesterov, p - lr b without.
//!
//! Reference: `torch.optim.SGD` with dampening 0, which multiplies by the rate outside the momentum buffer, where the paper has
//! it inside: the two part where the rate changes. Differences: 1-d parameters do not decay; the
//! momentum buffer starts as zeros rather than absent, which is the same thing.

use tch::Tensor;

use super::target::{Block, Target};
use super::{Now, Rule};

pub(super) struct Sgd {
    /// `[n]`: b.
    velocity: Tensor,
    momentum: f64,
    nesterov: bool,
    weight_decay: f64,
}

impl Sgd {
    pub fn new(target: &Target, momentum: f64, nesterov: bool, weight_decay: f64) -> Self {
        Self {
            velocity: target.zeros(),
            momentum,
            nesterov,
            weight_decay,
        }
    }
}

impl Rule for Sgd {
    fn step(&mut self, block: &Block, Now { lr, momentum, .. }: Now) {
        let momentum = momentum.unwrap_or(self.momentum);
        let mut velocity = block.of(&self.velocity);
        block.decay_grads(self.weight_decay);
        let _ = velocity.g_mul_scalar_(momentum);
        let _ = velocity.g_add_(&block.grads);
        let direction = match self.nesterov {
            true => (&velocity * momentum).g_add_(&block.grads),
            false => velocity.copy(),
        };
        block.descend(direction, lr);
    }

    fn moments(&self) -> Vec<(&'static str, &Tensor)> {
        vec![("optim.velocity", &self.velocity)]
    }
}
