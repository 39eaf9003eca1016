//! AdamW: Loshchilov and Hutter 2019, <https://arxiv.org/abs/1711.05101>.
//!
//! With gradient g, weight decay w, at step t (from 1):
//!
//! p <- p (1 - lr w);  m <- b1 m + (1 - b1) g;  v <- b2 v + (1 - b2) g^2;
//! p <- p - lr (m / (1 - b1^t)) / (sqrt(v / (1 - b2^t)) + eps).
//!
//! Reference: `torch.optim.AdamW`. Differences: 1-d parameters do not decay. A beta1 that the schedule
//! moves enters the bias correction as the present one, as in PyTorch.

use std::collections::HashMap;

use tch::{Tensor, no_grad};

use super::state::{find, restore, saved, saved_step, step};
use super::target::Target;
use super::{Optim, OptimError};

const MEAN: &str = "optim.mean";
const SQUARE: &str = "optim.square";

pub(super) struct AdamW {
    target: Target,
    /// `[n]` f32: m.
    mean: Tensor,
    /// `[n]` f32: v.
    square: Tensor,
    n_steps: u64,
    betas: [f64; 2],
    eps: f64,
    weight_decay: f64,
}

impl AdamW {
    pub fn new(target: Target, betas: [f64; 2], eps: f64, weight_decay: f64) -> Self {
        Self {
            mean: target.zeros(),
            square: target.zeros(),
            n_steps: 0,
            target,
            betas,
            eps,
            weight_decay,
        }
    }
}

impl Optim for AdamW {
    fn step(&mut self, lr: f64, momentum: Option<f64>) {
        let (beta1, beta2) = (momentum.unwrap_or(self.betas[0]), self.betas[1]);
        self.n_steps += 1;
        let t = self.n_steps as f64;
        no_grad(|| {
            self.target.clip_grads();
            self.target.decay_values(lr, self.weight_decay);
            let grads = &self.target.grads;
            let _ = self.mean.lerp_(grads, 1.0 - beta1);
            let _ = self.square.lerp_(&grads.square(), 1.0 - beta2);
            let mut scale = self.square.sqrt();
            let _ = scale.g_div_scalar_((1.0 - beta2.powf(t)).sqrt());
            let _ = scale.g_add_scalar_(self.eps);
            let direction = &self.mean / scale;
            self.target.descend(direction, lr / (1.0 - beta1.powf(t)));
        });
    }

    fn state(&self) -> Vec<(String, Tensor)> {
        vec![
            saved_step(self.n_steps),
            saved(MEAN, &self.mean),
            saved(SQUARE, &self.square),
        ]
    }

    fn load_state(&mut self, state: &HashMap<String, Tensor>) -> Result<(), OptimError> {
        let n_steps = step(state)?;
        let mean = find(state, MEAN, &self.mean.size())?;
        let square = find(state, SQUARE, &self.square.size())?;
        self.n_steps = n_steps;
        restore(&mut self.mean, mean);
        restore(&mut self.square, square);
        Ok(())
    }
}
