//! RAdam: Liu et al. 2020, <https://arxiv.org/abs/1908.03265>.
//!
//! Adam whose step is scaled down while its second moment rests on few gradients, and left out
//! (plain momentum instead) while the variance of that moment is not even defined. With
//! rho_max = 2 / (1 - b2) - 1 and rho = rho_max - 2 t b2^t / (1 - b2^t):
//!
//! p <- p (1 - lr w);  m, v as in Adam;
//! rho >= 5:  p <- p - lr r / (1 - b1^t) m / (sqrt(v) + eps),
//!            r^2 = (1 - b2^t) (rho - 4) (rho - 2) rho_max / ((rho_max - 4) (rho_max - 2) rho);
//! else:      p <- p - lr / (1 - b1^t) m.
//!
//! Reference: timm's `RAdamLegacy`, which is the authors' own code: the threshold is rho >= 5, eps is
//! added before the bias correction, and decay is decoupled and always on. `torch.optim.RAdam`
//! rectifies for rho > 5, adds eps elsewhere and couples the decay by default. Differences from
//! timm: 1-d parameters do not decay.

use std::collections::HashMap;

use tch::Tensor;

use super::OptimError;
use super::state::{find, restore, saved, saved_step, step};
use super::target::Target;

const MEAN: &str = "optim.mean";
const SQUARE: &str = "optim.square";

pub(super) struct RAdam {
    /// `[n]` f32: m.
    mean: Tensor,
    /// `[n]` f32: v.
    square: Tensor,
    n_steps: u64,
    betas: [f64; 2],
    eps: f64,
    weight_decay: f64,
}

impl RAdam {
    pub fn new(target: &Target, betas: [f64; 2], eps: f64, weight_decay: f64) -> Self {
        Self {
            mean: target.zeros(),
            square: target.zeros(),
            n_steps: 0,
            betas,
            eps,
            weight_decay,
        }
    }

    /// Steps done.
    pub fn n_steps(&self) -> u64 {
        self.n_steps
    }

    /// One step against the gradients as they are. Gradients are not recorded by the caller.
    pub fn step(&mut self, target: &mut Target, lr: f64, momentum: Option<f64>) {
        let (beta1, beta2) = (momentum.unwrap_or(self.betas[0]), self.betas[1]);
        self.n_steps += 1;
        let t = self.n_steps as f64;
        let _ = self.square.lerp_(&target.grads.square(), 1.0 - beta2);
        let _ = self.mean.lerp_(&target.grads, 1.0 - beta1);
        target.decay_values(lr, self.weight_decay);
        let lr_corrected = lr / (1.0 - beta1.powf(t));
        match rectification(beta2, t) {
            Some(factor) => {
                let scale = self.square.sqrt().g_add_scalar_(self.eps);
                target.descend(&self.mean / scale, lr_corrected * factor);
            }
            None => target.descend(self.mean.copy(), lr_corrected),
        }
    }

    pub fn state(&self) -> Vec<(String, Tensor)> {
        vec![
            saved_step(self.n_steps),
            saved(MEAN, &self.mean),
            saved(SQUARE, &self.square),
        ]
    }

    pub fn load_state(&mut self, state: &HashMap<String, Tensor>) -> Result<(), OptimError> {
        let n_steps = step(state)?;
        let mean = find(state, MEAN, &self.mean.size())?;
        let square = find(state, SQUARE, &self.square.size())?;
        self.n_steps = n_steps;
        restore(&mut self.mean, mean);
        restore(&mut self.square, square);
        Ok(())
    }
}

/// r, with Adam's second bias correction in it; `None` while rho < 5.
fn rectification(beta2: f64, t: f64) -> Option<f64> {
    let beta2_t = beta2.powf(t);
    let rho_max = 2.0 / (1.0 - beta2) - 1.0;
    let rho = rho_max - 2.0 * t * beta2_t / (1.0 - beta2_t);
    (rho >= 5.0).then(|| {
        let share = (rho - 4.0) / (rho_max - 4.0) * (rho - 2.0) / rho * rho_max / (rho_max - 2.0);
        ((1.0 - beta2_t) * share).sqrt()
    })
}
