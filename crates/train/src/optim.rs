//! Optimizers over flat buffers: one algorithm a file, a step is a few operations over everything.

mod adamw;
mod centralization;
mod lookahead;
mod radam;
mod ranger;
mod sgd;
mod state;
mod target;

use std::collections::HashMap;

use cultivar_spec::trial::Optimizer;
use tch::Tensor;

use crate::params::ParamStore;
use target::Target;

/// An optimizer bound to the flat buffers of one [`ParamStore`]. Nothing in a step waits for the
/// device.
pub trait Optim: Send {
    /// One step against the gradients that backward passes have left in the flat buffer.
    ///
    /// `lr`: the backbone's rate now; the head's is that times the multiplier given to [`build`].
    /// `momentum` overrides the momentum (SGD) or beta1 (all others) for this step. The gradients
    /// are changed in place (clipped, decayed, centred): clear them before the next backward pass.
    fn step(&mut self, lr: f64, momentum: Option<f64>);

    /// All that a resumed run needs, by name: share it out to a file with the parameters. Copies.
    fn state(&self) -> Vec<(String, Tensor)>;

    /// Takes up a state that [`state`](Self::state) gave, for the same architecture and spec.
    ///
    /// # Errors
    /// A tensor is missing or has another shape. Nothing is changed then.
    fn load_state(&mut self, state: &HashMap<String, Tensor>) -> Result<(), OptimError>;

    /// Puts the weights that are to be evaluated (and shipped) in place of those being trained, for
    /// optimizers that tell them apart. Undone by [`swap_out_eval`](Self::swap_out_eval); no step in
    /// between.
    fn swap_in_eval(&mut self) {}

    /// Puts the weights being trained back.
    fn swap_out_eval(&mut self) {}
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
) -> Result<Box<dyn Optim>, OptimError> {
    let flat = params.flat().ok_or(OptimError::NotFlattened)?;
    let target = Target::new(flat, head_lr_mult, spec.clip());
    Ok(match *spec {
        Optimizer::Sgd {
            momentum,
            nesterov,
            weight_decay,
            ..
        } => Box::new(sgd::Sgd::new(target, momentum, nesterov, weight_decay)),
        Optimizer::Adamw {
            betas,
            eps,
            weight_decay,
            ..
        } => Box::new(adamw::AdamW::new(target, betas, eps, weight_decay)),
        Optimizer::Ranger {
            betas,
            eps,
            weight_decay,
            lookahead_k,
            lookahead_alpha,
            ..
        } => {
            let radam = radam::RAdam::new(&target, betas, eps, weight_decay);
            let lookahead = lookahead::Lookahead::new(lookahead_k, lookahead_alpha);
            Box::new(ranger::Ranger::new(target, radam, lookahead))
        }
    })
}
