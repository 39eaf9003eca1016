//! AdamW (Loshchilov and Hutter 2019), as `torch.optim.AdamW`: decay shrinks the weights before the
//! step, epsilon is added after the bias-corrected square root.

use std::collections::HashMap;

use tch::Tensor;

use super::{Rule, Scales, StateError, StepInput, counter, restore, restore_counter};
use crate::params::Flat;

pub(super) struct AdamW {
    mean: Tensor,
    square: Tensor,
    betas: [f64; 2],
    eps: f64,
    weight_decay: f64,
    n_steps: u64,
}

impl AdamW {
    pub(super) fn new(flat: &Flat, betas: [f64; 2], eps: f64, weight_decay: f64) -> Self {
        Self {
            mean: flat.params.zeros_like(),
            square: flat.params.zeros_like(),
            betas,
            eps,
            weight_decay,
            n_steps: 0,
        }
    }
}

impl Rule for AdamW {
    /// p -= lr wd p;  m, v = moving averages of g and g^2;  p -= lr m^ / (sqrt(v^) + eps).
    fn step(&mut self, flat: &Flat, grads: &Tensor, scales: &Scales, input: StepInput) {
        let [beta1, beta2] = [input.momentum.unwrap_or(self.betas[0]), self.betas[1]];
        self.n_steps += 1;
        let mut params = flat.params.shallow_clone();
        if self.weight_decay > 0.0 {
            let shrink = scales.scaled(&params * &scales.decay, input.lr * self.weight_decay);
            let _ = params.g_sub_(&shrink);
        }
        let _ = self.mean.lerp_(grads, 1.0 - beta1);
        let _ = self
            .square
            .g_mul_scalar_(beta2)
            .g_add_(&(grads * grads * (1.0 - beta2)));
        let n_steps = self.n_steps as i32;
        let correction1 = 1.0 - beta1.powi(n_steps);
        let correction2 = (1.0 - beta2.powi(n_steps)).sqrt();
        let update = &self.mean / (self.square.sqrt() / correction2 + self.eps);
        let _ = params.g_sub_(&scales.scaled(update, input.lr / correction1));
    }

    fn state(&self) -> Vec<(String, Tensor)> {
        vec![
            ("mean".into(), self.mean.copy()),
            ("square".into(), self.square.copy()),
            ("n_steps".into(), counter(self.n_steps)),
        ]
    }

    fn load_state(&mut self, state: &HashMap<String, Tensor>) -> Result<(), StateError> {
        restore(state, "mean", &mut self.mean)?;
        restore(state, "square", &mut self.square)?;
        self.n_steps = restore_counter(state, "n_steps")?;
        Ok(())
    }
}
