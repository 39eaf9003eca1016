//! Dynamic loss scaling: Micikevicius et al. 2018, <https://arxiv.org/abs/1710.03740>.
//!
//! The loss is multiplied by s before the backward pass and the gradients divided by it after, so that small ones
//! are not lost in f16. A step whose gradients overflowed is left out and halves s; 2000 good steps in a row double
//! it. Reference: `torch.amp.GradScaler` with its defaults. Differences: none.

use std::collections::HashMap;

use tch::Tensor;

use crate::optim::OptimError;
use crate::optim::state::find;

const START: f64 = 65536.0;
const GROWTH: f64 = 2.0;
const BACKOFF: f64 = 0.5;
const GROWTH_INTERVAL: u64 = 2000;

const STATE: &str = "scaler.state";

/// The scale, and how long it has held.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scaler {
    scale: f64,
    /// Good steps since the scale last changed.
    n_good: u64,
}

impl Default for Scaler {
    fn default() -> Self {
        Self {
            scale: START,
            n_good: 0,
        }
    }
}

impl Scaler {
    /// What the loss is to be multiplied by.
    pub fn scale(&self) -> f64 {
        self.scale
    }

    /// Takes note of a step, and says whether its gradients are of use. `grads` `[n]`, scaled or not. Waits for the
    /// device: whether there is a step depends on it.
    pub fn admits(&mut self, grads: &Tensor) -> bool {
        let good = grads.isfinite().all().int64_value(&[]) != 0;
        if !good {
            self.scale *= BACKOFF;
            self.n_good = 0;
        } else if self.n_good + 1 == GROWTH_INTERVAL {
            let grown = self.scale * GROWTH;
            if (grown as f32).is_finite() {
                self.scale = grown;
            }
            self.n_good = 0;
        } else {
            self.n_good += 1;
        }
        good
    }

    /// All that a resumed run needs, by name.
    pub fn state(&self) -> Vec<(String, Tensor)> {
        let state = Tensor::from_slice(&[self.scale, self.n_good as f64]);
        vec![(STATE.to_owned(), state)]
    }

    /// Takes up a state that [`state`](Self::state) gave.
    ///
    /// # Errors
    /// It is missing or has another shape.
    pub fn load_state(&mut self, state: &HashMap<String, Tensor>) -> Result<(), OptimError> {
        let state = find(state, STATE, &[2])?;
        self.scale = state.double_value(&[0]);
        self.n_good = state.double_value(&[1]) as u64;
        Ok(())
    }
}
