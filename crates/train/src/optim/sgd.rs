//! SGD with momentum (Polyak 1964; Nesterov's form after Sutskever et al. 2013), as
//! `torch.optim.SGD`: L2 decay is added to the gradient, and the first step fills the buffer with it.

use std::collections::HashMap;

use tch::Tensor;

use super::{Rule, Scales, StateError, StepInput, counter, restore, restore_counter};
use crate::params::Flat;

pub(super) struct Sgd {
    velocity: Tensor,
    momentum: f64,
    nesterov: bool,
    weight_decay: f64,
    n_steps: u64,
}

impl Sgd {
    pub(super) fn new(flat: &Flat, momentum: f64, nesterov: bool, weight_decay: f64) -> Self {
        Self {
            velocity: flat.params.zeros_like(),
            momentum,
            nesterov,
            weight_decay,
            n_steps: 0,
        }
    }
}

impl Rule for Sgd {
    /// g += wd p;  v = mu v + g;  p -= lr (g + mu v), or lr v without Nesterov.
    fn step(&mut self, flat: &Flat, grads: &Tensor, scales: &Scales, input: StepInput) {
        let momentum = input.momentum.unwrap_or(self.momentum);
        let decayed = if self.weight_decay > 0.0 {
            grads + &flat.params * &scales.decay * self.weight_decay
        } else {
            grads.copy()
        };
        let update = if momentum == 0.0 {
            decayed
        } else {
            let keep = if self.n_steps == 0 { 0.0 } else { momentum };
            let _ = self.velocity.g_mul_scalar_(keep).g_add_(&decayed);
            if self.nesterov {
                decayed + &self.velocity * momentum
            } else {
                self.velocity.copy()
            }
        };
        self.n_steps += 1;
        let _ = flat
            .params
            .shallow_clone()
            .g_sub_(&scales.scaled(update, input.lr));
    }

    fn state(&self) -> Vec<(String, Tensor)> {
        vec![
            ("velocity".into(), self.velocity.copy()),
            ("n_steps".into(), counter(self.n_steps)),
        ]
    }

    fn load_state(&mut self, state: &HashMap<String, Tensor>) -> Result<(), StateError> {
        restore(state, "velocity", &mut self.velocity)?;
        self.n_steps = restore_counter(state, "n_steps")?;
        Ok(())
    }
}
