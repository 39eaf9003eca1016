//! Lookahead: Zhang et al. 2019, <https://arxiv.org/abs/1907.08610>.
//!
//! Every k steps of another optimizer, the slow weights s move towards the fast ones f, and the fast
//! ones start again from there: s <- s + alpha (f - s);  f <- s.
//!
//! Reference: timm's `Lookahead`, which takes the slow weights to be the fast ones at the *first
//! synchronisation*, not at the start, so that the first one changes nothing. The paper evaluates
//! the slow weights; timm leaves that to the caller.

use std::collections::HashMap;

use tch::Tensor;

use super::OptimError;
use super::state::{find, saved};

const SLOW: &str = "optim.slow";

pub(super) struct Lookahead {
    k: u64,
    alpha: f64,
    /// `[n]` f32; none before the first synchronisation.
    slow: Option<Tensor>,
    /// The fast weights while the slow ones are swapped in.
    fast: Option<Tensor>,
}

impl Lookahead {
    pub fn new(k: u32, alpha: f64) -> Self {
        Self {
            k: u64::from(k),
            alpha,
            slow: None,
            fast: None,
        }
    }

    /// To be called after fast step number `n_steps` (from 1), with the fast weights.
    pub fn after_step(&mut self, values: &mut Tensor, n_steps: u64) {
        if !n_steps.is_multiple_of(self.k) {
            return;
        }
        match &mut self.slow {
            Some(slow) => {
                let _ = slow.lerp_(values, self.alpha);
                values.copy_(slow);
            }
            None => self.slow = Some(values.copy()),
        }
    }

    /// Puts the slow weights in place of the fast ones.
    pub fn swap_in(&mut self, values: &mut Tensor) {
        if let (Some(slow), None) = (&self.slow, &self.fast) {
            self.fast = Some(values.copy());
            values.copy_(slow);
        }
    }

    /// Puts the fast weights back.
    pub fn swap_out(&mut self, values: &mut Tensor) {
        if let Some(fast) = self.fast.take() {
            values.copy_(&fast);
        }
    }

    pub fn state(&self) -> Vec<(String, Tensor)> {
        self.slow.iter().map(|slow| saved(SLOW, slow)).collect()
    }

    /// `n_steps`: fast steps done when the state was saved.
    pub fn load_state(
        &mut self,
        state: &HashMap<String, Tensor>,
        values: &Tensor,
        n_steps: u64,
    ) -> Result<(), OptimError> {
        self.fast = None;
        self.slow = if n_steps < self.k {
            None
        } else {
            let slow = find(state, SLOW, &values.size())?;
            Some(slow.to_device(values.device()).copy())
        };
        Ok(())
    }
}
