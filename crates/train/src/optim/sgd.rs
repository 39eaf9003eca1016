//! Stochastic gradient descent with (Nesterov) momentum: Sutskever et al. 2013.
//!
//! With gradient g, weight decay w, momentum m:
//!
//! g <- g + w p;  b <- m b + g;  p <- p - lr (g + m b) with Nesterov, p - lr b without.
//!
//! Reference: `torch.optim.SGD` with dampening 0. Differences: 1-d parameters do not decay; the
//! momentum buffer starts as zeros rather than absent, which is the same thing.

use std::collections::HashMap;

use tch::{Tensor, no_grad};

use super::state::{find, restore, saved};
use super::target::Target;
use super::{Optim, OptimError};

const VELOCITY: &str = "optim.velocity";

pub(super) struct Sgd {
    target: Target,
    /// `[n]` f32.
    velocity: Tensor,
    momentum: f64,
    nesterov: bool,
    weight_decay: f64,
}

impl Sgd {
    pub fn new(target: Target, momentum: f64, nesterov: bool, weight_decay: f64) -> Self {
        Self {
            velocity: target.zeros(),
            target,
            momentum,
            nesterov,
            weight_decay,
        }
    }
}

impl Optim for Sgd {
    fn step(&mut self, lr: f64, momentum: Option<f64>) {
        let momentum = momentum.unwrap_or(self.momentum);
        no_grad(|| {
            self.target.clip_grads();
            self.target.decay_grads(self.weight_decay);
            let _ = self.velocity.g_mul_scalar_(momentum);
            let _ = self.velocity.g_add_(&self.target.grads);
            let direction = match self.nesterov {
                true => (&self.velocity * momentum).g_add_(&self.target.grads),
                false => self.velocity.copy(),
            };
            self.target.descend(direction, lr);
        });
    }

    fn state(&self) -> Vec<(String, Tensor)> {
        vec![saved(VELOCITY, &self.velocity)]
    }

    fn load_state(&mut self, state: &HashMap<String, Tensor>) -> Result<(), OptimError> {
        let velocity = find(state, VELOCITY, &self.velocity.size())?;
        restore(&mut self.velocity, velocity);
        Ok(())
    }
}
