//! Ranger: RAdam with gradient centralization inside Lookahead, as Less Wright put them together
//! (<https://github.com/lessw2020/Ranger-Deep-Learning-Optimizer>; Wright and Demeure 2021,
//! <https://arxiv.org/abs/2106.13731>).
//!
//! Clip, centre the gradients, take a RAdam step, and every k steps synchronise the slow weights.
//! Reference: the three parts', which see; the weight decay is not centred. Differences from
//! Wright's code: RAdam rectifies from rho >= 5 on where his takes > 5, and the slow weights start at the first
//! synchronisation (timm) where his start with the first step. Evaluation uses the slow weights.

use std::collections::HashMap;

use tch::{Tensor, no_grad};

use super::centralization::centralize;
use super::lookahead::Lookahead;
use super::radam::RAdam;
use super::target::Target;
use super::{Optim, OptimError};

pub(super) struct Ranger {
    target: Target,
    radam: RAdam,
    lookahead: Lookahead,
}

impl Ranger {
    pub fn new(target: Target, radam: RAdam, lookahead: Lookahead) -> Self {
        Self {
            target,
            radam,
            lookahead,
        }
    }
}

impl Optim for Ranger {
    fn step(&mut self, lr: f64, momentum: Option<f64>) {
        no_grad(|| {
            self.target.clip_grads();
            centralize(&mut self.target);
            self.radam.step(&mut self.target, lr, momentum);
            self.lookahead
                .after_step(&mut self.target.values, self.radam.n_steps());
        });
    }

    fn state(&self) -> Vec<(String, Tensor)> {
        let mut state = self.radam.state();
        state.extend(self.lookahead.state());
        state
    }

    fn load_state(&mut self, state: &HashMap<String, Tensor>) -> Result<(), OptimError> {
        self.radam.load_state(state)?;
        let n_steps = self.radam.n_steps();
        self.lookahead
            .load_state(state, &self.target.values, n_steps)
    }

    fn swap_in_eval(&mut self) {
        no_grad(|| self.lookahead.swap_in(&mut self.target.values));
    }

    fn swap_out_eval(&mut self) {
        no_grad(|| self.lookahead.swap_out(&mut self.target.values));
    }
}
