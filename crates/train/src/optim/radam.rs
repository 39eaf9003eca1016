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
//! The convention is the authors', which is timm's `RAdamLegacy`: the threshold is rho >= 5, eps is added before
//! the bias correction, and decay is decoupled and always on. `torch.optim.RAdam` couples the decay by default and
//! rectifies for rho > 5; with `decoupled_weight_decay=True` it is the same but for a rho of exactly 5, and is the
//! reference in f64, since timm's computes in f32 whatever it is given. Differences: 1-d parameters do not decay.

use tch::Tensor;

use super::target::{Block, Target};
use super::{Now, Rule};

pub(super) struct RAdam {
    /// `[n]`: m.
    mean: Tensor,
    /// `[n]`: v.
    square: Tensor,
    betas: [f64; 2],
    eps: f64,
    weight_decay: f64,
}

impl RAdam {
    pub fn new(target: &Target, betas: [f64; 2], eps: f64, weight_decay: f64) -> Self {
        Self {
            mean: target.zeros(),
            square: target.zeros(),
            betas,
            eps,
            weight_decay,
        }
    }
}

impl Rule for RAdam {
    fn step(&mut self, block: &Block, Now { lr, momentum, t }: Now) {
        let (beta1, beta2) = (momentum.unwrap_or(self.betas[0]), self.betas[1]);
        let (mut mean, mut square) = (block.of(&self.mean), block.of(&self.square));
        let _ = square.lerp_(&block.grads.square(), 1.0 - beta2);
        let _ = mean.lerp_(&block.grads, 1.0 - beta1);
        block.decay_values(lr, self.weight_decay);
        let lr_corrected = lr / (1.0 - beta1.powf(t));
        match rectification(beta2, t) {
            Some(factor) => {
                let lr = lr_corrected * factor;
                block.descend_adaptively(&mean, &square, 1.0, self.eps, lr);
            }
            None => block.descend(mean.copy(), lr_corrected),
        }
    }

    fn moments(&self) -> Vec<(&'static str, &Tensor)> {
        vec![("optim.mean", &self.mean), ("optim.square", &self.square)]
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
