//! Optimizers over flat buffers: one algorithm a file, a step is a few operations over large blocks of everything.
//!
//! An [`Optim`] is an update rule (SGD, Adam, AdamW, RAdam) with what may lie around it: clipping and weight decay
//! ([`Target`]), gradient centralization and Lookahead (both make RAdam into Ranger: `ranger.rs`), and
//! sharpness-aware minimisation.

mod adam;
mod centralization;
mod lookahead;
mod radam;
mod ranger;
mod sam;
mod sgd;
pub(crate) mod state;
mod target;

use std::collections::HashMap;

use cultivar_spec::trial::Optimizer;
use tch::{Tensor, no_grad};

use crate::params::ParamStore;
use adam::{Adam, Decay};
use centralization::centralize;
use lookahead::Lookahead;
use radam::RAdam;
use sam::Sam;
use sgd::Sgd;
use target::{Block, Target};

/// How values move, given gradients that are clipped (and centred).
trait Rule: Send {
    /// A step's part for one block, without gradients being recorded. The gradients may be changed in place.
    fn step(&mut self, block: &Block, now: Now);

    /// All that a resumed run needs, by name: tensors `[n]` of the values' kind.
    fn moments(&self) -> Vec<(&'static str, &Tensor)>;
}

/// What a step depends on besides the gradients.
#[derive(Clone, Copy, Debug)]
struct Now {
    /// Of the block.
    lr: f64,
    /// Overrides the momentum (SGD) or beta1 (all others).
    momentum: Option<f64>,
    /// Number of this step, from 1.
    t: f64,
}

/// An optimizer bound to the flat buffers of one [`ParamStore`]. Nothing in a step waits for the
/// device.
pub struct Optim {
    target: Target,
    rule: Box<dyn Rule>,
    n_steps: u64,
    centralizes: bool,
    lookahead: Option<Lookahead>,
    sam: Option<Sam>,
}

/// An optimizer cannot be built or restored.
#[derive(Debug, thiserror::Error)]
pub enum OptimError {
    #[error(
        "the parameters are not flattened: call ParamStore::flatten before building an optimizer"
    )]
    NotFlattened,
    #[error("the optimizer state lacks {name}")]
    Missing { name: String },
    #[error("{name} is {found:?} in the optimizer state, want {wanted:?}")]
    Shape {
        name: String,
        found: Vec<i64>,
        wanted: Vec<i64>,
    },
}

/// Builds the optimizer a spec asks for. The head learns at `head_lr_mult` times the backbone's rate.
///
/// # Errors
/// The parameters are not flattened.
pub fn build(
    spec: &Optimizer,
    params: &ParamStore,
    head_lr_mult: f64,
) -> Result<Optim, OptimError> {
    let flat = params.flat().ok_or(OptimError::NotFlattened)?;
    let target = Target::new(flat, head_lr_mult, spec.clip());
    let (mut centralizes, mut lookahead) = (false, None);
    let rule: Box<dyn Rule> = match *spec {
        Optimizer::Sgd {
            momentum,
            nesterov,
            weight_decay,
            ..
        } => Box::new(Sgd::new(&target, momentum, nesterov, weight_decay)),
        Optimizer::Adam {
            betas,
            eps,
            weight_decay,
            ..
        } => Box::new(Adam::new(&target, betas, eps, Decay::Coupled(weight_decay))),
        Optimizer::Adamw {
            betas,
            eps,
            weight_decay,
            ..
        } => Box::new(Adam::new(
            &target,
            betas,
            eps,
            Decay::Decoupled(weight_decay),
        )),
        Optimizer::Radam {
            betas,
            eps,
            weight_decay,
            ..
        } => Box::new(RAdam::new(&target, betas, eps, weight_decay)),
        Optimizer::Ranger {
            betas,
            eps,
            weight_decay,
            lookahead_k,
            lookahead_alpha,
            ..
        } => {
            centralizes = true;
            lookahead = Some(Lookahead::new(lookahead_k, lookahead_alpha));
            Box::new(RAdam::new(&target, betas, eps, weight_decay))
        }
    };
    let sam = spec.sam().map(|sam| Sam::new(sam.rho, sam.adaptive));
    Ok(Optim {
        target,
        rule,
        n_steps: 0,
        centralizes,
        lookahead,
        sam,
    })
}

impl Optim {
    /// One step against the gradients that backward passes have left in the flat buffer.
    ///
    /// `lr`: the backbone's rate now; the head's is that times the multiplier given to [`build`].
    /// `momentum` overrides the momentum (SGD) or beta1 (all others) for this step. The gradients
    /// are changed in place (clipped, decayed, centred): clear them before the next backward pass.
    /// After [`climb`](Self::climb) the values are first put back.
    pub fn step(&mut self, lr: f64, momentum: Option<f64>) {
        self.n_steps += 1;
        let now = Now {
            lr,
            momentum,
            t: self.n_steps as f64,
        };
        no_grad(|| {
            self.come_back();
            self.target.clip_grads();
            if self.centralizes {
                centralize(&mut self.target);
            }
            for block in &self.target.blocks {
                let lr = lr * block.lr_mult;
                self.rule.step(block, Now { lr, ..now });
            }
            if let Some(lookahead) = &mut self.lookahead {
                lookahead.after_step(&mut self.target.values, self.n_steps);
            }
        });
    }

    /// Leaves out a step whose gradients are useless; values that [`climb`](Self::climb) moved are put back.
    pub fn skip(&mut self) {
        no_grad(|| self.come_back());
    }

    /// Whether a step takes its gradient elsewhere: after [`climb`](Self::climb), in a second pass.
    pub fn is_sharpness_aware(&self) -> bool {
        self.sam.is_some()
    }

    /// Moves the values to where the loss nearby is largest, as far as the gradients there are tell. Clear them,
    /// run the second pass over the same images with the same draws, then [`step`](Self::step).
    pub fn climb(&mut self) {
        if let Some(sam) = &mut self.sam {
            no_grad(|| sam.climb(&mut self.target));
        }
    }

    fn come_back(&mut self) {
        if let Some(sam) = &mut self.sam {
            sam.come_back(&mut self.target);
        }
    }

    /// The values to evaluate and to ship, where those are not the ones being trained: Lookahead's slow
    /// weights, `[n]` in the order of the flat buffers.
    pub fn slow_values(&self) -> Option<&Tensor> {
        self.lookahead.as_ref()?.slow()
    }

    /// All that a resumed run needs, by name: share it out to a file with the parameters. Copies.
    pub fn state(&self) -> Vec<(String, Tensor)> {
        let mut saved = vec![state::saved_step(self.n_steps)];
        let moments = self.rule.moments().into_iter();
        saved.extend(moments.map(|(name, tensor)| state::saved(name, tensor)));
        let slow = self.slow_values();
        saved.extend(slow.map(|slow| state::saved(lookahead::SLOW, slow)));
        saved
    }

    /// Takes up a state that [`state`](Self::state) gave, for the same architecture and spec.
    ///
    /// # Errors
    /// A tensor is missing or has another shape. Nothing is changed then.
    pub fn load_state(&mut self, state: &HashMap<String, Tensor>) -> Result<(), OptimError> {
        let n_steps = state::step(state)?;
        let size = self.target.values.size();
        let mut moments = Vec::new();
        for (name, tensor) in self.rule.moments() {
            moments.push((tensor.shallow_clone(), state::find(state, name, &size)?));
        }
        if let Some(lookahead) = &mut self.lookahead {
            let slow = match lookahead.synchronises_within(n_steps) {
                true => Some(state::find(state, lookahead::SLOW, &size)?),
                false => None,
            };
            lookahead.restore(slow, &self.target.values);
        }
        self.n_steps = n_steps;
        for (mut tensor, saved) in moments {
            no_grad(|| tensor.copy_(saved));
        }
        Ok(())
    }
}
